package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"platen/formats"
)

// maxRow is how many bytes one JSON row, or everything before the rows, may have.
const maxRow = 64 << 10

// document is an order as JSON, read token by token: {"reference": ..., "kind": ..., "rows": [...]} with the rows last, so that they stream.
// Members are exact: an unknown one, one that stands twice, or anything after the end refuses the order. It implements batch.Rows.
type document struct {
	decoder    *json.Decoder
	window     *window
	correction bool // rows say by "line" which refused row they replace
	reference  string
	kind       formats.OrderKind // 0 = the document does not say
	members    []string          // that rows may have
	row        int64             // rows read
	place      int               // of the member that is read, in its object
}

// newDocument reads a document as far as its rows.
func newDocument(r io.Reader, correction bool) (*document, error) {
	w := &window{r: r, limit: maxRow}
	d := &document{decoder: json.NewDecoder(w), window: w, correction: correction}
	d.decoder.UseNumber()
	return d, d.readHead()
}

// peekDocument reads the head of a document and returns it with a reader that gives all of the document again.
func peekDocument(r io.Reader, correction bool) (*document, io.Reader, error) {
	var seen bytes.Buffer
	d, err := newDocument(io.TeeReader(r, &seen), correction)
	return d, io.MultiReader(&seen, r), err
}

func (d *document) readHead() error {
	if err := d.expect(json.Delim('{'), "the order must be an object"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for {
		name, err := d.member(seen)
		if err != nil {
			return err
		}
		switch {
		case name == "":
			return d.malformed("rows are missing")
		case name == "rows":
			return d.expect(json.Delim('['), "rows must be a list")
		case name == "reference" && !d.correction:
			d.reference, err = d.text(name)
		case name == "kind":
			err = d.readKind()
		default:
			return d.unknown(name)
		}
		if err != nil {
			return err
		}
	}
}

func (d *document) readKind() error {
	name, err := d.text("kind")
	if err != nil {
		return err
	}
	kind, err := formats.ParseOrderKind(name)
	if err != nil {
		return problem(http.StatusUnprocessableEntity, "unknown_kind", "kind is mass, bulk or card-action")
	}
	d.setKind(kind)
	return nil
}

// setKind says which members rows have: those that a CSV of the kind has as columns.
func (d *document) setKind(kind formats.OrderKind) {
	d.kind = kind
	d.members, _ = formats.OrderColumns(kind)
}

// Kind implements batch.Rows.
func (d *document) Kind() formats.OrderKind { return d.kind }

// Next implements batch.Rows. The line of the first row is 2, as in a file whose first line is its header.
func (d *document) Next() (formats.Row, []formats.Fault, error) {
	d.window.limit = d.decoder.InputOffset() + maxRow
	t, err := d.token()
	if err != nil {
		return formats.Row{}, nil, err
	}
	switch t {
	case json.Delim(']'):
		return formats.Row{}, nil, d.finish()
	case json.Delim('{'):
	default:
		return formats.Row{}, nil, d.malformed("rows must be objects")
	}
	d.row++
	row := formats.Row{Line: d.row + 1}
	if d.correction {
		row.Line = 0
	}
	if err := d.readRow(&row); err != nil {
		return row, nil, err
	}
	return row, formats.CheckRow(d.kind, &row), nil
}

func (d *document) readRow(row *formats.Row) error {
	fields := reflect.ValueOf(row).Elem()
	seen := map[string]bool{}
	for {
		name, err := d.member(seen)
		if err != nil {
			return err
		}
		if name == "" {
			break
		}
		if name == lineMember && d.correction {
			if row.Line, err = d.line(); err != nil {
				return err
			}
			continue
		}
		at, ok := rowMembers[name]
		if !ok || !slices.Contains(d.members, name) {
			return d.unknown(name)
		}
		value, err := d.text(name)
		if err != nil {
			return err
		}
		fields.Field(at).SetString(strings.TrimSpace(value))
	}
	if row.Line == 0 {
		return d.malformed("a corrected row must say by line which row it replaces")
	}
	return nil
}

// finish reads what follows the rows: the end of the object and of the document.
func (d *document) finish() error {
	if err := d.expect(json.Delim('}'), "rows must be the last member"); err != nil {
		return err
	}
	_, err := d.decoder.Token()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return d.malformed("something follows the order")
}

const lineMember = "line"

// rowMembers are the members of a row with their places in formats.Row.
var rowMembers = membersOf(reflect.TypeFor[formats.Row]())

func membersOf(t reflect.Type) map[string]int {
	members := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" && t.Field(i).Type.Kind() == reflect.String {
			members[name] = i
		}
	}
	return members
}

