package formats

import (
	"bytes"
	"errors"
	"io"
)

// jsonSource reads one JSON document: the members of the header, then an array of details, or of groups with such an array each, then the
// members of the trailer. It holds one member or detail at a time.
type jsonSource struct {
	value   []byte
	place   docPlace
	any     bool // something stands before in the array or object that is read
	pending memberReader
	inside  bool // of a group
}

// docPlace is where in a document its source stands.
type docPlace uint8

const (
	atStart docPlace = iota
	inHeader
	inGroups
	inGroupOpen
	inDetails
	inDetail
	inGroupClose
	inTrailer
	afterRoot // its end is read, what it said is not told yet
	afterDocument
)

var errJSONDocument = errors.New("the file is not the JSON document that its layout describes")

func (s *jsonSource) next(r *Reader) (Section, error) {
	for {
		which, err := s.step(r)
		if which != 0 || err != nil {
			return which, err
		}
	}
}

// step goes on by one member, detail or bracket; it returns a section when one is whole.
func (s *jsonSource) step(r *Reader) (Section, error) {
	switch s.place {
	case atStart:
		r.line = 1
		if err := s.expect(r, '{'); err != nil {
			return 0, err
		}
		s.begin(r, Header, inHeader)
		return 0, nil
	case inHeader, inGroupOpen:
		return s.membersBefore(r)
	case inGroups:
		return s.nextGroup(r)
	case inDetails:
		return s.nextDetail(r)
	case inGroupClose, inTrailer:
		return s.membersAfter(r)
	}
	return 0, s.end(r)
}

func (s *jsonSource) begin(r *Reader, which Section, place docPlace) {
	s.place, s.any = place, false
	s.pending = memberReader{layout: r.layout, s: r.layout.sections[which], rec: &r.record, seen: &r.seen}
}

// membersBefore reads members of the header or of a group up to the array behind them.
func (s *jsonSource) membersBefore(r *Reader) (Section, error) {
	which, array, then := Header, r.layout.outerPath(), inGroups
	if s.place == inGroupOpen {
		which, array, then = GroupOpen, r.layout.spec.sections[Detail].path, inDetails
	} else if r.layout.spec.group == nil {
		then = inDetails
	}
	name, err := s.name(r)
	if err != nil {
		return 0, err
	}
	if string(name) == array {
		if err := s.expect(r, '['); err != nil {
			return 0, err
		}
		s.place, s.any = then, false
		if s.pending.s == nil {
			return 0, nil
		}
		return s.whole(r, which)
	}
	return 0, s.member(r, name)
}

// whole ends the members of a section.
func (s *jsonSource) whole(r *Reader, which Section) (Section, error) {
	if err := s.pending.missing(); err != nil {
		return 0, err
	}
	return which, r.enter(which)
}

// name reads the name of the next member and its colon.
func (s *jsonSource) name(r *Reader) ([]byte, error) {
	if s.any {
		if err := s.expect(r, ','); err != nil {
			return nil, err
		}
	}
	s.any = true
	raw, err := s.read(r)
	if err != nil {
		return nil, err
	}
	scan := jsonScanner{rest: raw}
	name, ok := scan.str()
	if !ok {
		return nil, errJSONDocument
	}
	name = bytes.Clone(name)
	return name, s.expect(r, ':')
}

// member reads the value of a member of the pending section.
func (s *jsonSource) member(r *Reader, name []byte) error {
	m := &s.pending
	kid := -1
	if m.s != nil {
		kid = m.s.kid(0, string(name))
	}
	if kid < 0 {
		return errJSONKey
	}
	raw, err := s.read(r)
	if err != nil {
		return err
	}
	m.scan = jsonScanner{rest: raw}
	return m.member(kid)
}

func (s *jsonSource) nextGroup(r *Reader) (Section, error) {
	more, err := s.another(r)
	if err != nil {
		return 0, err
	}
	if !more {
		s.begin(r, Trailer, inTrailer)
		s.any = true
		return 0, nil
	}
	if err := s.expect(r, '{'); err != nil {
		return 0, err
	}
	s.inside = true
	s.begin(r, GroupOpen, inGroupOpen)
	return 0, nil
}

