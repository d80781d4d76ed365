package formats

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"platen/card"
)

// Limits of a layout. They keep a hostile or mistaken layout from asking for memory without end.
const (
	maxLayoutBytes  = 256 << 10
	maxFields       = 400 // of one section
	maxPipes        = 16
	maxSidecars     = 4 // of one file
	maxFieldLength  = 4096
	maxRecordLength = 32 << 10
	maxFileRecords  = 9_999_999
	maxBinary       = 32 << 10
	maxPrefixDigits = 7 // of a length before binary data (EMV CPS)
)

// mode is how values are told apart within a line.
type mode uint8

const (
	fixedMode mode = iota + 1
	delimitedMode
	segmentsMode // values between literals, one after the other
	jsonlMode    // a JSON object a line
	jsonMode     // one JSON document
	xmlMode      // one XML document
)

var modeNames = []string{fixedMode: "fixed", delimitedMode: "delimited", segmentsMode: "segments", jsonlMode: "jsonl", jsonMode: "json", xmlMode: "xml"}

// named tells whether fields have names instead of places.
func (m mode) named() bool { return m >= jsonlMode }

// isDocument tells whether the file is one tree and no sequence of lines.
func (m mode) isDocument() bool { return m == jsonMode || m == xmlMode }

// lineEnds are the words for what ends a record.
var lineEnds = map[string]string{"crlf": "\r\n", "lf": "\n", "cr": "\r", "none": ""}

// literalEnd begins an eol that is a text of its own.
const literalEnd = "literal:"

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
	eol           string
	unit          lengthUnit
	delimiter     byte
	quote         byte // 0: values are never quoted
	clearance     map[Sensitivity]bool
	fileName      string
	maxRecords    int
	splitBy       []Field
	orderBy       []Field
	sidecars      []string
	transfer      Transfer
	controls      []control
	keys          []card.KeyLabel // zone encryption keys
	keyNodes      []*yaml.Node
	sealed        *[]sealing // what is enciphered, shared with the specs of parts
	rootName      string     // of an XML document
	tables        map[string]*table
	tracks        map[string][]fieldSpec
	groupBy       []Field
	groupEach     each // what a group stands for, where that and no key says it
	sections      [Trailer + 1]*sectionSpec
	group         *sectionSpec // where the group's element or array is named
	root, naming  *yaml.Node
}

type sectionSpec struct {
	node   *yaml.Node
	each   each // detail only
	length int
	path   string
	fields []fieldSpec
}

type fieldSpec struct {
	node      *yaml.Node
	at, len   int
	constant  *string
	fill      *string
	value     Field
	control   string // the sum that the value is
	kcv       string // the key whose check value it is
	parts     []fieldSpec
	track     string
	name      string
	open, end string
	prefix    int // digits of a length prefix
	optional  bool
	when      *condition
	pipes     []pipeSpec
}

