package formats

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// column is one field of a section, ready to be written and read.
type column struct {
	label    string // how errors name it
	field    Field  // 0 for a constant
	constant []byte // bytes of the file
	at, len  int    // fixed: zero-based position and length in the layout's unit
	pipes    []pipe
	fidelity fidelity
	sized    bool   // its pipes have brought it to its length
	key      []byte // jsonl: "name":
	bare     bool   // jsonl: a number without quotes
}

// section is a compiled header, detail or trailer.
type section struct {
	columns []column
	mark    []byte // how a line of this section begins, if the layout has several sections
	length  int    // fixed: of the record without its line end, in the layout's unit
}

// Load compiles a layout. A layout that could fail later by its own fault fails here, as a *LoadError with the line: unknown keys, fields
// and functions, overlaps and gaps, wrong types, impossible lengths, fields that the clearance does not cover. File is only for messages.
func Load(file string, src []byte) (*Layout, error) {
	l, err := load(src)
	if err == nil {
		return l, nil
	}
	var fault *LoadError
	if !errors.As(err, &fault) {
		return nil, fmt.Errorf("load layout %s: %w", file, err)
	}
	fault.File = file
	return nil, fault
}

func load(src []byte) (*Layout, error) {
	s, err := parseSpec(src)
	if err != nil {
		return nil, err
	}
	if err := s.checkMode(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(src)
	l := &Layout{spec: s, source: append([]byte(nil), src...), checksum: hex.EncodeToString(sum[:]), eol: []byte(lineEndBytes[s.eol])}
	if l.name, err = s.compileName(); err != nil {
		return nil, err
	}
	for which := Header; which <= Trailer; which++ {
		if s.sections[which] == nil {
			continue
		}
		if l.sections[which], err = s.compileSection(which); err != nil {
			return nil, err
		}
	}
	return l, errors.Join(s.checkClearance(), s.checkFields(), l.mark())
}

func (s *spec) checkMode() error {
	switch {
	case s.mode != fixedMode && s.eol == noLineEnd:
		return faultAt(s.root, "layout: eol none is for fixed layouts")
	case s.mode == jsonlMode && s.encoding != utf8Encoding:
		return faultAt(s.root, "layout: JSON is UTF-8")
	case s.eol == noLineEnd && s.unit == inRunes:
		return faultAt(s.root, "layout: eol none needs unit bytes")
	case s.quote == s.delimiter:
		return faultAt(s.root, "layout: quote and delimiter are the same")
	}
	return nil
}

func (s *spec) checkClearance() error {
	for class := range s.clearance {
		if !s.kind.mayCarry(class) {
			return faultAt(s.root, "clearance: a %s may not carry %s", s.kind, class)
		}
	}
	return nil
}

func (s *spec) compileSection(which Section) (*section, error) {
	from := s.sections[which]
	out := &section{}
	end := 0
	names := map[string]bool{}
	for i := range from.fields {
		f := &from.fields[i]
		c, err := s.compileField(which, f)
		if err != nil {
			return nil, err
		}
		if s.mode == fixedMode {
			if err := f.follows(end); err != nil {
				return nil, err
			}
			c.at, end = end, end+c.len
		}
		if s.mode == jsonlMode {
			if names[f.name] {
				return nil, faultAt(f.node, "name: %q stands twice", f.name)
			}
			names[f.name] = true
		}
		out.columns = append(out.columns, c)
	}
	if s.mode != fixedMode && from.length > 0 {
		return nil, faultAt(from.node, "%s: length is for fixed layouts", which)
	}
	if s.mode == fixedMode && from.length != end {
		return nil, faultAt(from.node, "%s: impossible length: it says %d and its fields end at %d", which, from.length, end)
	}
	out.length = end
	return out, nil
}

// follows checks that a fixed field begins where the one before it ended.
func (f *fieldSpec) follows(end int) error {
	switch {
	case f.at == 0:
		return faultAt(f.node, "field: at is missing")
	case f.at <= end:
		return faultAt(f.node, "overlap: the field begins at %d and the one before it ends at %d", f.at, end)
	case f.at > end+1:
		return faultAt(f.node, "gap: the field begins at %d and the one before it ends at %d", f.at, end)
	}
	return nil
}

func (s *spec) compileField(which Section, f *fieldSpec) (column, error) {
	if err := s.checkShape(f); err != nil {
		return column{}, err
	}
	c := column{len: f.len, label: f.name}
	if s.mode == jsonlMode {
		c.key = appendJSONString(nil, []byte(f.name))
		c.key = append(c.key, ':')
	}
	if f.value == 0 {
		return c, s.compileConstant(f, &c)
	}
	c.field, c.label = f.value, f.value.String()
	out, err := s.compilePipes(f.value, f.len, f.pipes, f.node, &c)
	if err != nil {
		return c, err
	}
	if err := s.checkPlace(which, f, out); err != nil {
		return c, err
	}
	c.sized = out.sized
	c.bare = s.mode == jsonlMode && out.valueType == number
	return c, nil
}

// checkShape checks which keys a field has.
func (s *spec) checkShape(f *fieldSpec) error {
	kinds := 0
	for _, has := range []bool{f.constant != nil, f.fill != nil, f.value != 0} {
		if has {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return faultAt(f.node, "field: needs one of value, const and fill")
	case s.mode == fixedMode && f.len == 0:
		return faultAt(f.node, "field: len is missing")
	case s.mode == fixedMode && f.name != "", s.mode == delimitedMode && f.name != "":
		return faultAt(f.node, "field: name is for jsonl layouts")
	case s.mode != fixedMode && (f.at != 0 || f.len != 0 || f.fill != nil):
		return faultAt(f.node, "field: at, len and fill are for fixed layouts")
	case s.mode == jsonlMode && f.name == "":
		return faultAt(f.node, "field: name is missing")
	case s.mode == jsonlMode && f.name == typeKey:
		return faultAt(f.node, "field: the name %q is taken by the line's section", typeKey)
	case f.value == 0 && len(f.pipes) > 0:
		return faultAt(f.node, "field: pipe is for values")
	}
	return nil
}

func (s *spec) compileConstant(f *fieldSpec, c *column) error {
	if f.fill != nil {
		if len(*f.fill) != 1 || !printable((*f.fill)[0]) {
			return faultAt(f.node, "fill: must be one ASCII character")
		}
		c.label, c.constant = "fill", []byte(strings.Repeat(*f.fill, f.len))
		return nil
	}
	encoded, err := s.encoding.encode([]byte(*f.constant), 0)
	if err != nil {
		return faultAt(f.node, "const: %v", err)
	}
	if c.label == "" {
		c.label = "const"
	}
	c.constant = encoded
	if s.mode == delimitedMode && s.quote == 0 && strings.IndexByte(string(encoded), s.delimiter) >= 0 {
		return faultAt(f.node, "const: holds the delimiter and the layout has no quote")
	}
	if s.mode == fixedMode && s.measure(encoded) != f.len {
		return faultAt(f.node, "const: impossible length: it has %d and len is %d", s.measure(encoded), f.len)
	}
	return nil
}

// measure counts encoded bytes in the layout's unit.
func (s *spec) measure(encoded []byte) int {
	if s.unit == inRunes && s.encoding == utf8Encoding {
		return utf8.RuneCount(encoded)
	}
	return len(encoded)
}

// compilePipes compiles the chain of one value into c and says what comes out of it.
func (s *spec) compilePipes(f Field, length int, pipes []pipeSpec, node *yaml.Node, c *column) (flow, error) {
	facts := catalogue[f]
	v := flow{valueType: facts.valueType, size: facts.size, sensitivity: facts.sensitivity, field: f, length: length,
		bytes: s.mode == fixedMode && s.unit == inBytes && s.encoding == utf8Encoding}
	for _, p := range pipes {
		compiled, next, err := p.make(v)
		if err != nil {
			return v, faultAt(p.node, "%s: %v", f, err)
		}
		c.pipes = append(c.pipes, compiled)
		c.fidelity = max(c.fidelity, compiled.fidelity)
		v = next
	}
	switch {
	case v.valueType == binary:
		return v, faultAt(node, "%s: wrong type: a binary value needs hex", f)
	case !s.clearance[v.sensitivity]:
		return v, faultAt(node, "%s: is %s, which the clearance does not list", f, v.sensitivity)
	}
	return v, nil
}

// checkPlace checks a value against the section that it stands in and the length that it has there.
func (s *spec) checkPlace(which Section, f *fieldSpec, v flow) error {
	if s.mode == fixedMode && (v.size > f.len || v.sized && v.size > 0 && v.size != f.len) {
		return faultAt(f.node, "%s: impossible length: it takes %d and len is %d", f.value, v.size, f.len)
	}
	switch f.value {
	case RecordNumber, RecordUID:
		if which != Detail {
			return faultAt(f.node, "%s: stands in the detail only", f.value)
		}
	case TotalsRecords, TotalsPANHash:
		if which != Trailer {
			return faultAt(f.node, "%s: is known only in the trailer", f.value)
		}
	}
	return nil
}

// checkFields checks that the detail has what its kind needs, and what the trailer sums.
func (s *spec) checkFields() error {
	for _, f := range s.kind.mustCarry() {
		if !s.carriesWhole(f) {
			return faultAt(s.sections[Detail].node, "detail: a %s needs %s as it is", s.kind, f)
		}
	}
	if trailer := s.sections[Trailer]; trailer != nil && !s.carriesWhole(CardPAN) {
		for i := range trailer.fields {
			if trailer.fields[i].value == TotalsPANHash {
				return faultAt(trailer.fields[i].node, "%s: needs card.pan in the detail", TotalsPANHash)
			}
		}
	}
	return nil
}

// carriesWhole tells whether a reader gets f back from the detail.
func (s *spec) carriesWhole(f Field) bool {
	for i := range s.sections[Detail].fields {
		field := &s.sections[Detail].fields[i]
		if field.value != f {
			continue
		}
		whole := true
		for _, p := range field.pipes {
			whole = whole && p.name != "mask" && p.name != "last"
		}
		if whole {
			return true
		}
	}
	return false
}
