package main_test

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"platen/hsm/material"
	"platen/hsm/payshield/mock"
	"platen/hsm/thales"
)

// step is what a recipe of the manual says next: commands to give, or text for a file.
type step struct {
	kind, text string // of a fence: "", yaml, json
	file       string // the last one that the text before it names
}

var (
	fence  = regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```")
	inFile = regexp.MustCompile("`press/([^`]+)`")
)

// recipe reads a section of docs/keys.md.
func recipe(t *testing.T, title string) (steps []step) {
	t.Helper()
	_, section, found := strings.Cut(string(read(t, filepath.Join("..", "..", "docs", "keys.md"))), "\n### "+title+"\n")
	if !found {
		t.Fatalf("there is no recipe %q", title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	section, _, _ = strings.Cut(section, "\n### ")
	from := 0
	for _, at := range fence.FindAllStringSubmatchIndex(section, -1) {
		s := step{kind: section[at[2]:at[3]], text: section[at[4]:at[5]]}
		if names := inFile.FindAllStringSubmatch(section[from:at[0]], -1); len(names) > 0 {
			s.file = names[len(names)-1][1]
		}
		steps, from = append(steps, s), at[1]
	}
	return steps
}

// cook does what a recipe says in a directory, with give for its commands and change for what depends on the place.
func cook(t *testing.T, dir, title string, change *strings.Replacer, give func(args []string)) {
	t.Helper()
	steps := recipe(t, title)
	if len(steps) < 3 {
		t.Fatalf("the recipe %q has %d steps", title, len(steps))
	}
	for _, s := range steps {
		text := change.Replace(s.text)
		switch s.kind {
		case "":
			for line := range strings.Lines(text) {
				args := strings.Fields(strings.ReplaceAll(line, "press", dir))
				if args[0] != "platen" {
					t.Fatalf("%q is no command of platen", line)
				}
				give(args[1:])
			}
		case "json":
			put(t, filepath.Join(dir, filepath.FromSlash(s.file)), []byte(text))
		case "yaml":
			edited(t, filepath.Join(dir, filepath.FromSlash(s.file)), text)
		}
	}
}

// edited puts lines into a file of YAML: in the place of those that begin with the same key, otherwise at its end.
func edited(t *testing.T, path, lines string) {
	t.Helper()
	body := string(read(t, path))
	key, _, _ := strings.Cut(lines, ":")
	if !strings.Contains(body, "\n"+key+":") {
		put(t, path, []byte(body+lines))
		return
	}
	for line := range strings.Lines(lines) {
		key, _, _ := strings.Cut(line, ":")
		old := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + `:.*\n`)
		if !old.MatchString(body) {
			t.Fatalf("%s has no %s", path, key)
		}
		body = old.ReplaceAllLiteralString(body, line)
	}
	put(t, path, []byte(body))
}

// The recipe of the manual, step by step: only the address is another, and the ZMK under the LMK is what the mock's console would answer.
func TestTheRecipeForAPayShieldMakesTheSampleCards(t *testing.T) {
	t.Parallel()
	const first, second = "E09B073B4007541FAB76B04370451031", "4CBF5D51EA8525EF045EFED6E386D9D9"
	zmk := combined(t, first, second)
	underLMK, err := thales.Slot{Pair: "04-05"}.Encrypt('U', zmk)
	must(t, err)
	server := mock.Start(t, mock.Options{})
	dir := prepare(t, sizes{mass: 20, bulk: 30, actions: 5})
	var books books
	cook(t, dir, "The samples with a payShield", strings.NewReplacer("192.0.2.10:1500", server.Address(), "U...", underLMK), func(args []string) {
		switch {
		case args[0] == "demo":
			r, _ := demo(t, dir, append(args[3:], "--cards", "20")...)
			proveTaken(t, dir, r)
			books = r.Books
		case args[0] == "keys" && args[1] == "import":
			s := sit(t, args...)
			for i, part := range []string{first, second} {
				s.answer("custodian: ", fmt.Sprintf("Custodian %c", 'A'+i))
				s.answer("not shown): ", part)
				s.answer("yes or no): ", "yes")
			}
			s.answer("Check value of the key: 40D522. Is it right?", "yes")
			if screen, code := s.end(); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, screen)
			}
		default:
			platen(t, args...)
		}
	})
	if books.Produced == 0 || server.Commands() < uint64(books.Produced) {
		t.Errorf("%d cards were produced with %d commands", books.Produced, server.Commands())
	}
}

// combined is the key of two components, with odd parity.
func combined(t *testing.T, parts ...string) []byte {
	t.Helper()
	var raw [][]byte
	for _, p := range parts {
		b, err := hex.DecodeString(p)
		must(t, err)
		raw = append(raw, b)
	}
	key, err := material.Combine(raw...)
	must(t, err)
	if !material.AdjustParity(key, raw...) {
		t.Fatal("the components have other parities")
	}
	return key
}
