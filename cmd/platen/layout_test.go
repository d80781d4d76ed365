package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const layoutSamples = "../../samples/layouts/"

// shortened is a sample layout with texts of it replaced, in a file of its own.
func shortened(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	text := string(read(t, layoutSamples+name+".yaml"))
	changed := strings.NewReplacer(pairs...).Replace(text)
	if changed == text {
		t.Fatalf("%s has none of %q", name, pairs)
	}
	path := filepath.Join(t.TempDir(), name+".yaml")
	put(t, path, []byte(changed))
	return path
}

func TestLayoutDiffNamesMovedFieldsAndRefusedNames(t *testing.T) {
	t.Parallel()
	next := shortened(t, "north-fixed", `{at: 101, len: 26, value: card.name}`, "{at: 101, len: 20, value: card.name}\n    - {at: 121, len: 6, fill: \" \"}", `version: "1.0.0"`, `version: "1.1.0"`)
	o := run(t, "layout", "diff", layoutSamples+"north-fixed.yaml", next, "--json")
	type report struct {
		Changes []struct{ Section, Field, What, Was, Is string }
		Records int
		Refused int `json:"newly_rejected"`
		Effects []struct{ Field, What, Reason, Was string }
	}
	d := loose[report](t, o.stdout)
	if o.code != 1 || len(d.Changes) != 1 || d.Changes[0].Field != "card.name" || d.Changes[0].What != "resized" || d.Refused == 0 || d.Refused != len(d.Effects) {
		t.Errorf("exit code %d, %+v", o.code, d)
	}
	for _, e := range d.Effects {
		if e.Field != "card.name" || e.What != "rejected" || len(e.Was) <= 20 {
			t.Errorf("%+v", e)
		}
	}
	if o := run(t, "layout", "diff", layoutSamples+"north-fixed.yaml", layoutSamples+"ack.yaml"); o.code != 1 || !strings.Contains(o.stderr, "cannot be compared") {
		t.Errorf("exit code %d, %s", o.code, o.stderr)
	}
	same := run(t, "layout", "diff", layoutSamples+"north-fixed.yaml", layoutSamples+"north-fixed.yaml")
	if same.code != 0 || !strings.Contains(same.stdout, "No field changes.") || !strings.Contains(same.stdout, "0 newly rejected") {
		t.Errorf("exit code %d, %s", same.code, same.stdout)
	}
}

func TestLayoutLintTellsFileLineAndReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ was, is, want string }{
		"overlap":             {`at: 9, len: 24, value: record.uid`, `at: 8, len: 24, value: record.uid`, "overlap"},
		"gap":                 {`at: 9, len: 24, value: record.uid`, `at: 10, len: 24, value: record.uid`, "gap"},
		"unknown field":       {`value: record.uid`, `value: record.id`, `unknown field "record.id"`},
		"unknown function":    {`pipe: 'date("MM/yy")'`, `pipe: 'dat("MM/yy")'`, `unknown function "dat"`},
		"wrong type":          {`value: card.psn`, `value: card.psn, pipe: 'date("MM/yy")'`, "wrong type"},
		"impossible length":   {`at: 94, len: 2, value: card.psn`, `at: 94, len: 1, value: card.psn`, "impossible length"},
		"sensitive, not said": {`clearance: [personal, pan, track, code, pin-block]`, `clearance: [personal, pan, track, code]`, "which the clearance does not list"},
	} {
		path := shortened(t, "north-fixed", c.was, c.is)
		o := run(t, "layout", "lint", path)
		if o.code != 1 || !strings.Contains(o.stdout, path+":") || !strings.Contains(o.stdout, c.want) {
			t.Errorf("%s: exit code %d, %q", name, o.code, o.stdout)
		}
	}
	if o := run(t, "layout", "lint", layoutSamples); o.code != 0 || strings.Count(o.stdout, " loads: ") < 40 {
		t.Errorf("exit code %d, %s", o.code, o.stdout)
	}
}

