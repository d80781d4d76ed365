package formats

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mozillazg/go-unidecode"

	"platen/card"
)

// fitted makes the lines of a name by rules, or tells the code of the fault.
func (n *Names) fitted(h Holder, set *nameSet, limit int, rules []string) (line1, line2, code string) {
	p := n.parts(h)
	full := p.full()
	if full == "" {
		return "", "", FaultRequired
	}
	if len(full) > maxNameInput {
		return "", "", FaultNameTooLong
	}
	var room [maxNameInput]byte
	b, ok := n.write(room[:0], full, set)
	if !ok {
		return "", "", FaultNameUnmappable
	}
	if utf8.RuneCount(b) <= limit {
		return string(b), "", ""
	}
	twoLines := false
	for _, rule := range rules {
		twoLines = twoLines || rule == card.TwoLines
		p.apply(rule)
		if b, ok = n.write(room[:0], p.full(), set); ok && utf8.RuneCount(b) <= limit {
			return string(b), "", ""
		}
		if twoLines {
			if line1, line2, ok := n.onTwo(p, set, limit); ok {
				return line1, line2, ""
			}
		}
	}
	return "", "", FaultNameTooLong
}

// onTwo puts given names and surname on a line each; a name that was given as it is to be shown is parted at the last blank that leaves room.
func (n *Names) onTwo(p nameParts, set *nameSet, limit int) (line1, line2 string, ok bool) {
	fits := func(first, second string) bool {
		a, shownA := n.write(nil, first, set)
		b, shownB := n.write(nil, second, set)
		line1, line2 = string(a), string(b)
		return shownA && shownB && utf8.RuneCount(a) <= limit && utf8.RuneCount(b) <= limit
	}
	if p.surname != "" {
		ok = fits(p.title+" "+p.given, p.surname)
		return line1, line2, ok
	}
	words := strings.Fields(p.given)
	for i := len(words) - 1; i > 0; i-- {
		if fits(strings.Join(words[:i], " "), strings.Join(words[i:], " ")) {
			return line1, line2, true
		}
	}
	return "", "", false
}

// nameParts are what rules work on, in the letters that were given. What is to be shown as it is has given names only, and stays whole.
type nameParts struct {
	title, given, surname string
	whole                 bool
}

func (n *Names) parts(h Holder) nameParts {
	if h.Shown != "" {
		return nameParts{given: h.Shown, whole: true}
	}
	p := nameParts{given: h.GivenNames, surname: h.Surname}
	if n.title {
		p.title = h.Title
	}
	return p
}

func (p *nameParts) full() string {
	if p.whole {
		return strings.TrimSpace(p.given)
	}
	return strings.TrimSpace(p.title + " " + p.given + " " + p.surname)
}

// apply shortens by one rule.
func (p *nameParts) apply(rule string) {
	if p.whole {
		return
	}
	given := strings.Fields(p.given)
	from := 0
	switch {
	case rule == card.DropTitle:
		p.title = ""
		return
	case len(given) == 0:
		return
	case rule == card.DropMiddle:
		p.given = given[0]
		return
	case rule == card.MiddleInitials:
		from = 1
	case rule == card.Initials:
	default:
		return
	}
	for i := from; i < len(given); i++ {
		given[i] = initial(given[i])
	}
	p.given = strings.Join(given, " ")
}

// initial is the first letter of a name with its marks, those of names with a hyphen each: J-L for Jean-Luc.
func initial(name string) string {
	parts := strings.Split(name, "-")
	for i, part := range parts {
		for at, r := range part {
			if at > 0 && !combines(r) {
				parts[i] = part[:at]
				break
			}
		}
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "-")
}

// fault says what is wrong with a name, and proposes a form that could be given as emboss_name.
func (n *Names) fault(h Holder, code string, set *nameSet, limit int) *Fault {
	f := &Fault{Field: "last_name", Code: code}
	if h.Shown != "" {
		f.Field = "emboss_name"
	}
	switch code {
	case FaultRequired:
		f.Hint = "a name is needed"
		return f
	case FaultNameUnmappable:
		f.Hint = "the card shows A-Z 0-9 . , ' - & and blanks; give the name in Latin letters as emboss_name"
		if set != nameSets()[defaultNameSet] {
			f.Hint = "the product's character set lacks a letter or sign of the name; give it in others as emboss_name"
		}
	case FaultNameTooLong:
		f.Hint = fmt.Sprintf("the card shows at most %d characters; give a shorter emboss_name", limit)
		if b, ok := n.write(nil, n.whole(h), set); ok {
			f.Hint = fmt.Sprintf("the name takes %d characters and the card shows at most %d; give a shorter emboss_name", utf8.RuneCount(b), limit)
		}
	}
	if proposal := n.propose(h, set, limit); proposal != "" {
		f.Hint += ", such as " + proposal
	}
	return f
}

func (n *Names) whole(h Holder) string {
	p := n.parts(h)
	return p.full()
}

// propose finds another form of a name that a set shows within a limit: letters without an entry in the tables as a dictionary of others
// writes them, given names as initials. It is a guess, which only the holder can confirm. There is none for scripts that are not written
// letter by letter in one way, and none with digits, which may be anything.
func (n *Names) propose(h Holder, set *nameSet, limit int) string {
	if h.Shown != "" {
		h.GivenNames, h.Surname = SplitName(h.Shown)
	}
	h.Title, h.GivenNames, h.Surname, h.Shown = "", n.guess(h.GivenNames), n.guess(h.Surname), ""
	line, _, code := n.fitted(h, set, limit, []string{card.MiddleInitials, card.DropMiddle, card.Initials})
	if code != "" || strings.ContainsAny(line, "0123456789") {
		return ""
	}
	return line
}

// guess writes Latin, Greek and Cyrillic letters that stand in no table.
func (n *Names) guess(name string) string {
	var out strings.Builder
	for _, r := range composed(name) {
		_, known := n.letters.letter(r)
		if r >= utf8.RuneSelf && !known && unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) {
			out.WriteString(unidecode.Unidecode(string(r)))
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// SplitName takes the last word of a name for the surname.
func SplitName(full string) (given, surname string) {
	full = strings.TrimSpace(full)
	if cut := strings.LastIndexByte(full, ' '); cut >= 0 {
		return full[:cut], full[cut+1:]
	}
	return "", full
}
