package main_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"platen/batch"
	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/pinopener"
	"platen/programs"
	"platen/samples"
	"platen/scan"
)

// TestNoSecretLeavesTheFiles runs a night with PINs of twelve digits and serves its results, then looks for every card number, track, PIN, clear PIN
// block and key in everything that Platen keeps or says. What the bureaus hold is the other party's.
func TestNoSecretLeavesTheFiles(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 300, bulk: 300, actions: 60})
	withAmex(t, dir, 20)
	platen(t, "init", dir)
	tellingNumbers(t, dir)
	longPINs(t, dir)
	declareZones(t, dir)
	logAll(t, dir)
	r, told := demo(t, dir, "--cards", "300")
	said := filepath.Join(t.TempDir(), "said")
	put(t, filepath.Join(said, "demo.log"), []byte(told))

	secrets := collect(t, dir)
	babble(t, dir, said)
	// A card number that nobody knows has a prefix and a check digit. The ledger is left out, where prefixes and sequences stand side by side, and so are
	// the tests of layouts as they are shipped, whose numbers are made up.
	unknown, err := scan.New([]string{tellingPrefix, "541333", "401288", "371449"})
	must(t, err)

	s := serve(t, dir)
	ask(t, s, dir, said, r, secrets)
	holder(t, s, dir, said, secrets)
	scanner, err := scan.New(nil, secrets.list()...)
	must(t, err)
	surroundings(t, s.process, said)
	for _, name := range []string{"platen.db-wal", "queue.db-wal"} {
		if len(read(t, filepath.Join(dir, name))) == 0 {
			t.Errorf("%s is empty: there is nothing to look at", name)
		}
	}
	clean(t, scanner, ours(t, dir)...)
	s.process.stop()
	put(t, filepath.Join(said, "serve.log"), []byte(s.process.stderr.String()+s.process.stdout.String()))
	clean(t, scanner, append(ours(t, dir), said)...)
	clean(t, unknown, append(withoutMadeUp(t, dir), said)...)

	t.Run("the same scan finds what is planted", func(t *testing.T) { plant(t, scanner, dir, said, secrets) })
}

// surroundings writes down what everybody on the machine may learn of a process: its environment and its arguments.
func surroundings(t *testing.T, p *process, said string) {
	t.Helper()
	for _, name := range []string{"environ", "cmdline"} {
		body := read(t, fmt.Sprintf("/proc/%d/%s", p.command.Process.Pid, name))
		if len(body) == 0 {
			t.Errorf("the process has no %s", name)
		}
		put(t, filepath.Join(said, name), body)
	}
}

// tellingPrefix is a test BIN without zeros in a row. Card numbers of 400000 packed half a byte on begin with two zero bytes and a one, as rows of a table
// do: one in some hundred runs would find a number that is not there.
const tellingPrefix = "476173"

// tellingNumbers gives the range whose prefix is all zeros tellingPrefix instead.
func tellingNumbers(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "programs", "ranges.yaml")
	body := string(read(t, path))
	changed := strings.Replace(body, `prefix: "400000"`, fmt.Sprintf("prefix: %q", tellingPrefix), 1)
	if changed == body {
		t.Fatalf("%s has no range of 400000", path)
	}
	put(t, path, []byte(changed))
}

var pinLength = regexp.MustCompile(`(?m)^  length: [46]\n`)

// longPINs gives every product that has PINs such of twelve digits.
func longPINs(t *testing.T, dir string) {
	t.Helper()
	products, err := filepath.Glob(filepath.Join(dir, "programs", "products", "*.yaml"))
	must(t, err)
	if len(products) != 8 {
		t.Fatalf("%d products", len(products))
	}
	for _, path := range products {
		body := string(read(t, path))
		if strings.Contains(body, "  method: NONE\n") {
			continue
		}
		changed := pinLength.ReplaceAllString(body, "  length: 12\n")
		if changed == body {
			t.Fatalf("%s has no PIN of four or six digits", path)
		}
		put(t, path, []byte(strings.ReplaceAll(changed, "[offset, ", "["))) // an offset is as long as a PIN: the tracks have no room for it
	}
}

// logAll makes every process of a directory log everything.
func logAll(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "platen.yaml")
	body := string(read(t, path))
	put(t, path, []byte(strings.NewReplacer("level: warn", "level: debug", "format: console", "format: json").Replace(body)))
}

