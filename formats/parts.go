package formats

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

var (
	errAbsent    = errors.New("is absent, and its place in the file has no form for that")
	errSeparator = errors.New("holds what ends it in the file")
	errLiteral   = errors.New("does not begin as its layout says")
	errUnended   = errors.New("does not end as its layout says")
	errMore      = errors.New("the record goes on") // more bytes are needed to tell
)

// appendParts appends the columns of a segment record, or of a value of parts, one after the other. Only a record is encoded as it is
// appended: a value of parts is encoded with all that was made of it.
func (l *Layout) appendParts(dst []byte, columns []column, rec *Record, record bool) ([]byte, error) {
	for i := range columns {
		c := &columns[i]
		if c.constant != nil {
			dst = append(dst, c.constant...)
			continue
		}
		var err error
		if dst, err = l.appendPart(dst, c, rec, record); err != nil {
			return dst, &ValueError{Field: c.label, Reason: err}
		}
	}
	return dst, nil
}

// appendJoined appends the parts that are there, with the column's text between them.
func (l *Layout) appendJoined(dst []byte, c *column, rec *Record) ([]byte, error) {
	start := len(dst)
	for i := range c.parts {
		end := len(dst)
		if end > start {
			dst = append(dst, c.joined...)
		}
		at := len(dst)
		var err error
		if dst, err = l.appendParts(dst, c.parts[i:i+1], rec, false); err != nil {
			return dst, err
		}
		if len(dst) == at {
			dst = dst[:end]
		}
	}
	return dst, nil
}

func (l *Layout) appendPart(dst []byte, c *column, rec *Record, record bool) ([]byte, error) {
	begin := len(dst)
	dst = append(dst, c.open...)
	start := len(dst)
	var err error
	if c.prefix > 0 {
		dst, err = l.appendPrefixed(dst, c, rec)
	} else if dst, err = l.appendRaw(dst, c, rec); err == nil && record && !l.isPlain(dst[start:]) {
		dst, err = l.spec.encoding.encode(dst, start)
	}
	switch {
	case err != nil:
		return dst, err
	case len(dst) == start && c.optional, c.prefix > 0 && c.optional && c.hides(rec):
		return dst[:begin], nil
	case c.prefix > 0:
		return dst, nil
	case c.must && len(dst) == start && c.audience == shown:
		return dst, errAbsent
	case c.len > 0:
		measured := utf8.RuneCount(dst[start:])
		if record {
			measured = l.spec.measure(dst[start:])
		}
		if dst, err = fill(dst, c, measured); err != nil {
			return dst, err
		}
		return append(dst, c.end...), nil
	}
	return c.appendEnd(dst, start)
}

// appendEnd appends the literal behind an open value and makes sure that a reader will find the value's end there and nowhere before.
func (c *column) appendEnd(dst []byte, start int) ([]byte, error) {
	n := len(dst)
	ends := c.end
	if len(ends) == 0 {
		ends = c.until
	}
	if len(ends) == 0 {
		return dst, nil
	}
	dst = append(dst, ends...)
	if bytes.Index(dst[start:], ends) != n-start {
		return dst, errSeparator
	}
	if len(c.end) == 0 {
		dst = dst[:n]
	}
	return dst, nil
}

// hides tells whether the column has no value of the record to show.
func (c *column) hides(rec *Record) bool {
	return c.audience == left || !rec.Has(c.field) || c.when != nil && !c.when.holds(rec)
}

