package payshield

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
	"platen/hsm/pin"
)

// PIN-block formats by their Thales numbers.
const (
	formatISO0 = "01"
	formatISO1 = "05"
	formatISO3 = "47"
)

// blockDigits is the length of a block in hexadecimal digits.
const blockDigits = 16

func fitsBlock(f string) bool { return len(f) == blockDigits && isHex(f) }

// seal takes a PIN from under the LMK to a block (JG).
func (m *Module) seal(ctx context.Context, zpk *Key, format, field, underLMK string) (string, error) {
	return m.pool.do(ctx, command{name: "JG", fields: zpk.Value + format + field + underLMK, fits: fitsBlock})
}

// open takes the PIN of a block to under the LMK (JE).
func (m *Module) open(ctx context.Context, zpk *Key, format, field, block string) (string, error) {
	return m.pool.do(ctx, command{name: "JE", fields: zpk.Value + block + format + field, fits: m.fitsPIN})
}

// translated is an answer to CC: the length of the PIN, the block, its format.
const translatedSize = 2 + blockDigits + 2

// translate takes a block from one key to a format 0 block under another (CC).
func (m *Module) translate(ctx context.Context, from, to *Key, format, field, block string) (length, out string, err error) {
	fields, err := m.pool.do(ctx, command{
		name: "CC", fields: from.Value + to.Value + fmt.Sprint(pin.MaxLength) + block + format + formatISO0 + field,
		fits: func(f string) bool {
			return len(f) == translatedSize && isDecimal(f[:2], 2) && fitsBlock(f[2:2+blockDigits]) && f[2+blockDigits:] == formatISO0
		},
	})
	if err != nil {
		return "", "", err
	}
	return fields[:2], fields[2 : 2+blockDigits], nil
}

// transferKey is the key that loosens PINs from their account.
func (m *Module) transferKey() (*Key, error) {
	if m.transfer == "" {
		return nil, ErrNoTransfer
	}
	return m.keys.resolve(card.KeyRef{Label: m.transfer}, keyblock.ZPK)
}

// zoneKey is a bureau's key for a format. The transfer key is none: what it makes must not leave.
func (m *Module) zoneKey(zpk card.KeyRef, format hsm.PINFormat) (*Key, error) {
	key, err := m.keys.resolve(zpk, keyblock.ZPK)
	if err != nil {
		return nil, err
	}
	if format != hsm.ISO0 {
		return nil, ErrFormat
	}
	if key.Label == m.transfer {
		return nil, fmt.Errorf("key %s is the transfer key: %w", key.ref(), hsm.ErrKeyUsage)
	}
	return key, nil
}

// incomingZone is a key for blocks of a format that come in, with the format's Thales number.
func (m *Module) incomingZone(zpk card.KeyRef, format hsm.PINFormat) (*Key, string, error) {
	number, known := map[hsm.PINFormat]string{hsm.ISO0: formatISO0, hsm.ISO1: formatISO1, hsm.ISO3: formatISO3}[format]
	if !known {
		return nil, "", ErrFormat
	}
	key, err := m.zoneKey(zpk, hsm.ISO0)
	return key, number, err
}

// TransferPINs implements hsm.Module. No host command binds a PIN to another account, so it takes two: to a block bound to none under the
// transfer key (JG, format 05), and from it to under the LMK for the new account (JE). Without a transfer key it fails with ErrNoTransfer; where the
// module does not permit the format, with a Refusal of code 69. A PIN for the account that it has stays as it is.
func (m *Module) TransferPINs(ctx context.Context, storage card.KeyRef, from []card.PAN, pins []hsm.PIN, to []card.PAN, out []hsm.PIN) error {
	if err := arguments.TransferPINs(from, pins, to, out); err != nil {
		return err
	}
	d, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("transfer PINs: %w", err)
	}
	key, err := m.transferKey()
	if err != nil {
		return fmt.Errorf("transfer PINs: %w", err)
	}
	return m.pool.each(ctx, len(from), func(ctx context.Context, i int) error {
		target, err := account(to[i])
		if err == nil {
			out[i], err = m.rebind(ctx, d, key, from[i], &pins[i], target)
		}
		if err != nil {
			return fmt.Errorf("transfer PIN %d: %w", i, err)
		}
		return nil
	})
}

func (m *Module) rebind(ctx context.Context, d drawer, key *Key, from card.PAN, stored *hsm.PIN, target string) (hsm.PIN, error) {
	underLMK, field, err := d.held(from, stored)
	if err != nil {
		return hsm.PIN{}, err
	}
	block, err := m.seal(ctx, key, formatISO1, field, underLMK)
	if err != nil {
		return hsm.PIN{}, err
	}
	moved, err := m.open(ctx, key, formatISO1, target, block)
	if err != nil {
		return hsm.PIN{}, err
	}
	return d.put(moved)
}

