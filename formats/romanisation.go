package formats

import (
	_ "embed" // the tables are data
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

//go:embed romanisation.yaml
var romanisationSource []byte

// romanisation is one variant's table, ready to be asked: for every letter below 0x2120, in small letters, what is written for it.
type romanisation struct {
	letters [0x2120]string
	known   [0x2120]bool
	base    [0x2120]rune // the letter without its marks
	pairs   map[[2]rune]string
}

// defaultVariant is what is used where nobody chose another.
const defaultVariant = "icao"

// romanisationTables are the tables as their file has them.
type romanisationTables struct {
	Latin, Greek, Cyrillic, Arabic, Signs map[string]string
	GreekPairs                            map[string]string `yaml:"greek_pairs"`
	Variants                              map[string]map[string]string
}

// tablesOf reads the tables; data that cannot be read is a fault of the build.
var tablesOf = sync.OnceValue(func() (src romanisationTables) {
	if err := yaml.Unmarshal(romanisationSource, &src); err != nil {
		panic(fmt.Sprintf("formats: romanisation.yaml: %v", err))
	}
	return src
})

// variants are the tables by name. They are read and made with the first use.
var variants = sync.OnceValue(func() map[string]*romanisation {
	src := tablesOf()
	common := map[rune]string{}
	for _, t := range []map[string]string{src.Latin, src.Greek, src.Cyrillic, src.Signs} {
		addLetters(common, t)
	}
	pairs := map[[2]rune]string{}
	for from, to := range src.GreekPairs {
		letters := []rune(from)
		pairs[[2]rune{letters[0], letters[1]}] = to
	}
	all := map[string]*romanisation{}
	for name, over := range src.Variants {
		letters := maps.Clone(common)
		addLetters(letters, over)
		all[name] = newRomanisation(letters, pairs)
	}
	return all
})

// defaultLetters is the default variant, which every row of an order asks for.
var defaultLetters = sync.OnceValue(func() *romanisation { return variants()[defaultVariant] })

func addLetters(to map[rune]string, t map[string]string) {
	for from, written := range t {
		r, size := utf8.DecodeRuneInString(from)
		if size != len(from) || int(r) >= len(romanisation{}.letters) {
			panic(fmt.Sprintf("formats: romanisation.yaml: %q is no letter that it may name", from))
		}
		to[r] = written
	}
}

// newRomanisation looks every letter up by itself, without its marks, and in the table of its base letter.
func newRomanisation(letters map[rune]string, pairs map[[2]rune]string) *romanisation {
	t := &romanisation{pairs: pairs}
	for r := rune(utf8.RuneSelf); int(r) < len(t.letters); r++ {
		written, ok := letters[r]
		base := baseLetter(r)
		t.base[r] = base
		if !ok && base != r {
			if base >= 'a' && base <= 'z' {
				written, ok = string(base), true
			} else {
				written, ok = letters[base]
			}
		}
		t.letters[r], t.known[r] = written, ok
	}
	for r := rune(utf8.RuneSelf); int(r) < len(t.letters); r++ {
		switch small := unicode.ToLower(r); {
		case small == r, int(small) >= len(t.letters):
		case small < utf8.RuneSelf: // İ, K
			t.letters[r], t.known[r] = string(small), true
		default:
			t.letters[r], t.known[r] = t.letters[small], t.known[small]
		}
	}
	return t
}

// Romanisations lists the names of the variants.
func Romanisations() []string { return slices.Sorted(maps.Keys(variants())) }
