package formats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Layout is a compiled description of a file's bytes. It both writes and reads. It never changes, so any number of goroutines may use it.
type Layout struct {
	spec     *spec
	name     []namePiece
	sections [Trailer + 1]*section
	frame    [Trailer + 1]frame
	join     []byte // between two details, and between two groups
	source   []byte
	checksum string
	eol      []byte
	plain    *[256]bool
	page     *codePage
	audience Audience
	byPlace  bool    // the first line is the header, all others are details
	kept     []Field // what is kept of a group
	gathered []Field // what is kept of the cards that a detail stands for
	sealed   []sealing
	seal     func(n int, data []byte) error // enciphers data in place where a record does not bring them enciphered; nil refuses
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

// OrderBy lists the fields by which lines are ordered within a file: first the key of its groups, then what order_by says. Lines that are alike
// in all of them stand as they were ordered. Groups of one carrier or product are what follows each other, and order nothing.
func (l *Layout) OrderBy() []Field {
	if l.spec.groupEach > 0 {
		return slices.Clone(l.spec.orderBy)
	}
	return slices.Concat(l.spec.groupBy, l.spec.orderBy)
}

// Sidecars names the layouts whose files go along with each file of this one.
func (l *Layout) Sidecars() []string { return slices.Clone(l.spec.sidecars) }

// Has tells whether the layout has a section.
func (l *Layout) Has(which Section) bool {
	return which >= Header && which <= Trailer && l.sections[which] != nil
}

// Complete tells whether a file says itself that it is whole: by a trailer, or because it is one document. Of another file whole records may
// be cut off unseen.
func (l *Layout) Complete() bool { return l.Has(Trailer) || l.spec.mode.isDocument() }

// String prints name and version.
func (l *Layout) String() string { return fmt.Sprintf("%s@%s", l.Name(), l.Version()) }

// frame is what stands around the values of a section.
type frame struct{ before, after []byte }

// appendSection appends a section with what stands around it. It is pure: equal records give equal bytes. What does not fit is a
// *ValueError, and dst then holds garbage behind its old length.
func (l *Layout) appendSection(dst []byte, which Section, rec *Record) ([]byte, error) {
	s := l.sections[which]
	start := len(dst)
	dst = append(dst, l.frame[which].before...)
	var err error
	switch {
	case s == nil:
	case l.spec.mode == segmentsMode:
		dst, err = l.appendParts(dst, s.columns, rec, true)
	case l.spec.mode.named():
		dst, err = l.appendMembers(dst, s, rec)
	default:
		dst, err = l.appendLine(dst, s, rec)
	}
	if err != nil {
		return dst, err
	}
	if l.spec.mode == jsonMode && (which == Header || which == GroupOpen) {
		dst = l.comma(dst) // what follows is an array, and before it stand members or none
	}
	dst = append(dst, l.frame[which].after...)
	l.page.write(dst[start:])
	return dst, nil
}

// errLineEndInside says that a value would end its record.
var errLineEndInside = errors.New("a value holds what ends the record")

func (l *Layout) appendLine(dst []byte, s *section, rec *Record) ([]byte, error) {
	start := len(dst)
	var err error
	for i := range s.columns {
		c := &s.columns[i]
		if l.spec.mode == fixedMode {
			dst, err = l.appendFixed(dst, c, rec)
		} else {
			dst, err = l.appendColumn(dst, i, c, rec)
		}
		if err != nil {
			return dst, &ValueError{Field: c.label, Reason: err}
		}
	}
	if len(l.eol) > 0 && printable(l.eol[0]) && bytes.Contains(dst[start:], l.eol) {
		return dst, errLineEndInside
	}
	return dst, nil
}

// errType says that a value is not of its field's type.
var errType = errors.New("is not of the field's type")

// appendValue appends a value through its pipes and encodes it. It tells whether the bytes are plain: such as need no encoding and no escape
// in the layout's mode, one byte for each character.
func (l *Layout) appendValue(dst []byte, c *column, rec *Record) (out []byte, plain bool, err error) {
	start := len(dst)
	if dst, err = l.appendRaw(dst, c, rec); err != nil {
		return dst, false, err
	}
	if l.isPlain(dst[start:]) {
		return dst, true, nil
	}
	dst, err = l.spec.encoding.encode(dst, start)
	return dst, false, err
}

func (l *Layout) isPlain(v []byte) bool {
	for _, c := range v {
		if !l.plain[c] {
			return false
		}
	}
	return true
}

// plainBytes are the characters of ASCII that stand for themselves wherever they stand in a value.
func (s *spec) plainBytes() *[256]bool {
	var plain [256]bool
	special := map[mode]string{delimitedMode: string([]byte{s.delimiter, s.quote}), jsonlMode: `"\\`, jsonMode: `"\\`, xmlMode: `"'<>&`}[s.mode]
	for c := range plain {
		plain[c] = printable(byte(c)) && strings.IndexByte(special, byte(c)) < 0
	}
	return &plain
}

// appendRaw appends a value, or what its parts make, through its pipes, not yet encoded.
func (l *Layout) appendRaw(dst []byte, c *column, rec *Record) ([]byte, error) {
	if c.direct {
		v := rec.Get(c.field)
		if !catalogue[c.field].valueType.fits(v) {
			return dst, errType
		}
		return append(dst, v...), nil
	}
	if c.audience == left {
		return dst, nil
	}
	start := len(dst)
	if c.when == nil || c.when.holds(rec) {
		var err error
		if dst, err = l.appendSource(dst, c, rec); err != nil {
			return dst, err
		}
	}
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
	if c.audience == starred {
		star(dst[start:], c.class())
	}
	return dst, nil
}

// appendSource appends what goes into the pipes.
func (l *Layout) appendSource(dst []byte, c *column, rec *Record) ([]byte, error) {
	if c.place > 0 {
		return l.appendSealed(dst, c.place-1, rec)
	}
	if c.joined != nil {
		return l.appendJoined(dst, c, rec)
	}
	if c.parts != nil {
		return l.appendParts(dst, c.parts, rec, false)
	}
	value := rec.Get(c.field)
	if !catalogue[c.field].valueType.fits(value) {
		return dst, errType
	}
	start := len(dst)
	dst = append(dst, value...)
	if c.audience == masked {
		maskPAN(dst[start:])
	}
	return dst, nil
}

const blanks = "                                                                "

func (l *Layout) appendFixed(dst []byte, c *column, rec *Record) ([]byte, error) {
	if c.constant != nil {
		return append(dst, c.constant...), nil
	}
	start := len(dst)
	dst, plain, err := l.appendValue(dst, c, rec)
	if err != nil {
		return dst, err
	}
	if plain {
		return fill(dst, c, len(dst)-start)
	}
	return fill(dst, c, l.spec.measure(dst[start:]))
}

// fill brings a value that measures as much to its column's length.
func fill(dst []byte, c *column, measured int) ([]byte, error) {
	missing := c.len - measured
	if missing < 0 {
		return dst, errTooLong
	}
	if missing > 0 && c.sized && c.audience == shown && c.when == nil {
		return dst, errWrongForm
	}
	for missing > len(blanks) {
		dst = append(dst, blanks...)
		missing -= len(blanks)
	}
	return append(dst, blanks[:missing]...), nil
}

// takeValue reads a column's value from the bytes of a file, or, inside a value of parts, from text.
func (l *Layout) takeValue(rec *Record, c *column, raw []byte, seen *[numFields]bool, encoded bool) error {
	box := rec.open()
	if c.parts != nil {
		return l.takeParts(rec, c, raw, seen, encoded)
	}
	aside := seen[c.field] || c.fidelity != exact && len(box.values[c.field]) > 0 || c.fidelity == hidden || c.audience != shown
	place := c.field
	if aside {
		place = 0 // no field: room for a value that is only looked at
	}
	v, err := l.undo(c, box.values[place][:0], raw, encoded)
	box.values[place] = v
	switch {
	case err != nil || c.fidelity == hidden && c.audience != left || c.when != nil && len(v) == 0:
		return err
	case c.audience == masked && isMasked(v):
		rec.Set(c.field, v)
		return nil
	case c.audience == masked:
		return errNotMasked
	case c.audience == left && len(trimBlanks(v)) > 0:
		return errShown
	case c.audience != shown:
		return nil
	case !catalogue[c.field].valueType.fits(v):
		return errType
	case aside && c.fidelity == exact && string(v) != string(box.values[c.field]):
		return errTwoValues
	}
	seen[c.field] = seen[c.field] || c.fidelity == exact
	return nil
}

// takeParts reads a value that was put together of parts, and each part of it.
func (l *Layout) takeParts(rec *Record, c *column, raw []byte, seen *[numFields]bool, encoded bool) error {
	box := rec.open()
	v, err := l.undo(c, box.values[numFields][:0], raw, encoded)
	box.values[numFields] = v
	if err == nil && c.audience == left && len(trimBlanks(v)) > 0 {
		err = errShown
	}
	if err != nil || c.fidelity == hidden || c.audience != shown || c.when != nil && len(v) == 0 {
		return err
	}
	n, err := l.readParts(c.parts, v, rec, seen, false, false)
	if err == nil && n != len(v) {
		err = errWrongForm
	}
	return err
}

var errTwoValues = errors.New("stands twice with two values")

// undo decodes raw into v and undoes the pipes.
func (l *Layout) undo(c *column, v, raw []byte, encoded bool) ([]byte, error) {
	if encoded && c.prefix == 0 {
		var err error
		if v, err = l.textEncoding().decode(v, raw); err != nil {
			return v, err
		}
	} else {
		v = append(v, raw...)
	}
	if c.audience != shown && c.audience != masked {
		return v, nil
	}
	if c.len > 0 && !c.sized || c.when != nil && len(trimBlanks(v)) == 0 {
		v = trimBlanks(v)
	}
	for i := len(c.pipes) - 1; i >= 0; i-- {
		p := &c.pipes[i]
		if p.fidelity == hidden {
			break // what was before it is not to be known
		}
		if p.invert == nil || len(v) == 0 && !p.absent {
			continue
		}
		var err error
		if v, err = p.invert(v); err != nil {
			return v, err
		}
	}
	return v, nil
}

// textEncoding is how values are encoded once they are cut out of a file: an XML reader hands them over in UTF-8.
func (l *Layout) textEncoding() encoding {
	if l.spec.mode == xmlMode {
		return utf8Encoding
	}
	return l.spec.encoding
}

// cutFixed takes the first n units of line.
func (l *Layout) cutFixed(line []byte, n int) (head, tail []byte, ok bool) {
	if l.spec.unit == inRunes && l.spec.encoding == utf8Encoding {
		return cutRunes(line, n)
	}
	if len(line) < n {
		return nil, nil, false
	}
	return line[:n], line[n:], true
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
		return errLong
	}
	return nil
}

var (
	errShort    = errors.New("the line ends before it")
	errLong     = errors.New("the line is longer than its layout")
	errConstant = errors.New("is not the constant of the layout")
)

func (l *Layout) readColumn(c *column, raw []byte, rec *Record, seen *[numFields]bool) error {
	if c.constant != nil {
		if string(raw) != string(c.constant) {
			return &ValueError{Field: c.label + " at " + strconv.Itoa(c.at+1), Reason: errConstant}
		}
		return nil
	}
	if err := l.takeValue(rec, c, raw, seen, true); err != nil {
		return &ValueError{Field: c.label, Reason: err}
	}
	return nil
}
