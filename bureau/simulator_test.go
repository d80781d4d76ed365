package bureau_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/programs"
)

func uid(k int) string { return fmt.Sprintf("42-%07d", k+1) }

// house is an issuer with a bureau to send to.
type house struct {
	*issuer
	config bureau.Config
	sealer *delivery.Sealer
	target delivery.Target
	sim    *bureau.Simulator
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{issuer: newIssuer(t)}
	now := time.Now()
	ourPublic, ourPrivate, err := delivery.NewKeyPair("Issuer", "issuer@example.test", now)
	h.must(err)
	bureauPublic, bureauPrivate, err := delivery.NewKeyPair("Bureau", "bureau@example.test", now)
	h.must(err)
	opener, err := delivery.NewOpener(bureauPrivate, ourPublic)
	h.must(err)
	h.sealer, err = delivery.NewSealer(bureauPublic, ourPrivate)
	h.must(err)
	hostPEM, hostLine, err := delivery.NewSSHKeyPair("host")
	h.must(err)
	login, loginLine, err := delivery.NewSSHKeyPair("issuer")
	h.must(err)
	h.config = bureau.Config{
		Listen: "127.0.0.1:0", HostKey: hostPEM, AuthorizedKeys: loginLine, Root: t.TempDir(), Opener: opener,
		Layouts: []*formats.Layout{h.layouts[formats.PINMailer], h.layouts[formats.CardFile], h.layouts[formats.Ack], h.layouts[formats.Status]},
		Bureau: programs.Bureau{Code: "north", ZPK: "zpk", PINFormat: 4, SFTP: programs.SFTP{User: "platen", In: "in", Out: "out", Archive: "archive"},
			Returns:   []programs.Return{{Pattern: "*.ack", Layout: "ack"}, {Pattern: "*.status", Layout: "status"}},
			StatusMap: map[string]string{"MADE": "PRODUCED"}},
		Products: map[string]card.Product{h.product.Code: h.product}, Module: h.module,
		Dice: bureau.Dice{Seed: "a seed", RejectPermille: 40, SpoilPermille: 60},
		Poll: time.Hour, Now: func() time.Time { return time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) }, Log: zerolog.Nop(),
	}
	h.target = delivery.Target{User: "platen", HostKeys: []string{string(hostLine)}, Identity: card.NewSecret(login), In: "in", Out: "out", Archive: "archive"}
	h.start()
	t.Cleanup(func() { _ = h.sim.Close() })
	return h
}

func (h *house) start() {
	h.t.Helper()
	var err error
	h.sim, err = bureau.Start(context.WithoutCancel(h.t.Context()), h.config)
	h.must(err)
	h.target.Address = h.sim.Addr()
}

// seal encrypts a plaintext to the bureau.
func (h *house) seal(b []byte) []byte {
	h.t.Helper()
	var sealed bytes.Buffer
	w, err := h.sealer.Seal(&sealed)
	h.must(err)
	_, err = w.Write(b)
	h.must(err)
	h.must(w.Close())
	return sealed.Bytes()
}

// put lays a file into the bureau's input directory without a session.
func (h *house) put(name string, b []byte) {
	h.t.Helper()
	// The simulator looks at any time: a file appears whole, as senders make it.
	part := filepath.Join(h.config.Root, "part")
	h.must(os.WriteFile(part, b, 0o600))
	h.must(os.Rename(part, filepath.Join(h.config.Root, "in", name)))
}

