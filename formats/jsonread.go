package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// typeKey is the key that says which section a line of JSON Lines is.
const typeKey = "type"

var (
	errJSON       = errors.New("it is not a JSON object of texts, whole numbers and such objects")
	errJSONKey    = errors.New("it has a key that its layout does not know here")
	errJSONTwice  = errors.New("it has a key twice")
	errJSONType   = errors.New(`it has no "type" that the layout knows`)
	errJSONNumber = errors.New("is not a JSON number or text as its layout says")
)

// jsonScanner walks one JSON object.
type jsonScanner struct {
	rest []byte
	text []byte // room for unescaped strings
}

func (s *jsonScanner) blank() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\n' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

// take consumes one character, after blanks, if it is next.
func (s *jsonScanner) take(c byte) bool {
	s.blank()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// str reads a string. It is valid until the next one.
func (s *jsonScanner) str() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	escaped := false
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '\\':
			escaped = true
			i++
		case c < 0x20:
			return nil, false
		case c == '"':
			raw := s.rest[:i]
			s.rest = s.rest[i+1:]
			if !escaped {
				return raw, true
			}
			return s.unescape(raw)
		}
	}
	return nil, false
}

// unescape leaves the seldom case to encoding/json.
func (s *jsonScanner) unescape(raw []byte) ([]byte, bool) {
	if !utf8.Valid(raw) {
		return nil, false
	}
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	var out string
	if json.Unmarshal(quoted, &out) != nil {
		return nil, false
	}
	s.text = append(s.text[:0], out...)
	return s.text, true
}

// number reads a whole number.
func (s *jsonScanner) number() ([]byte, bool) {
	s.blank()
	n := 0
	if len(s.rest) > 0 && s.rest[0] == '-' {
		n++
	}
	first := n
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	raw := s.rest[:n]
	s.rest = s.rest[n:]
	return raw, n > first && (n == first+1 || raw[first] != '0')
}

// value reads a string or a whole number.
func (s *jsonScanner) value() (v []byte, isNumber, ok bool) {
	s.blank()
	if len(s.rest) > 0 && s.rest[0] == '"' {
		v, ok = s.str()
		return v, false, ok
	}
	v, ok = s.number()
	return v, true, ok
}

// jsonSection finds which section a line is. Our own lines say it first; in another it may stand anywhere.
func (l *Layout) jsonSection(line []byte) (Section, error) {
	for which := Header; which <= Trailer; which++ {
		if l.sections[which] != nil && bytes.HasPrefix(line, l.frame[which].before) {
			return which, nil
		}
	}
	s := jsonScanner{rest: line}
	if !s.take('{') {
		return 0, errJSON
	}
	for {
		name, ok := s.str()
		if !ok {
			return 0, errJSON
		}
		isType := string(name) == typeKey
		if !s.take(':') {
			return 0, errJSON
		}
		if isType {
			return l.namedSection(&s)
		}
		if !s.skip(0) {
			return 0, errJSON
		}
		if !s.take(',') {
			return 0, errJSONType
		}
	}
}

func (l *Layout) namedSection(s *jsonScanner) (Section, error) {
	v, isNumber, ok := s.value()
	for which := Header; ok && !isNumber && which <= Trailer; which++ {
		if l.sections[which] != nil && string(v) == which.String() {
			return which, nil
		}
	}
	return 0, errJSONType
}

// skip reads a value of any known form and forgets it.
func (s *jsonScanner) skip(depth int) bool {
	if !s.take('{') {
		_, _, ok := s.value()
		return ok
	}
	if depth == maxDepth {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		if _, ok := s.str(); !ok || !s.take(':') || !s.skip(depth+1) {
			return false
		}
		if !s.take(',') {
			return s.take('}')
		}
	}
}

// memberReader reads the members of one object into a record.
type memberReader struct {
	layout *Layout
	s      *section
	rec    *Record
	seen   *[numFields]bool
	found  [maxFields]bool // by branch
	scan   jsonScanner
	typed  int // how often the line's type stood
}

// readJSON reads a line of JSON Lines.
func (l *Layout) readJSON(s *section, line []byte, rec *Record, seen *[numFields]bool) error {
	m := memberReader{layout: l, s: s, rec: rec, seen: seen, scan: jsonScanner{rest: line}}
	if err := m.whole(); err != nil {
		return err
	}
	if m.typed != 1 {
		return errJSONTwice
	}
	return nil
}

// whole reads one object and nothing after it.
func (m *memberReader) whole() error {
	if !m.scan.take('{') {
		return errJSON
	}
	if err := m.object(0); err != nil {
		return err
	}
	m.scan.blank()
	if len(m.scan.rest) > 0 {
		return errJSON
	}
	return m.missing()
}

// object reads the members of branch at; its brace is open.
func (m *memberReader) object(at int) error {
	if m.scan.take('}') {
		return nil
	}
	kids := m.s.tree[at].kids
	next := 0
	for {
		name, ok := m.scan.str()
		if !ok {
			return errJSON
		}
		isType := at == 0 && string(name) == typeKey && m.layout.spec.mode == jsonlMode
		kid := -1
		for n := range kids {
			if i := kids[(next+n)%len(kids)]; string(name) == m.s.tree[i].name {
				kid, next = i, next+n+1
				break
			}
		}
		if !m.scan.take(':') {
			return errJSON
		}
		switch {
		case isType:
			m.typed++
			if _, _, ok := m.scan.value(); !ok {
				return errJSON
			}
		case kid < 0:
			return errJSONKey
		default:
			if err := m.member(kid); err != nil {
				return err
			}
		}
		if m.scan.take(',') {
			continue
		}
		if !m.scan.take('}') {
			return errJSON
		}
		return nil
	}
}

// member reads the value of a branch.
func (m *memberReader) member(kid int) error {
	b := &m.s.tree[kid]
	if m.found[kid] {
		return &ValueError{Field: m.labelOf(b), Reason: errJSONTwice}
	}
	m.found[kid] = true
	if b.column < 0 {
		if !m.scan.take('{') {
			return errJSON
		}
		return m.object(kid)
	}
	v, isNumber, ok := m.scan.value()
	if !ok {
		return errJSON
	}
	c := &m.s.columns[b.column]
	if isNumber != c.bare {
		return &ValueError{Field: c.label, Reason: errJSONNumber}
	}
	return m.layout.readColumn(c, v, m.rec, m.seen)
}

func (m *memberReader) labelOf(b *branch) string {
	if b.column < 0 {
		return b.name
	}
	return m.s.columns[b.column].label
}

// missing gives columns that were left out: absent values, but never constants.
func (m *memberReader) missing() error { return m.layout.readMissing(m.s, m.rec, m.seen, &m.found) }

func (l *Layout) readMissing(s *section, rec *Record, seen *[numFields]bool, found *[maxFields]bool) error {
	for i := range s.tree {
		b := &s.tree[i]
		if b.column < 0 || found[i] {
			continue
		}
		c := &s.columns[b.column]
		if c.parts != nil && c.constant == nil {
			continue
		}
		if err := l.readColumn(c, nil, rec, seen); err != nil {
			return err
		}
	}
	return nil
}
