package formats

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gocarina/gocsv"
)

// fileRow is a row as gocsv fills it: an order's own columns, and those of a correction.
type fileRow struct {
	Order string `csv:"order"`
	At    string `csv:"line"`
	Field string `csv:"field"`
	Code  string `csv:"code"`
	Hint  string `csv:"hint"`
	Row
}

// OrderReader reads an order file row by row. Its memory is bounded by one row.
type OrderReader struct {
	kind       OrderKind
	correction bool
	order      string
	columns    []string
	mapping    *Mapping
	window     *rowWindow
	csv        *csv.Reader
	rows       *gocsv.Unmarshaller
	row        fileRow
	first      *readRow // a correction's first row is read at once, for its order
	err        error
}

type readRow struct {
	row    Row
	faults []Fault
	err    error
}

// NewOrderReader reads and checks the header: CSV in UTF-8, parted by commas, one line of column names, which also say the kind of order.
// A header that is not right is a *HeaderError. A correction file, as WriteCorrections writes it, is known by its columns order and line.
func NewOrderReader(r io.Reader) (*OrderReader, error) { return newOrderReader(r, nil) }

func newOrderReader(r io.Reader, m *Mapping) (*OrderReader, error) {
	in := bufio.NewReaderSize(r, 4096)
	header, err := readHeaderLine(in)
	if err != nil {
		return nil, err
	}
	first := csv.NewReader(bytes.NewReader(header))
	first.Comma = m.comma()
	columns, err := first.Read()
	if errors.Is(err, io.EOF) {
		return nil, &HeaderError{Reason: errNoHeader}
	}
	if err != nil {
		return nil, &HeaderError{Reason: errors.New("its quotes are malformed")}
	}
	for i := range columns {
		columns[i] = strings.TrimSpace(columns[i])
	}
	o := &OrderReader{mapping: m, window: &rowWindow{line: 1}}
	var known []headerColumn
	o.columns, known = m.header(columns)
	if o.kind, o.correction, err = checkHeader(known); err != nil {
		return nil, err
	}
	o.window.in = io.MultiReader(strings.NewReader(strings.Join(o.columns, string(m.comma()))+"\n"), in)
	o.csv = csv.NewReader(o.window)
	o.csv.Comma = m.comma()
	o.csv.FieldsPerRecord, o.csv.ReuseRecord = len(o.columns), true
	if o.rows, err = gocsv.NewUnmarshaller(o.csv, fileRow{}); err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	o.window.release(o.csv.InputOffset())
	if o.correction {
		o.first = new(readRow)
		o.first.row, o.first.faults, o.first.err = o.read()
	}
	return o, nil
}

// readHeaderLine reads the first line without its end and without a byte order mark.
func readHeaderLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, &HeaderError{Reason: cmp.Or(compressed(line), errRowTooLong)}
		}
		if err == nil || errors.Is(err, io.EOF) {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("read the header: %w", err)
		}
	}
	if err := compressed(line); err != nil {
		return nil, &HeaderError{Reason: err}
	}
	line = bytes.TrimPrefix(line, []byte(byteOrderMark))
	return bytes.TrimRight(line, "\r\n"), nil
}

