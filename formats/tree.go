package formats

import (
	"slices"
	"strings"
)

// branch is one name in the tree of a section: an object or element that holds others, or the place of a column.
type branch struct {
	name        string
	column      int // of the section; -1 for one that holds others
	kids        []int
	open, close []byte
}

// maxDepth bounds how deep a section's names go.
const maxDepth = 8

// compileTree makes the tree of a section's names, its path above them, and gives every column its place in it.
func (s *spec) compileTree(which Section, out *section) error {
	from := s.sections[which]
	prefix := ""
	if which == Header || which == Trailer {
		prefix = from.path
	} else if from.path != "" && (which != Detail || !keyForm.MatchString(from.path)) {
		return faultAt(from.node, "%s: path is one name, for the detail, or leads to the header's or trailer's fields", which)
	}
	if from.path != "" && !s.mode.isDocument() {
		return faultAt(from.node, "%s: path is for json and xml layouts", which)
	}
	out.tree = []branch{{column: -1}}
	var last []int
	left := map[int]bool{}
	for i := range out.columns {
		names := strings.Split(from.fields[i].name, "/")
		if prefix != "" {
			names = append(strings.Split(prefix, "/"), names...)
		}
		if len(names) > maxDepth {
			return faultAt(from.fields[i].node, "name: goes deeper than %d", maxDepth)
		}
		at := 0
		var chain []int
		for _, name := range names[:len(names)-1] {
			at = out.grow(at, name, s)
			chain = append(chain, at)
			if out.tree[at].column >= 0 || left[at] {
				return faultAt(from.fields[i].node, "name: %q stands twice", name)
			}
		}
		for k, b := range last {
			if k >= len(chain) || chain[k] != b {
				left[b] = true
			}
		}
		last = chain
		name := names[len(names)-1]
		if out.kid(at, name) >= 0 {
			return faultAt(from.fields[i].node, "name: %q stands twice", from.fields[i].name)
		}
		leaf := out.grow(at, name, s)
		out.tree[leaf].column = i
		out.columns[i].chain = chain
		out.columns[i].key, out.columns[i].close = s.keyOf(name)
		if len(out.tree) > maxFields {
			return faultAt(from.node, "%s: has too many names", which)
		}
	}
	return nil
}

func (s *spec) keyOf(name string) (key, end []byte) {
	if s.mode == xmlMode {
		return []byte("<" + name + ">"), []byte("</" + name + ">")
	}
	return []byte(`"` + name + `":`), nil
}

// grow finds or makes a kid.
func (s *section) grow(at int, name string, of *spec) int {
	if i := s.kid(at, name); i >= 0 {
		return i
	}
	b := branch{name: name, column: -1}
	if b.open, b.close = of.keyOf(name); of.mode != xmlMode {
		b.open, b.close = append(b.open, '{'), []byte{'}'}
	}
	s.tree = append(s.tree, b)
	i := len(s.tree) - 1
	s.tree[at].kids = append(s.tree[at].kids, i)
	return i
}

func (s *section) kid(at int, name string) int {
	for _, i := range s.tree[at].kids {
		if s.tree[i].name == name {
			return i
		}
	}
	return -1
}

// compileFrame finds what stands around the sections of the file.
func (l *Layout) compileFrame() error {
	s := l.spec
	if s.mode.isDocument() {
		if err := l.checkPaths(); err != nil {
			return err
		}
	}
	switch s.mode {
	case segmentsMode:
	case xmlMode:
		l.frameXML()
	case jsonMode:
		l.frameJSON()
	default:
		for which := Header; which <= Trailer; which++ {
			l.frame[which].after = l.eol
			if s.mode == jsonlMode {
				l.frame[which] = frame{[]byte(`{"type":"` + which.String() + `"`), slices.Concat([]byte("}"), l.eol)}
			}
			if l.sections[which] == nil {
				l.frame[which] = frame{}
			}
		}
	}
	return nil
}

// checkPaths checks the names of details and groups against those around them.
func (l *Layout) checkPaths() error {
	s := l.spec
	detail := s.sections[Detail]
	if detail.path == "" {
		return faultAt(detail.node, "detail: path names its element or array")
	}
	outer, inner := l.outerPath(), GroupOpen
	if s.group != nil && s.group.path == "" {
		return faultAt(s.group.node, "group: path names its element or array")
	}
	for _, which := range []Section{Header, Trailer} {
		if l.sections[which] != nil && l.sections[which].kid(0, outer) >= 0 {
			return faultAt(s.sections[which].node, "%s: the name %q is that of the file's records", which, outer)
		}
	}
	for ; inner <= GroupClose; inner += GroupClose - GroupOpen {
		if l.sections[inner] != nil && l.sections[inner].kid(0, detail.path) >= 0 {
			return faultAt(s.sections[inner].node, "%s: the name %q is that of the file's records", inner, detail.path)
		}
	}
	return nil
}

// outerPath is the name of what the root holds many of: groups, or details where there are none.
func (l *Layout) outerPath() string {
	if l.spec.group != nil {
		return l.spec.group.path
	}
	return l.spec.sections[Detail].path
}

var xmlEncodings = [...]string{utf8Encoding: "UTF-8", latin1Encoding: "ISO-8859-1", asciiEncoding: "US-ASCII"}

func (l *Layout) frameXML() {
	s := l.spec
	eol := string(l.eol)
	ended := func(which Section, text string) []byte {
		if l.sections[which] != nil {
			text = eol + text
		}
		return []byte(text)
	}
	detail := s.sections[Detail].path
	l.frame[Header] = frame{[]byte(`<?xml version="1.0" encoding="` + xmlEncodings[s.encoding] + `"?>` + eol + "<" + s.rootName + ">" + eol), ended(Header, "")}
	l.frame[Detail] = frame{[]byte("<" + detail + ">"), []byte("</" + detail + ">" + eol)}
	l.frame[Trailer] = frame{nil, ended(Trailer, "</"+s.rootName+">"+eol)}
	if s.group != nil {
		l.frame[GroupOpen] = frame{[]byte("<" + s.group.path + ">"), []byte(eol)}
		l.frame[GroupClose] = frame{nil, []byte("</" + s.group.path + ">" + eol)}
	}
}

func (l *Layout) frameJSON() {
	s := l.spec
	eol := string(l.eol)
	array := func(name string) []byte { return []byte(`"` + name + `":[` + eol) }
	l.join = []byte("," + eol)
	l.frame[Header] = frame{[]byte("{"), array(l.outerPath())}
	l.frame[Detail] = frame{[]byte("{"), []byte("}")}
	l.frame[Trailer] = frame{[]byte(eol + "]"), []byte("}" + eol)}
	if s.group != nil {
		l.frame[GroupOpen] = frame{[]byte("{"), array(s.sections[Detail].path)}
		l.frame[GroupClose] = frame{[]byte(eol + "]"), []byte("}")}
	}
}
