package pin

import (
	"fmt"

	"platen/card"
	"platen/hsm"
)

// Randomness is what one draw takes: 8 bytes that fill the block in which the PIN is kept, the rest for digits.
type Randomness [32]byte

// FillSize is how many bytes of Randomness are not for digits.
const FillSize = 8

// purposeDraw names the draws of PINs. A seeded run rests on it: it may not change.
const purposeDraw = "pin"

// Draw draws uniform digits for a card number (ASCII digits) into out, and fill into the front of random. A byte of 250 or more is skipped, for a
// remainder of it would favour some digits; a trivial PIN is skipped whole and never mapped to another. object numbers the draw: a seeded source
// gives the same object the same PIN.
func Draw(entropy hsm.Entropy, length int, pan []byte, object uint64, random *Randomness, out *Clear) error {
	purpose := purposeDraw
	for attempt := 1; ; attempt++ {
		if err := entropy.Draw(purpose, object, random[:]); err != nil {
			return err
		}
		out.N = 0
		for _, c := range random[FillSize:] {
			if c >= 250 {
				continue
			}
			out.Digits[out.N] = c % 10
			out.N++
			if out.N < length {
				continue
			}
			if !NotTrivial.Refuses(out, pan) {
				return nil
			}
			out.N = 0
		}
		purpose = fmt.Sprintf("%s redraw %d", purposeDraw, attempt)
	}
}

// ObjectOf numbers a draw by its card number, which fits: 10^19 is below 2^64.
func ObjectOf(pan card.PAN) uint64 {
	n := uint64(0)
	for _, c := range pan.Reveal() {
		n = n*10 + uint64(c-'0')
	}
	return n
}
