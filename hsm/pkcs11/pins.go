//go:build pkcs11

package pkcs11

import (
	"context"
	"crypto/aes"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
	"platen/hsm/nibbles"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
)

// storedSize is the length of a stored PIN: tag, key version, format 4 block.
const storedSize = 2 + aes.BlockSize

// drawer is the storage key of one call.
type drawer struct {
	token *token
	ref   card.KeyRef
}

func (m *Module) openDrawer(ctx context.Context, storage card.KeyRef) (drawer, error) {
	ref, err := m.token.resolve(ctx, storage, keyblock.PINStorage, keyblock.AES)
	return drawer{m.token, ref}, err
}

// take opens stored PINs, bound to their card numbers. from numbers the first of them in errors.
func (d drawer) take(ctx context.Context, pans []card.PAN, pins []hsm.PIN, from int) ([]pin.Clear, error) {
	for i := range pins {
		if b := pins[i].Bytes(); len(b) != storedSize || b[0] != tag {
			return nil, fmt.Errorf("PIN %d: %w", from+i, hsm.ErrPINBlock)
		}
	}
	var out []pin.Clear
	for len(out) < len(pins) {
		at := len(out)
		version, to := pins[at].Bytes()[1], at+1
		for to < len(pins) && pins[to].Bytes()[1] == version {
			to++
		}
		// Neighbours mostly are under one version of the storage key.
		ref, err := d.token.resolve(ctx, card.KeyRef{Label: d.ref.Label, Version: int(version)}, keyblock.PINStorage, keyblock.AES)
		if err != nil {
			return nil, fmt.Errorf("PIN %d: %w", from+at, err)
		}
		blocks := make([]byte, 0, (to-at)*aes.BlockSize)
		for i := at; i < to; i++ {
			blocks = append(blocks, pins[i].Bytes()[2:]...)
		}
		some, err := openISO4(ctx, d.token, ref, blocks, pans[at:to], from+at)
		if err != nil {
			clear(out)
			return nil, err
		}
		out = append(out, some...)
		clear(some)
	}
	return out, nil
}

// put stores clear PINs, bound to card numbers, with random bytes of fills.
func (d drawer) put(ctx context.Context, pans []card.PAN, pins []pin.Clear, fills [][pin.FillSize]byte, out []hsm.PIN) error {
	blocks, err := sealISO4(ctx, d.token, d.ref, pans, pins, fills)
	if err != nil {
		return err
	}
	var stored [storedSize]byte
	stored[0], stored[1] = tag, byte(d.ref.Version)
	for i := range pins {
		copy(stored[2:], blocks[i*aes.BlockSize:])
		if out[i], err = hsm.NewPIN(stored[:]); err != nil {
			return err
		}
	}
	return nil
}

// sealISO4 makes format 4 blocks: the PIN fields under the key, accounts added, under the key again.
func sealISO4(ctx context.Context, t *token, ref card.KeyRef, accounts []card.PAN, pins []pin.Clear, fills [][pin.FillSize]byte) ([]byte, error) {
	var b pinblock.Bench
	defer func() { b = pinblock.Bench{} }()
	fields := make([]byte, 0, len(pins)*aes.BlockSize)
	for i := range pins {
		b.PIN = pins[i]
		copy(b.Random[:], fills[i][:])
		fields = append(fields, b.FieldISO4()...)
	}
	defer wipe(fields)
	once, err := t.encrypt(ctx, partID{ref: ref}, fields)
	if err != nil {
		return nil, err
	}
	addAccounts(once, accounts)
	return t.encrypt(ctx, partID{ref: ref}, once)
}

// openISO4 inverts sealISO4.
func openISO4(ctx context.Context, t *token, ref card.KeyRef, blocks []byte, accounts []card.PAN, from int) ([]pin.Clear, error) {
	once, err := t.decrypt(ctx, partID{ref: ref}, blocks)
	if err != nil {
		return nil, err
	}
	addAccounts(once, accounts)
	fields, err := t.decrypt(ctx, partID{ref: ref}, once)
	if err != nil {
		return nil, err
	}
	defer wipe(fields)
	var b pinblock.Bench
	defer func() { b = pinblock.Bench{} }()
	out := make([]pin.Clear, len(accounts))
	for i := range out {
		copy(b.Block[:], fields[i*aes.BlockSize:])
		if !b.ReadISO4() {
			clear(out)
			return nil, fmt.Errorf("PIN %d: %w", from+i, hsm.ErrPINBlock)
		}
		out[i] = b.PIN
	}
	return out, nil
}

