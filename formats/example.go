package formats

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Example is one case of a layout's test: records, and the bytes of the file that they must make.
//
// A test is a YAML document beside its layout:
//
//	head: {file.reference: 42}           # what is true of the whole file
//	keys: {zek-north: "0123..."}         # clear test keys of those that the layout names, in hexadecimal
//	records:                             # its details; binary values in hexadecimal
//	  - {card.pan: "4111111111111111"}
//	cases:
//	  - name: one card
//	    file: NAME.emb                   # what the file is called, if that is to be tested
//	    expect: |                        # exactly; a line end stands for what ends a record of the layout
//	      D4111111111111111
//	  - name: a name that is too long
//	    set: {card.name: "..."}          # in every record
//	    refuse: "card.name: is longer than its place"
//
// A case may have records, head, audience and expect_hex (bytes as they are) of its own.
type Example struct {
	Name     string
	head     *Record
	records  []*Record
	audience Audience
	keys     testKeys
	file     string
	want     []byte
	refuse   string
}

// maxExampleBytes bounds a test.
const maxExampleBytes = 1 << 20

type exampleSpec struct {
	node    *yaml.Node
	head    *Record
	set     *Record
	records []*Record
	Example
	expected bool
	own      bool // it has records of its own, though they may be none
}

// LoadExamples reads the test of a layout. What is wrong with it is a *LoadError with the line.
func LoadExamples(file string, src []byte, l *Layout) ([]Example, error) {
	all, err := loadExamples(src, l)
	var fault *LoadError
	if errors.As(err, &fault) {
		fault.File = file
		return nil, fault
	}
	return all, err
}

func loadExamples(src []byte, l *Layout) ([]Example, error) {
	var document yaml.Node
	if len(src) > maxExampleBytes {
		return nil, &LoadError{Reason: "the test is too large"}
	}
	if err := yaml.Unmarshal(src, &document); err != nil {
		return nil, notYAML(err)
	}
	if len(document.Content) != 1 {
		return nil, &LoadError{Reason: "the test is empty"}
	}
	common := exampleSpec{head: new(Record)}
	keys := testKeys{}
	var cases []exampleSpec
	err := mapping(document.Content[0], "test", map[string]func(*yaml.Node) error{
		"head":    readValues(common.head),
		"keys":    keys.read(l),
		"records": readRecords(&common.records),
		"cases": sequence("cases", func(n *yaml.Node) error {
			c := exampleSpec{node: n, head: new(Record), set: new(Record)}
			err := c.read(l, n)
			cases = append(cases, c)
			return err
		}),
	})
	if err == nil && len(cases) == 0 {
		err = faultAt(document.Content[0], "test: has no cases")
	}
	all := make([]Example, 0, len(cases))
	for i := range cases {
		e := cases[i].finish(&common)
		e.keys = keys
		all = append(all, e)
	}
	return all, err
}

func (c *exampleSpec) read(l *Layout, n *yaml.Node) error {
	err := mapping(n, "case", map[string]func(*yaml.Node) error{
		"name":    scalar("name", func(v string, _ *yaml.Node) error { c.Name = v; return nil }),
		"head":    readValues(c.head),
		"set":     readValues(c.set),
		"records": func(n *yaml.Node) error { c.own = true; return readRecords(&c.records)(n) },
		"file":    scalar("file", func(v string, _ *yaml.Node) error { c.file = v; return nil }),
		"refuse":  scalar("refuse", func(v string, _ *yaml.Node) error { c.refuse = v; return nil }),
		"audience": scalar("audience", func(v string, at *yaml.Node) error {
			var ok bool
			if c.audience, ok = ParseAudience(v); !ok {
				return faultAt(at, "audience: unknown word %q", v)
			}
			return nil
		}),
		"expect": scalar("expect", func(v string, at *yaml.Node) (err error) {
			c.expected = true
			if c.want, err = l.expected(v); err != nil {
				return faultAt(at, "expect: %v", err)
			}
			return nil
		}),
		"expect_hex": scalar("expect_hex", func(v string, at *yaml.Node) (err error) {
			c.expected = true
			if c.want, err = hex.DecodeString(strings.Join(strings.Fields(v), "")); err != nil {
				return faultAt(at, "expect_hex: not hexadecimal digits")
			}
			return nil
		}),
	})
	switch {
	case err != nil:
		return err
	case c.Name == "":
		return faultAt(n, "case: name is missing")
	case c.expected == (c.refuse != ""):
		return faultAt(n, "case: needs either what to expect or what to refuse")
	}
	return nil
}

// expected makes bytes of the file of a text whose line ends stand for those of records.
func (l *Layout) expected(v string) ([]byte, error) {
	var out []byte
	for i, line := range strings.Split(v, "\n") {
		if i > 0 {
			out = append(out, l.eol...)
		}
		start := len(out)
		var err error
		if out, err = l.spec.encoding.encode(append(out, line...), start); err != nil {
			return nil, err
		}
	}
	l.page.write(out)
	return out, nil
}

func (c *exampleSpec) finish(common *exampleSpec) Example {
	e := c.Example
	e.head = merged(common.head, c.head)
	records := c.records
	if !c.own {
		records = common.records
	}
	for _, r := range records {
		e.records = append(e.records, merged(e.head, r, c.set))
	}
	return e
}

// merged copies records over each other.
func merged(all ...*Record) *Record {
	out := new(Record)
	for _, r := range all {
		for f := Field(1); f < numFields; f++ {
			if r != nil && r.Has(f) {
				out.Set(f, r.Get(f))
			}
		}
	}
	return out
}

