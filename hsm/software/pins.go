package software

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
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

// take opens a stored PIN, bound to pan, into b.pin.
func (d *drawer) take(b *bench, i int, pin *hsm.PIN, pan card.PAN) error {
	stored := pin.Bytes()
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
	if !key.openISO4(b, stored[2:], pan.Reveal()) {
		return fmt.Errorf("PIN %d: %w", i, hsm.ErrPINBlock)
	}
	return nil
}

// put stores b.pin, bound to pan, with the random bytes of b.random.
func (d *drawer) put(b *bench, pan card.PAN) (hsm.PIN, error) {
	block := d.key.buildISO4(b, pan.Reveal())
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
	if length < minPIN || length > maxPIN {
		return fmt.Errorf("generate PINs: length %d must be %d to %d", length, minPIN, maxPIN)
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
		if err := m.admit(i, pans[i]); err != nil {
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

// drawPIN draws uniform digits into b.pin and block fill into b.random. A byte of 250 or more is skipped, for a remainder of it would favour
// some digits; a trivial PIN is skipped whole and never mapped to another.
func (m *Module) drawPIN(b *bench, length int, pan []byte, object uint64) error {
	purpose := purposePIN
	for attempt := 1; ; attempt++ {
		if err := m.entropy.Draw(purpose, object, b.random[:]); err != nil {
			return err
		}
		b.pin.n = 0
		for _, c := range b.random[8:] {
			if c >= 250 {
				continue
			}
			b.pin.digits[b.pin.n] = c % 10
			b.pin.n++
			if b.pin.n < length {
				continue
			}
			if !b.pin.trivial(pan) {
				return nil
			}
			b.pin.n = 0
		}
		purpose = fmt.Sprintf("%s redraw %d", purposePIN, attempt)
	}
}

// trivial tells whether a PIN is one that anybody tries first: one digit, a run up or down, or the end of the card number.
func (p *clearPIN) trivial(pan []byte) bool {
	digits := p.digits[:p.n]
	same, up, down, tail := true, true, true, true
	end := pan[len(pan)-len(digits):]
	for i, d := range digits {
		tail = tail && d == end[i]-'0'
		if i > 0 {
			same = same && d == digits[i-1]
			up = up && d == (digits[i-1]+1)%10
			down = down && d == (digits[i-1]+9)%10
		}
	}
	return same || up || down || tail
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
			if err := m.admit(i, pan); err != nil {
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