func addAccounts(blocks []byte, accounts []card.PAN) {
	var account [aes.BlockSize]byte
	for i := range accounts {
		pinblock.AccountISO4(account[:], accounts[i].Reveal())
		nibbles.Xor(blocks[i*aes.BlockSize:][:aes.BlockSize], account[:])
	}
}

// GeneratePINs implements hsm.Module.
func (m *Module) GeneratePINs(ctx context.Context, storage card.KeyRef, length int, pans []card.PAN, objects []uint64, out []hsm.PIN) error {
	if err := arguments.GeneratePINs(length, pans, objects, out); err != nil {
		return err
	}
	d, err := m.openDrawer(ctx, storage)
	if err != nil {
		return fmt.Errorf("generate PINs: %w", err)
	}
	return chunks(ctx, len(pans), func(from, to int) error {
		pins, fills := make([]pin.Clear, to-from), make([][pin.FillSize]byte, to-from)
		defer clear(pins)
		var random pin.Randomness
		defer clear(random[:])
		for i := range pins {
			if err := pin.Draw(m.entropy, length, pans[from+i].Reveal(), objects[from+i], &random, &pins[i]); err != nil {
				return fmt.Errorf("generate PIN: %w", err)
			}
			copy(fills[i][:], random[:])
		}
		if err := d.put(ctx, pans[from:to], pins, fills, out[from:to]); err != nil {
			return fmt.Errorf("generate PINs: %w", err)
		}
		return nil
	})
}

// Purposes of the draws that fill stored blocks.
const (
	purposeDerived  = "derived pin fill"
	purposeTransfer = "transferred pin fill"
	purposeImport   = "imported pin fill"
)

func (m *Module) drawFills(purpose string, pans []card.PAN) ([][pin.FillSize]byte, error) {
	fills := make([][pin.FillSize]byte, len(pans))
	for i := range fills {
		if err := m.entropy.Draw(purpose, pin.ObjectOf(pans[i]), fills[i][:]); err != nil {
			return nil, err
		}
	}
	return fills, nil
}

// DerivePINs implements hsm.Module.
func (m *Module) DerivePINs(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, out []hsm.PIN) error {
	s, err := arguments.DerivePINs(parameters, pans, out)
	if err != nil {
		return err
	}
	ref, d, err := m.derivationKeys(ctx, storage, pvk)
	if err != nil {
		return fmt.Errorf("derive PINs: %w", err)
	}
	return chunks(ctx, len(pans), func(from, to int) error {
		pins, err := m.naturals(ctx, ref, &s, pans[from:to])
		defer clear(pins)
		var fills [][pin.FillSize]byte
		if err == nil {
			fills, err = m.drawFills(purposeDerived, pans[from:to])
		}
		if err == nil {
			err = d.put(ctx, pans[from:to], pins, fills, out[from:to])
		}
		if err != nil {
			return fmt.Errorf("derive PINs: %w", err)
		}
		return nil
	})
}

func (m *Module) derivationKeys(ctx context.Context, storage, pvk card.KeyRef) (ref card.KeyRef, d drawer, err error) {
	if ref, err = m.token.resolve(ctx, pvk, keyblock.IBMPVK, keyblock.TDES); err != nil {
		return ref, d, err
	}
	d, err = m.openDrawer(ctx, storage)
	return ref, d, err
}

