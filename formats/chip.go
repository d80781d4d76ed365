package formats

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
)

// The functions of this file write hexadecimal digits, so that they go into each other: tlv of bcdhex of a number, dgi of tlv of parts.

// d_form: track 2 as the chip has it (EMV tag 57): D for =, F behind an odd number of digits.
func (c call) dForm(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, text)); err != nil {
		return pipe{}, in, err
	}
	in.size = 0
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			i := bytes.IndexByte(b[start:], '=')
			if i < 0 {
				return b, errWrongForm
			}
			b[start+i] = 'D'
			if (len(b)-start)%2 == 1 {
				b = append(b, 'F')
			}
			return b, nil
		},
		invert: func(v []byte) ([]byte, error) {
			i := bytes.IndexByte(v, 'D')
			if i < 0 || len(v)%2 != 0 {
				return v, errWrongForm
			}
			v[i] = '='
			return bytes.TrimSuffix(v, []byte("F")), nil
		},
	}, in, nil
}

// asciihex: the bytes of a text.
func (c call) asciiHex(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	in.size, in.valueType = 2*in.size, text
	return pipe{apply: applyHex, invert: invertHex}, in, nil
}

// bcdhex: digits two to a byte, F behind an odd number of them (EMV format cn).
func (c call) bcdHex(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, digits, number)); err != nil {
		return pipe{}, in, err
	}
	in.size, in.valueType = in.size+in.size%2, text
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			if (len(b)-start)%2 == 1 {
				b = append(b, 'F')
			}
			return b, nil
		},
		invert: func(v []byte) ([]byte, error) {
			if len(v)%2 != 0 {
				return v, errWrongForm
			}
			return bytes.TrimSuffix(v, []byte("F")), nil
		},
	}, in, nil
}

// bcd(n): digits two to a byte, zeros before them up to n bytes (EMV format n).
func (c call) bcd(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, digits, number)); err != nil {
		return pipe{}, in, err
	}
	n, err := c.width()
	if err != nil || in.size > 2*n {
		return pipe{}, in, errors.New("function bcd: impossible length")
	}
	if in.valueType == digits && in.size == 0 {
		return pipe{}, in, errors.New("wrong type: bcd takes digits of one length, and numbers")
	}
	size := in.size
	f := filling{width: 2 * n, char: '0', left: true}
	p := pipe{apply: f.apply, invert: func(v []byte) ([]byte, error) {
		if len(v) != f.width {
			return v, errWrongForm
		}
		zeros := f.width - size
		if size == 0 {
			for zeros = 0; zeros < len(v)-1 && v[zeros] == '0'; {
				zeros++
			}
		}
		if !allBytes(v[:zeros], '0') {
			return v, errWrongForm
		}
		return dropFront(v, zeros), nil
	}}
	in.size, in.valueType = 2*n, text
	return p, in, nil
}

// pad80, pad80(16): 80 and zeros behind the data up to whole blocks of eight or sixteen bytes (ISO/IEC 7816-4).
func (c call) pad80(in flow) (pipe, flow, error) {
	block, err := c.blockSize()
	if err := errors.Join(c.count(0, 1), c.wants(in, text), err); err != nil {
		return pipe{}, in, err
	}
	in.size, in.padded = 0, block
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			for b = append(b, "80"...); (len(b)-start)%(2*block) != 0; {
				b = append(b, "00"...)
			}
			return b, nil
		},
		invert: func(v []byte) ([]byte, error) {
			for len(v) >= 2 && string(v[len(v)-2:]) == "00" {
				v = v[:len(v)-2]
			}
			if len(v) < 2 || string(v[len(v)-2:]) != "80" {
				return v, errWrongForm
			}
			return v[:len(v)-2], nil
		},
	}, in, nil
}

// container is a tag or identifier with the length of what follows.
type container struct {
	tag  string
	long int // the length from which it takes more than one byte
	dgi  bool
}

