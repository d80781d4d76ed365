// Package knownanswers gives tests the published results of hsm/vectors/testdata/vectors.json. Nothing but tests imports it.
package knownanswers

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// Vector is one published result.
type Vector struct {
	ID       string         `json:"id"`
	Algo     string         `json:"algo"`
	Inputs   map[string]any `json:"inputs"`
	Expected any            `json:"expected"`
}

// Load returns the vectors of the named algorithms. It fails the test when one of them has none. Tests run in a folder below hsm.
func Load(t *testing.T, algos ...string) []Vector {
	t.Helper()
	raw, err := os.ReadFile("../vectors/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []Vector
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	wanted := slices.DeleteFunc(all, func(v Vector) bool {
		found[v.Algo] = true
		return !slices.Contains(algos, v.Algo)
	})
	for _, algo := range algos {
		if !found[algo] {
			t.Fatalf("no vectors of %s", algo)
		}
	}
	return wanted
}

// Text returns an input as text, and "" when there is none.
func (v Vector) Text(name string) string {
	s, _ := v.Inputs[name].(string)
	return s
}

// Int returns an input as a number, and 0 when there is none.
func (v Vector) Int(name string) int {
	f, _ := v.Inputs[name].(float64)
	return int(f)
}

// Bytes returns an input that is written in hexadecimal.
func (v Vector) Bytes(t *testing.T, name string) []byte {
	t.Helper()
	return Hex(t, v.Text(name))
}

// Answer returns the expected result as text.
func (v Vector) Answer() string {
	s, _ := v.Expected.(string)
	return s
}

// Hex decodes hexadecimal text or fails the test.
func Hex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
