//go:build pkcs11

package pkcs11

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/cmac"
	"platen/hsm/keyblock"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
	"platen/hsm/tdes"
)

// fill makes repeatable fill for format 4: a cipher under a key that is derived from the zone key, so that the same file always has the same
// bytes. It tells nothing of the zone key itself.
type fill struct{ block cipher.Block }

func (f fill) of(account card.PAN) (out [pin.FillSize]byte) {
	var block [aes.BlockSize]byte
	pinblock.AccountISO4(block[:], account.Reveal())
	f.block.Encrypt(block[:], block[:])
	copy(out[:], block[:])
	return out
}

// fillOf derives the fill of a zone key as the software module does, so that both make the same file.
func (m *Module) fillOf(ctx context.Context, ref card.KeyRef) (fill, error) {
	m.mu.Lock()
	f, known := m.fills[ref]
	m.mu.Unlock()
	if known {
		return f, nil
	}
	derived, err := m.token.cmac(ctx, ref, []byte(pinblock.FillLabel))
	if err != nil {
		return fill{}, err
	}
	defer clear(derived[:])
	if f.block, err = aes.NewCipher(derived[:]); err != nil {
		return fill{}, fmt.Errorf("PIN block fill: %w", err)
	}
	m.mu.Lock()
	m.fills[ref] = f
	m.mu.Unlock()
	return f, nil
}

// cmac computes the CMAC of a message under an AES key of the token, from its electronic codebook: so a key needs no second mechanism.
func (t *token) cmac(ctx context.Context, ref card.KeyRef, message []byte) ([cmac.Size]byte, error) {
	return cmac.Remote(func(block []byte) ([]byte, error) { return t.encrypt(ctx, partID{ref: ref}, block) }, message)
}

// zone is a zone key for one PIN-block format: TDES for formats 0, 1 and 3, AES for format 4.
type zone struct {
	module *Module
	ref    card.KeyRef
	format hsm.PINFormat
	fill   fill
}

func (m *Module) zone(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat) (z zone, err error) {
	z = zone{module: m, format: format}
	switch format {
	case hsm.ISO0, hsm.ISO1, hsm.ISO3:
		z.ref, err = m.token.resolve(ctx, zpk, keyblock.ZPK, keyblock.TDES)
	case hsm.ISO4:
		if z.ref, err = m.token.resolve(ctx, zpk, keyblock.ZPK, keyblock.AES); err == nil {
			z.fill, err = m.fillOf(ctx, z.ref)
		}
	default:
		err = fmt.Errorf("PIN-block format %d: only formats 0, 1, 3 and 4 stand under zone keys", format)
	}
	return z, err
}

// seal makes the blocks of clear PINs for accounts; the same PIN and account give the same block.
func (z zone) seal(ctx context.Context, accounts []card.PAN, pins []pin.Clear) ([]byte, error) {
	if z.format == hsm.ISO4 {
		fills := make([][pin.FillSize]byte, len(pins))
		for i := range fills {
			fills[i] = z.fill.of(accounts[i])
		}
		return sealISO4(ctx, z.module.token, z.ref, accounts, pins, fills)
	}
	var b pinblock.Bench
	defer func() { b = pinblock.Bench{} }()
	blocks := make([]byte, 0, len(pins)*tdes.BlockSize)
	for i := range pins {
		b.PIN = pins[i]
		blocks = append(blocks, b.ClearISO0(accounts[i].Reveal())...)
	}
	defer wipe(blocks)
	return z.module.token.encrypt(ctx, partID{ref: z.ref}, blocks)
}

// open opens blocks that a bureau would receive. from numbers the first in errors.
func (z zone) open(ctx context.Context, accounts []card.PAN, sealed card.Secrets, from int) ([]pin.Clear, error) {
	size := pinblock.Size(z.format)
	blocks := make([]byte, 0, len(accounts)*size)
	for i := range accounts {
		block := sealed.Reveal(from + i)
		if len(block) != size {
			return nil, fmt.Errorf("PIN block %d: %w", from+i, hsm.ErrPINBlock)
		}
		blocks = append(blocks, block...)
	}
	if z.format == hsm.ISO4 {
		return openISO4(ctx, z.module.token, z.ref, blocks, accounts, from)
	}
	clearBlocks, err := z.module.token.decrypt(ctx, partID{ref: z.ref}, blocks)
	if err != nil {
		return nil, err
	}
	defer wipe(clearBlocks)
	var b pinblock.Bench
	defer func() { b = pinblock.Bench{} }()
	out := make([]pin.Clear, len(accounts))
	for i := range out {
		copy(b.Block[:size], clearBlocks[i*size:])
		if !b.ReadClear(z.format, accounts[i].Reveal()) {
			clear(out)
			return nil, fmt.Errorf("PIN block %d: %w", from+i, hsm.ErrPINBlock)
		}
		out[i] = b.PIN
	}
	return out, nil
}

// ExportPINs implements hsm.Module.
func (m *Module) ExportPINs(ctx context.Context, storage, zpk card.KeyRef, format hsm.PINFormat, pans []card.PAN, pins []hsm.PIN, accounts []card.PAN, out card.Secrets) error {
	if err := arguments.ExportPINs(format, pans, pins, accounts, out); err != nil {
		return err
	}
	z, err := m.zone(ctx, zpk, format)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	d, err := m.openDrawer(ctx, storage)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	size := pinblock.Size(format)
	return chunks(ctx, len(pans), func(from, to int) error {
		held, err := d.take(ctx, pans[from:to], pins[from:to], from)
		defer clear(held)
		var blocks []byte
		if err == nil {
			blocks, err = z.seal(ctx, accounts[from:to], held)
		}
		if err != nil {
			return fmt.Errorf("export PINs: %w", err)
		}
		for i := from; i < to; i++ {
			out.Set(i, blocks[(i-from)*size:][:size])
		}
		return nil
	})
}

// BlockPVVs implements hsm.Module.
func (m *Module) BlockPVVs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, pvk card.KeyRef, pvki int, out []hsm.PVV) error {
	if err := arguments.BlockPVVs(accounts, blocks, pvki, out); err != nil {
		return err
	}
	ref, err := m.token.resolve(ctx, pvk, keyblock.VisaPVK, keyblock.TDES)
	if err != nil {
		return fmt.Errorf("PIN verification values of blocks: %w", err)
	}
	z, err := m.zone(ctx, zpk, format)
	if err != nil {
		return fmt.Errorf("PIN verification values of blocks: %w", err)
	}
	return chunks(ctx, len(accounts), func(from, to int) error {
		held, err := z.open(ctx, accounts[from:to], blocks, from)
		defer clear(held)
		if err == nil {
			err = m.pvvs(ctx, ref, pvki, accounts[from:to], held, out[from:to])
		}
		if err != nil {
			return fmt.Errorf("PIN verification values of blocks: %w", err)
		}
		return nil
	})
}

// CheckBlocks implements hsm.Module.
func (m *Module) CheckBlocks(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, length int) error {
	if err := arguments.CheckBlocks(accounts, blocks); err != nil {
		return err
	}
	z, err := m.zone(ctx, zpk, format)
	if err != nil {
		return fmt.Errorf("check PIN blocks: %w", err)
	}
	return chunks(ctx, len(accounts), func(from, to int) error {
		held, err := z.open(ctx, accounts[from:to], blocks, from)
		if err != nil {
			return fmt.Errorf("check PIN blocks: %w", err)
		}
		defer clear(held)
		for i := range held {
			if held[i].N != length {
				return fmt.Errorf("PIN block %d: %w", from+i, hsm.ErrPINBlock)
			}
		}
		return nil
	})
}
