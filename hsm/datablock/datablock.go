// Package datablock enciphers data of whole blocks in the modes of hsm.DataMode: electronic codebook, and cipher block chaining that begins with a
// block of zeros (NIST SP 800-38A). It works in place and makes nothing, so that it serves many cards at once.
package datablock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"

	"platen/hsm"
	"platen/hsm/tdes"
)

// Key is a clear key of the cipher of some modes. The zero Key is none.
type Key struct {
	block cipher.Block
}

// NewKey builds the cipher of a clear key for a mode and those of the same cipher: TDES of 16 bytes, AES of 16, 24 or 32.
func NewKey(mode hsm.DataMode, key []byte) (Key, error) {
	block, err := build(mode, key)
	return Key{block: block}, err
}

// Encrypt enciphers whole blocks in place.
func (k Key) Encrypt(mode hsm.DataMode, data []byte) { Encrypt(k.block, mode, data) }

// Decrypt inverts Encrypt.
func (k Key) Decrypt(mode hsm.DataMode, data []byte) { Decrypt(k.block, mode, data) }

func build(mode hsm.DataMode, key []byte) (cipher.Block, error) {
	switch {
	case mode.BlockSize() == 0:
		return nil, &hsm.InputError{Field: "mode", Reason: "must be tdes-ecb, tdes-cbc, aes-ecb or aes-cbc"}
	case mode.IsAES():
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("data key: %w", &hsm.InputError{Field: "key", Reason: "must have 16, 24 or 32 bytes"})
		}
		return block, nil
	case len(key) != 2*tdes.BlockSize:
		return nil, fmt.Errorf("data key: %w", &hsm.InputError{Field: "key", Reason: "must have 16 bytes"})
	}
	k, err := tdes.New(key)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	return k.Block(), nil
}

// Encrypt enciphers whole blocks in place.
func Encrypt(block cipher.Block, mode hsm.DataMode, data []byte) {
	size := block.BlockSize()
	for at := 0; at < len(data); at += size {
		now := data[at : at+size]
		if mode.Chains() && at > 0 {
			subtle.XORBytes(now, now, data[at-size:at])
		}
		block.Encrypt(now, now)
	}
}

// Decrypt inverts Encrypt.
func Decrypt(block cipher.Block, mode hsm.DataMode, data []byte) {
	size := block.BlockSize()
	// From the end: what a block is chained to is still enciphered.
	for at := len(data) - size; at >= 0; at -= size {
		now := data[at : at+size]
		block.Decrypt(now, now)
		if mode.Chains() && at > 0 {
			subtle.XORBytes(now, now, data[at-size:at])
		}
	}
}
