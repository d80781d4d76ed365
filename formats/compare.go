package formats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Change is a difference between two layouts: of the file as a whole, or of one field.
type Change struct {
	Section string `json:"section"` // file, or the section of the field
	Field   string `json:"field"`
	What    string `json:"what"` // moved, resized, added, removed, changed
	Was     string `json:"was,omitempty"`
	Is      string `json:"is,omitempty"`
}

// What can happen to a field. A field that moved and has another length, too, is told twice.
const (
	Moved   = "moved"   // it begins elsewhere, or has another name
	Resized = "resized" // it has another length
	Changed = "changed" // its functions, condition or the texts around it
	Added   = "added"
	Removed = "removed"
)

// Compare lists what is different in next, in the order of next's sections; fields that are gone stand at the end of theirs. A field is known
// again by what it shows, a field of the catalogue or a constant; of several equal ones first those that stayed where they were. Filler is no
// field: it is told only where it is another character.
func Compare(old, next *Layout) []Change {
	changes := compareFacts(old, next)
	for which := Header; which <= Trailer; which++ {
		was, is := old.rowsOf(which), next.rowsOf(which)
		former := match(was, is)
		for i := range is {
			row := &is[i]
			switch before := former[i]; {
			case before >= 0:
				changes = append(changes, was[before].changesTo(row)...)
			case !row.filler():
				changes = append(changes, Change{which.String(), row.Content, Added, "", row.where()})
			}
		}
		for i := range was {
			if row := &was[i]; !row.filler() && !slices.Contains(former, i) {
				changes = append(changes, Change{which.String(), row.Content, Removed, row.where(), ""})
			}
		}
	}
	return changes
}

func (l *Layout) rowsOf(which Section) []SheetRow {
	return slices.DeleteFunc(l.Sheet(), func(r SheetRow) bool { return r.Section != which })
}

// match finds for each row of is the row of was that shows the same, -1 where there is none.
func match(was, is []SheetRow) []int {
	former := make([]int, len(is))
	for i := range former {
		former[i] = -1
	}
	for _, same := range []func(a, b *SheetRow) bool{
		func(a, b *SheetRow) bool {
			return a.start() == b.start() && (a.Content == b.Content || a.filler() && b.filler())
		},
		func(a, b *SheetRow) bool { return a.Content == b.Content && !a.filler() },
	} {
		for i := range is {
			for k := 0; former[i] < 0 && k < len(was); k++ {
				if same(&was[k], &is[i]) && !slices.Contains(former, k) {
					former[i] = k
				}
			}
		}
	}
	return former
}

func (r *SheetRow) filler() bool { return strings.HasPrefix(r.Content, "filled with ") }

func compareFacts(old, next *Layout) []Change {
	var changes []Change
	was, is := old.facts(), next.facts()
	find := func(all []fact, name string) string {
		for _, f := range all {
			if f.name == name {
				return f.value
			}
		}
		return ""
	}
	for _, f := range is {
		if before := find(was, f.name); before != f.value {
			changes = append(changes, Change{"file", f.name, Changed, before, f.value})
		}
	}
	for _, f := range was {
		if find(is, f.name) == "" {
			changes = append(changes, Change{"file", f.name, Changed, f.value, ""})
		}
	}
	return changes
}

// where is a field's place with its length.
func (r *SheetRow) where() string {
	if r.At > 0 || r.Length == 0 {
		return r.Place
	}
	return fmt.Sprintf("%s, length %d", r.Place, r.Length)
}

// start is where a field begins.
func (r *SheetRow) start() string {
	if r.At > 0 {
		return fmt.Sprint(r.At)
	}
	return r.Place
}

func (r *SheetRow) changesTo(next *SheetRow) []Change {
	var changes []Change
	add := func(what, was, is string) {
		changes = append(changes, Change{next.Part, next.Content, what, was, is})
	}
	if r.filler() {
		if r.Content != next.Content {
			add(Changed, r.Content, next.Content)
		}
		return changes
	}
	if r.start() != next.start() {
		add(Moved, r.where(), next.where())
	}
	if r.Length != next.Length {
		add(Resized, fmt.Sprint(r.Length), fmt.Sprint(next.Length))
	}
	if was, is := r.treatment(), next.treatment(); was != is {
		add(Changed, was, is)
	}
	return changes
}

func (r *SheetRow) treatment() string {
	all := r.Form
	if r.When != "" {
		all = append(slices.Clone(all), "when "+r.When)
	}
	if len(all) == 0 {
		return "as it is"
	}
	return strings.Join(all, ", ")
}