// names lists a directory of the bureau.
func (h *house) names(dir string) []string {
	h.t.Helper()
	entries, err := os.ReadDir(filepath.Join(h.config.Root, dir))
	h.must(err)
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func (h *house) wantNames(dir string, want ...string) {
	h.t.Helper()
	if got := h.names(dir); !slices.Equal(got, want) {
		h.t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func (h *house) process() {
	h.t.Helper()
	h.must(h.sim.Process(h.t.Context()))
}

const cardFile = "demo_42.emb.pgp"

func TestAGoodFileIsAcknowledgedAndEveryRecordAnswered(t *testing.T) {
	h := newHouse(t)
	const n = 300
	plain := h.file(formats.CardFile, h.cards(n))
	h.put(cardFile, h.seal(plain))
	h.process()
	h.wantNames("in")
	h.wantNames("done", cardFile)
	h.wantNames("out", "demo_42.emb.ack", "demo_42.emb.status")
	sum := sha256.Sum256(plain)
	ack := h.answers(formats.Ack, "demo_42.emb.ack")
	if len(ack) != 1 || ack[0][formats.AckStatus] != "ACCEPTED" || ack[0][formats.AckFile] != "42" || ack[0][formats.AckName] != cardFile ||
		ack[0][formats.AckRead] != "300" || ack[0][formats.AckOK] != "300" || ack[0][formats.AckBad] != "0" || ack[0][formats.AckSHA256] != hex.EncodeToString(sum[:]) {
		t.Errorf("ack %v", ack)
	}
	lines := h.answers(formats.Status, "demo_42.emb.status")
	if len(lines) != n {
		t.Fatalf("%d status lines for %d records", len(lines), n)
	}
	words := map[string]string{bureau.Produced: "MADE", bureau.Rejected: "REJECTED", bureau.Spoiled: "SPOILED"}
	for k, line := range lines {
		status, reason := h.config.Dice.Roll(uid(k))
		if line[formats.ReturnFile] != "42" || line[formats.ReturnUID] != uid(k) || line[formats.ReturnStatus] != words[status] ||
			line[formats.ReturnReason] != reason || len(line[formats.ReturnLast4]) != 4 || line[formats.ReturnOccurredAt] != "2026-11-21T06:00:00Z" {
			t.Fatalf("line %d: %v", k, line)
		}
	}
	c := h.sim.Counts()
	if c.Accepted != 1 || c.Records != n || c.Produced+c.Rejected+c.Spoiled != n || c.Rejected == 0 || c.Spoiled == 0 {
		t.Errorf("counts %+v", c)
	}
	kept, err := os.ReadFile(filepath.Join(h.config.Root, "done", cardFile))
	h.must(err)
	if bytes.Contains(kept, plain[:50]) {
		t.Error("the bureau keeps plaintext")
	}
}

func TestABadFileIsRefusedWhole(t *testing.T) {
	h := newHouse(t)
	wrong := h.cards(3)
	wrong[1].Set(formats.CardCVV, other(wrong[1].Get(formats.CardCVV), 0))
	good := h.file(formats.CardFile, h.cards(3))
	stranger := newHouse(t)
	flipped := h.seal(good)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{
		"wrong_cvv.emb.pgp": h.seal(h.file(formats.CardFile, wrong)),
		"cut.emb.pgp":       h.seal(good[:len(good)-5]),
		"cut_seal.emb.pgp":  h.seal(good)[:900],
		"stranger.emb.pgp":  stranger.seal(good),
		"flipped.emb.pgp":   flipped,
		"clear.emb.pgp":     good,
		"noise.emb.pgp":     h.seal([]byte("what is this?\n")),
		"empty.emb.pgp":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			h.put(name, b)
			h.process()
			base := strings.TrimSuffix(name, ".pgp")
			ack := h.answers(formats.Ack, base+".ack")
			if len(ack) != 1 || ack[0][formats.AckStatus] != "REJECTED" || ack[0][formats.AckReason] == "" || ack[0][formats.AckName] != name {
				t.Errorf("ack %v", ack)
			}
			if slices.Contains(h.names("out"), base+".status") {
				t.Error("a refused file has a status file")
			}
			if !slices.Contains(h.names("done"), name) {
				t.Error("the refused file is not put away")
			}
		})
	}
	h.wantNames("in")
}

func TestMailersAreAnsweredToo(t *testing.T) {
	h := newHouse(t)
	h.put("demo_42.pin.pgp", h.seal(h.file(formats.PINMailer, h.mailers(20))))
	h.process()
	lines := h.answers(formats.Status, "demo_42.pin.status")
	if len(lines) != 20 || lines[0][formats.ReturnLast4] != "" {
		t.Errorf("%d lines, the first is %v", len(lines), lines[0])
	}
}

func TestFilesOfTheSampleLayoutsAreProduced(t *testing.T) {
	stripe := card.Product{
		Code: "stripe", Design: "RED", Scheme: "visa", Technology: card.Magstripe, ServiceCode: "121", CVV2Order: "YYMM",
		Track1: []string{"offset", "const:00", "cvv", "zeros:6"}, Track2: []string{"offset", "cvv", "zeros:2"},
		PIN:  card.PINPolicy{Method: card.DerivedPIN, Length: 4, DecTable: "0123456789012345", Validation: "1357924N6800"},
		Keys: card.ProductKeys{CVK: "cvk", PVK: "pvk-ibm"},
	}
	for _, test := range []struct {
		layout  string
		product *card.Product // nil for the chip card
	}{{"north-fixed", nil}, {"native-jsonl", nil}, {"south-delimited", &stripe}, {"pin-mailer", nil}} {
		t.Run(test.layout, func(t *testing.T) {
			h := newHouse(t)
			h.config.Layouts = nil
			for _, name := range []string{"north-fixed", "native-jsonl", "south-delimited", "pin-mailer", "ack", "status", test.layout} {
				h.config.Layouts = append(h.config.Layouts, h.use(filepath.Join("..", "samples", "layouts", name+".yaml")))
			}
			h.config.Products = map[string]card.Product{h.product.Code: h.product, stripe.Code: stripe}
			if test.product != nil {
				h.product = *test.product
			}
			h.must(h.sim.Close())
			h.start()
			layout := h.config.Layouts[len(h.config.Layouts)-1]
			records := h.mailers
			if layout.Kind() == formats.CardFile {
				records = h.cards
			}
			name, err := layout.FileName(h.head(30))
			h.must(err)
			h.put(name+".pgp", h.seal(h.file(layout.Kind(), records(30))))
			h.process()
			ack := h.answers(formats.Ack, name+".ack")
			if len(ack) != 1 || ack[0][formats.AckStatus] != "ACCEPTED" || ack[0][formats.AckRead] != "30" {
				t.Fatalf("ack %v", ack)
			}
			lines := h.answers(formats.Status, name+".status")
			if len(lines) != 30 || lines[0][formats.ProductCode] != h.product.Code {
				t.Errorf("%d lines, the first is %v", len(lines), lines[0])
			}
		})
	}
}

func TestAnswersAreNeitherLostNorDoubledOverAnyBreak(t *testing.T) {
	h := newHouse(t)
	h.put(cardFile, h.seal(h.file(formats.CardFile, h.cards(50))))
	h.process()
	path := func(parts ...string) string { return filepath.Join(append([]string{h.config.Root}, parts...)...) }
	read := func(name string) string {
		b, err := os.ReadFile(path("out", name))
		h.must(err)
		return string(b)
	}
	ack, status := read("demo_42.emb.ack"), read("demo_42.emb.status")
	for name, rewind := range map[string]func(){
		"before anything": func() {
			h.must(os.Remove(path("out", "demo_42.emb.ack")))
			h.must(os.Remove(path("out", "demo_42.emb.status")))
		},
		"in the middle of the ack": func() {
			h.must(os.Rename(path("out", "demo_42.emb.ack"), path("later", ".demo_42.emb.ack.part")))
			h.must(os.Remove(path("out", "demo_42.emb.status")))
		},
		"before the status": func() { h.must(os.Remove(path("out", "demo_42.emb.status"))) },
		"in the middle of the status": func() {
			h.must(os.Rename(path("out", "demo_42.emb.status"), path("later", ".demo_42.emb.status.part")))
			h.must(os.Truncate(path("later", ".demo_42.emb.status.part"), 700))
		},
		"before the answers are given": func() {
			for _, name := range []string{"demo_42.emb.ack", "demo_42.emb.status"} {
				h.must(os.Rename(path("out", name), path("later", "1700000000~"+name)))
			}
		},
		"before the file is moved": func() {},
	} {
		t.Run(name, func(t *testing.T) {
			h.must(h.sim.Close())
			rewind()
			h.must(os.Rename(path("done", cardFile), path("in", cardFile)))
			h.start()
			h.process()
			h.wantNames("in")
			h.wantNames("out", "demo_42.emb.ack", "demo_42.emb.status")
			if read("demo_42.emb.ack") != ack || read("demo_42.emb.status") != status {
				t.Error("the second answer differs from the first")
			}
		})
	}
	t.Run("after the issuer archived the answers", func(t *testing.T) {
		h.must(h.sim.Close())
		for _, name := range []string{"demo_42.emb.ack", "demo_42.emb.status"} {
			h.must(os.Rename(path("out", name), path("archive", name)))
		}
		h.must(os.Rename(path("done", cardFile), path("in", cardFile)))
		h.start()
		h.process()
		h.wantNames("out")
		h.wantNames("done", cardFile)
	})
	t.Run("a file that comes twice", func(t *testing.T) {
		h.put(cardFile, []byte("again"))
		h.process()
		h.wantNames("out")
		h.wantNames("done", cardFile, cardFile+".2")
		if h.sim.Counts().Repeated != 1 {
			t.Errorf("counts %+v", h.sim.Counts())
		}
	})
}

func TestAFileIsTakenWhenItsSessionEnds(t *testing.T) {
	h := newHouse(t)
	sealed := h.seal(h.file(formats.CardFile, h.cards(5)))
	session, err := delivery.Dial(t.Context(), h.target)
	h.must(err)
	temp, err := delivery.TempName(cardFile, "0011223344556677", "")
	h.must(err)
	receipt, err := session.Send(t.Context(), delivery.Upload{
		FinalName: cardFile, TempName: temp, Size: int64(len(sealed)), SHA256: sha256.Sum256(sealed),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(sealed)), nil },
	})
	h.must(err)
	if !receipt.ReadBack {
		t.Errorf("receipt %+v", receipt)
	}
	h.process() // the session that brought the file is still there
	h.wantNames("in", cardFile)
	h.must(session.Close())
	answers := h.await(2)
	if !slices.Equal(answers, []string{"demo_42.emb.ack", "demo_42.emb.status"}) {
		t.Errorf("answers %q", answers)
	}
	var got bytes.Buffer
	_, err = delivery.Fetch(t.Context(), h.target, "demo_42.emb.ack", &got, 1<<20)
	h.must(err)
	h.must(delivery.Archive(t.Context(), h.target, "demo_42.emb.ack"))
	h.wantNames("archive", "demo_42.emb.ack")
	probe, err := delivery.Probe(t.Context(), h.target, cardFile, []int64{int64(len(sealed))}, []string{temp})
	h.must(err)
	if probe.AtFinal || probe.TempsDeleted {
		t.Errorf("probe %+v", probe)
	}
}

