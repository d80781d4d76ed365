package card

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/rs/zerolog"
)

// Errors of card-number validation. They never carry digits.
var (
	ErrPANLength = errors.New("PAN must have 13 to 19 digits")
	ErrPANDigits = errors.New("PAN must hold decimal digits only")
	ErrPANLuhn   = errors.New("PAN fails its check digit")
)

// Lengths of card numbers: the shortest that PIN blocks and PIN verification can bind to, the longest that ISO/IEC 7812-1 allows.
const (
	minPANLength = 13
	maxPANLength = 19
)

// panBox points to its digits instead of holding them: where fmt meets a verb that does not fit, it prints what one pointer leads to.
type panBox struct {
	digits *[maxPANLength]byte // ASCII
	n      uint8
}

// PAN is a primary account number of 13 to 19 digits with a valid check digit (ISO/IEC 7812-1). It sits behind a pointer and
// prints as a mask. The zero PAN is absent.
type PAN struct{ box *panBox }

// NewPAN validates ASCII digits and returns them as a PAN. Errors name the fault and never the digits.
func NewPAN(digits []byte) (PAN, error) {
	box := &panBox{digits: new([maxPANLength]byte)}
	if err := box.set(digits); err != nil {
		return PAN{}, err
	}
	return PAN{box: box}, nil
}

// ParsePAN is NewPAN for text.
func ParsePAN(digits string) (PAN, error) { return NewPAN([]byte(digits)) }

// PANs is storage for many card numbers: a chunk's worth is made once and set again and again.
type PANs struct{ boxes *[]panBox }

// NewPANs makes storage for n card numbers.
func NewPANs(n int) *PANs {
	boxes := make([]panBox, n)
	digits := make([][maxPANLength]byte, n)
	for i := range boxes {
		boxes[i].digits = &digits[i]
	}
	return &PANs{boxes: &boxes}
}

// Set validates digits into place i and returns the PAN, which stays valid until place i is set again.
func (p *PANs) Set(i int, digits []byte) (PAN, error) {
	box := &(*p.boxes)[i]
	if err := box.set(digits); err != nil {
		return PAN{}, err
	}
	return PAN{box: box}, nil
}

// Complete is Set for a number that is made: digits without their check digit, which it computes.
func (p *PANs) Complete(i int, payload []byte) (PAN, error) {
	if len(payload) < minPANLength-1 || len(payload) >= maxPANLength {
		return PAN{}, ErrPANLength
	}
	for _, c := range payload {
		if c < '0' || c > '9' {
			return PAN{}, ErrPANDigits
		}
	}
	box := &(*p.boxes)[i]
	n := copy(box.digits[:], payload)
	box.digits[n] = CheckDigit(payload)
	box.n = uint8(n + 1)
	return PAN{box: box}, nil
}

// Format implements fmt.Formatter: every verb prints the mask.
func (p PANs) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

func (b *panBox) set(digits []byte) error {
	if len(digits) < minPANLength || len(digits) > maxPANLength {
		return ErrPANLength
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return ErrPANDigits
		}
	}
	last := len(digits) - 1
	if CheckDigit(digits[:last]) != digits[last] {
		return ErrPANLuhn
	}
	b.n = uint8(copy(b.digits[:], digits))
	return nil
}

// CheckDigit returns the ASCII Luhn digit that completes payload, ASCII digits without a check digit
// (ISO/IEC 7812-1 annex B). It is anchored at the right, so any length works.
func CheckDigit(payload []byte) byte {
	sum := 0
	double := true
	for i := len(payload) - 1; i >= 0; i-- {
		d := int(payload[i] - '0')
		if double {
			d *= 2
			d -= 9 & ((9 - d) >> 31) // 9 less when there are two digits, without a branch that is wrong half the time
		}
		double = !double
		sum += d
	}
	return byte('0' + (10-sum%10)%10)
}

// Reveal returns the clear digits themselves, not a copy.
func (p PAN) Reveal() []byte {
	if p.box == nil {
		return nil
	}
	return p.box.digits[:p.box.n]
}

// IsZero tells whether there is no number.
func (p PAN) IsZero() bool { return p.box == nil }

// Len is the count of digits.
func (p PAN) Len() int {
	if p.box == nil {
		return 0
	}
	return int(p.box.n)
}

// Equal compares two numbers; it serves tests and the seal, which compare numbers of the same card.
func (p PAN) Equal(q PAN) bool { return string(p.Reveal()) == string(q.Reveal()) }

// Last4 returns the last four digits, which may be shown (PCI DSS 3.4.1).
func (p PAN) Last4() string {
	d := p.Reveal()
	if len(d) < 4 {
		return ""
	}
	return string(d[len(d)-4:])
}

// Masked returns the first six and last four digits with stars between (PCI DSS 3.4.1).
func (p PAN) Masked() string {
	d := p.Reveal()
	if len(d) < 13 {
		return mask
	}
	out := make([]byte, len(d))
	for i := range out {
		out[i] = '*'
	}
	copy(out, d[:6])
	copy(out[len(d)-4:], d[len(d)-4:])
	return string(out)
}

// String implements fmt.Stringer with the mask.
func (p PAN) String() string { return mask }

// GoString implements fmt.GoStringer with the mask.
func (p PAN) GoString() string { return mask }

// Format implements fmt.Formatter: every verb prints the mask.
func (p PAN) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalJSON implements json.Marshaler with the mask.
func (p PAN) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalText implements encoding.TextMarshaler with the mask.
func (p PAN) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalZerologObject implements zerolog.LogObjectMarshaler with the mask.
func (p PAN) MarshalZerologObject(e *zerolog.Event) { e.Str("pan", mask) }

// Value implements driver.Valuer and always fails: a PAN is never a database value.
func (p PAN) Value() (driver.Value, error) { return nil, ErrSecretInSQL }
