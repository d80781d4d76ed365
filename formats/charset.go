package formats

import (
	"errors"
	"unicode/utf8"
)

// encoding is how a file's characters become bytes.
type encoding uint8

const (
	utf8Encoding encoding = iota + 1
	latin1Encoding
	asciiEncoding
)

var encodingNames = [...]string{utf8Encoding: "utf-8", latin1Encoding: "iso-8859-1", asciiEncoding: "ascii"}

var (
	errControl   = errors.New("holds a control character")
	errUTF8      = errors.New("is not UTF-8")
	errUnmapped  = errors.New("holds a character that the file's encoding lacks")
	errNotInFile = errors.New("holds a byte that the file's encoding lacks")
)

// printable tells whether c is an ASCII character that text may hold.
func printable(c byte) bool { return c >= 0x20 && c < 0x7f }

// encode turns the UTF-8 text b[start:] into the file's bytes, in place, and refuses control characters: a value can never end a line.
func (e encoding) encode(b []byte, start int) ([]byte, error) {
	i := start
	for i < len(b) && printable(b[i]) {
		i++
	}
	out := i
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return b, errUTF8
		case isControl(r):
			return b, errControl
		case e == utf8Encoding || r < utf8.RuneSelf:
			out += copy(b[out:], b[i:i+size])
		case e == latin1Encoding && r <= 0xff:
			b[out] = byte(r)
			out++
		default:
			return b, errUnmapped
		}
		i += size
	}
	return b[:out], nil
}

// isControl covers C0, DEL, C1 and the two Unicode line separators.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// decode appends the file's bytes raw to dst as UTF-8.
func (e encoding) decode(dst, raw []byte) ([]byte, error) {
	if e == latin1Encoding {
		for _, c := range raw {
			if isControl(rune(c)) {
				return dst, errControl
			}
			dst = utf8.AppendRune(dst, rune(c))
		}
		return dst, nil
	}
	for i := 0; i < len(raw); {
		if printable(raw[i]) {
			i++
			continue
		}
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case e == asciiEncoding && r >= utf8.RuneSelf:
			return dst, errNotInFile
		case r == utf8.RuneError && size == 1:
			return dst, errUTF8
		case isControl(r):
			return dst, errControl
		}
		i += size
	}
	return append(dst, raw...), nil
}
