package personalization

import (
	"context"
	"crypto/subtle"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// Received is a PIN that came in, as it is kept, and what a host verifies it by: a PVV or an offset.
type Received struct {
	PIN    hsm.PIN
	PVV    hsm.PVV
	Offset hsm.Offset
}

// Receive opens a PIN block that came in under the zone key, bound to a card number. It fails with hsm.ErrPINBlock when there is no PIN of the product's
// length in it, and with hsm.ErrWeakPIN when a chosen one is easy to guess.
func (p *Press) Receive(ctx context.Context, use hsm.PINUse, pan card.PAN, block []byte) (Received, error) {
	if err := p.need(p.keys.Storage, "PIN storage key"); err != nil {
		return Received{}, err
	}
	if err := p.need(p.keys.ZPK, "zone key"); err != nil {
		return Received{}, err
	}
	blocks := card.NewSecrets(1, max(1, len(block)))
	blocks.Set(0, block)
	return p.received(ctx, pan, func(pans []card.PAN, pins []hsm.PIN) error {
		return p.module.ImportPINs(ctx, p.keys.ZPK, p.keys.PINFormat, use, p.product.PIN.Length, pans, blocks, p.keys.Storage, pins)
	})
}

// Take is Receive of a PIN as its digits. It fails with hsm.ErrClearPIN where the security module takes none, and with an hsm.InputError when it is no PIN of the product's length.
func (p *Press) Take(ctx context.Context, use hsm.PINUse, pan card.PAN, digits card.Secret) (Received, error) {
	if err := p.need(p.keys.Storage, "PIN storage key"); err != nil {
		return Received{}, err
	}
	taker, ok := p.module.(hsm.PINTaker)
	if !ok {
		return Received{}, fmt.Errorf("product %s: %w", p.product.Code, hsm.ErrClearPIN)
	}
	return p.received(ctx, pan, func(pans []card.PAN, pins []hsm.PIN) error {
		return taker.TakePINs(ctx, use, p.product.PIN.Length, pans, []card.Secret{digits}, p.keys.Storage, pins)
	})
}

// received is a PIN that is taken in, with what it is verified by.
func (p *Press) received(ctx context.Context, pan card.PAN, take func([]card.PAN, []hsm.PIN) error) (Received, error) {
	pans, pins, pvvs, offsets := []card.PAN{pan}, make([]hsm.PIN, 1), make([]hsm.PVV, 1), make([]hsm.Offset, 1)
	if err := take(pans, pins); err != nil {
		return Received{}, fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	if err := p.verificationData(ctx, pans, pins, pvvs, offsets); err != nil {
		return Received{}, err
	}
	return Received{PIN: pins[0], PVV: pvvs[0], Offset: offsets[0]}, nil
}

// SamePVV tells in constant time whether a PIN has a PVV.
func (r *Received) SamePVV(want hsm.PVV) bool {
	return subtle.ConstantTimeCompare(r.PVV[:], want[:]) == 1
}

// SameOffset tells in constant time whether a PIN has an offset: all its digits.
func (r *Received) SameOffset(want hsm.Offset) bool {
	same := subtle.ConstantTimeCompare(r.Offset.Digits[:], want.Digits[:])
	return same&subtle.ConstantTimeByteEq(r.Offset.N, want.N) == 1
}
