package formats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"platen/card"
)

// fidelity says what a reader gets back of a value that went through a pipe.
type fidelity uint8

const (
	exact  fidelity = iota // the value itself
	folded                 // a value, but not always the one that was written
	hidden                 // nothing
)

// pipe changes a value on its way into a file and, where that is possible, back. Both directions work in place on the end of a buffer.
type pipe struct {
	apply    func(b []byte, start int) ([]byte, error) // changes b[start:]
	invert   func(v []byte) ([]byte, error)            // nil: nothing to undo
	fidelity fidelity
	absent   bool    // it works on absent values too
	seals    *Cipher // it is enc, which a security module does
}

// flow is what is known of a value at one place in a chain of pipes.
type flow struct {
	valueType   valueType
	size        int // exact length, 0 if lengths differ
	sensitivity Sensitivity
	field       Field
	length      int  // length of the field in a fixed layout, 0 elsewhere
	bytes       bool // lengths count bytes of UTF-8
	sized       bool // something has padded the value already
	tables      map[string]*table
	contained   *container      // it says itself how long it is
	keys        []card.KeyLabel // that the layout names
	padded      int             // it is whole blocks of so many bytes; 0 where nothing made it so
}

var (
	errTooLong   = errors.New("is longer than its place")
	errWrongForm = errors.New("does not have the form that the layout says")
)

// call is one pipe as a layout writes it: a name and arguments.
type call struct {
	name string
	args []string
}

// functions is the closed list. Each checks its arguments and the value that flows in, and says what flows out. All are pure, and none can
// loop without end or touch anything outside.
func functions() map[string]func(call, flow) (pipe, flow, error) {
	return map[string]func(call, flow) (pipe, flow, error){
		// text
		"upper": func(c call, in flow) (pipe, flow, error) { return c.fold(in, bytes.ToUpper, asciiUpper) },
		"lower": func(c call, in flow) (pipe, flow, error) { return c.fold(in, bytes.ToLower, asciiLower) },
		"trim": func(c call, in flow) (pipe, flow, error) {
			return c.fold(in, func(v []byte) []byte { return bytes.Trim(v, " ") }, nil)
		},
		"pad":            call.pad,
		"cut":            call.cut,
		"fit":            call.fit,
		"len":            call.limit,
		"split":          call.split,
		"default":        call.defaultTo,
		"replace":        call.replace,
		"prefix":         call.prefix,
		"suffix":         call.suffix,
		"strip":          call.strip,
		"collapse_space": call.collapseSpace,
		"wrap":           call.wrap,
		"join":           call.join,
		// characters
		"ascii":    call.ascii,
		"charset":  call.charset,
		"translit": call.translit,
		"ebcdic":   call.ebcdic,
		// numbers and dates
		"n":         call.zeros,
		"an":        call.blanks,
		"sign":      call.sign,
		"overpunch": call.overpunch,
		"add":       call.add,
		"date":      call.date,
		"julian":    call.julian,
		"som":       func(c call, in flow) (pipe, flow, error) { return c.dayOfMonth(in, firstDay) },
		"eom":       func(c call, in flow) (pipe, flow, error) { return c.dayOfMonth(in, lastDay) },
		"country":   call.country,
		"tz":        call.zone,
		"utc": func(c call, in flow) (pipe, flow, error) {
			return call{name: c.name, args: append(slices.Clone(c.args), "UTC")}.zone(in)
		},
		"fill": call.fillWith,
		// card numbers and tracks
		"group":      call.group,
		"mask":       call.mask,
		"last":       call.last,
		"bin":        call.bin,
		"luhn_check": call.luhnCheck,
		"mod10":      call.mod10,
		"ss_es":      call.sentinels,
		"lrc":        call.lrc,
		"d_form":     call.dForm,
		// chip
		"hex":      call.hex,
		"asciihex": call.asciiHex,
		"bcdhex":   call.bcdHex,
		"bcd":      call.bcd,
		"tlv":      call.tlv,
		"dgi":      call.dgi,
		"pad80":    call.pad80,
		"enc":      call.enc,
		// control
		"crc32":  func(c call, in flow) (pipe, flow, error) { return c.digest(in, 8, crc32Of) },
		"sha256": func(c call, in flow) (pipe, flow, error) { return c.digest(in, 64, sha256Of) },
		"xor8":   func(c call, in flow) (pipe, flow, error) { return c.digest(in, 2, xor8Of) },
		// tables
		"lookup": call.lookup,
		"choose": call.choose,
	}
}

