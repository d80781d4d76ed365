package formats

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// encoding is how a file's characters become bytes.
type encoding uint8

const (
	utf8Encoding encoding = iota + 1
	latin1Encoding
	asciiEncoding
	cp037Encoding  // EBCDIC of the United States, Latin-1
	cp1047Encoding // EBCDIC of open systems, Latin-1
)

var encodingNames = [...]string{utf8Encoding: "utf-8", latin1Encoding: "iso-8859-1", asciiEncoding: "ascii", cp037Encoding: "cp037", cp1047Encoding: "cp1047"}

// codePage turns bytes of ISO 8859-1 into those of a file and back. Both EBCDIC pages have exactly the characters of Latin-1, so that
// records are built and read in Latin-1 and only pass through a page at the edge.
type codePage struct{ out, in [256]byte }

func newCodePage(m *charmap.Charmap) *codePage {
	p := new(codePage)
	for i := range 256 {
		b, _ := m.EncodeRune(rune(i))
		p.out[i], p.in[b] = b, byte(i)
	}
	return p
}

// page is the code page of an EBCDIC encoding, nil for the others.
func (e encoding) page() *codePage {
	switch e {
	case cp037Encoding:
		return newCodePage(charmap.CodePage037)
	case cp1047Encoding:
		return newCodePage(charmap.CodePage1047)
	}
	return nil
}

// write changes b in place; a nil page changes nothing.
func (p *codePage) write(b []byte) {
	if p == nil {
		return
	}
	for i, c := range b {
		b[i] = p.out[c]
	}
}

// pageReader reads through a code page.
type pageReader struct {
	page *codePage
	from io.Reader
}

func (r *pageReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	for i, c := range b[:n] {
		b[i] = r.page.in[c]
	}
	return n, err
}

var (
	errControl   = errors.New("holds a control character")
	errUTF8      = errors.New("is not UTF-8")
	errUnmapped  = errors.New("holds a character that the file's encoding lacks")
	errNotInFile = errors.New("holds a byte that the file's encoding lacks")
)

// printable tells whether c is an ASCII character that text may hold.
func printable(c byte) bool { return c >= 0x20 && c < 0x7f }

// isLatin tells whether a byte is a character of ISO 8859-1 while a record is built.
func (e encoding) isLatin() bool { return e == latin1Encoding || e >= cp037Encoding }

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
		case e.isLatin() && r <= 0xff:
			b[out] = byte(r)
			out++
		default:
			return b, errUnmapped
		}
		i += size
	}
	return b[:out], nil
}

// isControl covers C0, DEL, C1, the two Unicode line separators, the byte order mark, and the marks that reorder text on a screen, behind
// which a name can hide what it says.
func isControl(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r < 0x2000:
		return r == '\u061c'
	}
	return r >= '\u200e' && r <= '\u200f' || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\ufeff' || r >= 0xfff9 && r <= 0xfffb
}

// decode appends the file's bytes raw to dst as UTF-8.
func (e encoding) decode(dst, raw []byte) ([]byte, error) {
	if e.isLatin() {
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

// cutRunes takes the first n characters of UTF-8.
func cutRunes(b []byte, n int) (head, tail []byte, ok bool) {
	at := 0
	for range n {
		if !utf8.FullRune(b[at:]) {
			return nil, nil, false
		}
		_, size := utf8.DecodeRune(b[at:])
		at += size
	}
	return b[:at], b[at:], true
}

// trimBlanks drops the blanks that fill a value on the right.
func trimBlanks(v []byte) []byte { return bytes.TrimRight(v, " ") }
