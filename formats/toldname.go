package formats

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// LooksLikeName tells whether what stands where a column or member has its name may be told: up to 32 letters, digits, dashes and underscores, a letter
// first, six digits in all at most. Anything else may be a value, such as a card number in a file without a header.
func LooksLikeName(s string) bool {
	const longest, mostDigits = 32, 6
	if utf8.RuneCountInString(s) > longest {
		return false
	}
	digits := 0
	for i, c := range s {
		switch {
		case unicode.IsLetter(c):
		case i == 0:
			return false
		case c >= '0' && c <= '9':
			digits++
		case c != '-' && c != '_':
			return false
		}
	}
	return s != "" && digits <= mostDigits
}

// toldColumn is how an error names a column or member of an order file: by what it is called, or by its place, where 1 is the first.
func toldColumn(name string, place int) string {
	if LooksLikeName(name) {
		return fmt.Sprintf("column %q", name)
	}
	return fmt.Sprintf("column %d", place)
}
