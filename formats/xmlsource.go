package formats

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// xmlSource reads one XML document: the elements of the header, then details, or groups that hold them, then the elements of the trailer.
// Document types, attributes and name spaces are refused; comments are passed over.
type xmlSource struct {
	in      *meteredReader
	decoder *xml.Decoder
	place   docPlace
	s       *section // whose elements are read
	stack   []int    // branches that are open in it
	found   [maxFields]bool
	text    []byte
	leaf    bool
	waiting xml.StartElement // began what ended the section before it
	waits   bool
}

var (
	errXML          = errors.New("the file is not well-formed XML")
	errXMLDocument  = errors.New("the file has a document type, an attribute or a name space, which no layout knows")
	errXMLElement   = errors.New("it has an element that its layout does not know here")
	errXMLText      = errors.New("it has text where its layout has elements")
	errXMLEncoding  = errors.New("the file says that it has another encoding than its layout")
	errXMLRoot      = errors.New("its root is not the layout's")
	errElementTwice = errors.New("it has an element twice")
)

// xmlDeclaration is what may stand in <?xml ?> (XML 1.0, production 23); the decoder looks for version and encoding and passes over the rest.
var xmlDeclaration = regexp.MustCompile(`^version=("1\.0"|'1\.0')([ \t\r\n]+encoding=("[A-Za-z0-9._-]+"|'[A-Za-z0-9._-]+'))?([ \t\r\n]+standalone=("yes"|"no"|'yes'|'no'))?[ \t\r\n]*$`)

// meteredReader bounds how much is read before it is allowed again: an XML decoder holds one text, however long it is.
type meteredReader struct {
	r      *Reader
	ahead  []byte // lies in the reader's buffer; nobody else reads from that
	left   int
	failed error
}

func (m *meteredReader) Read(b []byte) (int, error) {
	if m.left <= 0 {
		m.failed = errLineTooLong
		return 0, m.failed
	}
	if err := m.look(); err != nil {
		return 0, err
	}
	n := copy(b[:min(len(b), m.left)], m.ahead)
	m.ahead = m.ahead[n:]
	m.left -= n
	return n, nil
}

// look makes sure that a byte lies ahead.
func (m *meteredReader) look() error {
	if len(m.ahead) > 0 {
		return nil
	}
	in := m.r.in
	if _, err := in.Peek(1); err != nil {
		return m.note(err)
	}
	var err error
	if m.ahead, err = in.Peek(in.Buffered()); err == nil {
		_, err = in.Discard(len(m.ahead))
	}
	return m.note(err)
}

// ReadByte implements io.ByteReader, so that the decoder buffers nothing.
func (m *meteredReader) ReadByte() (byte, error) {
	if m.left <= 0 {
		m.failed = errLineTooLong
		return 0, m.failed
	}
	if err := m.look(); err != nil {
		return 0, err
	}
	c := m.ahead[0]
	m.ahead = m.ahead[1:]
	m.left--
	return c, nil
}

func (m *meteredReader) note(err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		m.failed = m.r.inputFailed(err)
	}
	return err
}

func newXMLSource(r *Reader) *xmlSource {
	s := &xmlSource{in: &meteredReader{r: r}}
	s.decoder = xml.NewDecoder(s.in)
	s.decoder.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if !strings.EqualFold(charset, xmlEncodings[r.layout.spec.encoding]) {
			return nil, errXMLEncoding
		}
		if r.layout.spec.encoding == latin1Encoding {
			return &latin1Reader{from: input}, nil
		}
		return input, nil
	}
	return s
}

// latin1Reader turns ISO 8859-1 into UTF-8.
type latin1Reader struct {
	from io.Reader
	rest []byte
	raw  [512]byte
	out  [1024]byte
}

func (r *latin1Reader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		n, err := r.from.Read(r.raw[:])
		if n == 0 {
			return 0, err
		}
		r.rest = r.out[:0]
		for _, c := range r.raw[:n] {
			r.rest = utf8.AppendRune(r.rest, rune(c))
		}
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (s *xmlSource) next(r *Reader) (Section, error) {
	s.in.left = maxLine
	if s.place == atStart {
		r.line = 1
	}
	for {
		which, err := s.step(r)
		if line, _ := s.decoder.InputPos(); s.place != atStart {
			r.line = int64(line)
		}
		if which != 0 || err != nil {
			return which, err
		}
	}
}

func (s *xmlSource) step(r *Reader) (Section, error) {
	if s.waits {
		s.waits = false
		return s.start(r, s.waiting)
	}
	if s.place == afterRoot {
		return s.root(r)
	}
	token, err := s.decoder.Token()
	if err != nil {
		return 0, s.failure(err)
	}
	switch t := token.(type) {
	case xml.StartElement:
		if len(t.Attr) > 0 || t.Name.Space != "" {
			return 0, errXMLDocument
		}
		return s.start(r, t)
	case xml.EndElement:
		return s.endElement(r)
	case xml.CharData:
		return 0, s.characters(t)
	case xml.Comment:
	case xml.ProcInst:
		if t.Target != "xml" || s.place != atStart || !xmlDeclaration.Match(t.Inst) {
			return 0, errXMLDocument
		}
	default:
		return 0, errXMLDocument
	}
	return 0, nil
}

// failure tells what a decoder's error means.
func (s *xmlSource) failure(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case s.in.failed != nil:
		return s.in.failed
	case errors.Is(err, io.EOF) && s.place == afterDocument:
		return io.EOF
	case errors.Is(err, io.EOF), errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF"):
		return ErrIncomplete
	case errors.Is(err, errXMLEncoding):
		return errXMLEncoding
	}
	return errXML
}

