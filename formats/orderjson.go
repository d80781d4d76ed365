package formats

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// OrderRows are the rows of an order file in any form.
type OrderRows interface {
	Kind() OrderKind
	IsCorrection() bool
	OrderID() string
	Next() (Row, []Fault, error)
}

// NewOrderRows reads an order file of any form, told apart by its first character: [ begins a JSON list of rows, { JSON Lines, a row each;
// everything else is CSV, as NewOrderReader reads it. With a mapping it is the file of another system.
func NewOrderRows(r io.Reader, m *Mapping) (OrderRows, error) {
	in := bufio.NewReaderSize(r, 4096)
	first, err := firstCharacter(in)
	if err != nil {
		return nil, fmt.Errorf("read the order: %w", err)
	}
	if first == '[' || first == '{' {
		return newJSONRows(in, m, first == '[')
	}
	return newOrderReader(in, m)
}

const byteOrderMark = "\xef\xbb\xbf"

// firstCharacter looks at the first byte that is neither a byte order mark nor blank, 0 when there is none in sight. It waits for no more bytes than it
// needs: a client may send the rest when it has an answer to another request.
func firstCharacter(in *bufio.Reader) (byte, error) {
	for n := 1; n <= in.Size(); n++ {
		head, err := in.Peek(n)
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if !strings.HasPrefix(byteOrderMark, string(head)) && !strings.ContainsRune(" \t\r\n", rune(head[n-1])) {
			return head[n-1], nil
		}
	}
	return 0, nil
}

// jsonRows reads rows that are objects: members are columns, values texts; quantity may be a number and same_day true or false.
type jsonRows struct {
	decoder *json.Decoder
	limit   *rowLimit
	mapping *Mapping
	list    bool
	kind    OrderKind
	read    int64 // rows
	first   *readRow
	err     error
}

func newJSONRows(r *bufio.Reader, m *Mapping, list bool) (*jsonRows, error) {
	if mark, _ := r.Peek(3); string(mark) == byteOrderMark {
		_, _ = r.Discard(3)
	}
	limit := &rowLimit{in: r, left: 2 * maxLine}
	j := &jsonRows{decoder: json.NewDecoder(limit), limit: limit, mapping: m, list: list}
	j.decoder.UseNumber()
	if list {
		if _, err := j.decoder.Token(); err != nil {
			return nil, j.at(err)
		}
	}
	row, names, err := j.object()
	if errors.Is(err, io.EOF) {
		return nil, &HeaderError{Reason: errNoHeader}
	}
	if err != nil {
		return nil, err
	}
	_, known := m.header(names)
	j.kind = likeliestKind(namesOf(known))
	first := j.finish(row)
	j.first = &first
	return j, nil
}

// Kind is what the rows ask for, as the members of the first row tell.
func (j *jsonRows) Kind() OrderKind { return j.kind }

// IsCorrection is false: corrections are CSV.
func (j *jsonRows) IsCorrection() bool { return false }

// OrderID is empty.
func (j *jsonRows) OrderID() string { return "" }

// Next is OrderReader.Next. The line of the first row is 2, as in a CSV.
func (j *jsonRows) Next() (Row, []Fault, error) {
	if j.first != nil {
		next := *j.first
		j.first = nil
		return next.row, next.faults, nil
	}
	if j.err != nil {
		return Row{}, nil, j.err
	}
	row, _, err := j.object()
	if err != nil {
		j.err = err
		return Row{}, nil, err
	}
	next := j.finish(row)
	return next.row, next.faults, nil
}

func (j *jsonRows) finish(row Row) readRow {
	j.mapping.row(&row)
	for i := range orderColumns {
		v := orderColumns[i].value(&row)
		*v = strings.TrimSpace(*v)
	}
	return readRow{row: row, faults: CheckRow(j.kind, &row)}
}

// object reads the next row as it stands, and the names of its members.
func (j *jsonRows) object() (Row, []string, error) {
	j.limit.left = 2 * maxLine
	row := Row{Line: j.read + 2}
	token, err := j.decoder.Token()
	switch {
	case errors.Is(err, io.EOF) && !j.list:
		return row, nil, io.EOF
	case err != nil:
		return row, nil, j.at(err)
	case token == json.Delim(']') && j.list:
		if _, err := j.decoder.Token(); !errors.Is(err, io.EOF) {
			return row, nil, j.at(errors.New("something follows the rows"))
		}
		return row, nil, io.EOF
	case token != json.Delim('{'):
		return row, nil, j.at(errors.New("a row must be an object"))
	}
	j.read++
	var names []string
	for {
		name, err := j.decoder.Token()
		if err != nil {
			return row, nil, j.at(err)
		}
		if name == json.Delim('}') {
			return row, names, nil
		}
		theirs, _ := name.(string)
		if slices.Contains(names, theirs) {
			return row, nil, j.at(fmt.Errorf("%s stands twice", toldColumn(theirs, len(names)+1)))
		}
		names = append(names, theirs)
		if err := j.member(&row, theirs, toldColumn(theirs, len(names))); err != nil {
			return row, nil, j.at(err)
		}
	}
}

// member reads the value of a member; told is how an error may name it.
func (j *jsonRows) member(row *Row, theirs, told string) error {
	token, err := j.decoder.Token()
	if err != nil {
		return err
	}
	name, looked := j.mapping.ours(theirs)
	if !looked {
		if _, nested := token.(json.Delim); nested {
			return fmt.Errorf("%s must be a text", told)
		}
		return nil
	}
	c := columnNamed(name)
	if c == nil {
		return fmt.Errorf("%s is unknown", told)
	}
	into := c.value(row)
	if *into != "" {
		return fmt.Errorf("column %q stands twice", name)
	}
	switch v := token.(type) {
	case nil:
	case string:
		if strings.ContainsRune(v, utf8.RuneError) {
			return fmt.Errorf("%s is not UTF-8", told) // the decoder puts this character where the bytes were none
		}
		*into = v
	case json.Number:
		*into = v.String()
	case bool:
		*into = fmt.Sprint(v)
	default:
		return fmt.Errorf("%s must be a text", told)
	}
	return nil
}

// at says where a file cannot be read on.
func (j *jsonRows) at(err error) error {
	if j.limit.failed != nil {
		return fmt.Errorf("read the order: %w", j.limit.failed)
	}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errRowTooLong):
		err = errRowTooLong
	case errors.As(err, &syntax):
		err = fmt.Errorf("is not JSON, at byte %d", syntax.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = ErrIncomplete
	}
	return &ReadError{Line: j.read + 1, Reason: err}
}

// rowLimit refuses to read on when a row has no end.
type rowLimit struct {
	in     io.Reader
	left   int
	failed error // of the input itself
}

// Read implements io.Reader.
func (l *rowLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errRowTooLong
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	l.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		l.failed = err
	}
	return n, err
}
