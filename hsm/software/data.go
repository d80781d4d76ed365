package software

import (
	"context"
	"crypto/cipher"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/datablock"
	"platen/hsm/keyblock"
)

// DataModes implements hsm.Module.
func (m *Module) DataModes() []hsm.DataMode {
	return []hsm.DataMode{hsm.TDESECB, hsm.TDESCBC, hsm.AESECB, hsm.AESCBC}
}

// EncryptData implements hsm.Module.
func (m *Module) EncryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	return m.data(ctx, "encrypt data", zek, mode, data, out, datablock.Encrypt)
}

// DecryptData implements hsm.Module.
func (m *Module) DecryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	return m.data(ctx, "decrypt data", zek, mode, data, out, datablock.Decrypt)
}

func (m *Module) data(ctx context.Context, what string, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets, do func(cipher.Block, hsm.DataMode, []byte)) error {
	if err := arguments.Data(what, mode, data, out); err != nil {
		return err
	}
	key, err := m.dataKey(zek, mode)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return m.each(ctx, what, data.Len(), nil, func(_ *bench, i int) error {
		out.Set(i, data.Reveal(i))
		do(key, mode, out.Reveal(i))
		return nil
	})
}

func (m *Module) dataKey(zek card.KeyRef, mode hsm.DataMode) (cipher.Block, error) {
	if mode.IsAES() {
		k, _, err := m.keys.aesFor(zek, keyblock.ZEK)
		if err != nil {
			return nil, err
		}
		return k.block, nil
	}
	k, err := m.keys.tdesFor(zek, keyblock.ZEK)
	if err != nil {
		return nil, err
	}
	return k.Block(), nil
}
