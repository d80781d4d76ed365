package formats

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lineSource reads records that end with the layout's line end, or whose length follows from their mark.
type lineSource struct{ buffer []byte }

func (s *lineSource) next(r *Reader) (Section, error) {
	line, ended, which, err := s.readLine(r)
	if err != nil {
		return 0, err
	}
	if err := r.enter(which); err != nil {
		return 0, err
	}
	if which != Trailer {
		r.sum(ended)
	}
	section := r.layout.sections[which]
	switch r.layout.spec.mode {
	case fixedMode:
		err = r.layout.readFixed(section, line, &r.record, &r.seen)
	case delimitedMode:
		err = r.layout.readDelimited(section, line, &r.record, &r.seen)
	default:
		err = r.layout.readJSON(section, line, &r.record, &r.seen)
	}
	return which, err
}

// readLine reads one record without and with its line end and says which section it is. It returns io.EOF only before the first byte of a
// line.
func (s *lineSource) readLine(r *Reader) (line, ended []byte, which Section, err error) {
	eol := r.layout.eol
	if len(eol) == 0 {
		return s.readUnended(r)
	}
	s.buffer = s.buffer[:0]
	for {
		part, err := r.in.ReadSlice(eol[len(eol)-1])
		if err == nil && len(s.buffer) == 0 && bytes.HasSuffix(part, eol) {
			s.buffer = s.buffer[:0]
			ended = part // the common case: the whole line lies in the reader's buffer
			break
		}
		s.buffer = append(s.buffer, part...)
		if len(s.buffer) > maxLine {
			r.line++
			return nil, nil, 0, errLineTooLong
		}
		if err == nil {
			if bytes.HasSuffix(s.buffer, eol) {
				ended = s.buffer
				break
			}
			if !printable(eol[0]) && len(eol) > 1 { // a line feed without its carriage return
				r.line++
				return nil, nil, 0, errLineEnd
			}
			continue
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(s.buffer) == 0 {
			return nil, nil, 0, io.EOF
		}
		r.line++
		if errors.Is(err, io.EOF) {
			return nil, nil, 0, ErrIncomplete
		}
		return nil, nil, 0, r.inputFailed(err)
	}
	r.line++
	if len(ended) > maxLine {
		return nil, nil, 0, errLineTooLong
	}
	line = ended[:len(ended)-len(eol)]
	if bytes.IndexByte(line, '\r') >= 0 {
		return nil, nil, 0, errLineEnd
	}
	which, err = r.layout.sectionOf(r.last, line, ended)
	return line, ended, which, err
}

// sectionOf tells what a line is. Ended is the line with its end, which marks of a single column include.
func (l *Layout) sectionOf(last Section, line, ended []byte) (Section, error) {
	if l.spec.mode == jsonlMode {
		return l.jsonSection(line)
	}
	if l.byPlace {
		return map[bool]Section{true: Header, false: Detail}[last == 0], nil
	}
	if d := l.sections[Detail]; (last == Detail || last == GroupOpen) && bytes.HasPrefix(ended, d.mark) {
		return Detail, nil
	}
	for which := Header; which <= Trailer; which++ {
		if s := l.sections[which]; s != nil && bytes.HasPrefix(ended, s.mark) {
			return which, nil
		}
	}
	return 0, errSection
}

// readUnended reads a record whose length follows from its mark.
func (s *lineSource) readUnended(r *Reader) (line, ended []byte, which Section, err error) {
	mark := r.layout.sections[Detail].mark
	begin, err := r.in.Peek(max(len(mark), 1))
	if len(begin) == 0 && errors.Is(err, io.EOF) {
		return nil, nil, 0, io.EOF
	}
	r.line++
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, 0, r.inputFailed(err)
	}
	if which, err = r.layout.sectionOf(r.last, nil, begin); err != nil {
		return nil, nil, 0, err
	}
	n := r.layout.sections[which].length
	if cap(s.buffer) < n {
		s.buffer = make([]byte, n)
	}
	s.buffer = s.buffer[:n]
	if _, err := io.ReadFull(r.in, s.buffer); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, 0, ErrIncomplete
	} else if err != nil {
		return nil, nil, 0, r.inputFailed(err)
	}
	return s.buffer, s.buffer, which, nil
}

// segmentSource reads records of segments, which may hold any byte: only the layout tells where one ends.
type segmentSource struct{}

func (segmentSource) next(r *Reader) (Section, error) {
	r.line++
	want := 1
	for {
		have, err := r.peek(want)
		if err != nil {
			return 0, err
		}
		goesOn := len(have) >= want
		which, n, err := readSegments(r, have, goesOn)
		switch {
		case err == nil:
			if which != Trailer {
				r.sum(have[:n])
			}
			if err := r.enter(which); err != nil {
				return 0, err
			}
			_, err = r.in.Discard(n)
			return which, err
		case !errors.Is(err, errMore):
			if !goesOn && errors.Is(err, errShort) {
				err = ErrIncomplete
			}
			return 0, err
		case len(have) >= maxLine:
			return 0, errLineTooLong
		}
		r.forget()
		want = min(max(2*len(have), 4096), maxLine)
	}
}

// peek returns what is buffered, at least n bytes unless the file ends. It returns io.EOF only at the end.
func (r *Reader) peek(n int) ([]byte, error) {
	if b := r.in.Buffered(); b >= n {
		return r.in.Peek(min(b, maxLine))
	}
	have, err := r.in.Peek(n)
	switch {
	case err == nil:
		return r.in.Peek(min(r.in.Buffered(), maxLine))
	case !errors.Is(err, io.EOF):
		return nil, r.inputFailed(err)
	case len(have) == 0:
		r.line--
		return nil, io.EOF
	}
	return have, nil
}

// readSegments reads the record at the beginning of b.
func readSegments(r *Reader, b []byte, goesOn bool) (Section, int, error) {
	l := r.layout
	for which := Header; which <= Trailer; which++ {
		s := l.sections[which]
		if s == nil {
			continue
		}
		switch err := startsWith(b, s.mark); {
		case errors.Is(err, errMore) && goesOn:
			return 0, 0, errMore
		case err != nil:
			continue
		}
		n, err := l.readParts(s.columns, b, &r.record, &r.seen, true, goesOn)
		return which, n, err
	}
	if !goesOn {
		return 0, 0, errShort
	}
	return 0, 0, errSection
}
