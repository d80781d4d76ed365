package formats

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"platen/card"
)

// maxNameInput bounds what is looked at; the longest name that a card shows has 26 characters.
const maxNameInput = 200

// Names makes what cards show of their holders' names, as one product declares it. It never changes, so any number of goroutines may use it.
type Names struct {
	letters           *romanisation
	emboss, print     *nameSet // print is nil where a card shows nothing but the embossed name
	limit, printLimit int      // characters of a line
	title             bool
	fit, printFit     []string // a printed name has one line
}

// Holder is whom a card is for, as the row of an order says it, in any letters.
type Holder struct {
	Title, GivenNames, Surname string
	Shown                      string // what the card is to show; empty = made from the others
}

// CardNames is what a card shows of a name.
type CardNames struct {
	Line1 string `json:"line1"`           // ASCII of the product's embossing set
	Line2 string `json:"line2,omitempty"` // where one line has no room and the product allows two
	Print string `json:"print,omitempty"` // of the product's printing set; empty where it declares none
}

// Whole is the embossed name on one line.
func (c CardNames) Whole() string {
	if c.Line2 == "" {
		return c.Line1
	}
	return c.Line1 + " " + c.Line2
}

// NewNames makes the rules of a product ready. It fails on what is in no list: Romanisations, NameSets, card.FitRules.
func NewNames(rules card.NameRules, limit int) (*Names, error) {
	n := &Names{limit: limit, printLimit: rules.PrintLimit, title: rules.Title, fit: rules.Fit}
	if n.letters = variants()[orDefault(rules.Letters, defaultVariant)]; n.letters == nil {
		return nil, fmt.Errorf("there is no transliteration %q", rules.Letters)
	}
	if n.emboss = nameSets()[orDefault(rules.Emboss, defaultNameSet)]; n.emboss == nil || !n.emboss.ascii {
		return nil, fmt.Errorf("there is no character set %q to emboss with", rules.Emboss)
	}
	if n.print = nameSets()[rules.Print]; n.print == nil && rules.Print != "" {
		return nil, fmt.Errorf("there is no character set %q to print with", rules.Print)
	}
	if n.printLimit == 0 {
		n.printLimit = limit
	}
	for _, rule := range rules.Fit {
		if !slices.Contains(card.FitRules(), rule) {
			return nil, fmt.Errorf("there is no fitting rule %q", rule)
		}
	}
	n.printFit = slices.DeleteFunc(slices.Clone(n.fit), func(rule string) bool { return rule == card.TwoLines })
	return n, nil
}

func orDefault(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

// undeclaredNames are the rules of a product that declares none, but for its limit.
var undeclaredNames = sync.OnceValue(func() Names {
	return Names{letters: defaultLetters(), emboss: nameSets()[defaultNameSet]}
})

// FitName gives the form in which a card shows a name where a product declares nothing: ASCII capitals, blanks collapsed. Latin letters with
// marks, Greek and Cyrillic are romanised (ICAO Doc 9303, ELOT 743); a name is never cut. Limit counts characters of the result.
//
// What cannot be shown is a fault: required, name_unmappable or name_too_long. Its line is the caller's to set.
func FitName(name string, limit int) (string, *Fault) {
	n := undeclaredNames()
	n.limit = limit
	names, fault := n.Fit(Holder{Shown: name})
	return names.Line1, fault
}

// Fit makes what a card shows. A name that is too long is fitted by the product's rules, one after the other until there is room, and a name that
// was given as it is to be shown only by being put on two lines; no name is ever cut.
//
// What cannot be shown is a fault of emboss_name or last_name: required, name_unmappable or name_too_long. Its line is the caller's to set, and
// its hint may propose another form, which nobody takes unasked.
func (n *Names) Fit(h Holder) (CardNames, *Fault) {
	var names CardNames
	var code string
	if names.Line1, names.Line2, code = n.fitted(h, n.emboss, n.limit, n.fit); code != "" {
		return CardNames{}, n.fault(h, code, n.emboss, n.limit)
	}
	if n.print == nil {
		return names, nil
	}
	if names.Print, _, code = n.fitted(h, n.print, n.printLimit, n.printFit); code != "" {
		return CardNames{}, n.fault(h, code, n.print, n.printLimit)
	}
	return names, nil
}

// Latin writes surname and given names of a holder in ASCII letters by the product's table, for track 1. What has a letter without an entry there
// stays as it is: no track can hold it.
func (n *Names) Latin(surname, given string) (latinSurname, latinGiven string) {
	if isASCII(surname) && isASCII(given) {
		return surname, given
	}
	return n.latin(surname), n.latin(given)
}

func (n *Names) latin(s string) string {
	if written, ok := n.letters.write(s); ok {
		return written
	}
	return s
}

// write appends a name in the characters of a set to dst, with single blanks, and tells whether the set can show it. It needs a letter or digit.
func (n *Names) write(dst []byte, name string, set *nameSet) ([]byte, bool) {
	if len(name) > maxNameInput {
		return dst, false
	}
	keep := set
	if set.ascii {
		keep = nil
	}
	b, ok := n.letters.append(dst, composed(name), keep)
	if !ok {
		return dst, false
	}
	if set.capitals && !set.ascii {
		b = bytes.ToUpper(b)
	}
	b = singleBlanks(b, set.capitals)
	return b, showable(b, set)
}

// singleBlanks collapses blanks in place, and makes ASCII capitals if it is asked to.
func singleBlanks(b []byte, capitals bool) []byte {
	out := b[:0]
	for _, c := range b {
		switch {
		case capitals && c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c == ' ' && (len(out) == 0 || out[len(out)-1] == ' '):
			continue
		}
		out = append(out, c)
	}
	return trimBlanks(out)
}

// showable tells whether a set shows all of a name.
func showable(name []byte, set *nameSet) bool {
	letters := false
	for i := 0; i < len(name); {
		r, size := rune(name[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(name[i:])
		}
		if int(r) >= len(set.has) || !set.has[r] {
			return false
		}
		letters = letters || strings.IndexByte(" .,'-&", name[i]) < 0
		i += size
	}
	return letters
}
