package formats

import (
	"errors"
	"fmt"
	"strings"
)

// datePart is one piece of a date's form: a part of the stored value or a literal.
type datePart struct {
	from, to int // in the stored value; equal for a literal
	century  bool
	literal  string
}

// dateTokens lists, for each stored form, where the tokens of a layout lie in it.
func dateTokens(t valueType) map[string]datePart {
	switch t {
	case month: // YYMM
		return map[string]datePart{"yyyy": {0, 2, true, ""}, "yy": {0, 2, false, ""}, "MM": {2, 4, false, ""}}
	case date: // YYYYMMDD
		return map[string]datePart{"yyyy": {0, 4, false, ""}, "yy": {2, 4, false, ""}, "MM": {4, 6, false, ""}, "dd": {6, 8, false, ""}}
	case daytime: // HHMMSS
		return map[string]datePart{"HH": {0, 2, false, ""}, "mm": {2, 4, false, ""}, "ss": {4, 6, false, ""}}
	}
	return nil
}

// date("MM/yy"): months, dates and times in another form, of yyyy yy MM dd HH mm ss and other characters.
func (c call) date(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, month, date, daytime)); err != nil {
		return pipe{}, in, err
	}
	form := dateForm{stored: in.size}
	tokens := dateTokens(in.valueType)
	for rest := c.args[0]; rest != ""; {
		part, n, err := nextDatePart(rest, tokens)
		if err != nil {
			return pipe{}, in, err
		}
		form.parts = append(form.parts, part)
		form.short = form.short || in.valueType == date && rest[:n] == "yy"
		form.width += n
		rest = rest[n:]
	}
	if form.width == 0 || form.width > maxDateForm {
		return pipe{}, in, fmt.Errorf("function date: form %q is empty or too long", c.args[0])
	}
	p := pipe{apply: form.apply, invert: form.invert}
	if !form.complete() {
		p.invert, p.fidelity = nil, hidden
	}
	in.size, in.valueType = form.width, text
	return p, in, nil
}

func nextDatePart(rest string, tokens map[string]datePart) (datePart, int, error) {
	for _, name := range []string{"yyyy", "yy", "MM", "dd", "HH", "mm", "ss"} {
		if !strings.HasPrefix(rest, name) {
			continue
		}
		part, ok := tokens[name]
		if !ok {
			return datePart{}, 0, fmt.Errorf("wrong type: the value has no %s", name)
		}
		return part, len(name), nil
	}
	if c := rest[0]; !printable(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'S' || c >= '0' && c <= '9' {
		return datePart{}, 0, fmt.Errorf("function date: %q is no part of a date", rest[:1])
	}
	return datePart{literal: rest[:1]}, 1, nil
}

const maxDateForm = 32

type dateForm struct {
	parts  []datePart
	width  int
	stored int  // length of the stored value
	short  bool // a date whose century is not shown
}

// complete tells whether the form shows every part of the stored value; a century that is not shown is 20.
func (f dateForm) complete() bool {
	var shown [8]bool
	if f.short {
		shown[0], shown[1] = true, true
	}
	for _, p := range f.parts {
		for i := p.from; i < p.to; i++ {
			shown[i] = true
		}
	}
	for i := range f.stored {
		if !shown[i] {
			return false
		}
	}
	return true
}

func (f dateForm) apply(b []byte, start int) ([]byte, error) {
	var stored [8]byte
	n := copy(stored[:], b[start:])
	b = b[:start]
	if f.short && (stored[0] != '2' || stored[1] != '0') {
		return b, errWrongForm
	}
	for _, p := range f.parts {
		switch {
		case p.to > n:
			return b, errWrongForm
		case p.century:
			b = append(append(b, "20"...), stored[p.from:p.to]...)
		case p.literal != "":
			b = append(b, p.literal...)
		default:
			b = append(b, stored[p.from:p.to]...)
		}
	}
	return b, nil
}

func (f dateForm) invert(v []byte) ([]byte, error) {
	if len(v) != f.width {
		return v, errWrongForm
	}
	stored := [8]byte{'2', '0'}
	at := 0
	for _, p := range f.parts {
		if p.literal != "" {
			if v[at] != p.literal[0] {
				return v, errWrongForm
			}
			at++
			continue
		}
		if p.century {
			if v[at] != '2' || v[at+1] != '0' {
				return v, errWrongForm
			}
			at += 2
		}
		at += copy(stored[p.from:p.to], v[at:])
	}
	return append(v[:0], stored[:f.stored]...), nil
}