// await lists the answers over SFTP until there are n.
func (h *house) await(n int) []string {
	h.t.Helper()
	for {
		entries, err := delivery.List(h.t.Context(), h.target)
		h.must(err)
		if len(entries) < n {
			continue
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name)
		}
		return names
	}
}

func TestTheServerKeepsEverythingInItsPlace(t *testing.T) {
	h := newHouse(t)
	h.put("there.emb.pgp.part", []byte("theirs"))
	h.must(os.WriteFile(filepath.Join(h.config.Root, "done", "taken.pgp"), []byte("x"), 0o600))
	h.must(os.WriteFile(filepath.Join(h.config.Root, "out", "x.ack"), []byte("x"), 0o600))
	client := h.dial()
	defer func() { _ = client.Close() }()
	refused := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s is allowed", what)
		}
	}
	_, err := client.Open("done/taken.pgp")
	refused("reading what was taken", err)
	_, err = client.ReadDir("done")
	refused("listing what was taken", err)
	for _, name := range []string{"/etc/passwd", "../x", "in/../done/taken.pgp", "in/../../x", "x", "in/deeper/x"} {
		_, err = client.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		refused("writing "+name, err)
		_, err = client.Open(name)
		refused("reading "+name, err)
	}
	_, err = client.OpenFile("out/forged.ack", os.O_WRONLY|os.O_CREATE)
	refused("writing an answer", err)
	_, err = client.OpenFile("in/there.emb.pgp.part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	refused("writing over a file", err)
	refused("a link", client.Symlink("/etc", "in/link"))
	refused("a directory", client.Mkdir("in/directory"))
	refused("removing an answer", client.Remove("out/x.ack"))
	refused("taking an answer as input", client.Rename("out/x.ack", "in/x.ack"))
	h.put("second.part", []byte("ours"))
	refused("renaming over a file", client.Rename("in/second.part", "in/there.emb.pgp.part"))
	refused("renaming over a file the POSIX way", client.PosixRename("in/second.part", "in/there.emb.pgp.part"))
	got, err := os.ReadFile(filepath.Join(h.config.Root, "in", "there.emb.pgp.part"))
	h.must(err)
	if string(got) != "theirs" {
		t.Error("a file was replaced")
	}
}

