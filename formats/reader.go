package formats

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds one line of a file that is read.
const maxLine = 64 << 10

// ReadError says where a file is not what its layout says. It names line and field, never a value.
type ReadError struct {
	Line   int64 // 1 is the first; records are counted where a file has no line ends
	Reason error
}

// Error prints line n: reason.
func (e *ReadError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Reason) }

// Unwrap gives the reason.
func (e *ReadError) Unwrap() error { return e.Reason }

// What a file as a whole can lack.
var (
	ErrIncomplete  = errors.New("the file ends before it is complete")
	errLineTooLong = errors.New("the line is longer than any that a layout allows")
	errLineEnd     = errors.New("the line does not end as its layout says")
	errAfterEnd    = errors.New("the file goes on after its trailer")
	errSection     = errors.New("the line begins as no section of the layout does here")
	errNotRunning  = errors.New("does not count on from the line before")
)

// Reader reads a file with its layout. Memory is bounded by one line.
type Reader struct {
	layout *Layout
	in     *bufio.Reader
	line   int64
	buffer []byte
	record Record
	totals Totals
	want   int64 // what the header says of the count of details, -1 for nothing
	last   Section
	broken bool // the input failed, which is not the file's fault
	err    error
}

// NewReader reads a file from r. The Reader buffers; it reads r to its end.
func (l *Layout) NewReader(r io.Reader) *Reader {
	return &Reader{layout: l, in: bufio.NewReaderSize(r, 64<<10), want: -1}
}

// Next returns the next section and its record, which is used again by the next call. It proves as it goes: the order of sections, the
// constants, running record numbers, and at the end that totals are what was read. It returns io.EOF only after a complete file,
// *ReadError for what the file does wrong, and the error of the input, wrapped, if that fails; an error stays.
func (r *Reader) Next() (Section, *Record, error) {
	if r.err != nil {
		return 0, nil, r.err
	}
	which, err := r.next()
	if err != nil {
		r.err = err
		if !r.broken && !errors.Is(err, io.EOF) {
			r.err = &ReadError{Line: r.line, Reason: err}
		}
		return 0, nil, r.err
	}
	r.last = which
	return which, &r.record, nil
}

func (r *Reader) next() (Section, error) {
	line, which, err := r.readLine()
	if errors.Is(err, io.EOF) {
		return 0, r.atEnd()
	}
	if err != nil {
		return 0, err
	}
	if err := r.inOrder(which); err != nil {
		return 0, err
	}
	r.record.open().forget()
	var seen [numFields]bool
	s := r.layout.sections[which]
	switch r.layout.spec.mode {
	case fixedMode:
		err = r.layout.readFixed(s, line, &r.record, &seen)
	case delimitedMode:
		err = r.layout.readDelimited(s, line, &r.record, &seen)
	default:
		err = r.layout.readJSON(s, line, &r.record, &seen)
	}
	if err != nil {
		return 0, err
	}
	return which, r.count(which)
}

// atEnd tells whether the file may end here.
func (r *Reader) atEnd() error {
	r.line++
	if r.layout.Has(Trailer) && r.last != Trailer || r.layout.Has(Header) && r.last == 0 {
		return ErrIncomplete
	}
	return r.endTotals(io.EOF)
}

// inOrder checks that a section may stand here: a header first and once, a trailer last.
func (r *Reader) inOrder(which Section) error {
	switch {
	case r.last == Trailer:
		return errAfterEnd
	case which == Header && r.last != 0, which != Header && r.last == 0 && r.layout.Has(Header):
		return errSection
	}
	return nil
}

// count adds a detail up and compares what the other sections say.
func (r *Reader) count(which Section) error {
	switch which {
	case Header:
		if said := r.record.Get(FileRecords); len(said) > 0 {
			r.want = decimal(said)
		}
	case Detail:
		r.totals.Add(&r.record)
		if said := r.record.Get(RecordNumber); len(said) > 0 && decimal(said) != r.totals.Records() {
			return &ValueError{Field: RecordNumber.String(), Reason: errNotRunning}
		}
	case Trailer:
		for _, f := range []Field{TotalsRecords, TotalsPANHash} {
			if err := r.totals.check(&r.record, f); err != nil {
				return &ValueError{Field: f.String(), Reason: err}
			}
		}
		if said := r.record.Get(FileRecords); len(said) > 0 && decimal(said) != r.totals.Records() {
			return &ValueError{Field: FileRecords.String(), Reason: errTotals}
		}
		return r.endTotals(nil)
	}
	return nil
}

// endTotals compares the header's count; good is what it returns when that is right.
func (r *Reader) endTotals(good error) error {
	if r.want >= 0 && r.want != r.totals.Records() {
		return &ValueError{Field: "header " + FileRecords.String(), Reason: errTotals}
	}
	return good
}

// decimal is the value of digits that fit the type number.
func decimal(v []byte) int64 {
	n := int64(0)
	for _, c := range v {
		n = n*10 + int64(c-'0')
	}
	return n
}

// readLine reads one record without its line end and says which section it is. It returns io.EOF only before the first byte of a line.
func (r *Reader) readLine() ([]byte, Section, error) {
	if r.layout.spec.eol == noLineEnd {
		return r.readUnended()
	}
	r.buffer = r.buffer[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		r.buffer = append(r.buffer, part...)
		if len(r.buffer) > maxLine {
			r.line++
			return nil, 0, errLineTooLong
		}
		if err == nil {
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(r.buffer) == 0 {
			return nil, 0, io.EOF
		}
		r.line++
		if errors.Is(err, io.EOF) {
			return nil, 0, ErrIncomplete
		}
		return nil, 0, r.inputFailed(err)
	}
	r.line++
	line, ok := bytes.CutSuffix(r.buffer, r.layout.eol)
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return nil, 0, errLineEnd
	}
	which, err := r.section(line, r.buffer)
	return line, which, err
}

// section tells what a line is. Ended is the line with its end, which marks of a single column include.
func (r *Reader) section(line, ended []byte) (Section, error) {
	if r.layout.spec.mode == jsonlMode {
		return r.layout.jsonSection(line)
	}
	for which := Header; which <= Trailer; which++ {
		if s := r.layout.sections[which]; s != nil && bytes.HasPrefix(ended, s.mark) {
			return which, nil
		}
	}
	return 0, errSection
}

// readUnended reads a record whose length follows from its mark.
func (r *Reader) readUnended() ([]byte, Section, error) {
	mark := r.layout.sections[Detail].mark
	begin, err := r.in.Peek(max(len(mark), 1))
	if len(begin) == 0 && errors.Is(err, io.EOF) {
		return nil, 0, io.EOF
	}
	r.line++
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, r.inputFailed(err)
	}
	which, err := r.section(nil, begin)
	if err != nil {
		return nil, 0, err
	}
	n := r.layout.sections[which].length
	if cap(r.buffer) < n {
		r.buffer = make([]byte, n)
	}
	r.buffer = r.buffer[:n]
	if _, err := io.ReadFull(r.in, r.buffer); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, ErrIncomplete
	} else if err != nil {
		return nil, 0, r.inputFailed(err)
	}
	return r.buffer, which, nil
}

func (r *Reader) inputFailed(err error) error {
	r.broken = true
	return fmt.Errorf("read line %d: %w", r.line, err)
}