// ExportPINs implements hsm.Module for format 0 (JG). Accounts that are not the card numbers themselves need the transfer key (JG, then CC).
func (m *Module) ExportPINs(ctx context.Context, storage, zpk card.KeyRef, format hsm.PINFormat, pans []card.PAN, pins []hsm.PIN, accounts []card.PAN, out card.Secrets) error {
	if err := arguments.ExportPINs(format, pans, pins, accounts, out); err != nil {
		return err
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	d, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("export PINs: %w", err)
	}
	return m.pool.each(ctx, len(pans), func(ctx context.Context, i int) error {
		block, err := m.export(ctx, d, zone, pans[i], &pins[i], accounts[i])
		if err != nil {
			return fmt.Errorf("export PIN %d: %w", i, err)
		}
		out.Set(i, block)
		return nil
	})
}

func (m *Module) export(ctx context.Context, d drawer, zone *Key, pan card.PAN, stored *hsm.PIN, to card.PAN) ([]byte, error) {
	underLMK, field, err := d.held(pan, stored)
	if err != nil {
		return nil, err
	}
	target, err := account(to)
	if err != nil {
		return nil, err
	}
	var block string
	if target == field {
		block, err = m.seal(ctx, zone, formatISO0, field, underLMK)
	} else {
		var key *Key
		if key, err = m.transferKey(); err != nil {
			return nil, err
		}
		if block, err = m.seal(ctx, key, formatISO1, field, underLMK); err != nil {
			return nil, err
		}
		_, block, err = m.translate(ctx, key, zone, formatISO1, target, block)
	}
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(block)
}

// received is a block of a file as a command takes it.
func received(blocks card.Secrets, i int, pan card.PAN) (block, field string, err error) {
	if field, err = account(pan); err != nil {
		return "", "", err
	}
	block = strings.ToUpper(hex.EncodeToString(blocks.Reveal(i)))
	if len(block) != blockDigits {
		return "", "", hsm.ErrPINBlock
	}
	return block, field, nil
}

// BlockPVVs implements hsm.Module for format 0 (JE, then DG).
func (m *Module) BlockPVVs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, pvk card.KeyRef, pvki int, out []hsm.PVV) error {
	if err := arguments.BlockPVVs(accounts, blocks, pvki, out); err != nil {
		return err
	}
	key, err := m.keys.resolve(pvk, keyblock.VisaPVK)
	if err != nil {
		return fmt.Errorf("PIN verification values of blocks: %w", err)
	}
	zone, err := m.zoneKey(zpk, format)
	if err != nil {
		return fmt.Errorf("PIN verification values of blocks: %w", err)
	}
	return m.pool.each(ctx, len(accounts), func(ctx context.Context, i int) error {
		block, field, err := received(blocks, i, accounts[i])
		var underLMK string
		if err == nil {
			underLMK, err = m.open(ctx, zone, formatISO0, field, block)
		}
		if err == nil {
			out[i], err = m.pvv(ctx, key, underLMK, field, pvki)
		}
		if err != nil {
			return fmt.Errorf("PIN verification value of block %d: %w", i, err)
		}
		return nil
	})
}

// CheckBlocks implements hsm.Module for formats 0, 1 and 3: a translation of the block to its own key tells how long its PIN is (CC).
func (m *Module) CheckBlocks(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, length int) error {
	if err := arguments.CheckBlocks(accounts, blocks); err != nil {
		return err
	}
	zone, number, err := m.incomingZone(zpk, format)
	if err != nil {
		return fmt.Errorf("check PIN blocks: %w", err)
	}
	want := fmt.Sprintf("%02d", length)
	return m.pool.each(ctx, len(accounts), func(ctx context.Context, i int) error {
		block, field, err := received(blocks, i, accounts[i])
		var got string
		if err == nil {
			got, _, err = m.translate(ctx, zone, zone, number, field, block)
		}
		if err == nil && got != want {
			err = hsm.ErrPINBlock
		}
		if err != nil {
			return fmt.Errorf("PIN block %d: %w", i, err)
		}
		return nil
	})
}

// ImportPINs implements hsm.Module for formats 0, 1 and 3: a translation of the block to its own key tells how long its PIN is (CC), then it goes to under the
// LMK (JE). Which PINs are too easy to guess is for the module's table of excluded PINs to say, which DG and DE look into.
func (m *Module) ImportPINs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, use hsm.PINUse, length int, pans []card.PAN, blocks card.Secrets, storage card.KeyRef, out []hsm.PIN) error {
	if err := arguments.ImportPINs(use, length, pans, blocks, out); err != nil {
		return err
	}
	zone, number, err := m.incomingZone(zpk, format)
	if err != nil {
		return fmt.Errorf("import PINs: %w", err)
	}
	d, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("import PINs: %w", err)
	}
	want := fmt.Sprintf("%02d", length)
	return m.pool.each(ctx, len(pans), func(ctx context.Context, i int) error {
		block, field, err := received(blocks, i, pans[i])
		var got, underLMK string
		if err == nil {
			got, _, err = m.translate(ctx, zone, zone, number, field, block)
		}
		if err == nil && got != want {
			err = hsm.ErrPINBlock
		}
		if err == nil {
			underLMK, err = m.open(ctx, zone, number, field, block)
		}
		if err == nil {
			out[i], err = d.put(underLMK)
		}
		if err != nil {
			return fmt.Errorf("PIN block %d: %w", i, err)
		}
		return nil
	})
}