func readRecords(into *[]*Record) func(*yaml.Node) error {
	return sequence("records", func(n *yaml.Node) error {
		r := new(Record)
		*into = append(*into, r)
		return readValues(r)(n)
	})
}

// readValues reads a mapping of fields to values.
func readValues(into *Record) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		return eachKey(n, "record", nil, func(name string, value *yaml.Node) error {
			f, ok := ParseField(name)
			if !ok {
				return faultAt(value, "unknown field %q", name)
			}
			if value.Kind != yaml.ScalarNode {
				return faultAt(value, "%s: must be a text", name)
			}
			v := []byte(value.Value)
			if catalogue[f].valueType == binary {
				var err error
				if v, err = hex.DecodeString(value.Value); err != nil {
					return faultAt(value, "%s: not hexadecimal digits", name)
				}
			}
			into.Set(f, v)
			return nil
		})
	}
}

// MismatchError says where a file differs from what its test expects.
type MismatchError struct {
	Line      int // 1 is the first
	Column    int // 1 is the first byte of the line
	Want, Got string
}

// Error prints both lines and where they part. Tests hold test data, so that it may show them.
func (m *MismatchError) Error() string {
	return fmt.Sprintf("line %d column %d\n  want %q\n  got  %q", m.Line, m.Column, m.Want, m.Got)
}

// Run writes the example's file with the layout, compares it byte for byte, reads it back and compares every value that the layout gives back.
func (e *Example) Run(l *Layout) error {
	l, err := e.keys.on(l.For(e.audience), e.head)
	if err != nil {
		return err
	}
	if e.file != "" {
		name, err := l.FileName(e.head)
		if err != nil {
			return err
		}
		if name != e.file {
			return fmt.Errorf("the file is called %s, not %s", name, e.file)
		}
	}
	got, err := e.write(l)
	if e.refuse != "" {
		if err == nil || !strings.Contains(err.Error(), e.refuse) {
			return fmt.Errorf("it is not refused with %q: %w", e.refuse, errors.Join(err, errNotRefused(err)))
		}
		return nil
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(got, e.want) {
		return mismatch(e.want, got)
	}
	if l.audience != ForBureau {
		return nil
	}
	return e.readBack(l, got)
}

func errNotRefused(err error) error {
	if err == nil {
		return errors.New("it was written")
	}
	return nil
}

func (e *Example) write(l *Layout) ([]byte, error) {
	var out bytes.Buffer
	w, err := l.NewWriter(&out, merged(e.head))
	if err != nil {
		return nil, err
	}
	for i, r := range e.records {
		if err := w.Write(r); err != nil {
			return nil, fmt.Errorf("record %d: %w", i+1, err)
		}
	}
	err = w.Close()
	return out.Bytes(), err
}

func mismatch(want, got []byte) *MismatchError {
	m := &MismatchError{Line: 1, Column: 1}
	start, i := 0, 0
	for ; i < min(len(want), len(got)) && want[i] == got[i]; i++ {
		if want[i] == '\n' {
			m.Line, start = m.Line+1, i+1
		}
	}
	m.Column = i - start + 1
	line := func(b []byte) string {
		end := bytes.IndexByte(b[start:], '\n')
		if end < 0 {
			return string(b[start:])
		}
		return string(b[start : start+end+1])
	}
	m.Want, m.Got = line(want), line(got)
	return m
}

// readBack reads a file and compares what comes back with the records that made it.
func (e *Example) readBack(l *Layout, file []byte) error {
	in := l.NewReader(bytes.NewReader(file))
	details, records := 0, l.gather(e.records)
	for {
		which, rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		if which != Detail {
			continue
		}
		if details++; details > len(records) {
			return fmt.Errorf("read back: there are %d records and more, not %d", details, len(records))
		}
		if err := e.keys.open(l, rec, records[details-1]); err != nil {
			return fmt.Errorf("read back: record %d: %w", details, err)
		}
		for f := Field(1); f < numFields; f++ {
			if l.sections[Detail].returns(f) && !bytes.Equal(rec.Get(f), records[details-1].Get(f)) {
				return fmt.Errorf("read back: record %d: %s is %q, not %q", details, f, rec.Get(f), records[details-1].Get(f))
			}
		}
	}
	if details != len(records) {
		return fmt.Errorf("read back: there are %d records, not %d", details, len(records))
	}
	return nil
}

// gather makes of cards the details that stand for them, counted one by one.
func (l *Layout) gather(cards []*Record) []*Record {
	by := l.spec.each().key()
	if by == nil {
		return cards
	}
	var details []*Record
	var key []byte
	n := int64(0)
	for _, c := range cards {
		if len(details) == 0 || !hasKey(key, by, c) {
			details, key, n = append(details, merged(c)), appendKey(key[:0], by, c), 0
		}
		n++
		last := details[len(details)-1]
		last.SetInt(RecordNumber, int64(len(details)))
		last.SetInt(RecordCards, n)
		last.Set(RecordLastUID, c.Get(RecordUID))
	}
	return details
}

// returns tells whether a reader gets exactly the value back that was written.
func (s *section) returns(f Field) bool {
	for i := range s.columns {
		c := &s.columns[i]
		if c.audience != shown || c.place > 0 {
			continue
		}
		if c.field == f && c.fidelity == exact && c.when == nil {
			return true
		}
		for k := range c.parts {
			if p := &c.parts[k]; c.fidelity == exact && c.when == nil && p.field == f && p.fidelity == exact && p.when == nil {
				return true
			}
		}
	}
	return false
}
