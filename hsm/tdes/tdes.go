// Package tdes is the cipher of the card schemes: DES and Triple DES (NIST SP 800-67) under keys of one, two or three parts, built once
// and used for many cards. It checks no parity: package material does.
package tdes

import (
	"crypto/cipher"
	"crypto/des"
	"errors"
	"fmt"

	"platen/hsm/nibbles"
)

// BlockSize is the length of a block in bytes.
const BlockSize = des.BlockSize

// ErrKeySize says that a key is not of 8, 16 or 24 bytes.
var ErrKeySize = errors.New("DES key must have 8, 16 or 24 bytes")

// ErrBlocks says that data are not whole blocks.
var ErrBlocks = errors.New("data must be whole blocks of 8 bytes")

// Key is a key with its ciphers built. It holds nothing that changes and serves many goroutines.
type Key struct {
	left  cipher.Block // single DES under the first part
	whole cipher.Block // EDE under all parts
	parts int
}

// New builds the ciphers of a clear key of 8, 16 or 24 bytes: single DES, EDE2, EDE3.
func New(key []byte) (*Key, error) {
	var triple [24]byte
	defer clear(triple[:])
	switch len(key) {
	case 8:
		copy(triple[:8], key)
		copy(triple[8:16], key)
		copy(triple[16:], key)
	case 16:
		copy(triple[:], key)
		copy(triple[16:], key[:8])
	case 24:
		copy(triple[:], key)
	default:
		return nil, ErrKeySize
	}
	left, err := des.NewCipher(triple[:8])
	if err != nil {
		return nil, fmt.Errorf("DES: %w", err)
	}
	whole, err := des.NewTripleDESCipher(triple[:])
	if err != nil {
		return nil, fmt.Errorf("TDES: %w", err)
	}
	return &Key{left: left, whole: whole, parts: len(key) / 8}, nil
}

// Parts tells of how many single keys the key is made: 1, 2 or 3.
func (k *Key) Parts() int { return k.parts }

// Left is single DES under the first part.
func (k *Key) Left() cipher.Block { return k.left }

// Block is the whole key as a block cipher.
func (k *Key) Block() cipher.Block { return k.whole }

// Encrypt enciphers one block; dst and src may be the same.
func (k *Key) Encrypt(dst, src []byte) { k.whole.Encrypt(dst, src) }

// Decrypt inverts Encrypt.
func (k *Key) Decrypt(dst, src []byte) { k.whole.Decrypt(dst, src) }

// EncryptECB enciphers each block of data for itself, as keys travel under other keys. It fails with ErrBlocks.
func (k *Key) EncryptECB(data []byte) ([]byte, error) { return each(k.whole.Encrypt, data) }

// DecryptECB inverts EncryptECB.
func (k *Key) DecryptECB(data []byte) ([]byte, error) { return each(k.whole.Decrypt, data) }

func each(do func(dst, src []byte), data []byte) ([]byte, error) {
	if len(data)%BlockSize != 0 {
		return nil, ErrBlocks
	}
	out := make([]byte, len(data))
	for at := 0; at < len(data); at += BlockSize {
		do(out[at:at+BlockSize], data[at:at+BlockSize])
	}
	return out, nil
}

// EncryptCBC chains the blocks of data, beginning with iv of 8 bytes. It fails with ErrBlocks.
func (k *Key) EncryptCBC(iv, data []byte) ([]byte, error) {
	if len(data)%BlockSize != 0 || len(iv) != BlockSize {
		return nil, ErrBlocks
	}
	out := make([]byte, len(data))
	cipher.NewCBCEncrypter(k.whole, iv).CryptBlocks(out, data)
	return out, nil
}

// DecryptCBC inverts EncryptCBC.
func (k *Key) DecryptCBC(iv, data []byte) ([]byte, error) {
	if len(data)%BlockSize != 0 || len(iv) != BlockSize {
		return nil, ErrBlocks
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(k.whole, iv).CryptBlocks(out, data)
	return out, nil
}

// Derive makes a double-length key of two enciphered blocks, left and right, with odd parity left to the caller. EMV and Global Platform
// derive every card's keys so.
func (k *Key) Derive(left, right [BlockSize]byte) [2 * BlockSize]byte {
	var out [2 * BlockSize]byte
	k.whole.Encrypt(out[:BlockSize], left[:])
	k.whole.Encrypt(out[BlockSize:], right[:])
	return out
}

// Invert is a block with every bit changed.
func Invert(block [BlockSize]byte) [BlockSize]byte {
	ones := [BlockSize]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	nibbles.Xor(block[:], ones[:])
	return block
}
