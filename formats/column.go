package formats

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// column is one field of a section, or one part of a value, ready to be written and read.
type column struct {
	label    string // how errors name it
	field    Field  // 0 for a constant and for a value of parts
	constant []byte // bytes of the file
	parts    []column
	joined   []byte // what stands between parts that are there, if something does
	at, len  int    // fixed: zero-based position and length in the layout's unit; parts: length, 0 where lengths differ
	pipes    []pipe
	fidelity fidelity
	sized    bool // its pipes have brought it to its length
	when     *condition
	classes  classSet // what its value shows
	audience treatment
	direct   bool // its value goes into the file as it is
	skips    bool // without its field there is nothing to write
	place    int  // it is what the data of this place became, counted from 1; 0 for every other

	// segments and parts
	open, end []byte
	until     []byte // what ends the value where neither end nor length does
	rest      bool   // it goes to the end of what it is a part of
	prefix    int    // digits of a length prefix
	optional  bool
	contained *container // it says itself how long it is, and is left out when absent
	must      bool       // its length is the value's own, so that it cannot be absent

	// documents and JSON Lines
	chain []int  // branches above it
	key   []byte // its name, ready to be written
	close []byte // xml: its end tag
	bare  bool   // json: a number without quotes
}

// classSet is a set of sensitivities.
type classSet uint8

func (s classSet) has(c Sensitivity) bool { return s&(1<<c) != 0 }

func (s *spec) compileField(which Section, f *fieldSpec) (column, error) {
	if err := s.checkShape(f); err != nil {
		return column{}, err
	}
	c := column{len: f.len, label: f.name, when: f.when}
	var err error
	if c.open, err = s.literal(f, "open", f.open); err != nil {
		return c, err
	}
	if c.end, err = s.literal(f, "end", f.end); err != nil {
		return c, err
	}
	c.prefix, c.optional = f.prefix, f.optional
	if f.constant != nil || f.fill != nil {
		return c, s.compileConstant(f, &c)
	}
	v, err := s.compileValue(which, f, &c)
	if err != nil {
		return c, err
	}
	c.sized, c.contained = v.sized, v.contained
	if err := s.part(which, f, &c); err != nil {
		return c, err
	}
	c.skips = f.value != 0 && c.place == 0 && !slices.ContainsFunc(c.pipes, func(p pipe) bool { return p.absent })
	c.direct = f.value != 0 && len(c.pipes) == 0 && c.when == nil && c.place == 0
	c.bare = s.mode.named() && (v.valueType == number || v.valueType == signed)
	fixed := s.mode == fixedMode || f.len > 0
	if fixed && (v.size > f.len || v.sized && v.size > 0 && v.size != f.len) {
		return c, faultAt(f.node, "%s: impossible length: it takes %d and len is %d", c.label, v.size, f.len)
	}
	if s.mode == segmentsMode && f.len == 0 && f.prefix == 0 && len(c.end) == 0 {
		c.len, c.must = v.size, v.size > 0
	}
	return c, s.checkPlace(which, f)
}

// compileValue compiles a field of the catalogue or a value of parts, with its functions.
func (s *spec) compileValue(which Section, f *fieldSpec, c *column) (flow, error) {
	if f.value == CardPAN && len(f.pipes) > 0 && f.pipes[0].name == "token" && len(f.pipes[0].args) == 0 {
		f.value, f.pipes = CardToken, f.pipes[1:]
	}
	if f.value != 0 {
		c.field, c.label = f.value, f.value.String()
		v, err := s.compilePipes(s.flowOf(f.value, f.len), f.pipes, f.node, c)
		if err == nil && !s.clearance[v.sensitivity] {
			err = faultAt(f.node, "%s: is %s, which the clearance does not list", f.value, v.sensitivity)
		}
		c.classes = 1 << v.sensitivity
		return v, err
	}
	parts := f.parts
	if f.track != "" {
		var ok bool
		if parts, ok = s.tracks[f.track]; !ok {
			return flow{}, faultAt(f.node, "track: there is no track layout %q", f.track)
		}
		if !s.clearance[Track] {
			return flow{}, faultAt(f.node, "track: is track, which the clearance does not list")
		}
		c.classes = 1 << Track
	}
	inner := *s
	inner.mode, inner.encoding = segmentsMode, utf8Encoding // parts are put together before they are encoded
	size := 0
	for i := range parts {
		p := &parts[i]
		if p.parts != nil || p.track != "" {
			return flow{}, faultAt(p.node, "parts: a part has no parts")
		}
		part, err := inner.compileField(which, p)
		if err != nil {
			return flow{}, err
		}
		c.classes |= part.classes
		c.parts = append(c.parts, part)
		size += len(part.open) + len(part.constant) + part.len + len(part.end)
		if part.constant == nil && part.len == 0 || part.optional || part.contained != nil {
			size = -maxRecordLength
		}
	}
	if c.label == "" {
		c.label = "parts"
	}
	if f.track != "" {
		c.label = "track " + f.track
	}
	v := s.flowOf(0, f.len)
	v.size, v.tables = max(size, 0), s.tables
	if len(f.pipes) > 0 && f.pipes[0].name == "join" {
		return s.compileJoined(v, f, c)
	}
	v, err := s.compilePipes(v, f.pipes, f.node, c)
	if err != nil {
		return v, err
	}
	return v, findEnds(c.parts, parts, false)
}

