package formats

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Layout is a compiled description of a file's bytes. It both writes and reads. It never changes, so any number of goroutines may use it.
type Layout struct {
	spec     *spec
	name     []namePiece
	sections [Trailer + 1]*section
	source   []byte
	checksum string
	eol      []byte
}

// ValueError says that a value cannot stand in a file. It names the field, never the value.
type ValueError struct {
	Field  string
	Reason error
}

// Error prints field: reason.
func (e *ValueError) Error() string { return e.Field + ": " + e.Reason.Error() }

// Unwrap gives the reason.
func (e *ValueError) Unwrap() error { return e.Reason }

// Name is the layout's name.
func (l *Layout) Name() string { return l.spec.name }

// Version is the layout's version as its YAML says it.
func (l *Layout) Version() string { return l.spec.version }

// Checksum is the SHA-256 of the YAML in lower-case hexadecimal.
func (l *Layout) Checksum() string { return l.checksum }

// Kind says what the files are for.
func (l *Layout) Kind() Kind { return l.spec.kind }

// Source returns a copy of the YAML.
func (l *Layout) Source() []byte { return append([]byte(nil), l.source...) }

// MaxRecords is the most details of one file, 0 for no limit.
func (l *Layout) MaxRecords() int { return l.spec.maxRecords }

// SplitBy lists the fields whose every value gets a file of its own.
func (l *Layout) SplitBy() []Field { return append([]Field(nil), l.spec.splitBy...) }

// Has tells whether the layout has a section. A file without trailer says nothing about its own completeness.
func (l *Layout) Has(which Section) bool {
	return which >= Header && which <= Trailer && l.sections[which] != nil
}

// AppendHeader appends the header to dst. It is pure, as are AppendDetail and AppendTrailer: equal records give equal bytes. A layout
// without the section appends nothing. What does not fit is a *ValueError, and dst then holds garbage behind its old length.
func (l *Layout) AppendHeader(dst []byte, head *Record) ([]byte, error) {
	return l.appendSection(dst, Header, head)
}

// AppendDetail appends one detail to dst. It allocates nothing while dst has room.
func (l *Layout) AppendDetail(dst []byte, rec *Record) ([]byte, error) {
	return l.appendSection(dst, Detail, rec)
}

// AppendTrailer appends the trailer to dst; head holds the totals (Totals.Put).
func (l *Layout) AppendTrailer(dst []byte, head *Record) ([]byte, error) {
	return l.appendSection(dst, Trailer, head)
}

func (l *Layout) appendSection(dst []byte, which Section, rec *Record) ([]byte, error) {
	s := l.sections[which]
	if s == nil {
		return dst, nil
	}
	if l.spec.mode == jsonlMode {
		dst = append(dst, jsonOpening[which]...)
	}
	for i := range s.columns {
		c := &s.columns[i]
		var err error
		switch l.spec.mode {
		case fixedMode:
			dst, err = l.appendFixed(dst, c, rec)
		case delimitedMode:
			dst, err = l.appendColumn(dst, i, c, rec)
		default:
			dst, err = l.appendMember(dst, c, rec)
		}
		if err != nil {
			return dst, &ValueError{Field: c.label, Reason: err}
		}
	}
	if l.spec.mode == jsonlMode {
		dst = append(dst, '}')
	}
	return append(dst, l.eol...), nil
}

// errType says that a value is not of its field's type.
var errType = errors.New("is not of the field's type")

// appendValue appends a value through its pipes and encodes it.
func (l *Layout) appendValue(dst []byte, c *column, rec *Record) ([]byte, error) {
	start := len(dst)
	value := rec.Get(c.field)
	if !catalogue[c.field].valueType.fits(value) {
		return dst, errType
	}
	dst = append(dst, value...)
	for i := range c.pipes {
		p := &c.pipes[i]
		if len(dst) == start && !p.absent {
			continue
		}
		var err error
		if dst, err = p.apply(dst, start); err != nil {
			return dst, err
		}
	}
	return l.spec.encoding.encode(dst, start)
}

