package formats

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// pad(n), pad(n, "char"), pad(n, "char", left|right): the value filled to n characters.
func (c call) pad(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 3), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	width, err := c.width()
	if err != nil {
		return pipe{}, in, err
	}
	char, side := " ", "right"
	if len(c.args) > 1 {
		char = c.args[1]
	}
	if len(c.args) > 2 {
		side = c.args[2]
	}
	if len(char) != 1 || !printable(char[0]) {
		return pipe{}, in, errors.New("function pad: fills with one ASCII character")
	}
	if side != "left" && side != "right" {
		return pipe{}, in, errors.New("function pad: the side is left or right")
	}
	return c.filled(in, filling{width: width, char: char[0], left: side == "left"})
}

// n(width): a number, zeros before it. In a fixed layout the width is the field's unless it is given.
func (c call) zeros(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 1), c.wants(in, number)); err != nil {
		return pipe{}, in, err
	}
	width, err := c.widthOrLength(in)
	if err != nil {
		return pipe{}, in, err
	}
	return c.filled(in, filling{width: width, char: '0', left: true, number: true})
}

// fill("c"), fill("c", width): a value with so many of the character after it. In a fixed layout the width is the field's unless it is given.
func (c call) fillWith(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 2), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	if len(c.args[0]) != 1 || !printable(c.args[0][0]) {
		return pipe{}, in, errors.New("function fill: fills with one ASCII character")
	}
	width, err := call{name: c.name, args: c.args[1:]}.widthOrLength(in)
	if err != nil {
		return pipe{}, in, err
	}
	return c.filled(in, filling{width: width, char: c.args[0][0]})
}

// an(width): text, blanks after it.
func (c call) blanks(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 1), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	width, err := c.widthOrLength(in)
	if err != nil {
		return pipe{}, in, err
	}
	return c.filled(in, filling{width: width, char: ' '})
}

func (c call) widthOrLength(in flow) (int, error) {
	if len(c.args) == 1 {
		return c.width()
	}
	if in.length == 0 {
		return 0, fmt.Errorf("function %s: needs a length here", c.name)
	}
	return in.length, nil
}

func (c call) filled(in flow, f filling) (pipe, flow, error) {
	if in.size > f.width {
		return pipe{}, in, fmt.Errorf("function %s: impossible length %d for a value of %d", c.name, f.width, in.size)
	}
	f.bytes = in.bytes
	p := pipe{apply: f.apply, invert: f.invert, absent: true}
	if f.char != ' ' && !f.number {
		p.fidelity = folded
	}
	in.size, in.sized, in.valueType = f.width, true, text
	return p, in, nil
}

// filling brings a value to a width in characters, or in bytes where the record counts bytes. An absent number becomes blanks, so that it
// stays apart from 0.
type filling struct {
	width  int
	char   byte
	left   bool
	number bool
	bytes  bool
}

func (f filling) count(v []byte) int {
	if f.bytes {
		return len(v)
	}
	return utf8.RuneCount(v)
}

func (f filling) apply(b []byte, start int) ([]byte, error) {
	missing := f.width - f.count(b[start:])
	if missing < 0 {
		return b, errTooLong
	}
	char := f.char
	if f.number && len(b) == start {
		char = ' '
	}
	end := len(b)
	b = slices.Grow(b, missing)[:end+missing]
	at := end
	if f.left {
		copy(b[start+missing:], b[start:end])
		at = start
	}
	for i := range missing {
		b[at+i] = char
	}
	return b, nil
}

func (f filling) invert(v []byte) ([]byte, error) {
	if f.count(v) != f.width {
		return v, errWrongForm
	}
	if f.number {
		if allBytes(v, ' ') {
			return v[:0], nil
		}
		zeros := 0
		for zeros < len(v)-1 && v[zeros] == '0' {
			zeros++
		}
		return dropFront(v, zeros), nil
	}
	if f.left {
		n := 0
		for n < len(v) && v[n] == f.char {
			n++
		}
		return dropFront(v, n), nil
	}
	for len(v) > 0 && v[len(v)-1] == f.char {
		v = v[:len(v)-1]
	}
	return v, nil
}

// dropFront moves v[n:] to its front, so that the buffer keeps its beginning.
func dropFront(v []byte, n int) []byte { return v[:copy(v, v[n:])] }

func allBytes(v []byte, c byte) bool {
	for _, have := range v {
		if have != c {
			return false
		}
	}
	return true
}
