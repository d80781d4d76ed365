package api

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestEveryProblemCodeIsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	made := regexp.MustCompile(`problem\([^,()]+, "([a-z_]+)"`)
	sources, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range made.FindAllSubmatch(source, -1) {
			codes[string(found[1])] = true
		}
	}
	for _, k := range known {
		codes[k.code] = true
	}
	if len(codes) < 20 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for code := range codes {
		if !strings.Contains(string(manual), "`"+code+"`") {
			t.Errorf("docs/api.md does not tell of %s", code)
		}
	}
}
