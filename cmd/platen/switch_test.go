package main_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"

	"platen/formats"
)

var layoutLine = regexp.MustCompile(`(?m)^layout: \S+$`)

// TestABureauIsSwitchedToAnotherLayoutByEditingYAML runs one press for three nights: its bureau gets fixed lines, then XML, then a stream of control tags.
// Nothing but the layout's name in the products' YAML changes in between. Each night the simulated bureau opens, parses and recomputes every record
// before it accepts a file, and the books balance.
func TestABureauIsSwitchedToAnotherLayoutByEditingYAML(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 60, bulk: 40, actions: 4})
	platen(t, "init", dir)
	products, err := filepath.Glob(filepath.Join(dir, "programs", "products", "*.yaml"))
	must(t, err)
	seen := map[string]bool{}
	for _, layout := range []string{"north-fixed", "cardgen-style", "datacard-style"} {
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
			if f.layout != layout {
				t.Errorf("%s has the layout %s, not %s", f.name, f.layout, layout)
			}
		}
		if cards < 40 {
			t.Errorf("%s: the bureau took %d cards", layout, cards)
		}
	}
}