// appendPrefixed appends a binary value behind its length in decimal digits.
func (l *Layout) appendPrefixed(dst []byte, c *column, rec *Record) ([]byte, error) {
	at := len(dst)
	for range c.prefix {
		dst = append(dst, '0')
	}
	start := len(dst)
	dst, err := l.appendRaw(dst, c, rec)
	if err != nil {
		return dst, err
	}
	n := len(dst) - start
	if n > maxBinary {
		return dst, errTooLong
	}
	for i := start - 1; n > 0; i-- {
		if i < at {
			return dst, errTooLong
		}
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst, nil
}

// readParts reads columns from the beginning of b and tells how many bytes they took. Where b may go on in a stream, errMore asks for more
// of it.
func (l *Layout) readParts(columns []column, b []byte, rec *Record, seen *[numFields]bool, record, goesOn bool) (int, error) {
	at := 0
	for i := range columns {
		c := &columns[i]
		n, err := l.readPart(c, b[at:], rec, seen, record)
		if err != nil {
			if errors.Is(err, errMore) {
				if goesOn {
					return 0, errMore
				}
				err = errShort
			}
			return 0, &ValueError{Field: c.label, Reason: err}
		}
		at += n
	}
	return at, nil
}

// startsWith tells whether b begins with a literal, or how it ends before that can be told.
func startsWith(b, literal []byte) error {
	n := min(len(b), len(literal))
	switch {
	case string(b[:n]) != string(literal[:n]):
		return errLiteral
	case n < len(literal):
		return errMore
	}
	return nil
}

func (l *Layout) readPart(c *column, b []byte, rec *Record, seen *[numFields]bool, record bool) (int, error) {
	if c.constant != nil {
		err := startsWith(b, c.constant)
		if errors.Is(err, errLiteral) {
			err = errConstant
		}
		return len(c.constant), err
	}
	if err := startsWith(b, c.open); err != nil {
		if c.optional && (errors.Is(err, errLiteral) || len(b) == 0 && !record) {
			return 0, l.takeValue(rec, c, nil, seen, record)
		}
		return 0, err
	}
	at := len(c.open)
	if c.contained != nil && len(b) == at && !record {
		return at, l.takeValue(rec, c, nil, seen, record)
	}
	raw, n, err := cutPart(c, b[at:], !record || l.spec.encoding == utf8Encoding)
	if err != nil {
		return 0, err
	}
	if c.optional && len(raw) == 0 {
		return 0, errWrongForm // an empty value is left out with what opens it
	}
	return at + n, l.takeValue(rec, c, raw, seen, record)
}

// cutPart finds one value at the beginning of b, and how many bytes it takes with what ends it. Lengths count characters.
func cutPart(c *column, b []byte, isUTF8 bool) (raw []byte, n int, err error) {
	switch {
	case c.prefix > 0:
		return cutPrefixed(c.prefix, b)
	case c.contained != nil:
		return cutContained(c.contained, b)
	case c.len > 0 && isUTF8:
		raw, _, ok := cutRunes(b, c.len)
		if !ok {
			return nil, 0, errMore
		}
		return raw, len(raw) + len(c.end), endsWith(b[len(raw):], c.end)
	case c.len > 0:
		if len(b) < c.len {
			return nil, 0, errMore
		}
		return b[:c.len], c.len + len(c.end), endsWith(b[c.len:], c.end)
	case c.rest:
		return b, len(b), nil
	}
	ends := c.end
	if len(ends) == 0 {
		ends = c.until
	}
	i := bytes.Index(b, ends)
	if i < 0 {
		return nil, 0, errMore
	}
	return b[:i], i + len(c.end), nil
}

func endsWith(b, end []byte) error {
	err := startsWith(b, end)
	if errors.Is(err, errLiteral) {
		return errUnended
	}
	return err
}

// cutContained takes a value that begins with its tag and length; where another begins it is absent.
func cutContained(of *container, b []byte) (raw []byte, n int, err error) {
	head, data, err := of.sizes(b)
	switch {
	case errors.Is(err, errLiteral):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	case len(b) < head+data:
		return nil, 0, errMore
	}
	return b[:head+data], head + data, nil
}

func cutPrefixed(digits int, b []byte) (raw []byte, n int, err error) {
	for i := range min(digits, len(b)) {
		if b[i] < '0' || b[i] > '9' {
			return nil, 0, errWrongForm
		}
	}
	if len(b) < digits {
		return nil, 0, errMore
	}
	size, err := strconv.Atoi(string(b[:digits]))
	if err != nil || size > maxBinary {
		return nil, 0, errTooLong
	}
	if len(b) < digits+size {
		return nil, 0, errMore
	}
	return b[digits : digits+size], digits + size, nil
}
