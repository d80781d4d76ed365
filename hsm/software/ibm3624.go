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

// DerivePINs implements hsm.Module.
func (m *Module) DerivePINs(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, out []hsm.PIN) error {
	s, err := arguments.DerivePINs(parameters, pans, out)
	if err != nil {
		return err
	}
	key, err := m.keys.tdesFor(pvk, keyblock.IBMPVK)
	if err != nil {
		return fmt.Errorf("derive PINs: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("derive PINs: %w", err)
	}
	return m.each(ctx, "derive PIN", len(pans), numbers(pans), func(b *bench, i int) error {
		b.pins.Natural(key, &s, pin.AccountField(pans[i].Reveal()), b.pin())
		if err := m.entropy.Draw(purposeDerived, pin.ObjectOf(pans[i]), b.random[:8]); err != nil {
			return err
		}
		out[i], err = drawer.put(b, pans[i])
		return err
	})
}

// Offsets implements hsm.Module. The whole PIN is checked: offset, natural PIN and PIN have the same length.
func (m *Module) Offsets(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, pins []hsm.PIN, out []hsm.Offset) error {
	s, err := arguments.Offsets(parameters, pans, pins, out)
	if err != nil {
		return err
	}
	key, err := m.keys.tdesFor(pvk, keyblock.IBMPVK)
	if err != nil {
		return fmt.Errorf("PIN offsets: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("PIN offsets: %w", err)
	}
	return m.each(ctx, "PIN offset", len(pans), numbers(pans), func(b *bench, i int) error {
		if err := drawer.take(b, i, &pins[i], pans[i]); err != nil {
			return err
		}
		if b.pin().N != s.Length {
			return fmt.Errorf("PIN %d: %w", i, hsm.ErrPINBlock)
		}
		b.pins.Natural(key, &s, pin.AccountField(pans[i].Reveal()), &b.natural)
		out[i] = pin.OffsetOf(b.pin(), &b.natural)
		return nil
	})
}
