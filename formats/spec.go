package formats

import (
	"bytes"
	"errors"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// Limits of a layout. They keep a hostile or mistaken layout from asking for memory without end.
const (
	maxLayoutBytes  = 256 << 10
	maxFields       = 400 // of one section
	maxPipes        = 16
	maxFieldLength  = 4096
	maxRecordLength = 32 << 10
	maxFileRecords  = 9_999_999
)

// mode is how values are told apart within a line.
type mode uint8

const (
	fixedMode mode = iota + 1
	delimitedMode
	jsonlMode
)

var modeNames = []string{fixedMode: "fixed", delimitedMode: "delimited", jsonlMode: "jsonl"}

// lineEnd is what ends a record.
type lineEnd uint8

const (
	crlf lineEnd = iota + 1
	lf
	noLineEnd
)

var (
	lineEndNames = []string{crlf: "crlf", lf: "lf", noLineEnd: "none"}
	lineEndBytes = [...]string{crlf: "\r\n", lf: "\n", noLineEnd: ""}
)

// lengthUnit is what positions and lengths of a fixed layout count.
type lengthUnit uint8

const (
	inBytes lengthUnit = iota + 1
	inRunes
)

var lengthUnitNames = []string{inBytes: "bytes", inRunes: "runes"}

// spec is a layout as its YAML says it, with the nodes that faults are told at.
type spec struct {
	name, version string
	kind          Kind
	encoding      encoding
	mode          mode
	eol           lineEnd
	unit          lengthUnit
	delimiter     byte
	quote         byte // 0: values are never quoted
	clearance     map[Sensitivity]bool
	fileName      string
	maxRecords    int
	splitBy       []Field
	sections      [Trailer + 1]*sectionSpec
	root, naming  *yaml.Node
}

type sectionSpec struct {
	node   *yaml.Node
	length int
	fields []fieldSpec
}

type fieldSpec struct {
	node     *yaml.Node
	at, len  int
	constant *string
	fill     *string
	value    Field
	name     string
	pipes    []pipeSpec
}

type pipeSpec struct {
	call
	node *yaml.Node
}

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,31}$`)
	versionForm = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,4}){0,2}$`)
	keyForm     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
)

