package software

import (
	"context"
	"crypto/des"
	"errors"
	"fmt"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// errScheme says that a product's IBM 3624 parameters cannot be used.
var errScheme = errors.New("IBM 3624 parameters")

// scheme is hsm.IBM3624, checked and in nibbles.
type scheme struct {
	table    [16]byte
	template [templateSize]byte
	account  int // where in the template five digits of the account go
	length   int
}

const (
	templateSize  = 12
	accountDigits = 5 // what N stands for
)

// newScheme checks parameters. A decimalisation table with few different digits makes PINs guessable, so it must have at least eight, none
// more than four times.
func newScheme(p hsm.IBM3624) (scheme, error) {
	s := scheme{length: p.Length, account: strings.IndexByte(p.Validation, 'N')}
	if p.Length < minPIN || p.Length > maxPIN {
		return scheme{}, fmt.Errorf("%w: length %d must be %d to %d", errScheme, p.Length, minPIN, maxPIN)
	}
	if len(p.DecTable) != len(s.table) {
		return scheme{}, fmt.Errorf("%w: decimalisation table must have %d digits", errScheme, len(s.table))
	}
	var counts [10]int
	different := 0
	for i, c := range []byte(p.DecTable) {
		if c < '0' || c > '9' {
			return scheme{}, fmt.Errorf("%w: decimalisation table must be decimal", errScheme)
		}
		s.table[i] = c - '0'
		if counts[c-'0']++; counts[c-'0'] == 1 {
			different++
		}
		if counts[c-'0'] > 4 {
			return scheme{}, fmt.Errorf("%w: decimalisation table has a digit more than four times", errScheme)
		}
	}
	if different < 8 {
		return scheme{}, fmt.Errorf("%w: decimalisation table has fewer than eight different digits", errScheme)
	}
	if len(p.Validation) != templateSize || s.account < 0 || strings.Count(p.Validation, "N") != 1 {
		return scheme{}, fmt.Errorf("%w: validation template must have %d characters, one of them N", errScheme, templateSize)
	}
	for i, c := range []byte(p.Validation) {
		switch {
		case c >= '0' && c <= '9':
			s.template[i] = c - '0'
		case c >= 'A' && c <= 'F':
			s.template[i] = c - 'A' + 10
		case c != 'N':
			return scheme{}, fmt.Errorf("%w: validation template must be hexadecimal but for its N", errScheme)
		}
	}
	return s, nil
}

// validationData writes the sixteen nibbles of validation data for a card into dst.
func (s *scheme) validationData(dst []byte, pan []byte) {
	n := copy(dst, s.template[:s.account])
	field := accountField(pan)
	for _, c := range field[len(field)-accountDigits:] {
		dst[n] = c - '0'
		n++
	}
	copy(dst[n:], s.template[s.account+1:])
}

// naturalPIN computes the natural PIN of the validation data in b.nibbles into b.natural.
func (k *tdesKey) naturalPIN(b *bench, s *scheme) {
	block := b.block[:des.BlockSize]
	joinNibbles(block, b.nibbles[:])
	k.double.Encrypt(block, block)
	splitNibbles(b.nibbles[:], block)
	b.natural.n = s.length
	for i := range b.natural.digits[:s.length] {
		b.natural.digits[i] = s.table[b.nibbles[i]]
	}
}

// DerivePINs implements hsm.Module.
func (m *Module) DerivePINs(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, out []hsm.PIN) error {
	if len(out) != len(pans) {
		return fmt.Errorf("derive PINs: %w", errLengths)
	}
	s, err := newScheme(parameters)
	if err != nil {
		return fmt.Errorf("derive PINs: %w", err)
	}
	key, err := m.keys.tdesFor(pvk, keyblock.IBMPVK)
	if err != nil {
		return fmt.Errorf("derive PINs: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("derive PINs: %w", err)
	}
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range pans {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		if err := m.admit(i, pans[i]); err != nil {
			return fmt.Errorf("derive PIN: %w", err)
		}
		s.validationData(b.nibbles[:], pans[i].Reveal())
		key.naturalPIN(b, &s)
		b.pin = b.natural
		if err := m.entropy.Draw(purposeDerived, objectOf(pans[i]), b.random[:8]); err != nil {
			return fmt.Errorf("derive PIN: %w", err)
		}
		if out[i], err = drawer.put(b, pans[i]); err != nil {
			return fmt.Errorf("derive PIN: %w", err)
		}
	}
	return nil
}

// Offsets implements hsm.Module. The whole PIN is checked: offset, natural PIN and PIN have the same length.
func (m *Module) Offsets(ctx context.Context, storage, pvk card.KeyRef, parameters hsm.IBM3624, pans []card.PAN, pins []hsm.PIN, out []hsm.Offset) error {
	if len(pins) != len(pans) || len(out) != len(pans) {
		return fmt.Errorf("PIN offsets: %w", errLengths)
	}
	s, err := newScheme(parameters)
	if err != nil {
		return fmt.Errorf("PIN offsets: %w", err)
	}
	key, err := m.keys.tdesFor(pvk, keyblock.IBMPVK)
	if err != nil {
		return fmt.Errorf("PIN offsets: %w", err)
	}
	drawer, err := m.openDrawer(storage)
	if err != nil {
		return fmt.Errorf("PIN offsets: %w", err)
	}
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range pans {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		if err := m.admit(i, pans[i]); err != nil {
			return fmt.Errorf("PIN offset: %w", err)
		}
		if err := drawer.take(b, i, &pins[i], pans[i]); err != nil {
			return fmt.Errorf("PIN offset: %w", err)
		}
		if b.pin.n != s.length {
			return fmt.Errorf("PIN offset: PIN %d: %w", i, hsm.ErrPINBlock)
		}
		s.validationData(b.nibbles[:], pans[i].Reveal())
		key.naturalPIN(b, &s)
		out[i] = b.offset()
	}
	return nil
}

// offset is b.pin less b.natural, digit by digit without borrowing.
func (b *bench) offset() hsm.Offset {
	out := hsm.Offset{N: uint8(b.pin.n)}
	for i := range b.pin.digits[:b.pin.n] {
		out.Digits[i] = '0' + (b.pin.digits[i]+10-b.natural.digits[i])%10
	}
	return out
}
