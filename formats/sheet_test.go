package formats_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"platen/formats"
)

// Beside each built-in layout lies its field sheet, as platen layout sheet writes it.
func TestTheFieldSheetBesideEachBuiltInLayoutIsTheGeneratedOne(t *testing.T) {
	files, err := filepath.Glob("../samples/layouts/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sheets := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".test.yaml") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l, err := formats.Load(file, src)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := l.WriteSheet(&want); err != nil {
			t.Fatal(err)
		}
		sheet := strings.TrimSuffix(file, ".yaml") + ".md"
		if *update {
			if err := os.WriteFile(sheet, want.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(sheet); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not the sheet of its layout (%v): go test ./formats -run FieldSheet -update writes it anew", sheet, err)
		}
		sheets++
	}
	if left, err := filepath.Glob("../samples/layouts/*.md"); err != nil || len(left) != sheets || sheets == 0 {
		t.Errorf("%d sheets for %d layouts: %v", len(left), sheets, err)
	}
}
