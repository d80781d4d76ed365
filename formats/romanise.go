package formats

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// romanise writes Latin, Greek and Cyrillic text in ASCII letters by the tables of romanisation.go. Other scripts give false: nobody but
// the holder says how such a name is written in Latin letters.
func romanise(s string) (string, bool) {
	if isASCII(s) {
		return s, true
	}
	if !utf8.ValidString(s) {
		return "", false
	}
	letters := []rune(norm.NFC.String(s))
	var out strings.Builder
	for i := 0; i < len(letters); i++ {
		r := letters[i]
		if r < utf8.RuneSelf {
			out.WriteRune(r)
			continue
		}
		if pair, ok := greekPair(letters[i:]); ok {
			writeCased(&out, pair, letters, i, 2)
			i++
			continue
		}
		roman, ok := romanLetters(unicode.ToLower(r))
		if !ok {
			return "", false
		}
		writeCased(&out, roman, letters, i, 1)
	}
	return out.String(), true
}

// romanLetters finds a lower-case letter in the tables, by itself or without its marks.
func romanLetters(r rune) (string, bool) {
	if roman, ok := romanisation[r]; ok {
		return roman, true
	}
	base := baseLetter(r)
	if base >= 'a' && base <= 'z' {
		return string(base), true
	}
	roman, ok := romanisation[base]
	return roman, ok && base != r
}

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
func greekPair(rest []rune) (string, bool) {
	if len(rest) < 2 || !unicode.Is(unicode.Greek, rest[0]) {
		return "", false
	}
	second := unicode.ToLower(rest[1])
	if second == 'ϊ' || second == 'ϋ' || second == 'ΐ' || second == 'ΰ' {
		return "", false // a diaeresis keeps the letters apart
	}
	roman, ok := greekPairs[[2]rune{baseLetter(unicode.ToLower(rest[0])), baseLetter(second)}]
	return roman, ok
}

// writeCased writes the letters that stand for letters[i:i+n] in their case: Ü before a small letter is Ue, otherwise UE.
func writeCased(out *strings.Builder, roman string, letters []rune, i, n int) {
	switch {
	case !unicode.IsUpper(letters[i]):
		out.WriteString(roman)
	case i+n < len(letters) && unicode.IsLower(letters[i+n]), len(roman) > 1 && n == 2 && unicode.IsLower(letters[i+1]):
		if roman != "" {
			out.WriteString(strings.ToUpper(roman[:1]) + roman[1:])
		}
	default:
		out.WriteString(strings.ToUpper(roman))
	}
}