// packed are the first bytes of compressed files: gzip (RFC 1952), zip, bzip2, xz and Zstandard (RFC 8878).
var packed = [...]string{"\x1f\x8b", "PK\x03\x04", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd"}

// compressed tells by its beginning that a file is compressed.
func compressed(head []byte) error {
	for _, p := range packed {
		if bytes.HasPrefix(head, []byte(p)) {
			return errCompressed
		}
	}
	return nil
}

// Kind is what the rows ask for.
func (o *OrderReader) Kind() OrderKind { return o.kind }

// IsCorrection tells whether the file corrects rows of an order that is there.
func (o *OrderReader) IsCorrection() bool { return o.correction }

// OrderID is the order that a correction file belongs to, as its first row says; rows that say another are faulty.
func (o *OrderReader) OrderID() string { return o.order }

// Next returns the next row with what is wrong with it in itself. A row with another number of columns than the header is such a fault, not the
// end. It returns io.EOF at the end, and *ReadError where the file cannot be read on: malformed quotes, a row of over 64 kB.
func (o *OrderReader) Next() (Row, []Fault, error) {
	if o.err != nil {
		return Row{}, nil, o.err
	}
	if first := o.first; first != nil {
		o.first, o.err = nil, first.err
		return first.row, first.faults, first.err
	}
	row, faults, err := o.read()
	o.err = err
	return row, faults, err
}

func (o *OrderReader) read() (Row, []Fault, error) {
	from := o.csv.InputOffset()
	value, err := o.rows.Read()
	to := o.csv.InputOffset()
	var malformed *csv.ParseError
	switch {
	case err == nil:
		line, _ := o.csv.FieldPos(0)
		var ok bool
		if o.row, ok = value.(fileRow); !ok {
			return Row{}, nil, fmt.Errorf("line %d: gocsv gave a %T", line, value)
		}
		if to-from > maxLine {
			return Row{}, nil, &ReadError{Line: int64(line), Reason: errRowTooLong}
		}
		o.window.release(to)
		faults := o.place(&o.row, int64(line))
		return o.row.Row, append(faults, CheckRow(o.kind, &o.row.Row)...), nil
	case errors.Is(err, csv.ErrFieldCount) && errors.As(err, &malformed):
		row := o.ragged(o.window.between(from, to))
		o.window.release(to)
		return row(int64(malformed.StartLine))
	case errors.As(err, &malformed):
		return Row{}, nil, &ReadError{Line: int64(malformed.StartLine), Reason: errors.New("its quotes are malformed")}
	case errors.Is(err, errRowTooLong):
		return Row{}, nil, &ReadError{Line: o.window.line, Reason: errRowTooLong}
	case errors.Is(err, io.EOF):
		return Row{}, nil, io.EOF
	}
	return Row{}, nil, fmt.Errorf("read an order: %w", err)
}

// ragged keeps what a row with the wrong number of columns holds, by position, so that a correction file can show it.
func (o *OrderReader) ragged(raw []byte) func(line int64) (Row, []Fault, error) {
	parser := csv.NewReader(bytes.NewReader(raw))
	parser.FieldsPerRecord = -1
	values, err := parser.Read()
	return func(line int64) (Row, []Fault, error) {
		out := fileRow{Row: Row{Line: line}}
		if err != nil {
			return Row{}, nil, &ReadError{Line: line, Reason: errors.New("its quotes are malformed")}
		}
		for i, v := range values[:min(len(values), len(o.columns))] {
			out.set(o.columns[i], v)
		}
		faults := o.place(&out, line)
		return out.Row, append([]Fault{{out.Line, "", FaultColumnCount,
			fmt.Sprintf("the row has %d columns and the header %d; a value with a comma needs quotes. "+
				"Which value belongs to which column is not known, so a correction file repeats none: copy them from line %d of the file", len(values), len(o.columns), out.Line)}}, faults...), nil
	}
}

func (r *fileRow) set(column, value string) {
	switch column {
	case orderColumnName:
		r.Order = value
	case lineColumnName:
		r.At = value
	default:
		if c := columnNamed(column); c != nil {
			*c.value(&r.Row) = value
		}
	}
}

// place trims a row and finds its line; in a correction that is the line of the file that is corrected.
func (o *OrderReader) place(in *fileRow, line int64) (faults []Fault) {
	o.mapping.row(&in.Row)
	for i := range orderColumns {
		v := orderColumns[i].value(&in.Row)
		if s := *v; s != "" && (s[0] <= ' ' || s[0] >= utf8.RuneSelf || s[len(s)-1] <= ' ' || s[len(s)-1] >= utf8.RuneSelf) {
			*v = strings.TrimSpace(s)
		}
		if o.correction {
			*v = unescapeFormula(*v)
		}
	}
	in.Line = line
	if !o.correction {
		return nil
	}
	at, err := strconv.ParseInt(strings.TrimSpace(in.At), 10, 64)
	if err != nil || at < 2 {
		faults = append(faults, Fault{line, lineColumnName, FaultBadLine, "keep the line of the correction file that the row came with"})
	} else {
		in.Line = at
	}
	order := unescapeFormula(strings.TrimSpace(in.Order))
	if o.order == "" {
		o.order = order
	}
	if order == "" || order != o.order {
		faults = append(faults, Fault{in.Line, orderColumnName, FaultOtherOrder, "a correction file belongs to one order"})
	}
	return faults
}

// rowWindow keeps the bytes of the row that is being read, and refuses to read on when a row has no end.
type rowWindow struct {
	in    io.Reader
	kept  []byte
	start int64 // offset of kept[0]
	used  int   // bytes of kept that belong to rows before
	line  int64 // where the row begins
}

// Read implements io.Reader.
func (w *rowWindow) Read(p []byte) (int, error) {
	if len(w.kept)-w.used > maxLine+8192 {
		return 0, errRowTooLong
	}
	n, err := w.in.Read(p)
	w.kept = append(w.kept, p[:n]...)
	return n, err
}

// release forgets what lies before offset.
func (w *rowWindow) release(offset int64) {
	used := int(offset - w.start)
	w.line += int64(bytes.Count(w.kept[w.used:used], []byte{'\n'}))
	w.used = used
	if w.used > 32<<10 {
		w.kept = w.kept[:copy(w.kept, w.kept[w.used:])]
		w.start, w.used = offset, 0
	}
}

// between returns the bytes from one offset to another.
func (w *rowWindow) between(from, to int64) []byte { return w.kept[from-w.start : to-w.start] }
