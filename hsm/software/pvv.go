package software

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
	"platen/hsm/pin"
)

// PVVs implements hsm.Module.
func (m *Module) PVVs(ctx context.Context, storage, pvk card.KeyRef, pvki int, pans []card.PAN, pins []hsm.PIN, out []hsm.PVV) error {
	if err := arguments.PVVs(pvki, pans, pins, out); err != nil {
		return err
	}
	key, err := m.keys.tdesFor(pvk, keyblock.VisaPVK)
	if err != nil {
		return fmt.Errorf("PIN verification values: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("PIN verification values: %w", err)
	}
	return m.each(ctx, "PIN verification value", len(pans), numbers(pans), func(b *bench, i int) error {
		if err := drawer.take(b, i, &pins[i], pans[i]); err != nil {
			return err
		}
		out[i] = b.pins.PVV(key, pin.AccountField(pans[i].Reveal()), pvki, b.pin())
		return nil
	})
}

// BlockPVVs implements hsm.Module.
func (m *Module) BlockPVVs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, pvk card.KeyRef, pvki int, out []hsm.PVV) error {
	if err := arguments.BlockPVVs(accounts, blocks, pvki, out); err != nil {
		return err
	}
	key, err := m.keys.tdesFor(pvk, keyblock.VisaPVK)
	if err != nil {
		return fmt.Errorf("PIN verification values of blocks: %w", err)
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("PIN verification values of blocks: %w", err)
	}
	return m.each(ctx, "PIN verification value of block", len(accounts), numbers(accounts), func(b *bench, i int) error {
		if !zone.open(b, blocks.Reveal(i), accounts[i].Reveal()) {
			return fmt.Errorf("PIN block %d: %w", i, hsm.ErrPINBlock)
		}
		out[i] = b.pins.PVV(key, pin.AccountField(accounts[i].Reveal()), pvki, b.pin())
		return nil
	})
}
