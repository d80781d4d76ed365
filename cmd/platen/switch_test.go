package main_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"platen/formats"
)

var layoutLine = regexp.MustCompile(`(?m)^layout: \S+$`)

// TestABureauIsSwitchedToAnotherLayoutByEditingYAML runs one press for three nights: its bureau gets fixed lines, then XML, then a stream of control tags, then
// chip data with values that are enciphered under a key that nobody had before.
// Nothing but the layout's name in the products' YAML changes in between. Each night the simulated bureau opens, parses and recomputes every record
// before it accepts a file, and the books balance.
func TestABureauIsSwitchedToAnotherLayoutByEditingYAML(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 60, bulk: 40, actions: 4})
	platen(t, "init", dir)
	products, err := filepath.Glob(filepath.Join(dir, "programs", "products", "*.yaml"))
	must(t, err)
	seen := map[string]bool{}
	var fixed taken // a file of fixed lines
	for _, layout := range []string{"north-fixed", "cardgen-style", "datacard-style", "dgi-secret"} {
		for _, file := range products {
			if body := read(t, file); bytes.Contains(body, []byte("\nbureau: north\n")) {
				put(t, file, layoutLine.ReplaceAll(body, []byte("layout: "+layout)))
			}
		}
		r, _ := demo(t, dir, "--cards", "60")
		cards := 0
		for _, f := range proveTaken(t, dir, r) {
			if seen[f.name] || f.bureau != "north" || f.kind != formats.CardFile {
				continue
			}
			seen[f.name] = true
			cards += len(f.records)
			checkedAgain(t, dir, f, r)
			if f.layout != layout {
				t.Errorf("%s has the layout %s, not %s", f.name, f.layout, layout)
			}
			if layout == "north-fixed" && len(f.records) > len(fixed.records) {
				fixed = f
			}
		}
		if cards < 40 {
			t.Errorf("%s: the bureau took %d cards", layout, cards)
		}
	}
	comparedWithItsCards(t, dir, fixed)
}

// checkedAgain has a file verified by its id, from what is stored, and then as its receiver has it, with the keys of its bureau and with those of another.
func checkedAgain(t *testing.T, dir string, f taken, r demoResult) {
	t.Helper()
	i := slices.IndexFunc(r.Files, func(made demoFile) bool { return made.Name == f.name })
	if i < 0 {
		t.Fatalf("%s is not among the files", f.name)
	}
	path := filepath.Join(t.TempDir(), f.name)
	put(t, path, f.plain)
	layout := layoutSamples + f.layout + ".yaml"
	for _, args := range [][]string{{r.Files[i].ID}, {path, "--layout", layout}, {path, "--layout", layout, "--keys-of", f.bureau}} {
		v := loose[verdict](t, platen(t, append([]string{"file", "verify", "--json", config(dir)}, args...)...))
		if !v.Good || v.Records != len(f.records) || strings.Contains(v.Checked, "PIN blocks") != (len(args) > 3) {
			t.Errorf("file verify %v: %+v", args, v)
		}
	}
	o := run(t, "file", "verify", "--json", config(dir), path, "--layout", layout, "--keys-of", "south")
	v := loose[verdict](t, o.stdout)
	if o.code != 1 || v.Good || v.Bad != len(f.records) || len(v.Faults) == 0 || v.Faults[0].Code != "pin_block" {
		t.Errorf("%s with the keys of another bureau: exit code %d, %+v%s", f.name, o.code, v, o.stderr)
	}
}

type verdict struct {
	Good    bool
	Records int
	Bad     int `json:"bad_records"`
	Checked string
	Faults  []struct{ Code string }
}

// comparedWithItsCards tries a layout with less room for names on the cards of a file that was made: it names those cards whose names are too long for it.
func comparedWithItsCards(t *testing.T, dir string, f taken) {
	t.Helper()
	const room = 10
	var want []string
	at := 0
	for line := range strings.Lines(string(f.plain)) {
		if !strings.HasPrefix(line, "D") {
			continue
		}
		if len(strings.TrimSpace(line[100:126])) > room {
			want = append(want, f.records[at].uid)
		}
		at++
	}
	next := shortened(t, "north-fixed", `{at: 101, len: 26, value: card.name}`, "{at: 101, len: 10, value: card.name}\n    - {at: 111, len: 16, fill: \" \"}")
	number, _, _ := strings.Cut(f.records[0].uid, "-")
	o := run(t, "layout", "diff", layoutSamples+"north-fixed.yaml", next, "--against", number, "--json", "--limit", "1000", config(dir))
	d := loose[struct {
		Records int
		Refused int `json:"newly_rejected"`
		Effects []struct{ UID, Field, What string }
	}](t, o.stdout)
	var got []string
	for _, e := range d.Effects {
		if e.Field != "card.name" || e.What != "rejected" {
			t.Errorf("%+v", e)
		}
		got = append(got, e.UID)
	}
	if o.code != 1 || d.Records != len(f.records) || d.Refused != len(want) || len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("exit code %d, %d of %d records, refused %v, not %v%s", o.code, d.Records, len(f.records), got, want, o.stderr)
	}
	mailers := layoutSamples + "pin-mailer.yaml"
	if o := run(t, "layout", "diff", mailers, mailers, "--against", number, config(dir)); o.code != 1 || !strings.Contains(o.stderr, "of kind CARD") {
		t.Errorf("cards with a layout for mailers: exit code %d, %s", o.code, o.stderr)
	}
}
