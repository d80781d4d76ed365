package formats

import (
	"fmt"
	"strings"
)

// maxNameInput bounds what is looked at; the longest name that a card shows has 26 characters.
const maxNameInput = 200

// FitName gives the form in which a card shows a name: ASCII capitals, blanks collapsed. Latin letters with marks, Greek and Cyrillic are
// romanised (ICAO Doc 9303, ELOT 743); a name is never cut. Limit counts characters of the result.
//
// What cannot be shown is a fault: required, name_unmappable or name_too_long. Line and field of the fault are the caller's to set.
func FitName(name string, limit int) (string, *Fault) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", &Fault{Code: FaultRequired, Hint: "a name is needed"}
	}
	if len(name) > maxNameInput {
		return "", &Fault{Code: FaultNameTooLong, Hint: fmt.Sprintf("the card shows at most %d characters; give a shorter emboss_name", limit)}
	}
	var room [maxNameInput]byte
	letters, ok := variants()[defaultVariant].append(room[:0], composed(name))
	letters = capitals(letters)
	if !ok || !embossable(letters) {
		return "", &Fault{Code: FaultNameUnmappable, Hint: "the card shows A-Z 0-9 . , ' - & and blanks; give the name in Latin letters as emboss_name"}
	}
	if n := len(letters); n > limit {
		return "", &Fault{Code: FaultNameTooLong, Hint: fmt.Sprintf("the name takes %d characters and the card shows at most %d; give a shorter emboss_name", n, limit)}
	}
	return string(letters), nil
}

// capitals makes ASCII capitals with single blanks of b, in place.
func capitals(b []byte) []byte {
	out := b[:0]
	for _, c := range b {
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c == ' ' && (len(out) == 0 || out[len(out)-1] == ' '):
			continue
		}
		out = append(out, c)
	}
	return trimBlanks(out)
}

// embossable tells whether a name is of characters that cards show and that do not part the name on a track. It needs a letter or digit.
func embossable(name []byte) bool {
	letters := false
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			letters = true
		case strings.IndexByte(" .,'-&", c) >= 0:
		default:
			return false
		}
	}
	return letters
}