func (s *jsonSource) nextDetail(r *Reader) (Section, error) {
	more, err := s.another(r)
	if err != nil {
		return 0, err
	}
	if !more {
		which, place := Trailer, inTrailer
		if s.inside {
			which, place = GroupClose, inGroupClose
		}
		s.begin(r, which, place)
		s.any = true
		return 0, nil
	}
	raw, err := s.read(r)
	if err != nil {
		return 0, err
	}
	if err := r.enter(Detail); err != nil {
		return 0, err
	}
	m := &s.pending
	*m = memberReader{layout: r.layout, s: r.layout.sections[Detail], rec: &r.record, seen: &r.seen, scan: jsonScanner{rest: raw}}
	return Detail, m.whole()
}

// another tells whether an array goes on.
func (s *jsonSource) another(r *Reader) (bool, error) {
	c, err := s.skipBlank(r)
	switch {
	case err != nil:
		return false, err
	case c == ']':
		_, err := r.in.Discard(1)
		return false, err
	case !s.any:
		s.any = true
		return true, nil
	}
	return true, s.expect(r, ',')
}

// membersAfter reads members behind an array up to the end of the object.
func (s *jsonSource) membersAfter(r *Reader) (Section, error) {
	c, err := s.skipBlank(r)
	if err != nil {
		return 0, err
	}
	if c != '}' {
		name, err := s.name(r)
		if err != nil {
			return 0, err
		}
		return 0, s.member(r, name)
	}
	_, err = r.in.Discard(1)
	if err != nil {
		return 0, err
	}
	which := Trailer
	if s.place == inGroupClose {
		which, s.inside = GroupClose, false
		s.place, s.any = inGroups, true
	} else {
		s.place = afterDocument
	}
	if s.pending.s == nil {
		return 0, nil
	}
	return s.whole(r, which)
}

func (s *jsonSource) end(r *Reader) error {
	if _, err := s.skipBlank(r); !errors.Is(err, ErrIncomplete) {
		if err == nil {
			err = errAfterEnd
		}
		return err
	}
	return io.EOF
}

// expect consumes one character, after blanks.
func (s *jsonSource) expect(r *Reader, c byte) error {
	have, err := s.skipBlank(r)
	if err != nil {
		return err
	}
	if have != c {
		return errJSONDocument
	}
	_, err = r.in.Discard(1)
	return err
}

// skipBlank goes to the next character that is no blank and returns it.
func (s *jsonSource) skipBlank(r *Reader) (byte, error) {
	for range maxLine {
		b, err := r.in.Peek(1)
		if errors.Is(err, io.EOF) {
			return 0, ErrIncomplete
		}
		if err != nil {
			return 0, r.inputFailed(err)
		}
		switch b[0] {
		case '\n':
			r.line++
		case ' ', '\t', '\r':
		default:
			return b[0], nil
		}
		if _, err := r.in.Discard(1); err != nil {
			return 0, err
		}
	}
	return 0, errLineTooLong
}

// read returns the next value as it stands: a string, a number or an object with all that it holds.
func (s *jsonSource) read(r *Reader) ([]byte, error) {
	if _, err := s.skipBlank(r); err != nil {
		return nil, err
	}
	s.value = s.value[:0]
	var scan valueEnd
	for {
		have, err := r.peek(1)
		if errors.Is(err, io.EOF) {
			return nil, ErrIncomplete
		}
		if err != nil {
			return nil, err
		}
		n, whole := scan.find(have)
		s.value = append(s.value, have[:n]...)
		r.line += int64(bytes.Count(have[:n], []byte{'\n'}))
		if len(s.value) > maxLine {
			return nil, errLineTooLong
		}
		if _, err := r.in.Discard(n); err != nil {
			return nil, err
		}
		if whole {
			return s.value, nil
		}
	}
}

// valueEnd finds where a JSON value ends, across pieces of it.
type valueEnd struct {
	depth           int
	quoted, escaped bool
	begun           bool
}

// find returns how much of b belongs to the value, and whether that is its end.
func (v *valueEnd) find(b []byte) (int, bool) {
	for i, c := range b {
		switch {
		case v.escaped:
			v.escaped = false
		case v.quoted && c == '\\':
			v.escaped = true
		case c == '"':
			v.quoted = !v.quoted
			if !v.quoted && v.depth == 0 {
				return i + 1, true
			}
		case v.quoted:
		case c == '{' || c == '[':
			v.depth++
		case c == '}' || c == ']':
			v.depth--
			if v.depth < 0 {
				return i, true
			}
			if v.depth == 0 {
				return i + 1, true
			}
		case v.depth == 0 && v.begun && (c == ',' || c == ':' || c <= ' '):
			return i, true
		}
		v.begun = true
	}
	return len(b), false
}
