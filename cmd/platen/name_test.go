package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamePreviewShowsWhatAProductMakesOfNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../samples")); err != nil {
		t.Fatal(err)
	}
	change := func(name, old, replacement string) {
		path := filepath.Join(dir, name)
		before, after, found := strings.Cut(string(read(t, path)), old)
		if !found {
			t.Fatalf("%s does not hold %q", name, old)
		}
		put(t, path, []byte(before+replacement+after))
	}
	change("programs/products/prepaid-mag.yaml", "name_limit: 26\n", "name_limit: 14\nnames:\n  letters: nordic\n  print: latin-1\n  print_limit: 26\n  fit: [DROP_MIDDLE, TWO_LINES]\n")
	change("layouts/south-delimited.yaml", "    - {value: card.name}\n", "    - {value: card.name}\n    - {value: card.name2}\n    - {value: card.print_name}\n")

	preview := func(names ...string) outcome {
		return run(t, append([]string{"name", "preview", "--json", "-f", filepath.Join(dir, "programs"), "--product", "prepaid-mag"}, names...)...)
	}
	type shown struct{ Original, Line1, Line2, Print, Track1 string }
	o := preview("Jürgen Müller", "José Ana|García Márquez")
	got := loose[[]shown](t, o.stdout)
	if o.code != 0 || len(got) != 2 || got[0] != (shown{"Jürgen Müller", "JYRGEN MYLLER", "", "Jürgen Müller", "MYLLER/JYRGEN"}) ||
		got[1] != (shown{"José Ana|García Márquez", "JOSE", "GARCIA MARQUEZ", "José Ana García Márquez", "GARCIA MARQUEZ/JOSE ANA"}) {
		t.Errorf("exit code %d, %+v", o.code, got)
	}
	type refused struct {
		Line1 string
		Fault struct{ Field, Code, Hint string }
	}
	o = preview("--emboss-name", "Bartholomew Wellesley-Smyth Jones", "山田 太郎")
	bad := loose[[]refused](t, o.stdout)
	if o.code != 1 || len(bad) != 2 || bad[0].Fault.Code != "name_too_long" || !strings.HasSuffix(bad[0].Fault.Hint, "such as B JONES") || bad[0].Line1 != "" ||
		bad[1].Fault.Code != "name_unmappable" || bad[1].Fault.Field != "emboss_name" {
		t.Errorf("exit code %d, %+v", o.code, bad)
	}
	if o := run(t, "name", "preview", "-f", filepath.Join(dir, "programs"), "--product", "none", "Ann Lee"); o.code == 0 || !strings.Contains(o.stderr, `has no product "none"`) {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}
