package personalization

import (
	"slices"
	"strings"
)

// anonymousName is the name of a card whose holder is not known.
const anonymousName = " /"

// TrackName is the name of track 1: SURNAME/GIVEN in capitals of ASCII, 2 to 26 characters (ISO/IEC 7813). Where surname or given names hold
// characters that no track can hold, or are missing, what the embossed name has beside the other stands for them, and where neither helps the
// last word of the embossed name is taken for the surname. A name that is too long loses its end, first of the given names. Without any name it
// is " /".
func TrackName(surname, given, emboss string) string {
	return string(appendTrackName(nil, surname, given, emboss))
}

func appendTrackName(dst []byte, surname, given, emboss string) []byte {
	surname, given = trackParts(surname, given, emboss)
	start := len(dst)
	dst = appendWords(dst, surname, start+maxNameSize-1)
	if len(dst) == start {
		return append(dst, anonymousName...)
	}
	dst = append(dst, '/')
	return trimSpaces(appendWords(dst, given, start+maxNameSize))
}

// trackParts are surname and given names as far as a track can hold them.
func trackParts(surname, given, emboss string) (trackSurname, trackGiven string) {
	known := surname != "" && writable(surname)
	switch {
	case known && writable(given):
		return surname, given
	case known:
		rest, _ := beside(emboss, surname)
		return surname, rest
	case given != "" && writable(given):
		if rest, ok := beside(emboss, given); ok {
			return rest, given
		}
	}
	return splitName(emboss)
}

// beside is what an embossed name has before or behind some of its words; false where it has nothing there, or does not have the words.
func beside(emboss, part string) (string, bool) {
	if !writable(emboss) {
		return "", false
	}
	all, words := trackWords(emboss), trackWords(part)
	n := len(all) - len(words)
	switch {
	case n <= 0 || len(words) == 0:
		return "", false
	case slices.Equal(all[n:], words):
		return strings.Join(all[:n], " "), true
	case slices.Equal(all[:len(words)], words):
		return strings.Join(all[len(words):], " "), true
	}
	return "", false
}

// trackWords are the words of a name as a track has them.
func trackWords(name string) []string {
	return strings.Fields(string(appendWords(nil, name, len(name))))
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
