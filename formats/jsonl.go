package formats

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// typeKey is the key that says which section a line is.
const typeKey = "type"

var jsonOpening = [...]string{Header: `{"type":"header"`, Detail: `{"type":"detail"`, Trailer: `{"type":"trailer"`}

var (
	errJSON       = errors.New("the line is not a JSON object of texts and whole numbers")
	errJSONKey    = errors.New("the line has a key that its layout does not know")
	errJSONTwice  = errors.New("the line has a key twice")
	errJSONType   = errors.New(`the line has no "type" that the layout knows`)
	errJSONNumber = errors.New("is not a JSON number or text as its layout says")
)

// appendMember appends ,"name":value. An absent value is left out.
func (l *Layout) appendMember(dst []byte, c *column, rec *Record) ([]byte, error) {
	begin := len(dst)
	dst = append(append(dst, ','), c.key...)
	start := len(dst)
	if c.field == 0 {
		return appendJSONString(dst, c.constant), nil
	}
	if !c.bare {
		dst = append(dst, '"')
		start++
	}
	dst, err := l.appendValue(dst, c, rec)
	if err != nil {
		return dst, err
	}
	if len(dst) == start {
		return dst[:begin], nil
	}
	if c.bare {
		return dst, nil
	}
	return append(escapeJSON(dst, start), '"'), nil
}

// appendJSONString appends a quoted string of text that holds no control characters.
func appendJSONString(dst, v []byte) []byte {
	dst = append(dst, '"')
	start := len(dst)
	return append(escapeJSON(append(dst, v...), start), '"')
}

// escapeJSON puts a backslash before each quote and backslash of b[start:].
func escapeJSON(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		if b[i] == '"' || b[i] == '\\' {
			b = append(b, 0)
			copy(b[i+1:], b[i:])
			b[i] = '\\'
			i++
		}
	}
	return b
}

// jsonScanner walks one flat JSON object.
type jsonScanner struct {
	rest []byte
	text []byte // room for unescaped strings
}

func (s *jsonScanner) blank() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t') {
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

// number reads a whole number without sign.
func (s *jsonScanner) number() ([]byte, bool) {
	s.blank()
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	raw := s.rest[:n]
	s.rest = s.rest[n:]
	return raw, n > 0 && (n == 1 || raw[0] != '0')
}

// jsonSection finds which section a line is. It reads the whole line, so that the key may stand anywhere.
func (l *Layout) jsonSection(line []byte) (Section, error) {
	which := Section(0)
	err := eachMember(line, func(key, value []byte, isNumber bool) error {
		if string(key) != typeKey {
			return nil
		}
		if which != 0 {
			return errJSONTwice
		}
		for candidate := Header; candidate <= Trailer; candidate++ {
			if !isNumber && string(value) == sectionNames[candidate] && l.sections[candidate] != nil {
				which = candidate
			}
		}
		if which == 0 {
			return errJSONType
		}
		return nil
	})
	if err == nil && which == 0 {
		err = errJSONType
	}
	return which, err
}

// eachMember hands the members of a flat object over.
func eachMember(line []byte, each func(key, value []byte, isNumber bool) error) error {
	s := jsonScanner{rest: line}
	if !s.take('{') {
		return errJSON
	}
	var key []byte
	for {
		name, ok := s.str()
		if !ok || !s.take(':') {
			return errJSON
		}
		key = append(key[:0], name...)
		s.blank()
		isNumber := len(s.rest) > 0 && s.rest[0] != '"'
		var value []byte
		if isNumber {
			value, ok = s.number()
		} else {
			value, ok = s.str()
		}
		if !ok {
			return errJSON
		}
		if err := each(key, value, isNumber); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		if !s.take('}') {
			return errJSON
		}
		s.blank()
		if len(s.rest) > 0 {
			return errJSON
		}
		return nil
	}
}

func (l *Layout) readJSON(s *section, line []byte, rec *Record, seen *[numFields]bool) error {
	var found [maxFields]bool
	err := eachMember(line, func(key, value []byte, isNumber bool) error {
		if string(key) == typeKey {
			return nil
		}
		i := s.member(key)
		if i < 0 {
			return errJSONKey
		}
		if found[i] {
			return &ValueError{Field: s.columns[i].label, Reason: errJSONTwice}
		}
		found[i] = true
		if isNumber != s.columns[i].bare {
			return &ValueError{Field: s.columns[i].label, Reason: errJSONNumber}
		}
		return l.readColumn(&s.columns[i], value, rec, seen)
	})
	if err != nil {
		return err
	}
	return s.readMissing(l, rec, found[:], seen)
}

// member finds a column by its JSON name.
func (s *section) member(name []byte) int {
	for i := range s.columns {
		key := s.columns[i].key
		if string(key[1:len(key)-2]) == string(name) { // keys need no escapes
			return i
		}
	}
	return -1
}

// readMissing gives columns that a line leaves out: absent values, but never constants.
func (s *section) readMissing(l *Layout, rec *Record, found []bool, seen *[numFields]bool) error {
	for i := range s.columns {
		if found[i] {
			continue
		}
		if err := l.readColumn(&s.columns[i], nil, rec, seen); err != nil {
			return err
		}
	}
	return nil
}
