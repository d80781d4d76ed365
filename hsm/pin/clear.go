// Package pin is the arithmetic of personal identification numbers: clear PINs, the policy of which may be drawn, Visa PIN verification values
// and IBM 3624 natural PINs and offsets. It computes on keys that a security module hands it; nothing outside hsm has a clear PIN.
package pin

import (
	"fmt"

	"platen/hsm"
)

// Lengths of PINs (ISO 9564-1).
const (
	MinLength = 4
	MaxLength = 12
)

// Clear is a PIN as digits 0 to 9, the rest zero. It prints as a mask in every verb.
type Clear struct {
	N      int
	Digits [MaxLength]byte
}

// Parse reads 4 to 12 ASCII digits. It fails with an hsm.InputError.
func Parse(digits string) (Clear, error) {
	if err := hsm.CheckDigits("pin", digits, MinLength, MaxLength); err != nil {
		return Clear{}, err
	}
	p := Clear{N: len(digits)}
	for i := range len(digits) {
		p.Digits[i] = digits[i] - '0'
	}
	return p, nil
}

// Reveal returns the PIN as ASCII digits.
func (p *Clear) Reveal() string {
	var out [MaxLength]byte
	for i, d := range p.Digits[:p.N] {
		out[i] = '0' + d
	}
	return string(out[:p.N])
}

// Format implements fmt.Formatter: every verb prints a mask.
func (p Clear) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[PIN]")) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (p Clear) MarshalText() ([]byte, error) { return []byte("[PIN]"), nil }
