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

// Purposes of draws. A seeded run rests on them: they may not change.
const (
	purposeDerived  = "derived pin fill"
	purposeTransfer = "transferred pin fill"
	purposeImport   = "imported pin fill"
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
	if err := arguments.GeneratePINs(length, pans, objects, out); err != nil {
		return err
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("generate PINs: %w", err)
	}
	return m.each(ctx, "generate PIN", len(pans), numbers(pans), func(b *bench, i int) error {
		if err := pin.Draw(m.entropy, length, pans[i].Reveal(), objects[i], &b.random, b.pin()); err != nil {
			return err
		}
		out[i], err = drawer.put(b, pans[i])
		return err
	})
}

// TransferPINs implements hsm.Module.
func (m *Module) TransferPINs(ctx context.Context, storage card.KeyRef, from []card.PAN, pins []hsm.PIN, to []card.PAN, out []hsm.PIN) error {
	if err := arguments.TransferPINs(from, pins, to, out); err != nil {
		return err
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("transfer PINs: %w", err)
	}
	return m.each(ctx, "transfer PIN", len(from), numbers(from), func(b *bench, i int) error {
		if err := m.admit(b, i, to[i]); err != nil {
			return err
		}
		if err := drawer.take(b, i, &pins[i], from[i]); err != nil {
			return err
		}
		if err := m.entropy.Draw(purposeTransfer, pin.ObjectOf(to[i]), b.random[:8]); err != nil {
			return err
		}
		out[i], err = drawer.put(b, to[i])
		return err
	})
}

// ImportPINs implements hsm.Module.
func (m *Module) ImportPINs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, use hsm.PINUse, length int, pans []card.PAN, blocks card.Secrets, storage card.KeyRef, out []hsm.PIN) error {
	if err := arguments.ImportPINs(use, length, pans, blocks, out); err != nil {
		return err
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("import PINs: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("import PINs: %w", err)
	}
	return m.each(ctx, "import PIN", len(pans), numbers(pans), func(b *bench, i int) error {
		if !zone.open(b, blocks.Reveal(i), pans[i].Reveal()) || b.pin().N != length {
			return fmt.Errorf("PIN block %d: %w", i, hsm.ErrPINBlock)
		}
		if use == hsm.ChosenPIN && pin.NoPattern.Refuses(b.pin(), pans[i].Reveal()) {
			return fmt.Errorf("PIN block %d: %w", i, hsm.ErrWeakPIN)
		}
		if err := m.entropy.Draw(purposeImport, pin.ObjectOf(pans[i]), b.random[:8]); err != nil {
			return err
		}
		out[i], err = drawer.put(b, pans[i])
		return err
	})
}

// TakePINs implements hsm.PINTaker.
func (m *Module) TakePINs(ctx context.Context, use hsm.PINUse, length int, pans []card.PAN, digits []card.Secret, storage card.KeyRef, out []hsm.PIN) error {
	if err := arguments.TakePINs(use, length, pans, digits, out); err != nil {
		return err
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("take PINs: %w", err)
	}
	return m.each(ctx, "take PIN", len(pans), numbers(pans), func(b *bench, i int) error {
		taken, err := pin.Parse(string(digits[i].Reveal()))
		if err != nil {
			return err
		}
		*b.pin() = taken
		if use == hsm.ChosenPIN && pin.NoPattern.Refuses(b.pin(), pans[i].Reveal()) {
			return fmt.Errorf("PIN %d: %w", i, hsm.ErrWeakPIN)
		}
		if err := m.entropy.Draw(purposeImport, pin.ObjectOf(pans[i]), b.random[:8]); err != nil {
			return err
		}
		out[i], err = drawer.put(b, pans[i])
		return err
	})
}
