package formats_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"platen/formats"
)

const smallLayout = `layout: small
version: "1"
kind: card-file
mode: fixed
eol: lf
clearance: [personal, pan, pin-block]
file:
  name: "a_{file.sequence|n(4)}.txt"
header:
  length: 9
  fields:
    - {at: 1, len: 1, const: H}
    - {at: 2, len: 8, value: file.records, pipe: n}
detail:
  length: 75
  fields:
    - {at: 1, len: 1, const: D}
    - {at: 2, len: 24, value: card.pan, pipe: 'group("4 4 4 4")'}
    - {at: 26, len: 20, value: record.uid}
    - {at: 46, len: 26, value: card.name, pipe: [upper]}
    - {at: 72, len: 4, value: card.expiry, pipe: 'date("MMyy")'}
trailer:
  length: 9
  fields:
    - {at: 1, len: 1, const: T}
    - {at: 2, len: 8, value: totals.records, pipe: n}
`

func TestLoadRefusesAWrongLayoutAndNamesTheLine(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "eol: lf", "eoll: lf", `x.yaml:5: layout: unknown key "eoll"`},
		{"unknown key of a field", "{at: 1, len: 1, const: T}", "{at: 1, len: 1, konst: T}", `x.yaml:25: field: unknown key "konst"`},
		{"doubled key", "eol: lf", "mode: fixed", `x.yaml:5: layout: key "mode" stands twice`},
		{"missing key", "kind: card-file\n", "", `x.yaml:1: layout: key "kind" is missing`},
		{"unknown kind", "kind: card-file", "kind: letter", `x.yaml:3: kind: unknown word "letter"`},
		{"overlap", "at: 26,", "at: 25,", "x.yaml:19: overlap: the field begins at 25 and the one before it ends at 25"},
		{"gap", "at: 26,", "at: 27,", "x.yaml:19: gap: the field begins at 27 and the one before it ends at 25"},
		{"unknown field", "card.name", "card.nome", `x.yaml:20: unknown field "card.nome"`},
		{"unknown function", "[upper]", "[shout]", `x.yaml:20: card.name: unknown function "shout"`},
		{"wrong argument", `group("4 4 4 4")`, `group("four")`, `function group: pattern "four"`},
		{"wrong type for a function", "[upper]", "n", "x.yaml:20: card.name: wrong type: n does not take text"},
		{"wrong type of a length", "len: 26", "len: wide", "x.yaml:20: len: wrong type: must be a whole number"},
		{"impossible length of a value", `date("MMyy")`, `date("MM/yyyy")`, "x.yaml:21: card.expiry: impossible length: it takes 7 and len is 4"},
		{"impossible length of a constant", "const: T", "const: TT", "x.yaml:25: const: impossible length: it has 2 and len is 1"},
		{"impossible length of a section", "length: 75", "length: 76", "x.yaml:15: detail: impossible length: it says 76 and its fields end at 75"},
		{"negative length", "len: 26", "len: -1", "x.yaml:20: len: impossible length or limit"},
		{"no clearance", "clearance: [personal, pan, pin-block]", "clearance: personal", "x.yaml:18: card.pan: is pan, which the clearance does not list"},
		{"unknown clearance", "pin-block]", "everything]", `x.yaml:6: clearance: unknown class "everything"`},
		{"binary without hex", "value: card.name, pipe: [upper]", "value: card.pin_block", "x.yaml:20: card.pin_block: wrong type: a binary value needs hex"},
		{"the PAN is not whole", `group("4 4 4 4")`, `mask`, "x.yaml:15: detail: a card-file needs card.pan as it is"},
		{"totals in the header", "value: file.records", "value: totals.records", "x.yaml:13: totals.records: is known only in the trailer"},
		{"record number in the trailer", "value: totals.records", "value: record.number", "x.yaml:26: record.number: stands in the detail only"},
		{"sections alike", "const: T", "const: D", "x.yaml:23: trailer: must begin with a constant that tells it from detail"},
		{"section without mark", "{at: 1, len: 1, const: D}", "{at: 1, len: 1, value: carrier.branch}", "x.yaml:15: detail: must begin with a constant"},
		{"both value and constant", "value: card.name, pipe: [upper]", "value: card.name, const: x", "x.yaml:20: field: needs one of value, const, fill, parts and track"},
		{"name of a file with a personal field", "{file.sequence|n(4)}", "{card.name}", "x.yaml:8: name: card.name may not stand in a file name"},
		{"name of a file with a path", "a_{", "../a_{", "x.yaml:8: name: a file name has letters"},
		{"name of a file with an unknown field", "{file.sequence|n(4)}", "{file.seq}", `x.yaml:8: name: unknown field "file.seq"`},
		{"name of a file that does not end", "n(4)}", "n(4)", "x.yaml:8: name: a { does not end"},
		{"anchors", "clearance: [", "clearance: &a [", "x.yaml:6: anchors and aliases are not allowed"},
		{"two documents", "kind: card-file", "kind: card-file\n---\nkind: card-file", "one YAML document"},
		{"not YAML", "eol: lf", "eol: [", "not YAML"},
		{"eol none with runes", "eol: lf", "eol: none\nunit: runes", "eol none needs unit bytes"},
		{"delimited with positions", "mode: fixed", "mode: delimited", "x.yaml:12: field: at, len and fill are for fixed layouts"},
		{"transfer without a dot", "eol: lf", "eol: lf\ntransfer: {temp_suffix: part}", "x.yaml:6: transfer: temp_suffix: is a dot and letters"},
		{"transfer to another place", "eol: lf", "eol: lf\ntransfer: {marker: {suffix: ./ok}}", "transfer: marker: is a dot and letters"},
		{"transfer with one name for two", "eol: lf", "eol: lf\ntransfer: {temp_suffix: .x, marker: {suffix: .x}}", "temp_suffix: is the marker's, too"},
		{"transfer with a value of a card", "eol: lf", "eol: lf\ntransfer: {marker: {suffix: .ok, content: '{card.pan}'}}", "content: is printable ASCII of 200 characters"},
		{"transfer with words for nobody", "eol: lf", "eol: lf\ntransfer: {marker: {content: x}}", "content: there is no marker"},
		{"transfer with an unknown option", "eol: lf", "eol: lf\ntransfer: {mode: ascii}", `unknown key "mode"`},
		{"unquoted YAML number", `version: "1"`, "version: one", `x.yaml:2: version: "one" does not have the form`},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := strings.Replace(smallLayout, c.old, c.new, 1)
			if src == smallLayout {
				t.Fatal("nothing was changed")
			}
			_, err := formats.Load("x.yaml", []byte(src))
			var fault *formats.LoadError
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := formats.Load("x.yaml", []byte(smallLayout)); err != nil {
		t.Error(err)
	}
	for _, empty := range []string{"", "\n", "# nothing\n", "[]", "x"} {
		if _, err := formats.Load("x.yaml", []byte(empty)); err == nil {
			t.Errorf("%q was loaded", empty)
		}
	}
}

