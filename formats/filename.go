package formats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxFileName leaves room for the suffixes of encryption and of temporary names.
const maxFileName = 160

// namePiece is a literal or a value of a file's name.
type namePiece struct {
	literal string
	column  column
}

// compileName reads the template of file names: text with {field} or {field|function|function}.
func (s *spec) compileName() ([]namePiece, error) {
	var pieces []namePiece
	for rest := s.fileName; rest != ""; {
		literal, tail, open := strings.Cut(rest, "{")
		if !fileNameSafe(literal) {
			return nil, faultAt(s.naming, "name: a file name has letters, digits and . _ - only")
		}
		if literal != "" {
			pieces = append(pieces, namePiece{literal: literal})
		}
		if !open {
			break
		}
		inner, after, closed := strings.Cut(tail, "}")
		if !closed {
			return nil, faultAt(s.naming, "name: a { does not end")
		}
		c, err := s.compileNamePart(inner)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, namePiece{column: c})
		rest = after
	}
	if len(pieces) == 0 {
		return nil, faultAt(s.naming, "name: is empty")
	}
	return pieces, nil
}

func (s *spec) compileNamePart(inner string) (column, error) {
	parts := strings.Split(inner, "|")
	f, ok := ParseField(strings.TrimSpace(parts[0]))
	if !ok {
		return column{}, faultAt(s.naming, "name: unknown field %q", parts[0])
	}
	if f.Sensitivity() != Public || f == RecordNumber || f == RecordUID || f == FileZPKKCV {
		return column{}, faultAt(s.naming, "name: %s may not stand in a file name", f)
	}
	var pipes []pipeSpec
	for _, part := range parts[1:] {
		c, err := parseCall(part)
		if err != nil || len(pipes) == maxPipes {
			return column{}, faultAt(s.naming, "name: %v", errors.Join(err, errManyPipes(len(pipes))))
		}
		pipes = append(pipes, pipeSpec{c, s.naming})
	}
	c := column{field: f, label: f.String()}
	v := s.flowOf(f, 0)
	v.keys = nil // nothing is enciphered in a name
	_, err := s.compilePipes(v, pipes, s.naming, &c)
	return c, err
}

// errNoName says that a file name would have a hole.
var errNoName = errors.New("is absent, and the file's name needs it")

// FileName makes a file's name of the file's own fields. It is one plain name of letters, digits and . _ - that does not begin with a dot.
func (l *Layout) FileName(head *Record) (string, error) {
	var name []byte
	for i := range l.name {
		p := &l.name[i]
		if p.column.field == 0 {
			name = append(name, p.literal...)
			continue
		}
		start := len(name)
		var err error
		if name, _, err = l.appendValue(name, &p.column, head); err != nil {
			return "", fmt.Errorf("file name: %w", &ValueError{Field: p.column.label, Reason: err})
		}
		if len(name) == start {
			return "", fmt.Errorf("file name: %w", &ValueError{Field: p.column.label, Reason: errNoName})
		}
		if !fileNameSafe(string(name[start:])) {
			return "", fmt.Errorf("file name: %w", &ValueError{Field: p.column.label, Reason: errWrongForm})
		}
	}
	if name[0] == '.' || name[0] == '-' || len(name) > maxFileName {
		return "", errors.New("file name: it begins with a dot or dash, or is too long")
	}
	return string(name), nil
}

// NamesApart tells whether the layout gives every file of a bureau a name of its own: its sequence or its number stands in it.
func (l *Layout) NamesApart() bool {
	return slices.ContainsFunc(l.name, func(p namePiece) bool { return p.column.field == FileSequence || p.column.field == FileReference })
}

func fileNameSafe(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