// Effect is what a change of layouts does to one record.
type Effect struct {
	Record int64  `json:"record"` // 1 is the first
	UID    string `json:"uid,omitempty"`
	Field  string `json:"field"`
	What   string `json:"what"` // rejected, shortened, altered
	Reason string `json:"reason,omitempty"`
	Was    string `json:"was,omitempty"` // of personal and public values only
	Is     string `json:"is,omitempty"`
}

// What can happen to a value.
const (
	Rejected  = "rejected"  // the old layout wrote the record and the new one refuses it
	Shortened = "shortened" // a name or address loses characters
	Altered   = "altered"   // a name or address is written otherwise
)

// Trial writes records with two layouts and tells where they part.
type Trial struct {
	old, next *Layout
	Records   int64 // that were tried
	Rejected  int64 // that only the new layout refuses
	Welcome   int64 // that only the old layout refuses
	pairs     []pair
}

// pair is a column of the new detail and the one of the old that shows the same.
type pair struct{ old, next int }

// NewTrial prepares a trial of details.
func NewTrial(old, next *Layout) *Trial {
	old, next = old.Blank(), next.Blank()
	t := &Trial{old: old, next: next}
	for i, k := range match(old.rowsOf(Detail), next.rowsOf(Detail)) {
		if k >= 0 && next.sections[Detail].columns[i].class() == Personal {
			t.pairs = append(t.pairs, pair{k, i})
		}
	}
	return t
}

// Try tells what becomes of one record.
func (t *Trial) Try(rec *Record) []Effect {
	t.Records++
	var effects []Effect
	effect := func(field, what, reason, was, is string) {
		effects = append(effects, Effect{Record: t.Records, UID: string(rec.Get(RecordUID)), Field: field, What: what, Reason: reason, Was: was, Is: is})
	}
	_, before := t.old.appendSection(nil, Detail, rec)
	refused := t.next.Refusals(rec)
	switch {
	case before != nil && len(refused) == 0:
		t.Welcome++
		return nil
	case before != nil:
		return nil // it could not be written before either
	case len(refused) > 0:
		t.Rejected++
		for _, r := range refused {
			effect(r.Field, Rejected, r.Reason.Error(), r.shown(rec), "")
		}
		return effects
	}
	for _, p := range t.pairs {
		was, is := t.old.cell(p.old, rec), t.next.cell(p.next, rec)
		switch {
		case was == is:
		case utf8.RuneCountInString(is) < utf8.RuneCountInString(was):
			effect(t.next.sections[Detail].columns[p.next].label, Shortened, "", was, is)
		default:
			effect(t.next.sections[Detail].columns[p.next].label, Altered, "", was, is)
		}
	}
	return effects
}

// shown is the value at fault, where people may see it.
func (e *ValueError) shown(rec *Record) string {
	if f, ok := ParseField(e.Field); ok && f.Sensitivity() <= Personal {
		return string(rec.Get(f))
	}
	return ""
}

// Refusals lists every field of a detail that the layout refuses, not only the first.
func (l *Layout) Refusals(rec *Record) []*ValueError {
	var all []*ValueError
	columns := l.sections[Detail].columns
	for i := range columns {
		var fault *ValueError
		_, err := l.appendCell(nil, i, rec)
		switch {
		case err == nil:
		case errors.As(err, &fault):
			all = append(all, fault)
		default:
			all = append(all, &ValueError{Field: columns[i].label, Reason: err})
		}
	}
	if len(all) > 0 {
		return all
	}
	if _, err := l.appendSection(nil, Detail, rec); err != nil {
		return []*ValueError{{Field: "record", Reason: err}}
	}
	return nil
}

// appendCell appends one column of a detail as it stands in the file.
func (l *Layout) appendCell(dst []byte, i int, rec *Record) ([]byte, error) {
	c := &l.sections[Detail].columns[i]
	switch {
	case l.spec.mode == fixedMode:
		return l.appendFixed(dst, c, rec)
	case l.spec.mode == delimitedMode:
		return l.appendColumn(dst, 0, c, rec)
	case l.spec.mode == segmentsMode && c.constant != nil:
		return append(dst, c.constant...), nil
	case l.spec.mode == segmentsMode:
		return l.appendPart(dst, c, rec, true)
	}
	return l.appendMember(dst, c, rec)
}

// cell is what a detail shows in one column, in UTF-8 and without what fills or ends it; empty for what cannot be written.
func (l *Layout) cell(i int, rec *Record) string {
	c := &l.sections[Detail].columns[i]
	if c.constant != nil {
		return ""
	}
	v, err := l.appendRaw(nil, c, rec)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(v))
}
