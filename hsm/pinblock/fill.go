package pinblock

import (
	"fmt"

	"platen/hsm"
)

// Fill draws the random part of a block of a format, as Bench wants it, from draw, which fills a buffer with random bytes. Each digit of formats 1
// and 3 is equally likely: for format 3, a byte of 252 or more is drawn again, for a remainder of it would favour some digits.
func Fill(format hsm.PINFormat, draw func(buf []byte) error) ([16]byte, error) {
	var out, raw [16]byte
	defer clear(raw[:])
	for n := 0; n < len(out); {
		if err := draw(raw[:]); err != nil {
			return [16]byte{}, fmt.Errorf("PIN block fill: %w", err)
		}
		if format == ISO4 {
			return raw, nil
		}
		for _, c := range raw {
			switch {
			case n == len(out):
			case format != ISO3:
				out[n] = c & 0xF
				n++
			case c < 252:
				out[n] = 0xA + c%6
				n++
			}
		}
	}
	return out, nil
}
