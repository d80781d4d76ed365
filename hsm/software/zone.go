package software

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
	"platen/hsm/pinblock"
	"platen/hsm/tdes"
)

// zoneKey is a zone key for one PIN-block format: TDES for formats 0, 1 and 3, AES for format 4.
type zoneKey struct {
	tdes   *tdes.Key
	aes    *aesKey
	format hsm.PINFormat
}

func (m *Module) zoneKey(zpk card.KeyRef, format hsm.PINFormat) (z zoneKey, err error) {
	z.format = format
	switch format {
	case hsm.ISO0, hsm.ISO1, hsm.ISO3:
		z.tdes, err = m.keys.tdesFor(zpk, keyblock.ZPK)
	case hsm.ISO4:
		z.aes, _, err = m.keys.aesFor(zpk, keyblock.ZPK)
	default:
		err = fmt.Errorf("PIN-block format %d: only formats 0, 1, 3 and 4 stand under zone keys", format)
	}
	return z, err
}

// seal makes the block of the PIN in hand for an account; the same PIN and account give the same block.
func (z zoneKey) seal(b *bench, account []byte) []byte {
	if z.aes == nil {
		return b.blocks.BuildISO0(z.tdes, account)
	}
	z.aes.setFill(b, account)
	return b.blocks.BuildISO4(z.aes.block, account)
}

// open opens a block into the bench.
func (z zoneKey) open(b *bench, sealed, account []byte) bool {
	if z.aes == nil {
		return b.blocks.OpenTDES(z.tdes, z.format, sealed, account)
	}
	return b.blocks.OpenISO4(z.aes.block, sealed, account)
}

// setFill puts repeatable fill for a block to an account on the bench: a keyed function of the account, so that the same file always
// has the same bytes.
func (k *aesKey) setFill(b *bench, account []byte) {
	block := b.blocks.Block[:]
	pinblock.AccountISO4(block, account)
	k.fill.Encrypt(block, block)
	copy(b.blocks.Random[:8], block)
}

// ExportPINs implements hsm.Module.
func (m *Module) ExportPINs(ctx context.Context, storage, zpk card.KeyRef, format hsm.PINFormat, pans []card.PAN, pins []hsm.PIN, accounts []card.PAN, out card.Secrets) error {
	if err := arguments.ExportPINs(format, pans, pins, accounts, out); err != nil {
		return err
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	return m.each(ctx, "export PIN", len(pans), numbers(pans), func(b *bench, i int) error {
		if err := drawer.take(b, i, &pins[i], pans[i]); err != nil {
			return err
		}
		out.Set(i, zone.seal(b, accounts[i].Reveal()))
		return nil
	})
}

// CheckBlocks implements hsm.Module.
func (m *Module) CheckBlocks(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, length int) error {
	if err := arguments.CheckBlocks(accounts, blocks); err != nil {
		return err
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("check PIN blocks: %w", err)
	}
	return m.each(ctx, "check PIN block", len(accounts), nil, func(b *bench, i int) error {
		if !zone.open(b, blocks.Reveal(i), accounts[i].Reveal()) || b.pin().N != length {
			return fmt.Errorf("PIN block %d: %w", i, hsm.ErrPINBlock)
		}
		return nil
	})
}
