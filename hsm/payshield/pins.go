package payshield

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
	"platen/hsm/pin"
)

// A stored PIN is the tag, the version of the storage key, and what the module returned: 5 to 13 characters under a variant LMK, J and 32
// hexadecimal digits under an AES one. It is never taken apart.
const (
	storedFront   = 2
	leastUnderLMK = 5
	mostUnderLMK  = 13
	mostPINSize   = 40
	aesMark       = "J"
	aesUnderLMK   = 33
)

// fitsPIN tells whether text has the form of a PIN under the LMK.
func (m *Module) fitsPIN(text string) bool {
	switch {
	case m.pinSize != 0:
		return len(text) == m.pinSize && isWord(text)
	case strings.HasPrefix(text, aesMark):
		return len(text) == aesUnderLMK && isHex(text[1:])
	}
	return len(text) >= leastUnderLMK && len(text) <= mostUnderLMK && isWord(text)
}

// drawer is the storage key of one call.
type drawer struct {
	module *Module
	key    *Key
}

func (m *Module) openDrawer(storage card.KeyRef) (drawer, error) {
	key, err := m.keys.resolve(storage, keyblock.PINStorage)
	return drawer{module: m, key: key}, err
}

func (d drawer) put(underLMK string) (hsm.PIN, error) {
	return hsm.NewPIN(append([]byte{tag, byte(d.key.Version)}, underLMK...))
}

func (d drawer) take(stored *hsm.PIN) (string, error) {
	b := stored.Bytes()
	if len(b) < storedFront || b[0] != tag || !d.module.fitsPIN(string(b[storedFront:])) {
		return "", hsm.ErrPINBlock
	}
	if _, err := d.module.keys.find(card.KeyRef{Label: d.key.Label, Version: int(b[1])}); err != nil {
		return "", err
	}
	return string(b[storedFront:]), nil
}

// account is the twelve digits to which the module binds a PIN.
func account(pan card.PAN) (string, error) {
	if pan.IsZero() {
		return "", card.ErrPANLength
	}
	return string(pin.AccountField(pan.Reveal())), nil
}

// held is a stored PIN and its account, ready for a command.
func (d drawer) held(pan card.PAN, stored *hsm.PIN) (underLMK, field string, err error) {
	if field, err = account(pan); err != nil {
		return "", "", err
	}
	underLMK, err = d.take(stored)
	return underLMK, field, err
}

// maxRedraws is how often a PIN that the module excludes is drawn again.
const maxRedraws = 16

// GeneratePINs implements hsm.Module (JA). The module draws; objects number nothing here. Which PINs are trivial is for the module's table of
// excluded PINs to say.
func (m *Module) GeneratePINs(ctx context.Context, storage card.KeyRef, length int, pans []card.PAN, objects []uint64, out []hsm.PIN) error {
	if err := arguments.GeneratePINs(length, pans, objects, out); err != nil {
		return err
	}
	d, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("generate PINs: %w", err)
	}
	return m.pool.each(ctx, len(pans), func(ctx context.Context, i int) error {
		field, err := account(pans[i])
		if err != nil {
			return fmt.Errorf("generate PIN %d: %w", i, err)
		}
		underLMK, err := m.draw(ctx, field, length)
		if err != nil {
			return fmt.Errorf("generate PIN %d: %w", i, err)
		}
		out[i], err = d.put(underLMK)
		return err
	})
}

func (m *Module) draw(ctx context.Context, field string, length int) (underLMK string, err error) {
	for range maxRedraws {
		underLMK, err = m.pool.do(ctx, command{name: "JA", fields: fmt.Sprintf("%s%02d", field, length), fits: m.fitsPIN})
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Code != "86" {
			break
		}
	}
	return underLMK, err
}

// derivation is what EE and DE want behind their first fields.
func derivation(parameters hsm.IBM3624, field string) string {
	return fmt.Sprintf("%02d%s%s%s", parameters.Length, field, parameters.DecTable, parameters.Validation)
}