// dial logs in without the help of the delivery package.
func (h *house) dial() *sftp.Client {
	h.t.Helper()
	signer, err := ssh.ParsePrivateKey(h.target.Identity.Reveal())
	h.must(err)
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.target.HostKeys[0]))
	h.must(err)
	conn, err := ssh.Dial("tcp", h.sim.Addr(), &ssh.ClientConfig{User: "platen", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(host)})
	h.must(err)
	client, err := sftp.NewClient(conn)
	h.must(err)
	h.t.Cleanup(func() { _ = conn.Close() })
	return client
}

func TestStrangersAreNotLetIn(t *testing.T) {
	h := newHouse(t)
	stranger, _, err := delivery.NewSSHKeyPair("")
	h.must(err)
	other := h.target
	other.Identity = card.NewSecret(stranger)
	if _, err := delivery.List(t.Context(), other); delivery.Code(err) != delivery.CodeAuthFailed {
		t.Errorf("a stranger's key: %v", err)
	}
	other = h.target
	other.User = "root"
	if _, err := delivery.List(t.Context(), other); delivery.Code(err) != delivery.CodeAuthFailed {
		t.Errorf("another user: %v", err)
	}
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(*bureau.Config){
		"no PGP key":       func(c *bureau.Config) { c.Opener = nil },
		"no module":        func(c *bureau.Config) { c.Module = nil },
		"no host key":      func(c *bureau.Config) { c.HostKey = nil },
		"nobody let in":    func(c *bureau.Config) { c.AuthorizedKeys = nil },
		"no answers":       func(c *bureau.Config) { c.Bureau.Returns = nil },
		"no input":         func(c *bureau.Config) { c.Bureau.SFTP.In = "" },
		"input is private": func(c *bureau.Config) { c.Bureau.SFTP.In = "done" },
		"port taken":       func(c *bureau.Config) { c.Listen = h.sim.Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			config := h.config
			config.Root = t.TempDir()
			change(&config)
			if s, err := bureau.Start(t.Context(), config); err == nil {
				_ = s.Close()
				t.Error("it started")
			}
		})
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	h := newHouse(t)
	client := h.dial()
	h.must(h.sim.Close())
	_ = client.Close()
	goleak.VerifyNone(t, before)
}
