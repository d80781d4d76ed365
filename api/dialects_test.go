package api_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest  = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	tableOfOps = regexp.MustCompile(`(?m)^\|.*\|$`)
)

// The table of every operation and rule names tests that there are, and every operation that is served stands in it.
func TestTheTableOfDialectsIsTrue(t *testing.T) {
	manual, err := os.ReadFile("../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOfTheHouse(t)
	for _, name := range namedTest.FindAllStringSubmatch(string(manual), -1) {
		if !tests[name[1]] {
			t.Errorf("docs/dialects.md names %s, which no file has", name[1])
		}
	}
	tables := strings.Join(tableOfOps.FindAllString(string(manual), -1), "\n")
	for _, d := range dialects(nil, nil) {
		for _, r := range d.Routes {
			method, path, _ := strings.Cut(r.Pattern, " ")
			if !listed(tables, method, strings.TrimPrefix(path, "/v1")) {
				t.Errorf("docs/dialects.md does not tell of %s %s %s", d.Code, method, path)
			}
		}
	}
}

// listed tells whether a row names an operation: its path, or the end of it behind another, with its method before it.
func listed(tables, method, path string) bool {
	head := path[:strings.LastIndex(path, "/")]
	tail := path[strings.LastIndex(path, "/"):]
	for row := range strings.Lines(tables) {
		if strings.Contains(row, method) && (strings.Contains(row, path+"`") || strings.Contains(row, head+"/") && strings.Contains(row, "`"+tail+"`")) {
			return true
		}
	}
	return false
}

// testsOfTheHouse are the names of all tests.
func testsOfTheHouse(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(t \*testing\.T\)`)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range declared.FindAllSubmatch(source, -1) {
			all[string(name[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
