package pin

import "bytes"

// Policy is which drawn PINs are drawn anew. It never maps one PIN to another: a map would favour what it maps to, while a redraw leaves the rest
// equally likely. Each rule costs some of the PINs there are, so a policy names only what anybody tries first.
type Policy uint8

// The policies.
const (
	// AnyPIN refuses nothing.
	AnyPIN Policy = iota
	// NotTrivial refuses one digit repeated, runs up or down, and the end of the card number. Platen's modules draw by it.
	NotTrivial
	// NoPattern refuses also a digit three times in a row, three digits running up or down, and a group of two or three digits followed by
	// itself: the rule of issuers who refuse such PINs when a holder chooses one.
	NoPattern
)

// Refuses tells whether a PIN for a card number (ASCII digits) must be drawn anew.
func (policy Policy) Refuses(p *Clear, pan []byte) bool {
	switch policy {
	case NotTrivial:
		return p.trivial(pan)
	case NoPattern:
		return p.trivial(pan) || p.pattern()
	}
	return false
}

func (p *Clear) trivial(pan []byte) bool {
	digits := p.Digits[:p.N]
	same, up, down, tail := true, true, true, len(pan) >= len(digits)
	at := max(0, len(pan)-len(digits))
	for i, d := range digits {
		tail = tail && d == pan[at+i]-'0'
		if i > 0 {
			same = same && d == digits[i-1]
			up = up && d == (digits[i-1]+1)%10
			down = down && d == (digits[i-1]+9)%10
		}
	}
	return same || up || down || tail
}

func (p *Clear) pattern() bool {
	digits := p.Digits[:p.N]
	for i := 2; i < len(digits); i++ {
		a, b, c := digits[i-2], digits[i-1], digits[i]
		if a == b && b == c || a+1 == b && b+1 == c || a == b+1 && b == c+1 {
			return true
		}
	}
	for group := 2; group <= 3; group++ {
		for at := 0; at+2*group <= len(digits); at++ {
			if bytes.Equal(digits[at:at+group], digits[at+group:at+2*group]) {
				return true
			}
		}
	}
	return false
}