func (s *xmlSource) characters(text []byte) error {
	if s.leaf {
		s.text = append(s.text, text...)
		return nil
	}
	for _, c := range text {
		switch {
		case c == ' ', c == '\t', c == '\r', c == '\n':
		case s.place == afterDocument:
			return errAfterEnd
		default:
			return errXMLText
		}
	}
	return nil
}

func (s *xmlSource) begin(which Section, place docPlace, r *Reader) {
	s.place, s.s, s.stack = place, r.layout.sections[which], append(s.stack[:0], 0)
	clear(s.found[:])
}

// start opens an element: a section's own, or one that begins a group, a detail or the trailer.
func (s *xmlSource) start(r *Reader, t xml.StartElement) (Section, error) {
	name := t.Name.Local
	l := r.layout
	top := len(s.stack) == 1 && !s.leaf
	switch s.place {
	case atStart:
		if name != l.spec.rootName {
			return 0, errXMLRoot
		}
		s.begin(Header, inHeader, r)
		return 0, nil
	case afterDocument:
		return 0, errAfterEnd
	case inHeader:
		if top && name == l.outerPath() {
			s.place = inDetails
			if l.spec.group != nil {
				s.place = inGroups
			}
			return s.leave(r, Header, t)
		}
		if top && (s.s == nil || s.s.kid(0, name) < 0) && l.Has(Trailer) {
			s.place = inDetails
			return s.leave(r, Header, t)
		}
	case inGroupOpen:
		if top && name == l.spec.sections[Detail].path {
			s.place = inDetails
			return s.leave(r, GroupOpen, t)
		}
	case inGroups:
		if name == l.outerPath() {
			s.begin(GroupOpen, inGroupOpen, r)
			return 0, nil
		}
		s.begin(Trailer, inTrailer, r)
	case inDetails:
		if name == l.spec.sections[Detail].path {
			s.begin(Detail, inDetail, r)
			return 0, r.enter(Detail)
		}
		if l.spec.group != nil && r.inGroup {
			s.begin(GroupClose, inGroupClose, r)
		} else {
			s.begin(Trailer, inTrailer, r)
		}
	}
	return 0, s.element(name)
}

// leave ends the elements of a section because another thing begins, which is kept until the next step.
func (s *xmlSource) leave(r *Reader, which Section, t xml.StartElement) (Section, error) {
	s.waiting, s.waits = t.Copy(), true
	return s.whole(r, which)
}

// whole ends a section; one that the layout does not have is nothing.
func (s *xmlSource) whole(r *Reader, which Section) (Section, error) {
	if s.s == nil {
		return 0, nil
	}
	if which != Detail {
		if err := r.enter(which); err != nil {
			return 0, err
		}
	}
	if err := r.layout.readMissing(s.s, &r.record, &r.seen, &s.found); err != nil {
		return 0, err
	}
	s.s = nil
	return which, nil
}

// element opens a branch of the section that is read.
func (s *xmlSource) element(name string) error {
	if s.s == nil || s.leaf || len(s.stack) == 0 {
		return errXMLElement
	}
	at := s.stack[len(s.stack)-1]
	kid := s.s.kid(at, name)
	switch {
	case kid < 0:
		return errXMLElement
	case s.found[kid]:
		return &ValueError{Field: name, Reason: errElementTwice}
	}
	s.found[kid] = true
	s.stack = append(s.stack, kid)
	s.leaf = s.s.tree[kid].column >= 0
	s.text = s.text[:0]
	return nil
}

// endElement closes a branch, a detail, a group or the root.
func (s *xmlSource) endElement(r *Reader) (Section, error) {
	if len(s.stack) > 1 {
		b := &s.s.tree[s.stack[len(s.stack)-1]]
		s.stack = s.stack[:len(s.stack)-1]
		if !s.leaf {
			return 0, nil
		}
		s.leaf = false
		return 0, r.layout.readColumn(&s.s.columns[b.column], s.text, &r.record, &r.seen)
	}
	switch s.place {
	case inDetail:
		s.place = inDetails
		return s.whole(r, Detail)
	case inGroupClose:
		s.place = inGroups
		return s.whole(r, GroupClose)
	case inDetails:
		if r.layout.spec.group == nil {
			return s.root(r)
		}
		s.begin(GroupClose, inGroups, r)
		return s.whole(r, GroupClose)
	case inGroupOpen: // a group without details
		return 0, errSection
	case inHeader: // a file without details
		s.place = afterRoot
		return s.whole(r, Header)
	case inTrailer:
		s.place = afterDocument
		return s.whole(r, Trailer)
	case inGroups:
		return s.root(r)
	}
	return 0, errXML
}

// root ends the document where it has no elements of a trailer.
func (s *xmlSource) root(r *Reader) (Section, error) {
	s.place = afterDocument
	if r.layout.Has(Trailer) {
		return 0, errSection
	}
	return 0, nil
}
