package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"platen/testbed"
)

// flowSite is a running service with bureaus that print nothing wrong, as somebody has it who follows one of samples/flows.
type flowSite struct {
	*service
	dir string
}

// onFlowSites runs a test on a site of each database.
func onFlowSites(t *testing.T, test func(t *testing.T, s *flowSite)) {
	for name, flags := range map[string]func(*testing.T) []string{
		"SQLite":     func(*testing.T) []string { return nil },
		"PostgreSQL": func(t *testing.T) []string { return []string{"--database", testbed.Postgres(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := prepare(t, sizes{mass: 10, bulk: 10, actions: 1})
			platen(t, append([]string{"init", dir}, flags(t)...)...)
			path := filepath.Join(dir, "platen.yaml")
			put(t, path, append(read(t, path), "\nwebhooks:\n  allow: 127.0.0.0/8\n"...))
			platen(t, "db", "migrate", config(dir))
			platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
			simulateBureaus(t, dir, "--reject", "0", "--spoil", "0")
			s := serving(t, dir, nil, "--no-schedules")
			s.key = s.clientOf(dir, "app")
			test(t, &flowSite{s, dir})
		})
	}
}

// clientOf makes a client that may do what flows do, and returns its key.
func (s *service) clientOf(dir, name string, flags ...string) string {
	s.t.Helper()
	made := loose[struct{ ID, Key string }](s.t, platen(s.t, append([]string{"client", "create", name, "--roles", "submit,operate,pin", "--json", config(dir)}, flags...)...))
	if len(flags) > 0 {
		return made.ID
	}
	return made.Key
}

// follow runs a script of samples/flows as a reader would, and returns what it printed.
func (s *flowSite) follow(script string, environ ...string) string {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), "bash", filepath.Join("..", "..", "samples", "flows", script))
	c.Env = append(append(os.Environ(), "URL="+s.base, "TOKEN="+s.key), environ...)
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// produced runs nights until a card came back produced.
func (s *flowSite) produced(token string) {
	s.t.Helper()
	night(s.t, s.dir)
	s.comesBack(token)
}

// comesBack waits until a card that left came back produced.
func (s *flowSite) comesBack(token string) {
	s.t.Helper()
	until(s.t, "the answer of the bureau", func() bool {
		c := loose[struct{ Issues []struct{ State string } }](s.t, s.get("/v1/cards/"+token).body)
		return len(c.Issues) == 1 && c.Issues[0].State == "PRODUCED"
	})
}

func openssl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

var flowAccount = regexp.MustCompile(`(?m)^account \S+, (\S+)$`)

func TestTheFlowOverOffblocks(t *testing.T) {
	t.Parallel()
	onFlowSites(t, func(t *testing.T, s *flowSite) {
		key, public := filepath.Join(s.dir, "app.key"), filepath.Join(s.dir, "app.pub")
		openssl(t, "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", key)
		openssl(t, "pkey", "-in", key, "-pubout", "-out", public)
		said := s.follow("offblocks.sh", "KEYFILE="+key, "KEYID="+s.clientOf(s.dir, "app-signature", "--public-key", public))
		match := flowAccount.FindStringSubmatch(said)
		if match == nil {
			t.Fatalf("no account:\n%s", said)
		}
		page := loose[struct {
			Items []struct {
				Cards []struct{ Token, Product, Status string }
			}
		}](t, s.get("/v1/accounts/"+match[1]+"/cards").body)
		if len(page.Items) != 3 || page.Items[2].Cards[0].Product != "visa-debit-chip" {
			t.Fatalf("cards of the account: %+v", page)
		}
		s.produced(page.Items[2].Cards[0].Token)
	})
}

var flowCard = regexp.MustCompile(`(?m)^physical card (\S+)$`)

var flowExtra = regexp.MustCompile(`(?m)^card with more on it (\S+)$`)

func TestTheFlowOverEnfuce(t *testing.T) {
	t.Parallel()
	onFlowSites(t, func(t *testing.T, s *flowSite) {
		said := s.follow("enfuce.sh")
		match, extra := flowCard.FindStringSubmatch(said), flowExtra.FindStringSubmatch(said)
		if match == nil || extra == nil {
			t.Fatalf("no cards:\n%s", said)
		}
		s.produced(match[1])
		s.comesBack(extra[1])
		c := loose[struct {
			Issues []struct{ File struct{ ID string } }
		}](t, s.get("/v1/cards/"+extra[1]).body)
		out := platen(t, "file", "describe", config(s.dir), c.Issues[0].File.ID)
		for _, want := range []string{"SEGMENT_B", "group=7", "Acme & Co", "BlueCard", "Eva", "Team Nord"} {
			if !strings.Contains(out, want) {
				t.Errorf("the file does not show %s:\n%s", want, out)
			}
		}
	})
}

