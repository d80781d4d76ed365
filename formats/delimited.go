package formats

import (
	"bytes"
	"errors"
	"slices"
)

var (
	errNeedsQuote = errors.New("holds the delimiter and the layout has no quote")
	errQuote      = errors.New("a quote stands where none may be")
	errColumns    = errors.New("the line does not have the columns of its layout")
)

func (l *Layout) appendColumn(dst []byte, i int, c *column, rec *Record) ([]byte, error) {
	if i > 0 {
		dst = append(dst, l.spec.delimiter)
	}
	start := len(dst)
	if c.constant != nil {
		return l.appendDelimited(dst, start, c.constant), nil
	}
	dst, plain, err := l.appendValue(dst, c, rec)
	if err != nil || plain {
		return dst, err
	}
	if l.spec.quote == 0 && bytes.IndexByte(dst[start:], l.spec.delimiter) >= 0 {
		return dst, errNeedsQuote
	}
	return l.appendDelimited(dst, start, nil), nil
}

// appendDelimited appends more to dst and quotes dst[start:] if it must be.
func (l *Layout) appendDelimited(dst []byte, start int, more []byte) []byte {
	dst = append(dst, more...)
	quote := l.spec.quote
	if quote == 0 || bytes.IndexByte(dst[start:], l.spec.delimiter) < 0 && bytes.IndexByte(dst[start:], quote) < 0 {
		return dst
	}
	inner := bytes.Count(dst[start:], []byte{quote})
	end := len(dst)
	dst = slices.Grow(dst, inner+2)[:end+inner+2]
	at := len(dst) - 1
	dst[at] = quote
	for i := end - 1; i >= start; i-- {
		at--
		dst[at] = dst[i]
		if dst[i] == quote {
			at--
			dst[at] = quote
		}
	}
	dst[start] = quote
	return dst
}

func (l *Layout) readDelimited(s *section, line []byte, rec *Record, seen *[numFields]bool) error {
	more := true
	for i := range s.columns {
		c := &s.columns[i]
		if !more {
			return &ValueError{Field: c.label, Reason: errColumns}
		}
		raw, rest, next, err := l.cutColumn(line)
		if err != nil {
			return &ValueError{Field: c.label, Reason: err}
		}
		line, more = rest, next
		if err := l.readColumn(c, raw, rec, seen); err != nil {
			return err
		}
	}
	if more {
		return errColumns
	}
	return nil
}

// cutColumn takes the first column of line; it overwrites a quoted one with what it means. More tells whether another follows.
func (l *Layout) cutColumn(line []byte) (raw, rest []byte, more bool, err error) {
	quote := l.spec.quote
	if quote == 0 || len(line) == 0 || line[0] != quote {
		raw, rest, more = bytes.Cut(line, []byte{l.spec.delimiter})
		if quote != 0 && bytes.IndexByte(raw, quote) >= 0 {
			return nil, nil, false, errQuote
		}
		return raw, rest, more, nil
	}
	out := 0
	for i := 1; i < len(line); i++ {
		if line[i] != quote {
			line[out] = line[i]
			out++
			continue
		}
		switch {
		case i+1 == len(line):
			return line[:out], nil, false, nil
		case line[i+1] == quote:
			line[out] = quote
			out++
			i++
		case line[i+1] == l.spec.delimiter:
			return line[:out], line[i+2:], true, nil
		default:
			return nil, nil, false, errQuote
		}
	}
	return nil, nil, false, errQuote
}
