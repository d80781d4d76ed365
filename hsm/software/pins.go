package software

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/pin"
)

// Purposes of draws. A seeded run rests on them: they may not change.
const (
	purposePIN      = "pin"
	purposeDerived  = "derived pin fill"
	purposeTransfer = "transferred pin fill"
)

// storedSize is the length of a stored PIN: tag, key version, format 4 block.
const storedSize = 2 + 16

// drawer opens stored PINs. A PIN names the version of the storage key that holds it; neighbours mostly share one.
type drawer struct {
	module  *Module
	label   card.KeyLabel
	version int
	key     *aesKey
}

// openDrawer checks the storage key and returns it ready to store under ref and to open under any version of its label.
func (m *Module) openDrawer(ref card.KeyRef) (*drawer, error) {
	key, version, err := m.keys.aesFor(ref, keyblock.PINStorage)
	if err != nil {
		return nil, err
	}
	if version > 0xFF {
		return nil, fmt.Errorf("storage key %s: version %d does not fit a stored PIN", ref.Label, version)
	}
	return &drawer{module: m, label: ref.Label, version: version, key: key}, nil
}

// take opens a stored PIN, bound to pan, into the bench.
func (d *drawer) take(b *bench, i int, kept *hsm.PIN, pan card.PAN) error {
	stored := kept.Bytes()
	if len(stored) != storedSize || stored[0] != tag {
		return fmt.Errorf("PIN %d: %w", i, hsm.ErrPINBlock)
	}
	key := d.key
	if version := int(stored[1]); version != d.version {
		var err error
		if key, _, err = d.module.keys.aesFor(card.KeyRef{Label: d.label, Version: version}, keyblock.PINStorage); err != nil {
			return fmt.Errorf("PIN %d: %w", i, err)
		}
	}
	if !b.blocks.OpenISO4(key.block, stored[2:], pan.Reveal()) {
		return fmt.Errorf("PIN %d: %w", i, hsm.ErrPINBlock)
	}
	return nil
}

// put stores the PIN in hand, bound to pan, with the random bytes of b.random.
func (d *drawer) put(b *bench, pan card.PAN) (hsm.PIN, error) {
	copy(b.blocks.Random[:8], b.random[:8])
	block := b.blocks.BuildISO4(d.key.block, pan.Reveal())
	var stored [storedSize]byte
	stored[0], stored[1] = tag, byte(d.version)
	copy(stored[2:], block)
	return hsm.NewPIN(stored[:])
}

// GeneratePINs implements hsm.Module.
func (m *Module) GeneratePINs(ctx context.Context, storage card.KeyRef, length int, pans []card.PAN, objects []uint64, out []hsm.PIN) error {
	if len(objects) != len(pans) || len(out) != len(pans) {
		return fmt.Errorf("generate PINs: %w", errLengths)
	}
	if length < pin.MinLength || length > pin.MaxLength {
		return fmt.Errorf("generate PINs: length %d must be %d to %d", length, pin.MinLength, pin.MaxLength)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("generate PINs: %w", err)
	}
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range pans {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		if err := m.admit(b, i, pans[i]); err != nil {
			return fmt.Errorf("generate PIN: %w", err)
		}
		if err := m.drawPIN(b, length, pans[i].Reveal(), objects[i]); err != nil {
			return fmt.Errorf("generate PIN: %w", err)
		}
		if out[i], err = drawer.put(b, pans[i]); err != nil {
			return fmt.Errorf("generate PIN: %w", err)
		}
	}
	return nil
}

// drawPIN draws uniform digits into the bench and block fill into b.random. A byte of 250 or more is skipped, for a remainder of it would favour
// some digits; a trivial PIN is skipped whole and never mapped to another.
func (m *Module) drawPIN(b *bench, length int, pan []byte, object uint64) error {
	purpose := purposePIN
	for attempt := 1; ; attempt++ {
		if err := m.entropy.Draw(purpose, object, b.random[:]); err != nil {
			return err
		}
		p := b.pin()
		p.N = 0
		for _, c := range b.random[8:] {
			if c >= 250 {
				continue
			}
			p.Digits[p.N] = c % 10
			p.N++
			if p.N < length {
				continue
			}
			if !pin.NotTrivial.Refuses(p, pan) {
				return nil
			}
			p.N = 0
		}
		purpose = fmt.Sprintf("%s redraw %d", purposePIN, attempt)
	}
}

// TransferPINs implements hsm.Module.
func (m *Module) TransferPINs(ctx context.Context, storage card.KeyRef, from []card.PAN, pins []hsm.PIN, to []card.PAN, out []hsm.PIN) error {
	if len(pins) != len(from) || len(to) != len(from) || len(out) != len(from) {
		return fmt.Errorf("transfer PINs: %w", errLengths)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("transfer PINs: %w", err)
	}
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range from {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		for _, pan := range [...]card.PAN{from[i], to[i]} {
			if err := m.admit(b, i, pan); err != nil {
				return fmt.Errorf("transfer PIN: %w", err)
			}
		}
		if err := drawer.take(b, i, &pins[i], from[i]); err != nil {
			return fmt.Errorf("transfer PIN: %w", err)
		}
		if err := m.entropy.Draw(purposeTransfer, objectOf(to[i]), b.random[:8]); err != nil {
			return fmt.Errorf("transfer PIN: %w", err)
		}
		if out[i], err = drawer.put(b, to[i]); err != nil {
			return fmt.Errorf("transfer PIN: %w", err)
		}
	}
	return nil
}

// objectOf numbers a draw by its card number, which fits: 10^19 is below 2^64.
func objectOf(pan card.PAN) uint64 {
	n := uint64(0)
	for _, c := range pan.Reveal() {
		n = n*10 + uint64(c-'0')
	}
	return n
}
