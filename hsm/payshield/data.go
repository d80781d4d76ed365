package payshield

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
)

// ErrDataMode says that data cannot be enciphered in a mode: keys under a variant LMK are TDES keys.
var ErrDataMode = errors.New("payShield: data are enciphered with TDES only")

// DataModes implements hsm.Module.
func (m *Module) DataModes() []hsm.DataMode { return []hsm.DataMode{hsm.TDESECB, hsm.TDESCBC} }

// EncryptData implements hsm.Module (M0).
func (m *Module) EncryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	return m.data(ctx, "encrypt data", "M0", zek, mode, data, out)
}

// DecryptData implements hsm.Module (M2).
func (m *Module) DecryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	return m.data(ctx, "decrypt data", "M2", zek, mode, data, out)
}

// What M0 and M2 are told: mode, data as hexadecimal digits both ways, the type of the key, where the mode chains an initial block, the number of digits
// in four hexadecimal digits, the digits. An answer to a mode that chains begins with the block that a next part of the message would go on with.
const (
	modeECB     = "00"
	modeCBC     = "01"
	hexBothWays = "11"
	zeroBlock   = "0000000000000000"
	lengthSize  = 4
)

func (m *Module) data(ctx context.Context, what, name string, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	if err := arguments.Data(what, mode, data, out); err != nil {
		return err
	}
	key, err := m.keys.resolve(zek, keyblock.ZEK)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if mode.IsAES() {
		return fmt.Errorf("%s: %w", what, ErrDataMode)
	}
	front, chained := modeECB+hexBothWays+key.Type+key.Value, 0
	if mode.Chains() {
		front, chained = modeCBC+hexBothWays+key.Type+key.Value+zeroBlock, len(zeroBlock)
	}
	return m.pool.each(ctx, data.Len(), func(ctx context.Context, i int) error {
		digits := strings.ToUpper(hex.EncodeToString(data.Reveal(i)))
		if digits == "" {
			out.Set(i, nil)
			return nil
		}
		length := fmt.Sprintf("%04X", len(digits))
		fields, err := m.pool.do(ctx, command{name: name, fields: front + length + digits, fits: func(f string) bool {
			return len(f) == chained+lengthSize+len(digits) && isHex(f) && f[chained:chained+lengthSize] == length
		}})
		if err != nil {
			return fmt.Errorf("%s: value %d: %w", what, i, err)
		}
		value, err := hex.DecodeString(fields[chained+lengthSize:])
		if err != nil {
			return fmt.Errorf("%s: value %d: %w", what, i, err)
		}
		defer clear(value)
		out.Set(i, value)
		return nil
	})
}