// make compiles the call.
func (c call) make(in flow) (pipe, flow, error) {
	f, ok := functions()[c.name]
	if !ok {
		return pipe{}, in, fmt.Errorf("unknown function %q", c.name)
	}
	if in.contained != nil && c.name != "tlv" && c.name != "dgi" {
		in.contained = nil
	}
	if c.name != "enc" {
		in.padded = 0
	}
	return f(c, in)
}

// parseCall reads name or name(argument, "argument").
func parseCall(s string) (call, error) {
	name, rest, open := strings.Cut(strings.TrimSpace(s), "(")
	c := call{name: strings.TrimSpace(name)}
	if c.name == "" {
		return c, errors.New("a function has no name")
	}
	if !open {
		return c, nil
	}
	for {
		rest = strings.TrimLeft(rest, " ")
		arg, tail, err := cutArgument(rest)
		if err != nil {
			return c, fmt.Errorf("function %s: %w", c.name, err)
		}
		c.args = append(c.args, arg)
		tail = strings.TrimLeft(tail, " ")
		switch {
		case strings.HasPrefix(tail, ","):
			rest = tail[1:]
		case tail == ")":
			return c, nil
		default:
			return c, fmt.Errorf("function %s: its arguments do not end with )", c.name)
		}
	}
}

func cutArgument(s string) (arg, tail string, err error) {
	if strings.HasPrefix(s, `"`) {
		arg, tail, ok := strings.Cut(s[1:], `"`)
		if !ok {
			return "", "", errors.New("a quoted argument does not end")
		}
		return arg, tail, nil
	}
	end := strings.IndexAny(s, ",)")
	if end <= 0 {
		return "", "", errors.New("an argument is missing")
	}
	return strings.TrimSpace(s[:end]), s[end:], nil
}

// width reads the first argument, which counts characters.
func (c call) width() (int, error) {
	n, err := strconv.Atoi(c.args[0])
	if err != nil || n < 1 || n > maxFieldLength {
		return 0, fmt.Errorf("function %s: impossible length %q", c.name, c.args[0])
	}
	return n, nil
}

func (c call) count(low, high int) error {
	if len(c.args) < low || len(c.args) > high {
		return fmt.Errorf("function %s takes %d to %d arguments", c.name, low, high)
	}
	return nil
}

func (c call) wants(in flow, t ...valueType) error {
	for _, want := range t {
		if in.valueType == want {
			return nil
		}
	}
	return fmt.Errorf("wrong type: %s does not take %s", c.name, typeNames[in.valueType])
}

// fold makes pipes whose result cannot always be undone. Quick changes ASCII text in place.
func (c call) fold(in flow, slow func([]byte) []byte, quick func([]byte)) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, text)); err != nil {
		return pipe{}, in, err
	}
	apply := func(b []byte, start int) ([]byte, error) {
		if quick != nil && isASCII(b[start:]) {
			quick(b[start:])
			return b, nil
		}
		return append(b[:start], slow(b[start:])...), nil
	}
	in.size = 0
	return pipe{apply: apply, fidelity: folded}, in, nil
}

func (c call) ascii(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, text)); err != nil {
		return pipe{}, in, err
	}
	apply := func(b []byte, start int) ([]byte, error) {
		if isASCII(b[start:]) {
			return b, nil
		}
		out, ok := romanise(string(b[start:]))
		if !ok {
			return b, errUnmapped
		}
		return append(b[:start], out...), nil
	}
	in.size = 0
	return pipe{apply: apply, fidelity: folded}, in, nil
}

// isASCII tells whether every byte is one character.
func isASCII[T string | []byte](v T) bool {
	for i := range len(v) {
		if v[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func asciiUpper(v []byte) {
	for i, c := range v {
		if c >= 'a' && c <= 'z' {
			v[i] = c - 'a' + 'A'
		}
	}
}

func asciiLower(v []byte) {
	for i, c := range v {
		if c >= 'A' && c <= 'Z' {
			v[i] = c - 'A' + 'a'
		}
	}
}
