package software

import (
	"context"
	"crypto/des"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// maxPVKI is the highest PIN verification key index.
const maxPVKI = 6

func checkPVKI(pvki int) error {
	if pvki < 0 || pvki > maxPVKI {
		return fmt.Errorf("PIN verification key index %d must be 0 to %d", pvki, maxPVKI)
	}
	return nil
}

// PVVs implements hsm.Module.
func (m *Module) PVVs(ctx context.Context, storage, pvk card.KeyRef, pvki int, pans []card.PAN, pins []hsm.PIN, out []hsm.PVV) error {
	if len(pins) != len(pans) || len(out) != len(pans) {
		return fmt.Errorf("PIN verification values: %w", errLengths)
	}
	if err := checkPVKI(pvki); err != nil {
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
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range pans {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		if err := m.admit(i, pans[i]); err != nil {
			return fmt.Errorf("PIN verification value: %w", err)
		}
		if err := drawer.take(b, i, &pins[i], pans[i]); err != nil {
			return fmt.Errorf("PIN verification value: %w", err)
		}
		out[i] = key.pvv(b, pans[i].Reveal(), pvki)
	}
	return nil
}

// pvv computes the ABA PVV of b.pin: eleven digits of the card number, the key index and four digits of the PIN under EDE2, decimalised.
func (k *tdesKey) pvv(b *bench, pan []byte, pvki int) hsm.PVV {
	field := accountField(pan)
	for i, c := range field[1:] {
		b.nibbles[i] = c - '0'
	}
	b.nibbles[11] = byte(pvki)
	copy(b.nibbles[12:], b.pin.digits[:4])
	block := b.block[:des.BlockSize]
	joinNibbles(block, b.nibbles[:])
	k.double.Encrypt(block, block)
	splitNibbles(b.nibbles[:], block)
	var out hsm.PVV
	decimalise(out[:], b.nibbles[:])
	return out
}

// BlockPVVs implements hsm.Module.
func (m *Module) BlockPVVs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, pvk card.KeyRef, pvki int, out []hsm.PVV) error {
	if blocks.Len() < len(accounts) || len(out) != len(accounts) {
		return fmt.Errorf("PIN verification values of blocks: %w", errLengths)
	}
	if err := checkPVKI(pvki); err != nil {
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
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range accounts {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		if err := m.admit(i, accounts[i]); err != nil {
			return fmt.Errorf("PIN verification value of block: %w", err)
		}
		if !zone.open(b, blocks.Reveal(i), accounts[i].Reveal()) {
			return fmt.Errorf("PIN block %d: %w", i, hsm.ErrPINBlock)
		}
		out[i] = key.pvv(b, accounts[i].Reveal(), pvki)
	}
	return nil
}