// member reads the next member's name; "" at the end of the object.
func (d *document) member(seen map[string]bool) (string, error) {
	t, err := d.token()
	if err != nil {
		return "", err
	}
	name, ok := t.(string)
	if !ok {
		return "", nil
	}
	d.place = len(seen) + 1
	if name == "" {
		return "", d.unknown(name)
	}
	if seen[name] {
		return "", problem(http.StatusUnprocessableEntity, "doubled_field", d.at()+d.named(name)+" stands twice")
	}
	seen[name] = true
	return name, nil
}

// text reads a value as the text that a CSV would hold: a string; a number for quantity; true or false for same_day; null for nothing.
func (d *document) text(name string) (string, error) {
	t, err := d.token()
	if err != nil {
		return "", err
	}
	switch v := t.(type) {
	case nil:
		return "", nil
	case string:
		if strings.ContainsRune(v, '\uFFFD') {
			// The decoder puts this character where the bytes were no characters.
			return "", d.malformed(d.named(name) + " is not valid UTF-8")
		}
		return v, nil
	case json.Number:
		if name == "quantity" {
			return v.String(), nil
		}
	case bool:
		if name == "same_day" {
			return fmt.Sprint(v), nil
		}
	}
	return "", d.malformed(d.named(name) + " must be a string")
}

func (d *document) line() (int64, error) {
	t, err := d.token()
	if err != nil {
		return 0, err
	}
	number, ok := t.(json.Number)
	n, parse := number.Int64()
	if !ok || parse != nil || n < 2 {
		return 0, d.malformed("line must be the number of the row that was refused")
	}
	return n, nil
}

func (d *document) expect(want json.Delim, otherwise string) error {
	t, err := d.token()
	if err != nil {
		return err
	}
	if t != want {
		return d.malformed(otherwise)
	}
	return nil
}

func (d *document) token() (json.Token, error) {
	t, err := d.decoder.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, errTooLong):
		return nil, problem(http.StatusUnprocessableEntity, "row_too_long", d.at()+"a row has at most 64 kB")
	case errors.As(err, &syntax):
		return nil, d.malformed(fmt.Sprintf("not valid JSON at byte %d", syntax.Offset))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.malformed("the document ends early")
	}
	return nil, fmt.Errorf("read the order: %w", err)
}

func (d *document) malformed(what string) error {
	return problem(http.StatusBadRequest, "malformed_body", d.at()+what)
}

func (d *document) unknown(name string) error {
	return problem(http.StatusUnprocessableEntity, "unknown_field", d.at()+d.named(name)+" is unknown")
}

// named is how a member is told: by what it is called, or by its place in its object, where 1 is the first.
func (d *document) named(name string) string {
	if formats.LooksLikeName(name) {
		return fmt.Sprintf("member %q", name)
	}
	return fmt.Sprintf("member %d", d.place)
}

func (d *document) at() string {
	if d.row == 0 {
		return ""
	}
	return fmt.Sprintf("row %d: ", d.row)
}

// shown quotes a name that the client chose, if it can be one: a value in its place is not shown back.
func shown(name string) string {
	if !formats.LooksLikeName(name) {
		return "one that does not look like a name"
	}
	return fmt.Sprintf("%q", name)
}

// toldPlace is where in a request something is wrong, without names in it that may be values.
func toldPlace(location string) string {
	parts := strings.Split(location, ".")
	for i, part := range parts {
		if name, _, _ := strings.Cut(part, "["); !formats.LooksLikeName(name) {
			return strings.Join(append(parts[:i], "..."), ".")
		}
	}
	return location
}

// errTooLong ends a window.
var errTooLong = errors.New("longer than its window")

// window lets a reader see as far as limit, so that a decoder never buffers more than one row.
type window struct {
	r           io.Reader
	read, limit int64
}

// Read implements io.Reader.
func (w *window) Read(p []byte) (int, error) {
	left := w.limit - w.read
	if left <= 0 {
		return 0, errTooLong
	}
	n, err := w.r.Read(p[:min(int64(len(p)), left)])
	w.read += int64(n)
	return n, err
}
