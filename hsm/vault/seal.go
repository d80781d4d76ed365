package vault

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// sealHeader is the key version that a sealed secret begins with.
const sealHeader = 2

// Seal implements hsm.Vault: AES-256-GCM with a random nonce (NIST SP 800-38D), bound to what the secret is for.
func (v *Vault) Seal(key card.KeyRef, purpose string, secret []byte) ([]byte, error) {
	pinned, aead, err := v.sealing(key)
	if err != nil {
		return nil, fmt.Errorf("seal a secret: %w", err)
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(pinned.Version))
	return aead.Seal(out, nil, secret, []byte(purpose)), nil //nolint:gosec // this AEAD draws its nonce by itself
}

// OpenSealed implements hsm.Vault.
func (v *Vault) OpenSealed(label card.KeyLabel, purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader {
		return nil, hsm.ErrSealed
	}
	_, aead, err := v.sealing(card.KeyRef{Label: label, Version: int(binary.BigEndian.Uint16(sealed))})
	if err != nil {
		return nil, fmt.Errorf("open a sealed secret: %w", err)
	}
	secret, err := aead.Open(nil, nil, sealed[sealHeader:], []byte(purpose))
	if err != nil {
		return nil, hsm.ErrSealed
	}
	return secret, nil
}

func (v *Vault) sealing(key card.KeyRef) (card.KeyRef, cipher.AEAD, error) {
	pinned, err := v.pin(key)
	if err != nil {
		return pinned, nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	block, err := v.cipherOf(pinned)
	if err != nil {
		return pinned, nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return pinned, aead, err
}