// DerivePINs implements hsm.Module (EE, with an offset of zeros).
func (m *Module) DerivePINs(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, out []hsm.PIN) error {
	if _, err := arguments.DerivePINs(parameters, pans, out); err != nil {
		return err
	}
	d, key, err := m.derivationKeys(storage, pvk)
	if err != nil {
		return fmt.Errorf("derive PINs: %w", err)
	}
	offset := strings.Repeat("0", parameters.Length) + strings.Repeat("F", pin.MaxLength-parameters.Length)
	return m.pool.each(ctx, len(pans), func(ctx context.Context, i int) error {
		field, err := account(pans[i])
		if err != nil {
			return fmt.Errorf("derive PIN %d: %w", i, err)
		}
		underLMK, err := m.pool.do(ctx, command{name: "EE", fields: key.Value + offset + derivation(parameters, field), warns: true, fits: m.fitsPIN})
		if err != nil {
			return fmt.Errorf("derive PIN %d: %w", i, err)
		}
		out[i], err = d.put(underLMK)
		return err
	})
}

func (m *Module) derivationKeys(storage, pvk card.KeyRef) (drawer, *Key, error) {
	key, err := m.keys.resolve(pvk, keyblock.IBMPVK)
	if err != nil {
		return drawer{}, nil, err
	}
	d, err := m.openDrawer(storage)
	return d, key, err
}

// Offsets implements hsm.Module (DE).
func (m *Module) Offsets(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, pins []hsm.PIN, out []hsm.Offset) error {
	if _, err := arguments.Offsets(parameters, pans, pins, out); err != nil {
		return err
	}
	d, key, err := m.derivationKeys(storage, pvk)
	if err != nil {
		return fmt.Errorf("PIN offsets: %w", err)
	}
	n := parameters.Length
	fits := func(f string) bool {
		return len(f) == pin.MaxLength && isDecimal(f[:n], n) && strings.Trim(f[n:], "F") == ""
	}
	return m.pool.each(ctx, len(pans), func(ctx context.Context, i int) error {
		underLMK, field, err := d.held(pans[i], &pins[i])
		if err != nil {
			return fmt.Errorf("PIN offset %d: %w", i, err)
		}
		digits, err := m.pool.do(ctx, command{name: "DE", fields: key.Value + underLMK + derivation(parameters, field), warns: true, fits: fits})
		if err != nil {
			return fmt.Errorf("PIN offset %d: %w", i, err)
		}
		out[i] = hsm.Offset{N: uint8(n)}
		copy(out[i].Digits[:], digits[:n])
		return nil
	})
}

// PVVs implements hsm.Module (DG).
func (m *Module) PVVs(ctx context.Context, storage, pvk card.KeyRef, pvki int, pans []card.PAN, pins []hsm.PIN, out []hsm.PVV) error {
	if err := arguments.PVVs(pvki, pans, pins, out); err != nil {
		return err
	}
	key, err := m.keys.resolve(pvk, keyblock.VisaPVK)
	if err != nil {
		return fmt.Errorf("PIN verification values: %w", err)
	}
	d, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("PIN verification values: %w", err)
	}
	return m.pool.each(ctx, len(pans), func(ctx context.Context, i int) error {
		underLMK, field, err := d.held(pans[i], &pins[i])
		if err == nil {
			out[i], err = m.pvv(ctx, key, underLMK, field, pvki)
		}
		if err != nil {
			return fmt.Errorf("PIN verification value %d: %w", i, err)
		}
		return nil
	})
}

func (m *Module) pvv(ctx context.Context, key *Key, underLMK, field string, pvki int) (out hsm.PVV, err error) {
	digits, err := m.pool.do(ctx, command{
		name: "DG", fields: key.Value + underLMK + field + string(rune('0'+pvki)),
		fits: func(f string) bool { return isDecimal(f, len(out)) },
	})
	copy(out[:], digits)
	return out, err
}
