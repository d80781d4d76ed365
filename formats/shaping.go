package formats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// group("4 4 4 4"): digits in groups. A value longer than the pattern goes on in groups of the last size.
func (c call) group(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, digits)); err != nil {
		return pipe{}, in, err
	}
	g, err := parseGroups(c.args[0])
	if err != nil {
		return pipe{}, in, err
	}
	in.size, in.valueType = 0, text
	return pipe{apply: g.apply, invert: g.invert}, in, nil
}

type groups struct {
	sizes      []int
	separators []byte // one after each group but the last
}

func parseGroups(pattern string) (groups, error) {
	var g groups
	for i, c := range []byte(pattern) {
		if i%2 == 0 {
			if c < '1' || c > '9' {
				return g, fmt.Errorf("function group: pattern %q is not sizes with one character between", pattern)
			}
			g.sizes = append(g.sizes, int(c-'0'))
			continue
		}
		if !printable(c) || c >= '0' && c <= '9' {
			return g, fmt.Errorf("function group: pattern %q is not sizes with one character between", pattern)
		}
		g.separators = append(g.separators, c)
	}
	if len(pattern)%2 == 0 || len(g.sizes) < 2 {
		return g, fmt.Errorf("function group: pattern %q is not sizes with one character between", pattern)
	}
	return g, nil
}

// at returns the size of group i and the separator after it.
func (g groups) at(i int) (size int, separator byte) {
	return g.sizes[min(i, len(g.sizes)-1)], g.separators[min(i, len(g.separators)-1)]
}

// apply opens the gaps from the end on, so that every digit moves once.
func (g groups) apply(b []byte, start int) ([]byte, error) {
	n, gaps, before := len(b)-start, 0, 0
	for {
		size, _ := g.at(gaps)
		if before+size >= n {
			break
		}
		before += size
		gaps++
	}
	b = slices.Grow(b, gaps)[:len(b)+gaps]
	v := b[start:]
	for end := n; gaps > 0; gaps-- {
		size, separator := g.at(gaps - 1)
		copy(v[before+gaps:], v[before:end])
		v[before+gaps-1] = separator
		end, before = before, before-size
	}
	return b, nil
}

func (g groups) invert(v []byte) ([]byte, error) {
	out, at := 0, 0
	for i := 0; ; i++ {
		size, separator := g.at(i)
		end := min(at+size, len(v))
		out += copy(v[out:], v[at:end])
		if end == len(v) {
			return v[:out], nil
		}
		if v[end] != separator || end+1 == len(v) {
			return v, errWrongForm
		}
		at = end + 1
	}
}

// mask, mask(first, last), mask(first, last, "c"): a card number with so many digits shown, at most its first six or, of sixteen digits and more,
// eight, and its last four (PCI DSS 3.4.1); without arguments six and four, and stars between.
func (c call) mask(in flow) (pipe, flow, error) {
	if in.field != CardPAN || in.valueType != digits {
		return pipe{}, in, errors.New("wrong type: mask takes card.pan as it is")
	}
	first, last, cover := 6, 4, byte('*')
	if len(c.args) > 0 {
		if err := c.count(2, 3); err != nil {
			return pipe{}, in, err
		}
		var err1, err2 error
		first, err1 = strconv.Atoi(c.args[0])
		last, err2 = strconv.Atoi(c.args[1])
		if err1 != nil || err2 != nil || first < 0 || first > 8 || last < 0 || last > 4 {
			return pipe{}, in, errors.New("function mask: shows at most 8 digits in front and 4 behind")
		}
		if len(c.args) == 3 {
			cover = c.args[2][0]
			if len(c.args[2]) != 1 || !printable(cover) || cover >= '0' && cover <= '9' {
				return pipe{}, in, errors.New("function mask: covers digits with one ASCII character that is none")
			}
		}
	}
	apply := func(b []byte, start int) ([]byte, error) {
		pan := b[start:]
		if first > 6 && len(pan) < 16 {
			return b, errWrongForm
		}
		for i := first; i < len(pan)-last; i++ {
			pan[i] = cover
		}
		return b, nil
	}
	in.sensitivity, in.valueType = Public, text
	return pipe{apply: apply, fidelity: hidden}, in, nil
}

