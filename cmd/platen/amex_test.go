package main_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"platen/formats"
	"platen/samples"
)

// amexRow is a row of a bulk order for the American Express product.
const amexRow = "amex-charge,,Ada,Lovelace,,CIF-2,12 Square,,London,,W1,GB,STANDARD,,en,,\n"

// withAmex lays the American Express product of samples/amex beside the other programs, and rows for it into the sample order.
func withAmex(t *testing.T, dir string, rows int) {
	t.Helper()
	from := filepath.Join("..", "..", "samples", "amex")
	ranges, err := fs.ReadFile(samples.FS, "programs/ranges.yaml")
	must(t, err)
	put(t, filepath.Join(dir, "programs", "ranges.yaml"), append(ranges, read(t, filepath.Join(from, "ranges.yaml"))...))
	put(t, filepath.Join(dir, "programs", "products", "amex-charge.yaml"), read(t, filepath.Join(from, "products", "amex-charge.yaml")))
	order := filepath.Join(dir, "orders", bulkFile)
	put(t, order, append(read(t, order), bytes.Repeat([]byte(amexRow), rows)...))
}

// TestAnAmericanExpressProductJoinsARunningPress adds the product to a press that has none, as the guide tells it: its key is made by a second init, which
// also gives it to the simulated bureau. The key is rotated between the nights, and the bureau gets the next version in the same way.
func TestAnAmericanExpressProductJoinsARunningPress(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 10, bulk: 10, actions: 1})
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	apply := []string{"apply", config(dir), "-f", filepath.Join(dir, "programs")}
	platen(t, apply...)
	ring := filepath.Join(dir, "bureaus", "north", "keystore.json")
	before := read(t, ring)
	platen(t, "init", dir)
	if !bytes.Equal(read(t, ring), before) {
		t.Error("a second init changes a keystore that lacks nothing")
	}
	withAmex(t, dir, 0)
	if o := run(t, apply...); o.code == 0 || !strings.Contains(o.stderr, "csck: key csck-amex cannot serve") {
		t.Errorf("a key that is not there: exit code %d, %s", o.code, o.stderr)
	}
	private := declareVault(t, dir)
	platen(t, "init", dir)
	platen(t, apply...)
	platen(t, "keys", "rotate", "csck-amex", config(dir))
	platen(t, "init", dir)
	simulateBureaus(t, dir, "--reject", "0", "--spoil", "0")
	s := serving(t, dir, nil, "--no-schedules")
	s.key = s.clientOf(dir, "app")

	header := string(table(t, sample(t, bulkFile)[:1]))
	s.order("CHARGE", []byte(header+strings.Repeat(amexRow, 5)))
	night(t, dir)
	first := amexCards(t, dir)
	if len(first) != 5 {
		t.Fatalf("the bureau took %d cards", len(first))
	}
	platen(t, "keys", "rotate", "csck-amex", config(dir))
	platen(t, "init", dir)
	s.order("AGAIN", []byte("card,reason,emboss_name,delivery,same_day\nCHARGE#1,DAMAGED,,,\nCHARGE#2,LOST,,,\n"))
	night(t, dir)
	all := amexCards(t, dir)
	if len(all) != 7 {
		t.Fatalf("the bureau took %d cards", len(all))
	}
	again := slices.IndexFunc(all[5:], func(p printed) bool { return p.pan == first[0].pan })
	if again < 0 || slices.Equal(all[5+again].codes, first[0].codes) {
		t.Error("the damaged card has no other codes under the rotated key, or none at all")
	}
	tellsCodes(t, s, all[5+again], private)
	verifiesCodes(t, dir)
}

