package personalization

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// MakePINs gives new cards their PINs by the product's method: random ones with PVVs, or derived ones with offsets. The other slices, and all
// of them for a product without PINs, are left alone and may be nil. objects number the draws of a seeded run.
func (p *Press) MakePINs(ctx context.Context, pans []card.PAN, objects []uint64, pins []hsm.PIN, pvvs []hsm.PVV, offsets []hsm.Offset) error {
	if p.product.PIN.Method == card.NoPIN {
		return nil
	}
	if p.product.PIN.Method == card.DerivedPIN {
		return p.derivePINs(ctx, pans, pins, offsets)
	}
	return p.DrawPINs(ctx, pans, objects, pins, pvvs, offsets)
}

// derivePINs gives cards their natural PINs. The offset of a natural PIN is zeros (IBM 3624), and no module is asked for it: one with a table of excluded PINs
// would refuse the offset of a natural PIN that stands there, though no other follows from the card's number.
func (p *Press) derivePINs(ctx context.Context, pans []card.PAN, pins []hsm.PIN, offsets []hsm.Offset) error {
	if err := p.need(p.keys.Storage, "PIN storage key"); err != nil {
		return err
	}
	if err := p.need(p.keys.PVK, "PIN verification key"); err != nil {
		return err
	}
	if err := p.module.DerivePINs(ctx, p.keys.Storage, p.keys.PVK, p.ibm3624(), pans, pins); err != nil {
		return fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	natural := hsm.Offset{N: uint8(p.product.PIN.Length)}
	for i := range natural.N {
		natural.Digits[i] = '0'
	}
	for i := range pans {
		offsets[i] = natural
	}
	return nil
}

// DrawPINs is MakePINs with random PINs, also where the product derives its cards' first ones.
func (p *Press) DrawPINs(ctx context.Context, pans []card.PAN, objects []uint64, pins []hsm.PIN, pvvs []hsm.PVV, offsets []hsm.Offset) error {
	if err := p.need(p.keys.Storage, "PIN storage key"); err != nil {
		return err
	}
	if err := p.module.GeneratePINs(ctx, p.keys.Storage, p.product.PIN.Length, pans, objects, pins); err != nil {
		return fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	return p.verificationData(ctx, pans, pins, pvvs, offsets)
}

// TransferPINs gives new numbers the PINs of old ones, with their PVVs or offsets. from, pins, to and out pair up.
func (p *Press) TransferPINs(ctx context.Context, from []card.PAN, pins []hsm.PIN, to []card.PAN, out []hsm.PIN, pvvs []hsm.PVV, offsets []hsm.Offset) error {
	if p.product.PIN.Method == card.NoPIN {
		return nil
	}
	if err := p.need(p.keys.Storage, "PIN storage key"); err != nil {
		return err
	}
	if err := p.module.TransferPINs(ctx, p.keys.Storage, from, pins, to, out); err != nil {
		return fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	return p.verificationData(ctx, to, out, pvvs, offsets)
}

// verificationData computes what a host verifies PINs with.
func (p *Press) verificationData(ctx context.Context, pans []card.PAN, pins []hsm.PIN, pvvs []hsm.PVV, offsets []hsm.Offset) error {
	if err := p.need(p.keys.PVK, "PIN verification key"); err != nil {
		return err
	}
	var err error
	if p.product.PIN.Method == card.RandomPIN {
		err = p.module.PVVs(ctx, p.keys.Storage, p.keys.PVK, p.product.PIN.PVKI, pans, pins, pvvs)
	} else {
		err = p.module.Offsets(ctx, p.keys.Storage, p.keys.PVK, p.ibm3624(), pans, pins, offsets)
	}
	if err != nil {
		return fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	return nil
}