// hoard is what must be found nowhere, by kind.
type hoard struct {
	text  map[string]map[string]string // kind to name to value
	bytes map[string]map[string][]byte
}

const (
	cardNumbers = "card number"
	tracks      = "track"
	codes       = "card security codes" // of American Express, one behind the other: other codes are too short to be looked for
	pins        = "PIN"
	pinBlocks   = "clear PIN block"
	keys        = "key"
)

func (h hoard) list() []scan.Secret {
	var all []scan.Secret
	for kind, values := range h.text {
		for name, value := range values {
			all = append(all, scan.Text(kind+" "+name, value))
		}
	}
	for kind, values := range h.bytes {
		for name, value := range values {
			all = append(all, scan.Bytes(kind+" "+name, value))
		}
	}
	return all
}

// collect learns the true values from what the bureaus took and from the keystores.
func collect(t *testing.T, dir string) hoard {
	t.Helper()
	h := hoard{text: map[string]map[string]string{cardNumbers: {}, tracks: {}, codes: {}, pins: {}}, bytes: map[string]map[string][]byte{pinBlocks: {}, keys: {}}}
	files := takenFiles(t, dir)
	set, err := programs.LoadDir(filepath.Join(dir, "programs"))
	must(t, err)
	for _, b := range set.Bureaus {
		side := filepath.Join(dir, "bureaus", b.Code)
		ring := h.keystore(t, filepath.Join(side, "kbpk.hex"), filepath.Join(side, "keystore.json"))
		for _, f := range files {
			if f.bureau != b.Code {
				continue
			}
			for _, p := range f.records {
				h.record(t, p)
				if len(p.pinBlock) > 0 {
					h.pin(t, p.uid, pinopener.Zone(t, ring, b.ZPK, hsm.PINFormat(b.PINFormat), number(t, p.account), p.pinBlock))
				}
			}
		}
	}
	ring := h.keystore(t, filepath.Join(dir, "keys", "kbpk.hex"), filepath.Join(dir, "keys", "keystore.json"))
	h.stored(t, dir, ring, cardRecords(files))
	for kind, least := range map[string]int{cardNumbers: 500, tracks: 1000, codes: 20, pins: 500} {
		if n := len(h.text[kind]); n < least {
			t.Errorf("only %d values of %s are known", n, kind)
		}
	}
	return h
}

func number(t *testing.T, digits string) card.PAN {
	t.Helper()
	p, err := card.ParsePAN(digits)
	must(t, err)
	return p
}

func (h hoard) record(t *testing.T, p printed) {
	t.Helper()
	if p.pan == "" {
		return
	}
	h.text[cardNumbers][p.uid] = p.pan
	if all := strings.Join(p.codes, ""); len(p.codes) == 3 {
		h.text[codes][p.uid] = all
	}
	for i, track := range p.tracks {
		h.text[tracks][fmt.Sprintf("%s.%d", p.uid, i)] = track
	}
}

func (h hoard) pin(t *testing.T, name string, o pinopener.Opened) {
	t.Helper()
	if len(o.PIN) != 12 {
		t.Fatalf("the PIN of %s has %d digits", name, len(o.PIN))
	}
	h.text[pins][name] = o.PIN
	h.bytes[pinBlocks][name+" field"] = o.Field
	if o.Block != nil {
		h.bytes[pinBlocks][name] = o.Block
	}
}

// stored opens the PINs in the database, among them those that no bureau gets, and proves that the others are the bureaus'.
func (h hoard) stored(t *testing.T, dir string, ring *keystore.Store, records []printed) {
	t.Helper()
	numbers := map[string]string{}
	for _, p := range records {
		numbers[p.uid] = p.pan
	}
	for uid, stored := range storedPINs(t, dir) {
		o := pinopener.Stored(t, ring, "pin-storage", number(t, numbers[uid]), stored)
		if known, ok := h.text[pins][uid]; ok && known != o.PIN {
			t.Errorf("the bureau's PIN of %s is another than ours", uid)
		}
		h.pin(t, uid, o)
	}
}

