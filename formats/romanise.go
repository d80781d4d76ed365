package formats

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// romanise writes Latin, Greek and Cyrillic text in ASCII letters by the tables of romanisation.yaml. Other scripts give false: nobody but
// the holder says how such a name is written in Latin letters.
func romanise(s string) (string, bool) {
	if isASCII(s) {
		return s, true
	}
	return defaultLetters().write(s)
}

// shape is what is known of a text before it is looked at closely.
type shape uint8

const (
	plainASCII shape = iota // printable
	controlled              // ASCII with control characters
	foreign                 // not ASCII
)

func shapeOf(s string) shape {
	all := plainASCII
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			return foreign
		case c < ' ' || c == 0x7f:
			all = controlled
		}
	}
	return all
}

func (t *romanisation) write(s string) (string, bool) {
	var room [256]byte
	out, ok := t.append(room[:0], composed(s), nil)
	return string(out), ok
}

// append appends s, which is composed, in ASCII letters to dst, as far as it can be written. Letters of keep stay, if there is one.
func (t *romanisation) append(dst []byte, s string, keep *nameSet) ([]byte, bool) {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			dst = append(dst, s[i])
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		next, second := utf8.DecodeRuneInString(s[i+size:])
		switch {
		case r == utf8.RuneError && size == 1:
			return dst, false
		case keep != nil && keep.keeps(r):
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		case isGreek(r) && isGreek(next):
			if pair, ok := t.greekPair(r, next); ok {
				after, _ := utf8.DecodeRuneInString(s[i+size+second:])
				dst = appendCased(dst, pair, r, unicode.IsLower(after) || unicode.IsLower(next))
				i += size + second
				continue
			}
		}
		written, ok := t.letter(r)
		if !ok {
			return dst, false
		}
		dst = appendCased(dst, written, r, second > 0 && unicode.IsLower(next))
		i += size
	}
	return dst, true
}

// inspection is what one look at a text tells.
type inspection struct {
	runes, written  int // characters, and characters once it is romanised
	valid, roman    bool
	controls, greek bool
}

// inspect looks at a text without writing it.
func (t *romanisation) inspect(s string) inspection {
	in := inspection{valid: true, roman: true}
	for i := 0; i < len(s); in.runes++ {
		c := s[i]
		if c < utf8.RuneSelf {
			in.controls = in.controls || c < ' ' || c == 0x7f
			in.written++
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
			in.valid = false
		case isGreek(r) || combines(r):
			in.greek = true
		case int(r) < len(t.letters) && t.known[r]:
			in.written += len(t.letters[r])
		case isControl(r):
			in.controls = true
		default:
			in.roman = false
		}
	}
	if in.greek && in.valid && in.roman && !in.controls {
		var written string // what stands together is found by writing it
		written, in.roman = t.write(s)
		in.written = len(written)
	}
	return in
}

// composed puts marks that stand by themselves on their letters.
func composed(s string) string {
	for i := range len(s) {
		if s[i] == 0xcc || s[i] == 0xcd { // U+0300 to U+037F
			return norm.NFC.String(s)
		}
	}
	return s
}

func isGreek(r rune) bool { return r >= 0x370 && r < 0x400 || r >= 0x1f00 && r < 0x2000 }

// letter is what is written for a letter, in small letters also for a capital.
func (t *romanisation) letter(r rune) (string, bool) {
	if int(r) >= len(t.letters) {
		return "", false
	}
	return t.letters[r], t.known[r]
}

// combines tells whether r belongs to the letter before it.
func combines(r rune) bool { return r >= 0x300 && r < 0x370 }

// baseLetter drops the marks of a letter; a letter that has something else than marks stays as it is.
func baseLetter(r rune) rune {
	decomposed := []rune(norm.NFD.String(string(r)))
	for _, mark := range decomposed[1:] {
		if !unicode.Is(unicode.Mn, mark) {
			return r
		}
	}
	return decomposed[0]
}

// greekPair finds two Greek letters that are written together.
func (t *romanisation) greekPair(first, second rune) (string, bool) {
	second = unicode.ToLower(second)
	if second == 'ϊ' || second == 'ϋ' || second == 'ΐ' || second == 'ΰ' {
		return "", false // a diaeresis keeps the letters apart
	}
	roman, ok := t.pairs[[2]rune{t.base[unicode.ToLower(first)], t.base[second]}]
	return roman, ok
}

// appendCased writes what stands for a letter in the letter's case: Ü before a small letter is Ue, otherwise UE.
func appendCased(out []byte, written string, letter rune, beforeSmall bool) []byte {
	if !unicode.IsUpper(letter) {
		return append(out, written...)
	}
	start := len(out)
	out = append(out, written...)
	if upper := out[start:]; beforeSmall && len(upper) > 0 {
		asciiUpper(upper[:1])
	} else {
		asciiUpper(upper)
	}
	return out
}