type pipeSpec struct {
	call
	node *yaml.Node
}

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,31}$`)
	versionForm = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,4}){0,2}$`)
	keyForm     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
	pathForm    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}(/[A-Za-z_][A-Za-z0-9_.-]{0,63}){0,5}$`)
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
	s := &spec{root: document.Content[0], encoding: utf8Encoding, eol: "\n", unit: inBytes, delimiter: ',',
		clearance: map[Sensitivity]bool{Public: true}, tables: map[string]*table{}, tracks: map[string][]fieldSpec{}, sealed: new([]sealing)}
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
		"eol":       scalar("eol", s.readLineEnd),
		"unit":      word("unit", lengthUnitNames, &s.unit),
		"delimiter": oneCharacter("delimiter", &s.delimiter),
		"quote":     oneCharacter("quote", &s.quote),
		"clearance": sequence("clearance", s.readClearance),
		"sidecars":  sequence("sidecars", s.readSidecar),
		"file":      s.readFile,
		"transfer":  s.readTransfer,
		"controls":  sequence("controls", s.readControl),
		"keys":      sequence("keys", s.readKey),
		"root":      formed("root", keyForm, &s.rootName),
		"tables":    s.readTables,
		"tracks":    s.readTracks,
		"header":    s.readSection(Header),
		"group":     s.readGroup,
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
	if err := s.resolveControls(); err != nil {
		return err
	}
	return s.resolveKCVs()
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

// readSidecar reads the name of a layout whose file goes along.
func (s *spec) readSidecar(n *yaml.Node) error {
	name := ""
	if err := formed("sidecars", nameForm, &name)(n); err != nil {
		return err
	}
	if len(s.sidecars) == maxSidecars || slices.Contains(s.sidecars, name) {
		return faultAt(n, "sidecars: at most %d different ones", maxSidecars)
	}
	s.sidecars = append(s.sidecars, name)
	return nil
}

func fieldList(what string, into *[]Field) func(*yaml.Node) error {
	return sequence(what, func(e *yaml.Node) error {
		f, ok := ParseField(e.Value)
		if !ok {
			return faultAt(e, "%s: unknown field %q", what, e.Value)
		}
		*into = append(*into, f)
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
		"split_by":    fieldList("split_by", &s.splitBy),
		"order_by":    fieldList("order_by", &s.orderBy),
	})
}

// readLineEnd reads what ends a record: a word, or literal: and a text.
func (s *spec) readLineEnd(v string, n *yaml.Node) error {
	if text, ok := strings.CutPrefix(v, literalEnd); ok {
		if text == "" || len(text) > 32 || !allPrintable([]byte(text)) {
			return faultAt(n, "eol: a literal is 1 to 32 ASCII characters")
		}
		s.eol = text
		return nil
	}
	end, ok := lineEnds[v]
	if !ok {
		return faultAt(n, "eol: unknown word %q", v)
	}
	s.eol = end
	return nil
}

func (s *spec) readSection(which Section) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		section := &sectionSpec{node: n}
		s.sections[which] = section
		err := mapping(n, which.String(), map[string]func(*yaml.Node) error{
			"each":   word("each", eachNames, &section.each),
			"length": integer("length", maxRecordLength, &section.length),
			"path":   formed("path", pathForm, &section.path),
			"fields": sequence("fields", func(n *yaml.Node) error { return readField(n, &section.fields) }),
		})
		if err == nil && len(section.fields) == 0 {
			err = faultAt(n, "%s: has no fields", which)
		}
		return err
	}
}

// readGroup reads what stands around the details that share the key.
func (s *spec) readGroup(n *yaml.Node) error {
	s.group = &sectionSpec{node: n}
	err := mapping(n, "group", map[string]func(*yaml.Node) error{
		"key":   fieldList("key", &s.groupBy),
		"each":  word("each", eachNames, &s.groupEach),
		"path":  formed("path", keyForm, &s.group.path),
		"open":  s.readSection(GroupOpen),
		"close": s.readSection(GroupClose),
	})
	switch {
	case err != nil:
		return err
	case len(s.groupBy) == 0 && s.groupEach == 0:
		return faultAt(n, "group: key is missing")
	case s.groupEach > 0 && (len(s.groupBy) > 0 || !s.groupEach.gathers()):
		return faultAt(n, "group: each is carrier or product, and stands without key")
	case s.groupEach > 0:
		s.groupBy = s.groupEach.key()
	}
	return nil
}

// readTables reads the tables of lookup.
func (s *spec) readTables(n *yaml.Node) error {
	return eachKey(n, "tables", nameForm, func(name string, value *yaml.Node) error {
		t := newTable()
		s.tables[name] = t
		return eachKey(value, "table "+name, nil, func(from string, to *yaml.Node) error {
			if to.Kind != yaml.ScalarNode {
				return faultAt(to, "table %s: must map texts to texts", name)
			}
			t.add(from, to.Value)
			return nil
		})
	})
}

// readTracks reads named track layouts: lists of parts.
func (s *spec) readTracks(n *yaml.Node) error {
	return eachKey(n, "tracks", nameForm, func(name string, value *yaml.Node) error {
		var parts []fieldSpec
		if err := sequence("track "+name, func(e *yaml.Node) error { return readField(e, &parts) })(value); err != nil {
			return err
		}
		s.tracks[name] = parts
		return nil
	})
}

// readField reads one field of a section or one part of a value, which may be the name of a value alone.
func readField(n *yaml.Node, into *[]fieldSpec) error {
	if len(*into) == maxFields {
		return faultAt(n, "a section has at most %d fields", maxFields)
	}
	f := fieldSpec{node: n}
	value := scalar("value", func(v string, at *yaml.Node) error {
		var ok bool
		if f.control, ok = strings.CutPrefix(v, controlPrefix); ok {
			f.value = controlFields[0] // until all controls are read
			return nil
		}
		f.control = ""
		if f.kcv, ok = cutKCV(v); ok {
			f.value = kcvFields[0] // until all keys are read
			return nil
		}
		if f.value, ok = ParseField(v); !ok {
			return faultAt(at, "unknown field %q", v)
		}
		return nil
	})
	if n.Kind == yaml.ScalarNode {
		err := value(n)
		*into = append(*into, f)
		return err
	}
	text := func(what string, to *string) func(*yaml.Node) error {
		return scalar(what, func(v string, _ *yaml.Node) error { *to = v; return nil })
	}
	err := mapping(n, "field", map[string]func(*yaml.Node) error{
		"at":       integer("at", maxRecordLength, &f.at),
		"len":      integer("len", maxFieldLength, &f.len),
		"name":     formed("name", pathForm, &f.name),
		"const":    scalar("const", func(v string, _ *yaml.Node) error { f.constant = &v; return nil }),
		"fill":     scalar("fill", func(v string, _ *yaml.Node) error { f.fill = &v; return nil }),
		"value":    value,
		"parts":    sequence("parts", func(e *yaml.Node) error { return readField(e, &f.parts) }),
		"track":    formed("track", nameForm, &f.track),
		"open":     text("open", &f.open),
		"end":      text("end", &f.end),
		"prefix":   integer("prefix", maxPrefixDigits, &f.prefix),
		"optional": boolean("optional", &f.optional),
		"when":     scalar("when", func(v string, at *yaml.Node) (err error) { f.when, err = parseCondition(v, at); return err }),
		"pipe": sequence("pipe", scalar("pipe", func(v string, at *yaml.Node) error {
			c, err := parseCall(v)
			if err != nil || len(f.pipes) == maxPipes {
				return faultAt(at, "pipe: %v", errors.Join(err, errManyPipes(len(f.pipes))))
			}
			f.pipes = append(f.pipes, pipeSpec{c, at})
			return nil
		})),
	})
	*into = append(*into, f)
	return err
}

func errManyPipes(n int) error {
	if n == maxPipes {
		return errors.New("too many functions")
	}
	return nil
}
