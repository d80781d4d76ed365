package vectors

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"platen/hsm"
	"platen/hsm/pin"
	"platen/hsm/tdes"
)

// errInput says that an entry lacks an input or has one of the wrong form. It names the input and never its value.
var errInput = errors.New("input")

// inputs reads the inputs of an entry. After the first fault err is set and what is read further stands for nothing; every reader returns
// something harmless, so an algorithm may read all its inputs before it looks.
type inputs struct {
	values   map[string]any
	expected any
	file     []Entry
	err      error
}

func (in *inputs) fail(name, reason string) {
	if in.err == nil {
		in.err = fmt.Errorf("%w %s %s", errInput, name, reason)
	}
}

func (in *inputs) has(name string) bool { return in.values[name] != nil }

// text reads text, which may be empty.
func (in *inputs) text(name string) string {
	s, ok := in.values[name].(string)
	if !ok {
		in.fail(name, "must be text")
	}
	return s
}

// optional reads text or gives what stands for it when there is none.
func (in *inputs) optional(name, otherwise string) string {
	if !in.has(name) {
		return otherwise
	}
	return in.text(name)
}

// digits reads least to most decimal digits.
func (in *inputs) digits(name string, least, most int) string {
	s := in.text(name)
	if err := hsm.CheckDigits(name, s, least, most); err != nil && in.err == nil {
		in.err = fmt.Errorf("%w %w", errInput, err)
	}
	return s
}

// bytes reads hexadecimal digits.
func (in *inputs) bytes(name string) []byte {
	b, err := hex.DecodeString(in.text(name))
	if err != nil {
		in.fail(name, "must be hexadecimal")
	}
	return b
}

// fixed reads into dst exactly.
func (in *inputs) fixed(name string, dst []byte) {
	b := in.bytes(name)
	if len(b) != len(dst) {
		in.fail(name, fmt.Sprintf("must have %d bytes", len(dst)))
		return
	}
	copy(dst, b)
}

func (in *inputs) two(name string) (out [2]byte)     { in.fixed(name, out[:]); return }
func (in *inputs) four(name string) (out [4]byte)    { in.fixed(name, out[:]); return }
func (in *inputs) eight(name string) (out [8]byte)   { in.fixed(name, out[:]); return }
func (in *inputs) double(name string) (out [16]byte) { in.fixed(name, out[:]); return }

// base64 reads standard base 64.
func (in *inputs) base64(name string) []byte { return in.encoded(name, base64.StdEncoding) }

// url reads base 64 for URLs without padding.
func (in *inputs) url(name string) []byte { return in.encoded(name, base64.RawURLEncoding) }

func (in *inputs) encoded(name string, form *base64.Encoding) []byte {
	b, err := form.DecodeString(in.text(name))
	if err != nil {
		in.fail(name, "must be base 64")
	}
	return b
}

// number reads a whole number from least to most.
func (in *inputs) number(name string, least, most int) int {
	n, err := in.numeral(name)
	if err != nil || n < int64(least) || n > int64(most) {
		in.fail(name, fmt.Sprintf("must be a number from %d to %d", least, most))
		return least
	}
	return int(n)
}

func (in *inputs) numeral(name string) (int64, error) {
	n, ok := in.values[name].(json.Number)
	if !ok {
		return 0, errInput
	}
	return n.Int64()
}

// tdes reads a DES or TDES key.
func (in *inputs) tdes(name string) *tdes.Key {
	k, err := tdes.New(in.bytes(name))
	if err != nil {
		in.fail(name, "must be a key of 8, 16 or 24 bytes")
		k, _ = tdes.New(make([]byte, 16))
	}
	return k
}

// pin reads the input pin.
func (in *inputs) pin() pin.Clear {
	p, err := pin.Parse(in.text("pin"))
	if err != nil {
		in.fail("pin", "must have 4 to 12 digits")
		p = pin.Clear{N: pin.MinLength}
	}
	return p
}

// list reads a list of texts.
func (in *inputs) list(name string) []string {
	items, ok := in.values[name].([]any)
	if !ok {
		in.fail(name, "must be a list")
	}
	var out []string
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			in.fail(name, "must be a list of texts")
		}
		out = append(out, s)
	}
	return out
}

// data reads bytes that are given as text or in hexadecimal, whichever there is.
func (in *inputs) data(text, hexadecimal string) []byte {
	if in.has(text) {
		return []byte(in.text(text))
	}
	return in.bytes(hexadecimal)
}
