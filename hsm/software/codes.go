package software

import (
	"context"
	"crypto/des"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// codeDigits is the length of a card verification value.
const codeDigits = 3

// Codes implements hsm.Module.
func (m *Module) Codes(ctx context.Context, cvk card.KeyRef, in []hsm.CodeRequest, out card.Secrets) error {
	if out.Len() < len(in) || out.Width() < codeDigits {
		return fmt.Errorf("card verification values: %w", errLengths)
	}
	key, err := m.keys.tdesFor(cvk, keyblock.CVK)
	if err != nil {
		return fmt.Errorf("card verification values: %w", err)
	}
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range in {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		r := &in[i]
		if err := m.admit(i, r.PAN); err != nil {
			return fmt.Errorf("card verification value: %w", err)
		}
		expiry := r.Expiry.YYMM()
		if r.MMYY {
			expiry = r.Expiry.MMYY()
		}
		out.Set(i, key.code(b, r.PAN.Reveal(), expiry, r.ServiceCode))
	}
	return nil
}

// code computes a card verification value (Visa CVV, Mastercard CVC 1): number, expiry and service code in two blocks; single DES of the
// first under the left half, the second added, EDE2 of the sum, decimalised. The result stands in b until its next use.
func (k *tdesKey) code(b *bench, pan []byte, expiry [4]byte, service [3]byte) []byte {
	var digits [32]byte
	n := copy(digits[:], pan)
	n += copy(digits[n:], expiry[:])
	n += copy(digits[n:], service[:])
	for i := range digits[:n] {
		digits[i] -= '0'
	}
	first, second := b.block[:des.BlockSize], b.account[:des.BlockSize]
	joinNibbles(first, digits[:16])
	joinNibbles(second, digits[16:])
	k.left.Encrypt(first, first)
	xorInto(first, second)
	k.double.Encrypt(first, first)
	splitNibbles(b.nibbles[:], first)
	out := b.random[:codeDigits]
	decimalise(out, b.nibbles[:])
	return out
}

// decimalise fills out with ASCII digits: first the nibbles 0 to 9 in order, then, when they are too few, the nibbles A to F as 0 to 5.
func decimalise(out, nibbles []byte) {
	n := 0
	for _, d := range nibbles {
		if d < 10 && n < len(out) {
			out[n] = '0' + d
			n++
		}
	}
	for _, d := range nibbles {
		if d >= 10 && n < len(out) {
			out[n] = '0' + d - 10
			n++
		}
	}
}