func TestAPINMailerLayoutCannotCarryCardData(t *testing.T) {
	src, err := os.ReadFile("../samples/layouts/pin-mailer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{"pan", "track", "code"} {
		changed := strings.Replace(string(src), "[personal, pin-block]", "[personal, pin-block, "+class+"]", 1)
		if _, err := formats.Load("x.yaml", []byte(changed)); err == nil || !strings.Contains(err.Error(), "a pin-mailer may not carry "+class) {
			t.Errorf("%s: %v", class, err)
		}
	}
	changed := strings.Replace(string(src), "value: card.name", "value: card.pan", 1)
	if _, err := formats.Load("x.yaml", []byte(changed)); err == nil || !strings.Contains(err.Error(), "clearance does not list") {
		t.Errorf("card.pan: %v", err)
	}
}

func TestLayoutTellsWhatItIs(t *testing.T) {
	l := shipped(t, "north-fixed")
	src, err := os.ReadFile("../samples/layouts/north-fixed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if l.Name() != "north-fixed" || l.Version() != "1.0.0" || l.Kind() != formats.CardFile || l.MaxRecords() != 50_000 || len(l.Checksum()) != 64 || string(l.Source()) != string(src) {
		t.Errorf("%v %v %v %d %s", l, l.Version(), l.Kind(), l.MaxRecords(), l.Checksum())
	}
	if by := l.SplitBy(); len(by) != 1 || by[0] != formats.ProductCode {
		t.Errorf("split by %v", by)
	}
}

func TestFieldNamesAreKnownBothWays(t *testing.T) {
	for _, f := range formats.Fields() {
		if got, ok := formats.ParseField(f.String()); !ok || got != f || !strings.Contains(f.String(), ".") {
			t.Errorf("field %d is called %q", f, f)
		}
	}
	for _, unknown := range []string{"", "card", "card.pin", "unknown(0)"} {
		if _, ok := formats.ParseField(unknown); ok {
			t.Errorf("%q is known", unknown)
		}
	}
}
