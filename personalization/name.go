package personalization

import "strings"

// anonymousName is the name of a card whose holder is not known.
const anonymousName = " /"

// TrackName is the name of track 1: SURNAME/GIVEN in capitals of ASCII, 2 to 26 characters (ISO/IEC 7813). Where surname or given names are
// missing or hold characters that no track can hold, it is made from the embossed name, whose last word is taken for the surname. A name
// that is too long loses its end, first of the given names. Without any name it is " /".
func TrackName(surname, given, emboss string) string {
	return string(appendTrackName(nil, surname, given, emboss))
}

func appendTrackName(dst []byte, surname, given, emboss string) []byte {
	if surname == "" || !writable(surname) || !writable(given) {
		surname, given = splitName(emboss)
	}
	start := len(dst)
	dst = appendWords(dst, surname, start+maxNameSize-1)
	if len(dst) == start {
		return append(dst, anonymousName...)
	}
	dst = append(dst, '/')
	return trimSpaces(appendWords(dst, given, start+maxNameSize))
}

// splitName takes the last word of an embossed name for the surname.
func splitName(emboss string) (surname, given string) {
	if !writable(emboss) {
		return "", ""
	}
	emboss = strings.TrimRight(emboss, " ")
	if i := strings.LastIndexByte(emboss, ' '); i >= 0 {
		return emboss[i+1:], emboss[:i]
	}
	return emboss, ""
}

// writable tells whether a name is plain ASCII.
func writable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// appendWords writes a name in capitals up to length limit of dst. Letters, digits and . - ' & stay; everything else, the separators of the
// track among it, becomes a space; spaces do not repeat.
func appendWords(dst []byte, s string, limit int) []byte {
	start := len(dst)
	for i := range len(s) {
		if len(dst) == limit {
			break
		}
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '\'', c == '&':
		default:
			c = ' '
		}
		if c == ' ' && (len(dst) == start || dst[len(dst)-1] == ' ') {
			continue
		}
		dst = append(dst, c)
	}
	return trimSpaces(dst)
}

func trimSpaces(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}