// parseSpec reads YAML strictly: one document, no aliases, no unknown keys.
func parseSpec(src []byte) (*spec, error) {
	if len(src) > maxLayoutBytes {
		return nil, &LoadError{Reason: "the layout is too large"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		return nil, notYAML(err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &LoadError{Line: second.Line, Reason: "a layout is one YAML document"}
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return nil, &LoadError{Reason: "the layout is empty"}
	}
	if err := refuseAliases(&document); err != nil {
		return nil, err
	}
	s := &spec{root: document.Content[0], encoding: utf8Encoding, eol: lf, unit: inBytes, delimiter: ',', clearance: map[Sensitivity]bool{Public: true}}
	s.naming = s.root
	return s, s.read()
}

func refuseAliases(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return faultAt(n, "anchors and aliases are not allowed")
	}
	for _, c := range n.Content {
		if err := refuseAliases(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *spec) read() error {
	err := mapping(s.root, "layout", map[string]func(*yaml.Node) error{
		"layout":    formed("layout", nameForm, &s.name),
		"version":   formed("version", versionForm, &s.version),
		"kind":      word("kind", kindNames[:], &s.kind),
		"encoding":  word("encoding", encodingNames[:], &s.encoding),
		"mode":      word("mode", modeNames, &s.mode),
		"eol":       word("eol", lineEndNames, &s.eol),
		"unit":      word("unit", lengthUnitNames, &s.unit),
		"delimiter": oneCharacter("delimiter", &s.delimiter),
		"quote":     oneCharacter("quote", &s.quote),
		"clearance": sequence("clearance", s.readClearance),
		"file":      s.readFile,
		"header":    s.readSection(Header),
		"detail":    s.readSection(Detail),
		"trailer":   s.readSection(Trailer),
	})
	if err != nil {
		return err
	}
	for _, missing := range []struct {
		key    string
		absent bool
	}{{"layout", s.name == ""}, {"version", s.version == ""}, {"kind", s.kind == 0}, {"mode", s.mode == 0}, {"file", s.fileName == ""}, {"detail", s.sections[Detail] == nil}} {
		if missing.absent {
			return faultAt(s.root, "layout: key %q is missing", missing.key)
		}
	}
	return nil
}

func formed(what string, form *regexp.Regexp, into *string) func(*yaml.Node) error {
	return scalar(what, func(v string, n *yaml.Node) error {
		if !form.MatchString(v) {
			return faultAt(n, "%s: %q does not have the form %s", what, v, form)
		}
		*into = v
		return nil
	})
}

func oneCharacter(what string, into *byte) func(*yaml.Node) error {
	return scalar(what, func(v string, n *yaml.Node) error {
		if len(v) != 1 || !printable(v[0]) && v[0] != '\t' {
			return faultAt(n, "%s: must be one ASCII character", what)
		}
		*into = v[0]
		return nil
	})
}

func (s *spec) readClearance(n *yaml.Node) error {
	for class, name := range sensitivityNames {
		if n.Kind == yaml.ScalarNode && n.Value == name {
			s.clearance[Sensitivity(class)] = true
			return nil
		}
	}
	return faultAt(n, "clearance: unknown class %q", n.Value)
}

func (s *spec) readFile(n *yaml.Node) error {
	s.naming = n
	return mapping(n, "file", map[string]func(*yaml.Node) error{
		"name": scalar("name", func(v string, at *yaml.Node) error {
			s.fileName, s.naming = v, at
			return nil
		}),
		"max_records": integer("max_records", maxFileRecords, &s.maxRecords),
		"split_by": sequence("split_by", func(e *yaml.Node) error {
			f, ok := ParseField(e.Value)
			if !ok {
				return faultAt(e, "split_by: unknown field %q", e.Value)
			}
			s.splitBy = append(s.splitBy, f)
			return nil
		}),
	})
}

func (s *spec) readSection(which Section) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		section := &sectionSpec{node: n}
		s.sections[which] = section
		err := mapping(n, which.String(), map[string]func(*yaml.Node) error{
			"length": integer("length", maxRecordLength, &section.length),
			"fields": sequence("fields", section.readField),
		})
		if err == nil && len(section.fields) == 0 {
			err = faultAt(n, "%s: has no fields", which)
		}
		return err
	}
}

func (s *sectionSpec) readField(n *yaml.Node) error {
	if len(s.fields) == maxFields {
		return faultAt(n, "a section has at most %d fields", maxFields)
	}
	f := fieldSpec{node: n}
	err := mapping(n, "field", map[string]func(*yaml.Node) error{
		"at":    integer("at", maxRecordLength, &f.at),
		"len":   integer("len", maxFieldLength, &f.len),
		"name":  formed("name", keyForm, &f.name),
		"const": scalar("const", func(v string, _ *yaml.Node) error { f.constant = &v; return nil }),
		"fill":  scalar("fill", func(v string, _ *yaml.Node) error { f.fill = &v; return nil }),
		"value": scalar("value", func(v string, at *yaml.Node) error {
			value, ok := ParseField(v)
			if !ok {
				return faultAt(at, "unknown field %q", v)
			}
			f.value = value
			return nil
		}),
		"pipe": sequence("pipe", scalar("pipe", func(v string, at *yaml.Node) error {
			c, err := parseCall(v)
			if err != nil || len(f.pipes) == maxPipes {
				return faultAt(at, "pipe: %v", errors.Join(err, errManyPipes(len(f.pipes))))
			}
			f.pipes = append(f.pipes, pipeSpec{c, at})
			return nil
		})),
	})
	s.fields = append(s.fields, f)
	return err
}

func errManyPipes(n int) error {
	if n == maxPipes {
		return errors.New("too many functions")
	}
	return nil
}
