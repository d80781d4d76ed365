package formats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// datePart is one piece of a date's form: a part of the stored value or a literal.
type datePart struct {
	from, to int // in the stored value; equal for a literal
	century  bool
	literal  string
	names    []string // of months
}

// dateTokens lists, for each stored form, where the tokens of a layout lie in it.
func dateTokens(t valueType) map[string]datePart {
	switch t {
	case month: // YYMM
		return map[string]datePart{"yyyy": {from: 0, to: 2, century: true}, "yy": {from: 0, to: 2, century: false}, "MM": {from: 2, to: 4, century: false}}
	case date: // YYYYMMDD
		return map[string]datePart{"yyyy": {from: 0, to: 4, century: false}, "yy": {from: 2, to: 4, century: false}, "MM": {from: 4, to: 6, century: false}, "dd": {from: 6, to: 8, century: false}}
	case moment: // YYYYMMDDHHMMSS
		return map[string]datePart{"yyyy": {from: 0, to: 4}, "yy": {from: 2, to: 4}, "MM": {from: 4, to: 6}, "dd": {from: 6, to: 8}, "HH": {from: 8, to: 10}, "mm": {from: 10, to: 12}, "ss": {from: 12, to: 14}}
	case daytime: // HHMMSS
		return map[string]datePart{"HH": {from: 0, to: 2, century: false}, "mm": {from: 2, to: 4, century: false}, "ss": {from: 4, to: 6, century: false}}
	}
	return nil
}

// monthNames are the months as cards print them.
var monthNames = map[string][]string{
	"en": {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
	"de": {"JAN", "FEB", "MRZ", "APR", "MAI", "JUN", "JUL", "AUG", "SEP", "OKT", "NOV", "DEZ"},
	"es": {"ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SEP", "OCT", "NOV", "DIC"},
	"fr": {"JAN", "FEV", "MAR", "AVR", "MAI", "JUN", "JUL", "AOU", "SEP", "OCT", "NOV", "DEC"},
	"it": {"GEN", "FEB", "MAR", "APR", "MAG", "GIU", "LUG", "AGO", "SET", "OTT", "NOV", "DIC"},
	"pt": {"JAN", "FEV", "MAR", "ABR", "MAI", "JUN", "JUL", "AGO", "SET", "OUT", "NOV", "DEZ"},
}

// date("MM/yy"), date("MMMyyyy", en): months, dates and times in another form, of yyyy yy MMM MM dd HH mm ss and other characters.
func (c call) date(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 2), c.wants(in, month, date, daytime, moment)); err != nil {
		return pipe{}, in, err
	}
	form := dateForm{stored: in.size}
	tokens := dateTokens(in.valueType)
	if at, ok := tokens["MM"]; ok {
		at.names = monthNames["en"]
		if len(c.args) == 2 {
			if at.names, ok = monthNames[c.args[1]]; !ok {
				return pipe{}, in, fmt.Errorf("function date: there are no months in %q", c.args[1])
			}
		}
		tokens["MMM"] = at
	}
	for rest := c.args[0]; rest != ""; {
		part, n, err := nextDatePart(rest, tokens)
		if err != nil {
			return pipe{}, in, err
		}
		form.parts = append(form.parts, part)
		form.short = form.short || (in.valueType == date || in.valueType == moment) && rest[:n] == "yy"
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
	for _, name := range []string{"yyyy", "yy", "MMM", "MM", "dd", "HH", "mm", "ss"} {
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
	var shown [len(momentForm)]bool
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
	var stored [len(momentForm)]byte
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
		case p.names != nil:
			b = append(b, p.names[decimal(stored[p.from:p.to])-1]...)
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
	stored := [len(momentForm)]byte{'2', '0'}
	at := 0
	for _, p := range f.parts {
		if p.literal != "" {
			if v[at] != p.literal[0] {
				return v, errWrongForm
			}
			at++
			continue
		}
		if p.names != nil {
			i := slices.Index(p.names, string(v[at:at+3]))
			if i < 0 {
				return v, errWrongForm
			}
			stored[p.from], stored[p.from+1] = byte('0'+(i+1)/10), byte('0'+(i+1)%10)
			at += 3
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

// julian: a date as yyddd, the year of the century and the day of the year.
func (c call) julian(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, date)); err != nil {
		return pipe{}, in, err
	}
	in.size, in.valueType = 5, text
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			t, err := time.Parse("20060102", string(b[start:]))
			if err != nil || t.Year()/100 != 20 {
				return b, errWrongForm
			}
			return fmt.Appendf(b[:start], "%02d%03d", t.Year()%100, t.YearDay()), nil
		},
		invert: func(v []byte) ([]byte, error) {
			if len(v) != 5 || !number.digitsOnly(v) {
				return v, errWrongForm
			}
			year, day := int(decimal(v[:2])), int(decimal(v[2:]))
			t := time.Date(2000+year, 1, day, 0, 0, 0, 0, time.UTC)
			if t.Year() != 2000+year || day == 0 {
				return v, errWrongForm
			}
			return t.AppendFormat(v[:0], "20060102"), nil
		},
	}, in, nil
}

// dayOfMonth makes a date of a month: som its first day, eom its last.
func (c call) dayOfMonth(in flow, day func(year int, month time.Month) int) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, month)); err != nil {
		return pipe{}, in, err
	}
	whole := func(yymm []byte) []byte {
		year, month := 2000+int(decimal(yymm[:2])), time.Month(decimal(yymm[2:4]))
		return fmt.Appendf(nil, "%04d%02d%02d", year, month, day(year, month))
	}
	in.size, in.valueType = 8, date
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) { return append(b[:start], whole(b[start:])...), nil },
		invert: func(v []byte) ([]byte, error) {
			if len(v) != 8 || !month.fits(v[2:6]) || string(whole(v[2:6])) != string(v) {
				return v, errWrongForm
			}
			return append(v[:0], v[2:6]...), nil
		},
	}, in, nil
}

func firstDay(int, time.Month) int { return 1 }

func lastDay(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