// last(n): the last n characters. At most four of a card number may be shown to anybody.
func (c call) last(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	n, err := c.width()
	if err != nil {
		return pipe{}, in, err
	}
	if in.field == CardPAN && in.valueType == digits && n <= 4 {
		in.sensitivity = Public
	}
	apply := func(b []byte, start int) ([]byte, error) {
		v := b[start:]
		if i := tailIndex(v, n); i > 0 {
			return b[:start+copy(v, v[i:])], nil
		}
		return b, nil
	}
	in.size, in.valueType = 0, text
	return pipe{apply: apply, fidelity: hidden}, in, nil
}

// tailIndex is where the last n characters of v begin.
func tailIndex(v []byte, n int) int {
	i := len(v)
	for ; n > 0 && i > 0; n-- {
		for i--; i > 0 && v[i]&0xc0 == 0x80; i-- {
		}
	}
	return i
}

// hex: binary values as upper-case hexadecimal text.
func (c call) hex(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, binary)); err != nil {
		return pipe{}, in, err
	}
	in.valueType = text
	return pipe{apply: applyHex, invert: invertHex}, in, nil
}

func applyHex(b []byte, start int) ([]byte, error) {
	const hexDigits = "0123456789ABCDEF"
	n := len(b) - start
	b = slices.Grow(b, n)[:start+2*n]
	for i := n - 1; i >= 0; i-- {
		c := b[start+i]
		b[start+2*i], b[start+2*i+1] = hexDigits[c>>4], hexDigits[c&15]
	}
	return b, nil
}

func invertHex(v []byte) ([]byte, error) {
	if len(v)%2 != 0 {
		return v, errWrongForm
	}
	for i := range len(v) / 2 {
		high, low := hexValue(v[2*i]), hexValue(v[2*i+1])
		if high > 15 || low > 15 {
			return v, errWrongForm
		}
		v[i] = high<<4 | low
	}
	return v[:len(v)/2], nil
}

func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// default("text"): what stands for an absent value. A reader takes it for absent.
func (c call) defaultTo(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	if in.valueType == binary {
		return pipe{}, in, errors.New("wrong type: default does not take binary")
	}
	word := []byte(c.args[0])
	if len(word) == 0 || !allPrintable(word) {
		return pipe{}, in, errors.New("function default: needs a text of printable ASCII")
	}
	apply := func(b []byte, start int) ([]byte, error) {
		if len(b) == start {
			return append(b, word...), nil
		}
		return b, nil
	}
	invert := func(v []byte) ([]byte, error) {
		if bytes.Equal(v, word) {
			return v[:0], nil
		}
		return v, nil
	}
	in.size, in.valueType = 0, text
	return pipe{apply: apply, invert: invert, absent: true}, in, nil
}

// wrap("before", "after"): a value that is there between two texts.
func (c call) wrap(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(2, 2), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	before, after := []byte(c.args[0]), []byte(c.args[1])
	if !allPrintable(before) || !allPrintable(after) {
		return pipe{}, in, errors.New("function wrap: takes printable ASCII")
	}
	apply := func(b []byte, start int) ([]byte, error) {
		return append(slices.Insert(b, start, before...), after...), nil
	}
	invert := func(v []byte) ([]byte, error) {
		if len(v) < len(before)+len(after) || !bytes.HasPrefix(v, before) || !bytes.HasSuffix(v, after) {
			return v, errWrongForm
		}
		return dropFront(v[:len(v)-len(after)], len(before)), nil
	}
	if in.size > 0 {
		in.size += len(before) + len(after)
	}
	in.valueType = text
	return pipe{apply: apply, invert: invert}, in, nil
}

func allPrintable(v []byte) bool {
	for _, c := range v {
		if !printable(c) {
			return false
		}
	}
	return true
}