func storedPINs(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	rows, err := database(t, dir).DB().QueryContext(t.Context(), `SELECT file_number, line, pin FROM issues WHERE file_number IS NOT NULL AND length(pin) > 0`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	all := map[string][]byte{}
	for rows.Next() {
		var file, line int64
		var pin []byte
		must(t, rows.Scan(&file, &line, &pin))
		all[batch.RecordUID(file, line)] = pin
	}
	must(t, rows.Err())
	return all
}

// keystore collects every clear key of a keystore, and the key that protects them.
func (h hoard) keystore(t *testing.T, kbpk, path string) *keystore.Store {
	t.Helper()
	protection, err := keystore.LoadKBPK("file:" + kbpk)
	must(t, err)
	h.bytes[keys][kbpk] = bytes.Clone(protection.Reveal())
	ring, err := keystore.Open(path, protection)
	must(t, err)
	for _, k := range ring.List() {
		algorithm := keyblock.AES
		if k.Algorithm == "TDES" {
			algorithm = keyblock.TDES
		}
		must(t, ring.Use(k.Ref(), k.Usage, algorithm, func(clear []byte) error {
			h.bytes[keys][path+" "+string(k.Label)] = bytes.Clone(clear)
			return nil
		}))
	}
	return ring
}

// ours is everything in a directory but the bureaus' sides and our own keys.
func ours(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var all []string
	for _, e := range entries {
		if e.Name() != "bureaus" && e.Name() != "keys" {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return append(all, filepath.Join(dir, "keys", "keystore.json"))
}

// withoutMadeUp is ours without the ledger and without each file of layouts that still is as it was shipped.
func withoutMadeUp(t *testing.T, dir string) []string {
	t.Helper()
	all := slices.DeleteFunc(ours(t, dir), func(path string) bool { return slices.Contains([]string{"ledger", "layouts"}, filepath.Base(path)) })
	must(t, filepath.WalkDir(filepath.Join(dir, "layouts"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		must(t, err)
		if shipped, err := fs.ReadFile(samples.FS, filepath.ToSlash(name)); err != nil || !bytes.Equal(shipped, read(t, path)) {
			all = append(all, path)
		}
		return nil
	}))
	return all
}

func clean(t *testing.T, scanner *scan.Scanner, places ...string) {
	t.Helper()
	found, err := scanner.Files(places...)
	must(t, err)
	for _, f := range found {
		t.Errorf("leaked: %s", f)
	}
}

// ask asks the service and the commands for all that they tell, also with card numbers where they do not belong, and writes the answers down.
func ask(t *testing.T, s *service, dir, said string, r demoResult, h hoard) {
	t.Helper()
	note := func(name, text string) { put(t, filepath.Join(said, name+".txt"), []byte(text)) }
	paths := []string{"/livez", "/readyz", "/metrics", "/openapi.yaml", "/v1/orders", "/v1/files", "/v1/batches", "/v1/returns", "/v1/books", "/v1/schedules", "/v1/nothing"}
	for _, o := range r.Orders {
		paths = append(paths, "/v1/orders/"+o.ID, "/v1/orders/"+o.ID+"/lines", "/v1/orders/"+o.ID+"/errors", "/v1/orders/"+o.ID+"/errors?format=csv")
		note("order "+o.Reference, run(t, "order", "show", config(dir), o.Reference).stdout+run(t, "order", "errors", config(dir), o.Reference).stdout)
	}
	for _, f := range r.Files {
		paths = append(paths, "/v1/files/"+f.ID)
		note("file "+f.ID, platen(t, "file", "show", config(dir), f.ID)+platen(t, "file", "describe", config(dir), f.ID))
	}
	for _, p := range cardRecords(takenFiles(t, dir))[:20] {
		if p.token != "" {
			paths = append(paths, "/v1/cards/"+p.token)
			note("card "+p.token, platen(t, "card", "explain", config(dir), p.token))
		}
	}
	for i, path := range paths {
		a := s.get(path)
		if a.status >= 500 || a.status >= 400 && path != "/v1/nothing" {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
		note(fmt.Sprintf("answer %d", i), a.String())
	}
	note("metrics", s.get("/metrics").String())
	pan := h.text[cardNumbers][slices.Min(slices.Collect(maps.Keys(h.text[cardNumbers])))]
	for i, path := range []string{"/v1/cards/" + pan, "/v1/orders/" + pan, "/v1/orders?after=" + pan, "/v1/" + pan} {
		a := s.get(path)
		if a.status < 400 || a.status >= 500 {
			t.Errorf("a card number in a path is answered with %d", a.status)
		}
		note(fmt.Sprintf("refused %d", i), a.String())
	}
	misplace(t, s, dir, pan, note)
}

// misplace puts a card number wherever a client may write a name, a reference or a reason, and notes the answers.
func misplace(t *testing.T, s *service, dir, pan string, note func(name, text string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "order.csv")
	for i, body := range []string{pan + ",1\n", `{"` + pan + `":1}` + "\n"} {
		put(t, file, []byte(body))
		o := run(t, "order", "submit", config(dir), "--reference", fmt.Sprintf("MISPLACED-%d", i), file)
		note(fmt.Sprintf("misplaced file %d", i), o.stdout+o.stderr)
	}
	put(t, file, []byte("product,quantity\nprepaid-mag,1\n"))
	o := run(t, "order", "submit", config(dir), "--reference", pan, file)
	note("misplaced reference", o.stdout+o.stderr)
	o = run(t, "order", "pause", config(dir), "MASS", "--reason", "was "+pan)
	note("misplaced reason", o.stdout+o.stderr)
	for i, c := range []struct{ path, kind, body string }{
		{"/v1/orders?reference=MISPLACED-A", "text/csv", pan + ",1\n"},
		{"/v1/orders?reference=MISPLACED-B", "application/json", `{"` + pan + `":1}`},
		{"/v1/orders?reference=MISPLACED-C", "application/json", `{"kind":"mass","rows":[{"` + pan + `":1}]}`},
		{"/v1/orders?reference=MISPLACED-D", "application/x-ndjson", `{"` + pan + `":1}` + "\n"},
		{"/v1/orders?reference=" + pan, "text/csv", "product,quantity\nprepaid-mag,1\n"},
	} {
		a := s.do(http.MethodPost, c.path, map[string]string{"Content-Type": c.kind}, strings.NewReader(c.body))
		if a.status < 400 || a.status >= 500 {
			t.Errorf("a card number in %s is answered with %d", c.path[:len("/v1/orders?reference=")], a.status)
		}
		note(fmt.Sprintf("misplaced %d", i), a.String())
	}
}

// plant puts one secret of each kind into a copy of each kind of place and expects that it is found.
func plant(t *testing.T, scanner *scan.Scanner, dir, said string, h hoard) {
	appended := map[string]string{"ledger": anyFile(t, filepath.Join(dir, "ledger")), "spool": anyFile(t, filepath.Join(dir, "spool")), "log": filepath.Join(said, "serve.log"),
		"HTTP answer": filepath.Join(said, "answer 4.txt"), "metrics": filepath.Join(said, "metrics.txt"), "environment": filepath.Join(said, "environ")}
	for kind, value := range h.one() {
		for place, path := range appended {
			copied := filepath.Join(t.TempDir(), "copy")
			put(t, copied, slices.Concat(read(t, path), value, []byte("\n")))
			detected(t, scanner, kind, place, copied)
		}
		for _, name := range []string{"platen.db", "queue.db"} {
			plantInDatabase(t, scanner, kind, filepath.Join(dir, name), value)
		}
	}
}

func anyFile(t *testing.T, dir string) string {
	t.Helper()
	var first string
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && first == "" {
			first = path
		}
		return err
	}))
	if first == "" {
		t.Fatalf("%s holds no file", dir)
	}
	return first
}

// detected expects that a scan of path sees a secret of a kind.
func detected(t *testing.T, scanner *scan.Scanner, kind, place, path string) {
	t.Helper()
	found, err := scanner.Files(path)
	must(t, err)
	if !slices.ContainsFunc(found, func(f scan.Finding) bool { return strings.HasPrefix(f.Secret, kind+" ") }) {
		t.Errorf("a planted %s is not found in %s", kind, place)
	}
}

// plantInDatabase looks for the value in the write-ahead log while the database is open, and in the database itself when it is closed.
func plantInDatabase(t *testing.T, scanner *scan.Scanner, kind, path string, value []byte) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), filepath.Base(path))
	put(t, copied, read(t, path))
	db := openSQLite(t, copied)
	for _, statement := range []string{`CREATE TABLE planted (value BLOB)`, `INSERT INTO planted VALUES (x'` + hex.EncodeToString(value) + `')`} {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
	detected(t, scanner, kind, "the WAL of "+filepath.Base(path), copied+"-wal")
	must(t, db.Close())
	detected(t, scanner, kind, filepath.Base(path), copied)
}
