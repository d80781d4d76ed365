package scan

import (
	"slices"
	"strings"
)

// Lengths of card numbers (ISO/IEC 7812-1), and of the groups in which they are written.
const (
	minDigits = 13
	maxDigits = 19
	maxGroups = maxDigits
)

// numberFinder sees a stream byte by byte and tells where a card number of a prefix begins: 13 to 19 digits whose check digit is right,
// alone between other characters, or in groups with one space or hyphen between them.
type numberFinder struct {
	prefixes []string
	found    func(offset int64)
	offset   int64   // of the next byte
	groups   []group // neighbours, each one separator after the other; the last may still grow
	open     bool    // the byte before was a digit
	long     bool    // the open group is too long for a card number
}

// group is digits in a row.
type group struct {
	start  int64
	digits []byte
}

func (f *numberFinder) write(block []byte) {
	if len(f.prefixes) == 0 {
		return
	}
	for _, b := range block {
		switch {
		case b >= '0' && b <= '9':
			f.digit(b)
		case (b == ' ' || b == '-') && f.open && !f.long:
			f.close()
		default:
			f.end()
		}
		f.offset++
	}
}

func (f *numberFinder) digit(b byte) {
	if !f.open {
		if len(f.groups) == maxGroups {
			f.groups = slices.Delete(f.groups, 0, 1)
		}
		f.groups = append(f.groups, group{start: f.offset, digits: make([]byte, 0, maxDigits)})
		f.open = true
	}
	last := &f.groups[len(f.groups)-1]
	if len(last.digits) == maxDigits {
		f.long = true
		return
	}
	last.digits = append(last.digits, b)
}

// close judges what ends here: the group that is over, alone and with the groups before it.
func (f *numberFinder) close() {
	var number []byte
	for i := len(f.groups) - 1; i >= 0 && !f.long; i-- {
		number = append(slices.Clone(f.groups[i].digits), number...)
		if len(number) > maxDigits {
			break
		}
		if len(number) >= minDigits && luhn(number) && f.known(string(number)) {
			f.found(f.groups[i].start)
		}
	}
	f.open = false
}

// end is close with no group to follow.
func (f *numberFinder) end() {
	if f.open {
		f.close()
	}
	f.groups, f.long = f.groups[:0], false
}

func (f *numberFinder) known(number string) bool {
	return slices.ContainsFunc(f.prefixes, func(prefix string) bool { return strings.HasPrefix(number, prefix) })
}

// luhn tells whether the check digit is right (ISO/IEC 7812-1 annex B).
func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		n := int(d - '0')
		if (len(digits)-i)%2 == 0 {
			n *= 2
			if n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}