// tlv(tag): BER-TLV (ISO/IEC 8825-1; EMV Book 3, annex B).
func (c call) tlv(in flow) (pipe, flow, error) {
	return c.contained(in, container{long: 0x80}, func(tag []byte) bool {
		many := tag[0]&0x1f == 0x1f
		return !many && len(tag) == 1 || many && len(tag) == 2 && tag[1] < 0x80
	})
}

// dgi(id): a data grouping identifier with its data (EMV Card Personalization Specification).
func (c call) dgi(in flow) (pipe, flow, error) {
	return c.contained(in, container{long: 0xff, dgi: true}, func(id []byte) bool { return len(id) == 2 })
}

func (c call) contained(in flow, of container, isTag func([]byte) bool) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text)); err != nil {
		return pipe{}, in, err
	}
	tag, err := hex.DecodeString(c.args[0])
	if err != nil || len(tag) == 0 || !isTag(tag) {
		return pipe{}, in, fmt.Errorf("function %s: %q is none", c.name, c.args[0])
	}
	of.tag = string(bytes.ToUpper([]byte(c.args[0])))
	in.size, in.contained = 0, &of
	return pipe{apply: of.apply, invert: of.invert}, in, nil
}

var errHex = errors.New("is not pairs of hexadecimal digits")

// pairsOfHex refuses what is no whole number of bytes.
func pairsOfHex(v []byte) error {
	if len(v)%2 != 0 {
		return errHex
	}
	for _, c := range v {
		if hexValue(c) > 15 {
			return errHex
		}
	}
	return nil
}

func (t *container) apply(b []byte, start int) ([]byte, error) {
	if err := pairsOfHex(b[start:]); err != nil {
		return b, err
	}
	n := (len(b) - start) / 2
	head := t.tag
	switch {
	case n > 0xffff:
		return b, errTooLong
	case n < t.long:
		head += fmt.Sprintf("%02X", n)
	case t.dgi:
		head += fmt.Sprintf("FF%04X", n)
	case n <= 0xff:
		head += fmt.Sprintf("81%02X", n)
	default:
		head += fmt.Sprintf("82%04X", n)
	}
	return slices.Insert(b, start, []byte(head)...), nil
}

// sizes tells how long the head and the data of the container at the beginning of b are, in digits.
func (t *container) sizes(b []byte) (head, data int, err error) {
	if err := startsWith(b, []byte(t.tag)); err != nil {
		return 0, 0, err
	}
	at := len(t.tag)
	read := func(n int) (int, error) {
		if len(b) < at+n {
			return 0, errMore
		}
		v, err := strconv.ParseUint(string(b[at:at+n]), 16, 32)
		if err != nil {
			return 0, errWrongForm
		}
		at += n
		return int(v), nil
	}
	n, err := read(2)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case n < t.long:
	case t.dgi:
		n, err = read(4)
	case n == 0x81:
		n, err = read(2)
	case n == 0x82:
		n, err = read(4)
	default:
		err = errWrongForm
	}
	return at, 2 * n, err
}

func (t *container) invert(v []byte) ([]byte, error) {
	head, data, err := t.sizes(v)
	if err != nil || head+data != len(v) {
		return v, errWrongForm
	}
	v = dropFront(v, head)
	return v, pairsOfHex(v)
}

// digest makes functions whose result stands for the value and cannot be undone.
func (c call) digest(in flow, size int, sum func([]byte) string) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	in.size, in.valueType = size, text
	return pipe{fidelity: hidden, apply: func(b []byte, start int) ([]byte, error) { return append(b[:start], sum(b[start:])...), nil }}, in, nil
}

func crc32Of(v []byte) string { return fmt.Sprintf("%08X", crc32.ChecksumIEEE(v)) }

func sha256Of(v []byte) string { return fmt.Sprintf("%X", sha256.Sum256(v)) }

func xor8Of(v []byte) string {
	sum := byte(0)
	for _, c := range v {
		sum ^= c
	}
	return fmt.Sprintf("%02X", sum)
}