func TestAnyFileIsDescribedAndVerifiedWithItsLayout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	layout := layoutSamples + "south-delimited.yaml"
	pan := "4000001234567899"
	head := "H;cards;v1;42;demo-bank;north;20261123;203000;7;1;visa-debit-chip;VD-BLUE;TEST\n"
	good := head + "D;1;42-0000001;T01ABCDEFGHJKLMNPQ1;NEW;" + pan + ";00;11/2030;ASHA RAO;201;B" + pan + "^RAO/ASHA^301120100123000000;" + pan + "=301120112300000;456;Asha Rao;12 Lake Road;;;Pune;;411001;IN;STANDARD;\nT;1;001234567899\n"
	good = strings.Replace(good, "T;1;001234567899", "T;1;000234567899", 1)
	file := filepath.Join(dir, "cards.csv")
	put(t, file, []byte(good))
	if o := run(t, "file", "verify", file, "--layout", layout); o.code != 0 || !strings.Contains(o.stdout, "1 records, all right") {
		t.Errorf("exit code %d, %s%s", o.code, o.stdout, o.stderr)
	}
	described := platen(t, "file", "describe", file, "--layout", layout)
	if strings.Contains(described, pan) || !strings.Contains(described, "400000******7899") || !strings.Contains(described, "ASHA RAO") {
		t.Errorf("described as\n%s", described)
	}
	for name, c := range map[string]struct{ was, is, want string }{
		"a count":         {"T;1;", "T;2;", "totals.records"},
		"a total":         {"000234567899", "000234567898", "totals.pan_hash"},
		"a check digit":   {";4000001234567899;", ";4000001234567898;", "pan_hash"},
		"a track":         {"=3011201", "=3012201", "record 1 (42-0000001): track2"},
		"a cut file":      {"T;1;000234567899\n", "", "line 3"},
		"a column more":   {";STANDARD;\n", ";STANDARD;;\n", "line 2"},
		"a control":       {"Lake Road", "Lake\x00Road", "line 2"},
		"another expiry":  {"11/2030", "12/2030", "track1"},
		"no date at all":  {"11/2030", "13/2030", "line 2"},
		"an invalid byte": {"Pune", "Pun\xff", "line 2"},
	} {
		path := filepath.Join(dir, "bad.csv")
		put(t, path, []byte(strings.Replace(good, c.was, c.is, 1)))
		o := run(t, "file", "verify", path, "--layout", layout)
		if o.code != 1 || !strings.Contains(o.stdout, c.want) || strings.Contains(o.stdout+o.stderr, "123456789") {
			t.Errorf("%s: exit code %d, %s%s", name, o.code, o.stdout, o.stderr)
		}
	}
	masked := strings.NewReplacer(pan+";00;", "400000******7899;00;", "B"+pan+"^RAO/ASHA^301120100123000000", "", pan+"=301120112300000;456;", ";;", "000234567899", "").Replace(good)
	copied := filepath.Join(dir, "copy.csv")
	put(t, copied, []byte(masked))
	if o := run(t, "file", "verify", copied, "--layout", layout, "--audience", "issuer-masked"); o.code != 0 || !strings.Contains(o.stdout, "1 records, all right") {
		t.Errorf("exit code %d, %s%s", o.code, o.stdout, o.stderr)
	}
	if o := platen(t, "file", "describe", copied, "--layout", layout, "--audience", "issuer-masked"); !strings.Contains(o, "400000******7899") || !strings.Contains(o, "ASHA RAO") {
		t.Errorf("described as\n%s", o)
	}
	for _, wrong := range [][]string{{copied, "--layout", layout}, {copied, "--layout", layout, "--audience", "issuer-cutdown"}, {file, "--layout", layout, "--audience", "issuer-masked"}} {
		if o := run(t, append([]string{"file", "verify"}, wrong...)...); o.code != 1 || !strings.Contains(o.stdout, "card.") {
			t.Errorf("%q: exit code %d, %s%s", wrong, o.code, o.stdout, o.stderr)
		}
	}
	if o := run(t, "file", "verify", copied, "--audience", "issuer-masked"); o.code != 1 || !strings.Contains(o.stderr, "name its layout with --layout") {
		t.Errorf("exit code %d, %s", o.code, o.stderr)
	}
	sealed := filepath.Join(dir, "cards.asc")
	put(t, sealed, []byte("-----BEGIN PGP MESSAGE-----\n\nxyz\n"))
	if o := run(t, "file", "verify", sealed, "--layout", layout); o.code != 1 || !strings.Contains(o.stderr, "decrypt it first") {
		t.Errorf("exit code %d, %s", o.code, o.stderr)
	}
}

func TestPreviewAndSheetNeedNoDatabase(t *testing.T) {
	t.Parallel()
	layouts, err := filepath.Glob(layoutSamples + "*.yaml")
	must(t, err)
	o := run(t, "layout", "preview", layoutSamples+"fixed-hdt.yaml", "--records", "2", "--audience", "issuer-cutdown", "--config", "/nowhere/platen.yaml")
	if o.code != 0 || !strings.Contains(o.stdout, "detail, 621 characters") || strings.Contains(o.stdout, "4111") && !strings.Contains(o.stdout, "BIN=411111") {
		t.Errorf("exit code %d, %s%s", o.code, o.stdout, o.stderr)
	}
	if o := run(t, "layout", "preview", layoutSamples+"fixed-hdt.yaml", "--audience", "all"); o.code != 1 || !strings.Contains(o.stderr, "issuer-masked") {
		t.Errorf("exit code %d, %s", o.code, o.stderr)
	}
	if sheet := platen(t, "layout", "sheet", layoutSamples+"fixed-hdt.yaml"); !strings.Contains(sheet, "| 83-106 | 24 | card.name |") {
		t.Errorf("the sheet is\n%s", sheet)
	}
	if len(layouts) < 80 {
		t.Errorf("%d files", len(layouts))
	}
	if _, err := os.Stat("platen.yaml"); err == nil {
		t.Error("something made a configuration")
	}
}