// amexCards are the American Express cards that the bureau took, by their records.
func amexCards(t *testing.T, dir string) []printed {
	t.Helper()
	all := cardRecords(takenFiles(t, dir))
	for _, p := range all {
		if len(p.pan) != 15 || len(p.codes) != 3 || len(p.codes[0]) != 5 || len(p.codes[1]) != 4 || len(p.codes[2]) != 3 {
			t.Errorf("record %s has %d digits and %d codes", p.uid, len(p.pan), len(p.codes))
			continue
		}
		for i, stripe := range []bool{true, true, false} {
			if strings.Contains(p.tracks[i], p.codes[0]) != stripe {
				t.Errorf("record %s: track %d holds the code of the stripe: %v", p.uid, i+1, !stripe)
			}
		}
	}
	slices.SortFunc(all, func(a, b printed) int { return strings.Compare(a.uid, b.uid) })
	return all
}

// declareVault declares a zone that is told security values, and returns its private key.
func declareVault(t *testing.T, dir string) *rsa.PrivateKey {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	must(t, err)
	text := strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	put(t, filepath.Join(dir, "programs", "zones.yaml"), []byte("- code: vault\n  public_key: |\n    "+strings.ReplaceAll(text, "\n", "\n    ")+"\n"))
	return private
}

// tellsCodes asks for the codes of a card that was printed, and has the printed one verified.
func tellsCodes(t *testing.T, s *service, p printed, private *rsa.PrivateKey) {
	t.Helper()
	ask := func(what, body string) string {
		t.Helper()
		a := s.do(http.MethodPost, "/v1/cards/"+p.token+"/"+what, map[string]string{"Content-Type": "application/json"}, strings.NewReader(body))
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", what, a.status, a.body)
		}
		return a.body
	}
	sealed, err := jose.ParseEncryptedCompact(loose[struct{ JWE string }](t, ask("security-values", `{"zone":"vault"}`)).JWE, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	must(t, err)
	plain, err := sealed.Decrypt(private)
	must(t, err)
	var told map[string]any
	must(t, json.Unmarshal(plain, &told))
	if told["csc5"] != p.codes[0] || told["csc4"] != p.codes[1] || told["csc3"] != p.codes[2] || told["cvv2"] != p.codes[1] || told["cvv"] != nil || told["icvv"] != nil {
		t.Error("the codes that are told are not those that were printed")
	}
	next := []byte(p.codes[1])
	next[0] = '0' + (next[0]-'0'+1)%10
	for value, right := range map[string]bool{p.codes[1]: true, string(next): false, p.codes[2]: false} {
		if v := loose[struct{ Verified bool }](t, ask("cvv2/verify", `{"cvv2":"`+value+`"}`)); v.Verified != right {
			t.Errorf("a code of %d digits is verified: %v", len(value), v.Verified)
		}
	}
}

// verifiesCodes checks the newest file as its receiver does: as it came, and with one digit of a code changed.
func verifiesCodes(t *testing.T, dir string) {
	t.Helper()
	files := slices.DeleteFunc(takenFiles(t, dir), func(f taken) bool { return f.kind != formats.CardFile })
	f := files[len(files)-1]
	path := filepath.Join(t.TempDir(), f.name)
	verify := []string{"file", "verify", "--json", config(dir), path, "--layout", layoutSamples + f.layout + ".yaml", "--keys-of", f.bureau}
	put(t, path, f.plain)
	if v := loose[verdict](t, platen(t, verify...)); !v.Good || v.Records != len(f.records) {
		t.Errorf("as it came: %+v", v)
	}
	for i, name := range []string{"csc5", "csc4", "csc3"} {
		code := f.records[0].codes[i]
		changed := []byte(code)
		changed[1] = '0' + (changed[1]-'0'+1)%10
		put(t, path, bytes.Replace(f.plain, []byte(`"`+name+`":"`+code), []byte(`"`+name+`":"`+string(changed)), 1))
		o := run(t, verify...)
		if v := loose[verdict](t, o.stdout); o.code != 1 || v.Bad != 1 || v.Faults[0].Code != name {
			t.Errorf("%s changed: exit code %d, %+v", name, o.code, v)
		}
	}
}
