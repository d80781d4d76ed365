//go:build pkcs11

package pkcs11

import (
	"context"
	"crypto/subtle"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
)

// DataModes implements hsm.Module.
func (m *Module) DataModes() []hsm.DataMode {
	return []hsm.DataMode{hsm.TDESECB, hsm.TDESCBC, hsm.AESECB, hsm.AESCBC}
}

// EncryptData implements hsm.Module. What is chained goes to the token a block of every value at a time, so that a key needs no second mechanism.
func (m *Module) EncryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	const what = "encrypt data"
	ref, err := m.dataKey(ctx, what, zek, mode, data, out)
	if err != nil {
		return err
	}
	return chunks(ctx, data.Len(), func(from, to int) error {
		for i := from; i < to; i++ {
			out.Set(i, data.Reveal(i))
		}
		if !mode.Chains() {
			return throughToken(ctx, what, ref, out, from, to, m.token.encrypt)
		}
		return m.chain(ctx, what, ref, mode.BlockSize(), out, from, to)
	})
}

// DecryptData implements hsm.Module.
func (m *Module) DecryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	const what = "decrypt data"
	ref, err := m.dataKey(ctx, what, zek, mode, data, out)
	if err != nil {
		return err
	}
	size := mode.BlockSize()
	return chunks(ctx, data.Len(), func(from, to int) error {
		before := card.NewSecrets(to-from, data.Width())
		defer before.Wipe()
		for i := from; i < to; i++ {
			before.Set(i-from, data.Reveal(i))
			out.Set(i, data.Reveal(i))
		}
		if err := throughToken(ctx, what, ref, out, from, to, m.token.decrypt); err != nil || !mode.Chains() {
			return err
		}
		for i := from; i < to; i++ {
			value, sealed := out.Reveal(i), before.Reveal(i-from)
			if len(value) > size {
				subtle.XORBytes(value[size:], value[size:], sealed[:len(value)-size])
			}
		}
		return nil
	})
}

func (m *Module) dataKey(ctx context.Context, what string, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) (card.KeyRef, error) {
	if err := arguments.Data(what, mode, data, out); err != nil {
		return card.KeyRef{}, err
	}
	alg := keyblock.TDES
	if mode.IsAES() {
		alg = keyblock.AES
	}
	ref, err := m.token.resolve(ctx, zek, keyblock.ZEK, alg)
	if err != nil {
		return card.KeyRef{}, fmt.Errorf("%s: %w", what, err)
	}
	return ref, nil
}

// throughToken sends every block of some values through the token in one call.
func throughToken(ctx context.Context, what string, ref card.KeyRef, out card.Secrets, from, to int, do func(context.Context, partID, []byte) ([]byte, error)) error {
	var blocks []byte
	defer func() { wipe(blocks) }()
	for i := from; i < to; i++ {
		blocks = append(blocks, out.Reveal(i)...)
	}
	done, err := do(ctx, partID{ref: ref}, blocks)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer wipe(done)
	at := 0
	for i := from; i < to; i++ {
		at += copy(out.Reveal(i), done[at:])
	}
	return nil
}

// chain enciphers the first block of each value, then the second, each under what came before it.
func (m *Module) chain(ctx context.Context, what string, ref card.KeyRef, size int, out card.Secrets, from, to int) error {
	var blocks []byte
	defer func() { wipe(blocks[:cap(blocks)]) }()
	for at := 0; ; at += size {
		blocks = blocks[:0]
		for i := from; i < to; i++ {
			if value := out.Reveal(i); at < len(value) {
				if at > 0 {
					subtle.XORBytes(value[at:at+size], value[at:at+size], value[at-size:at])
				}
				blocks = append(blocks, value[at:at+size]...)
			}
		}
		if len(blocks) == 0 {
			return nil
		}
		done, err := m.token.encrypt(ctx, partID{ref: ref}, blocks)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		next := 0
		for i := from; i < to; i++ {
			if value := out.Reveal(i); at < len(value) {
				next += copy(value[at:at+size], done[next:next+size])
			}
		}
	}
}