// Offsets implements hsm.Module. The whole PIN is checked: offset, natural PIN and PIN have the same length.
func (m *Module) Offsets(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, pins []hsm.PIN, out []hsm.Offset) error {
	s, err := arguments.Offsets(parameters, pans, pins, out)
	if err != nil {
		return err
	}
	ref, d, err := m.derivationKeys(ctx, storage, pvk)
	if err != nil {
		return fmt.Errorf("PIN offsets: %w", err)
	}
	return chunks(ctx, len(pans), func(from, to int) error {
		held, err := d.take(ctx, pans[from:to], pins[from:to], from)
		if err != nil {
			return fmt.Errorf("PIN offsets: %w", err)
		}
		defer clear(held)
		natural, err := m.naturals(ctx, ref, &s, pans[from:to])
		if err != nil {
			return fmt.Errorf("PIN offsets: %w", err)
		}
		defer clear(natural)
		for i := range held {
			if held[i].N != s.Length {
				return fmt.Errorf("PIN offset: PIN %d: %w", from+i, hsm.ErrPINBlock)
			}
			out[from+i] = pin.OffsetOf(&held[i], &natural[i])
		}
		return nil
	})
}

// PVVs implements hsm.Module.
func (m *Module) PVVs(ctx context.Context, storage, pvk card.KeyRef, pvki int, pans []card.PAN, pins []hsm.PIN, out []hsm.PVV) error {
	if err := arguments.PVVs(pvki, pans, pins, out); err != nil {
		return err
	}
	ref, err := m.token.resolve(ctx, pvk, keyblock.VisaPVK, keyblock.TDES)
	if err != nil {
		return fmt.Errorf("PIN verification values: %w", err)
	}
	d, err := m.openDrawer(ctx, storage)
	if err != nil {
		return fmt.Errorf("PIN verification values: %w", err)
	}
	return chunks(ctx, len(pans), func(from, to int) error {
		held, err := d.take(ctx, pans[from:to], pins[from:to], from)
		defer clear(held)
		if err == nil {
			err = m.pvvs(ctx, ref, pvki, pans[from:to], held, out[from:to])
		}
		if err != nil {
			return fmt.Errorf("PIN verification values: %w", err)
		}
		return nil
	})
}

// TransferPINs implements hsm.Module.
func (m *Module) TransferPINs(ctx context.Context, storage card.KeyRef, from []card.PAN, pins []hsm.PIN, to []card.PAN, out []hsm.PIN) error {
	if err := arguments.TransferPINs(from, pins, to, out); err != nil {
		return err
	}
	d, err := m.openDrawer(ctx, storage)
	if err != nil {
		return fmt.Errorf("transfer PINs: %w", err)
	}
	return chunks(ctx, len(from), func(first, last int) error {
		held, err := d.take(ctx, from[first:last], pins[first:last], first)
		defer clear(held)
		var fills [][pin.FillSize]byte
		if err == nil {
			fills, err = m.drawFills(purposeTransfer, to[first:last])
		}
		if err == nil {
			err = d.put(ctx, to[first:last], held, fills, out[first:last])
		}
		if err != nil {
			return fmt.Errorf("transfer PINs: %w", err)
		}
		return nil
	})
}

// ImportPINs implements hsm.Module.
func (m *Module) ImportPINs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, use hsm.PINUse, length int, pans []card.PAN, blocks card.Secrets, storage card.KeyRef, out []hsm.PIN) error {
	if err := arguments.ImportPINs(use, length, pans, blocks, out); err != nil {
		return err
	}
	z, err := m.zone(ctx, zpk, format)
	if err != nil {
		return fmt.Errorf("import PINs: %w", err)
	}
	d, err := m.openDrawer(ctx, storage)
	if err != nil {
		return fmt.Errorf("import PINs: %w", err)
	}
	return chunks(ctx, len(pans), func(from, to int) error {
		held, err := z.open(ctx, pans[from:to], blocks, from)
		if err != nil {
			return fmt.Errorf("import PINs: %w", err)
		}
		defer clear(held)
		for i := range held {
			if held[i].N != length {
				return fmt.Errorf("PIN block %d: %w", from+i, hsm.ErrPINBlock)
			}
			if use == hsm.ChosenPIN && pin.NoPattern.Refuses(&held[i], pans[from+i].Reveal()) {
				return fmt.Errorf("PIN block %d: %w", from+i, hsm.ErrWeakPIN)
			}
		}
		fills, err := m.drawFills(purposeImport, pans[from:to])
		if err == nil {
			err = d.put(ctx, pans[from:to], held, fills, out[from:to])
		}
		if err != nil {
			return fmt.Errorf("import PINs: %w", err)
		}
		return nil
	})
}