func TestTheFlowOverFirstvision(t *testing.T) {
	t.Parallel()
	onFlowSites(t, func(t *testing.T, s *flowSite) {
		app := loose[struct{ ID, Key string }](t, platen(t, "client", "create", "app-secret", "--secret", "--roles", "submit,operate", "--json", config(s.dir)))
		match := flowCard.FindStringSubmatch(s.follow("firstvision-digital.sh", "APIKEY="+app.ID, "SECRET="+app.Key))
		if match == nil {
			t.Fatal("no card")
		}
		s.follow("firstvision-mass.sh", "APIKEY="+app.ID, "SECRET="+app.Key)
		s.produced(match[1])
		for reference, cards := range map[string]int64{"prepaid-mag.1.0": 5, "prepaid-mag.1.A1": 3} {
			m := loose[struct {
				Runs []struct {
					Cards int64
					Order string
				}
			}](t, s.get("/v1/mass-issues/"+reference).body)
			if len(m.Runs) != 1 || m.Runs[0].Cards != cards {
				t.Fatalf("%s: %+v", reference, m)
			}
			s.comesBack(fmt.Sprintf("%s%%23%d", m.Runs[0].Order, cards))
		}
	})
}

func TestTheFlowOfSingleCardsOverFirstvision(t *testing.T) {
	t.Parallel()
	onFlowSites(t, func(t *testing.T, s *flowSite) {
		key, public := filepath.Join(s.dir, "app.key"), filepath.Join(s.dir, "app.pub")
		openssl(t, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
		openssl(t, "pkey", "-in", key, "-pubout", "-out", public)
		programs := filepath.Join(s.dir, "programs")
		zone := "- code: pos\n  key: zpk-pos\n  pin_format: 0\n  data_key: zek-pos\n  public_key: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(read(t, public))), "\n", "\n    ") + "\n"
		put(t, filepath.Join(programs, "zones.yaml"), []byte(zone))
		product := filepath.Join(programs, "products", "visa-debit-chip.yaml")
		put(t, product, append(read(t, product), "\ndynamic_cvv2: {minutes: 60, first_code: 300, codes: 500, grace: 1}\n"...))
		platen(t, "keys", "generate", config(s.dir), "-f", programs)
		platen(t, "apply", config(s.dir), "-f", programs)
		app := loose[struct{ ID, Key string }](t, platen(t, "client", "create", "app-cards", "--secret", "--roles", "submit,operate,pin,pan", "--json", config(s.dir)))
		environ := []string{"APIKEY=" + app.ID, "SECRET=" + app.Key}
		match := flowCard.FindStringSubmatch(s.follow("firstvision-cards.sh", environ...))
		if match == nil {
			t.Fatal("no card")
		}
		s.produced(match[1])
		s.follow("firstvision-cards.sh", append(environ, "CARD="+match[1])...)
		if out := platen(t, "check", config(s.dir)); !strings.Contains(out, " 0 breaches found") {
			t.Error(out)
		}
	})
}

// mailbox is a subscriber's server that puts each message, and before it its signature, into a directory.
func mailbox(t *testing.T) (address, dir string) {
	t.Helper()
	dir = t.TempDir()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		name := filepath.Join(dir, fmt.Sprintf("%06d", n.Add(1)))
		if err == nil {
			err = os.WriteFile(name+".signature", []byte(r.Header.Get("X-FC-SIGNATURE")), 0o600)
		}
		if err == nil {
			err = os.WriteFile(name+".part", body, 0o600)
		}
		if err == nil {
			err = os.Rename(name+".part", name+".body")
		}
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(w, `{"success":true}`)
	}))
	t.Cleanup(server.Close)
	return server.URL, dir
}

func TestTheFlowsOverFinhub(t *testing.T) {
	t.Parallel()
	onFlowSites(t, func(t *testing.T, s *flowSite) {
		key, public := filepath.Join(s.dir, "app.key"), filepath.Join(s.dir, "app.pub")
		openssl(t, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
		openssl(t, "pkey", "-in", key, "-pubout", "-out", public)
		zone := "- code: finhub\n  public_key: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(read(t, public))), "\n", "\n    ") + "\n"
		put(t, filepath.Join(s.dir, "programs", "zones.yaml"), []byte(zone))
		platen(t, "apply", config(s.dir), "-f", filepath.Join(s.dir, "programs"))
		made := platen(t, "client", "create", "ops@bank.example", "--roles", "submit,operate,money,fund,holders,pin,admin", "--json", config(s.dir))
		binary, err := program()
		must(t, err)
		hook, messages := mailbox(t)
		environ := []string{"TENANT=demo-bank", "EMAIL=ops@bank.example", "PASSWORD=" + loose[struct{ Key string }](t, made).Key, "KEYFILE=" + key,
			"PLATEN=" + binary + " " + config(s.dir), "HOOK=" + hook, "MESSAGES=" + messages}
		for _, script := range []string{"finhub-virtual.sh", "finhub-shared.sh", "finhub-gift.sh", "finhub-physical.sh"} {
			s.follow(script, environ...)
		}
		if out := platen(t, "check", config(s.dir)); !strings.Contains(out, " 0 breaches found") {
			t.Error(out)
		}
	})
}