// compileJoined compiles parts that are put together with a text between those that are there. Nobody can tell them apart again.
func (s *spec) compileJoined(v flow, f *fieldSpec, c *column) (flow, error) {
	v.size = 0
	if _, _, err := f.pipes[0].join(v); err != nil {
		return v, faultAt(f.pipes[0].node, "%s: %v", c.label, err)
	}
	c.joined, c.fidelity = []byte(f.pipes[0].args[0]), hidden
	for i := range c.parts {
		if p := &c.parts[i]; p.must {
			p.must, p.len = false, 0
		}
	}
	return s.compilePipes(v, f.pipes[1:], f.node, c)
}

// literal encodes a text that stands around a value.
func (s *spec) literal(f *fieldSpec, what, v string) ([]byte, error) {
	if v == "" {
		return nil, nil
	}
	encoded, err := s.encoding.encode([]byte(v), 0)
	if err != nil {
		return nil, faultAt(f.node, "%s: %v", what, err)
	}
	return encoded, nil
}

// checkShape checks which keys a field has.
func (s *spec) checkShape(f *fieldSpec) error {
	kinds := 0
	for _, has := range []bool{f.constant != nil, f.fill != nil, f.value != 0, f.parts != nil, f.track != ""} {
		if has {
			kinds++
		}
	}
	value := f.constant == nil && f.fill == nil
	switch {
	case kinds != 1:
		return faultAt(f.node, "field: needs one of value, const, fill, parts and track")
	case s.mode == fixedMode && f.len == 0:
		return faultAt(f.node, "field: len is missing")
	case !s.mode.named() && f.name != "":
		return faultAt(f.node, "field: name is for json, jsonl and xml layouts")
	case s.mode != fixedMode && (f.at != 0 || f.fill != nil), s.mode != fixedMode && s.mode != segmentsMode && f.len != 0:
		return faultAt(f.node, "field: at, len and fill are for fixed layouts, len also for segments and parts")
	case s.mode.named() && f.name == "":
		return faultAt(f.node, "field: name is missing")
	case s.mode == jsonlMode && f.name == typeKey:
		return faultAt(f.node, "field: the name %q is taken by the line's section", typeKey)
	case !value && (len(f.pipes) > 0 || f.when != nil || f.open != "" || f.end != "" || f.prefix > 0 || f.optional):
		return faultAt(f.node, "field: pipe, when, open, end, prefix and optional are for values")
	case s.mode != segmentsMode && (f.open != "" || f.end != "" || f.prefix > 0 || f.optional):
		return faultAt(f.node, "field: open, end, prefix and optional are for segments and parts")
	case f.optional && f.open == "":
		return faultAt(f.node, "optional: needs open, by which a reader sees that the value is there")
	case f.prefix > 0 && (f.end != "" || f.len > 0 || s.encoding.page() != nil):
		return faultAt(f.node, "prefix: stands without end and len, and not in EBCDIC")
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
	if s.mode == segmentsMode && len(encoded) == 0 {
		return faultAt(f.node, "const: is empty")
	}
	if f.len > 0 && s.measure(encoded) != f.len {
		return faultAt(f.node, "const: impossible length: it has %d and len is %d", s.measure(encoded), f.len)
	}
	return nil
}

// measure counts encoded bytes in the layout's unit. Segments and parts count characters.
func (s *spec) measure(encoded []byte) int {
	if (s.unit == inRunes || s.mode == segmentsMode) && s.encoding == utf8Encoding {
		return utf8.RuneCount(encoded)
	}
	return len(encoded)
}

// findEnds gives every open value of a plan of parts what ends it: the literal that follows. The last part of a value goes to its end; a
// record of segments, which a stream goes on after, must say where it ends.
func findEnds(columns []column, fields []fieldSpec, record bool) error {
	for i := range columns {
		c := &columns[i]
		if c.constant != nil || c.len > 0 || c.prefix > 0 || len(c.end) > 0 || c.contained != nil {
			continue
		}
		if i+1 == len(columns) {
			if record {
				return faultAt(fields[i].node, "%s: nothing tells where the value ends", c.label)
			}
			c.rest = true
			continue
		}
		next := &columns[i+1]
		c.until = slices.Concat(next.open, next.constant)
		if len(c.until) == 0 || next.optional {
			return faultAt(fields[i].node, "%s: nothing tells where the value ends; give it an end or a len", c.label)
		}
	}
	return findOptional(columns, fields)
}

// findOptional checks that a reader sees whether an optional value is there: whatever may follow in its place begins otherwise.
func findOptional(columns []column, fields []fieldSpec) error {
	for i := range columns {
		for k := i + 1; columns[i].optional && k < len(columns); k++ {
			open, follows := columns[i].open, slices.Concat(columns[k].open, columns[k].constant)
			if len(follows) == 0 || bytes.HasPrefix(follows, open) || bytes.HasPrefix(open, follows) {
				return faultAt(fields[i].node, "%s: what follows an optional value must begin with another literal", columns[i].label)
			}
			if !columns[k].optional {
				break
			}
		}
	}
	return nil
}