const blanks = "                                                                "

func (l *Layout) appendFixed(dst []byte, c *column, rec *Record) ([]byte, error) {
	if c.field == 0 {
		return append(dst, c.constant...), nil
	}
	start := len(dst)
	dst, err := l.appendValue(dst, c, rec)
	if err != nil {
		return dst, err
	}
	missing := c.len - l.spec.measure(dst[start:])
	if missing < 0 {
		return dst, errTooLong
	}
	if missing > 0 && c.sized {
		return dst, errWrongForm
	}
	for missing > len(blanks) {
		dst = append(dst, blanks...)
		missing -= len(blanks)
	}
	return append(dst, blanks[:missing]...), nil
}

// readValue undoes appendValue: it decodes raw, undoes the pipes and puts the value into rec. A field that stands twice must agree with
// itself where both can be undone.
func (l *Layout) readValue(rec *Record, c *column, raw []byte, seen *[numFields]bool) error {
	box := rec.open()
	aside := seen[c.field] || c.fidelity == hidden
	place := c.field
	if aside {
		place = 0 // no field: room for a value that is only looked at
	}
	v, err := l.undo(c, box.values[place][:0], raw)
	box.values[place] = v
	switch {
	case err != nil || c.fidelity == hidden:
		return err
	case !catalogue[c.field].valueType.fits(v):
		return errType
	case aside && c.fidelity == exact && string(v) != string(box.values[c.field]):
		return errTwoValues
	}
	seen[c.field] = seen[c.field] || c.fidelity == exact
	return nil
}

var errTwoValues = errors.New("stands twice with two values")

func (l *Layout) undo(c *column, v, raw []byte) ([]byte, error) {
	v, err := l.spec.encoding.decode(v, raw)
	if err != nil {
		return v, err
	}
	if l.spec.mode == fixedMode && !c.sized {
		for len(v) > 0 && v[len(v)-1] == ' ' {
			v = v[:len(v)-1]
		}
	}
	for i := len(c.pipes) - 1; i >= 0; i-- {
		p := &c.pipes[i]
		if p.invert == nil || len(v) == 0 && !p.absent {
			continue
		}
		if v, err = p.invert(v); err != nil {
			return v, err
		}
	}
	return v, nil
}

// cutFixed takes the first n units of line.
func (l *Layout) cutFixed(line []byte, n int) (head, tail []byte, ok bool) {
	if l.spec.unit == inBytes || l.spec.encoding != utf8Encoding {
		if len(line) < n {
			return nil, nil, false
		}
		return line[:n], line[n:], true
	}
	at := 0
	for range n {
		if at == len(line) {
			return nil, nil, false
		}
		_, size := utf8.DecodeRune(line[at:])
		at += size
	}
	return line[:at], line[at:], true
}

func (l *Layout) readFixed(s *section, line []byte, rec *Record, seen *[numFields]bool) error {
	for i := range s.columns {
		c := &s.columns[i]
		raw, rest, ok := l.cutFixed(line, c.len)
		if !ok {
			return &ValueError{Field: c.label, Reason: errShort}
		}
		line = rest
		if err := l.readColumn(c, raw, rec, seen); err != nil {
			return err
		}
	}
	if len(line) > 0 {
		return errors.New("the line is longer than its layout")
	}
	return nil
}

var (
	errShort    = errors.New("the line ends before it")
	errConstant = errors.New("is not the constant of the layout")
)

func (l *Layout) readColumn(c *column, raw []byte, rec *Record, seen *[numFields]bool) error {
	if c.field == 0 {
		if string(raw) != string(c.constant) {
			return &ValueError{Field: c.label + " at " + strconv.Itoa(c.at+1), Reason: errConstant}
		}
		return nil
	}
	if err := l.readValue(rec, c, raw, seen); err != nil {
		return &ValueError{Field: c.label, Reason: err}
	}
	return nil
}

// String prints name and version.
func (l *Layout) String() string { return fmt.Sprintf("%s@%s", l.Name(), l.Version()) }
