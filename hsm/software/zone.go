package software

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// zoneKey is a bureau's zone key for one PIN-block format: TDES for format 0, AES for format 4.
type zoneKey struct {
	tdes *tdesKey
	aes  *aesKey
}

func (m *Module) zoneKey(zpk card.KeyRef, format hsm.PINFormat) (z zoneKey, err error) {
	switch format {
	case hsm.ISO0:
		z.tdes, err = m.keys.tdesFor(zpk, keyblock.ZPK)
	case hsm.ISO4:
		z.aes, _, err = m.keys.aesFor(zpk, keyblock.ZPK)
	default:
		err = fmt.Errorf("PIN-block format %d: only formats 0 and 4 go to bureaus", format)
	}
	return z, err
}

// seal makes the block of b.pin for an account; the same PIN and account give the same block.
func (z zoneKey) seal(b *bench, account []byte) []byte {
	if z.aes == nil {
		return z.tdes.buildISO0(b, account)
	}
	z.aes.setFill(b, account)
	return z.aes.buildISO4(b, account)
}

// open opens a block into b.pin.
func (z zoneKey) open(b *bench, sealed, account []byte) bool {
	if z.aes == nil {
		return z.tdes.openISO0(b, sealed, account)
	}
	return z.aes.openISO4(b, sealed, account)
}

// ExportPINs implements hsm.Module.
func (m *Module) ExportPINs(ctx context.Context, storage, zpk card.KeyRef, format hsm.PINFormat, pans []card.PAN, pins []hsm.PIN, accounts []card.PAN, out card.Secrets) error {
	if len(pins) != len(pans) || len(accounts) != len(pans) || out.Len() < len(pans) || out.Width() < blockSizeOf(format) {
		return fmt.Errorf("export PINs: %w", errLengths)
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range pans {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		if err := m.admit(i, pans[i]); err != nil {
			return fmt.Errorf("export PIN: %w", err)
		}
		if accounts[i].IsZero() {
			return fmt.Errorf("export PIN: account %d: %w", i, card.ErrPANLength)
		}
		if err := drawer.take(b, i, &pins[i], pans[i]); err != nil {
			return fmt.Errorf("export PIN: %w", err)
		}
		out.Set(i, zone.seal(b, accounts[i].Reveal()))
	}
	return nil
}

// CheckBlocks implements hsm.Module.
func (m *Module) CheckBlocks(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, length int) error {
	if blocks.Len() < len(accounts) {
		return fmt.Errorf("check PIN blocks: %w", errLengths)
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("check PIN blocks: %w", err)
	}
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range accounts {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		if accounts[i].IsZero() {
			return fmt.Errorf("check PIN blocks: account %d: %w", i, card.ErrPANLength)
		}
		if !zone.open(b, blocks.Reveal(i), accounts[i].Reveal()) || b.pin.n != length {
			return fmt.Errorf("PIN block %d: %w", i, hsm.ErrPINBlock)
		}
	}
	return nil
}
