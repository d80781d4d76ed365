package formats

import (
	_ "embed" // the sets are data
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

//go:embed namesets.yaml
var nameSetSource []byte

// defaultNameSet is what cards show where nobody chose another.
const defaultNameSet = "capitals"

// nameSet is what a technique can show of a name.
type nameSet struct {
	capitals bool // small letters become capitals
	ascii    bool
	has      [len(romanisation{}.letters)]bool
}

// keeps tells whether a letter can stand as it is, in the case in which the set shows it.
func (s *nameSet) keeps(r rune) bool {
	if s.capitals {
		r = unicode.ToUpper(r)
	}
	return r >= 0 && int(r) < len(s.has) && s.has[r]
}

// nameSets are the sets by name. They are read and made with the first use; data that cannot be read is a fault of the build.
var nameSets = sync.OnceValue(func() map[string]*nameSet {
	var src map[string]struct {
		Capitals bool
		Runs     []string
		Signs    string
	}
	if err := yaml.Unmarshal(nameSetSource, &src); err != nil {
		panic(fmt.Sprintf("formats: namesets.yaml: %v", err))
	}
	all := map[string]*nameSet{}
	for name, from := range src {
		set := &nameSet{capitals: from.Capitals, ascii: true}
		add := func(first, last rune) {
			for r := first; r <= last; r++ {
				if int(r) >= len(set.has) || isControl(r) || r == '/' || r == '^' {
					panic(fmt.Sprintf("formats: namesets.yaml: %s: %q is nothing that a name may show", name, r))
				}
				set.has[r] = true
				set.ascii = set.ascii && r < utf8.RuneSelf
			}
		}
		for _, run := range from.Runs {
			ends := []rune(run)
			if len(ends) != 2 {
				panic(fmt.Sprintf("formats: namesets.yaml: %s: %q is no run", name, run))
			}
			add(ends[0], ends[1])
		}
		for _, r := range from.Signs {
			add(r, r)
		}
		all[name] = set
	}
	return all
})

// NameSets lists the names of the character sets.
func NameSets() []string { return slices.Sorted(maps.Keys(nameSets())) }

// ASCIINameSets lists those that hold nothing but ASCII, as a name must that stands on a track as well.
func ASCIINameSets() []string {
	return slices.DeleteFunc(NameSets(), func(name string) bool { return !nameSets()[name].ascii })
}

// EncodesNames tells whether the encoding of the layout's files has every character of a set.
func (l *Layout) EncodesNames(set string) bool {
	s, ok := nameSets()[set]
	if !ok {
		return false
	}
	for r, has := range s.has {
		if !has {
			continue
		}
		if _, err := l.spec.encoding.encode([]byte(string(rune(r))), 0); err != nil {
			return false
		}
	}
	return true
}

// Carries tells whether any section of the layout has a place for a field.
func (l *Layout) Carries(f Field) bool { return l.shows(f) }
