// Package cmac is the block-cipher MAC of NIST SP 800-38B under AES. Key blocks, key check values and key derivation rest on it.
package cmac

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// Size is the length of a full MAC in bytes.
const Size = aes.BlockSize

// AES computes the AES-CMAC of message under a key of 16, 24 or 32 bytes.
func AES(key, message []byte) ([Size]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return [Size]byte{}, fmt.Errorf("CMAC key: %w", err)
	}
	return Sum(block, message), nil
}

// Sum computes the CMAC of message under a cipher with blocks of 16 bytes.
func Sum(block cipher.Block, message []byte) [Size]byte {
	subkey := double(zeroBlock(block))
	if rest := len(message) % Size; rest != 0 || len(message) == 0 {
		subkey = double(subkey)
	}
	var mac [Size]byte
	for len(message) > Size {
		xor(&mac, message[:Size])
		block.Encrypt(mac[:], mac[:])
		message = message[Size:]
	}
	xor(&mac, message)
	if len(message) < Size {
		mac[len(message)] ^= 0x80
	}
	xor(&mac, subkey[:])
	block.Encrypt(mac[:], mac[:])
	clear(subkey[:])
	return mac
}

func zeroBlock(block cipher.Block) [Size]byte {
	var l [Size]byte
	block.Encrypt(l[:], l[:])
	return l
}

// double multiplies by x in GF(2^128) (SP 800-38B, 6.1).
func double(b [Size]byte) [Size]byte {
	carry := b[0] >> 7
	for i := range Size - 1 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[Size-1] = b[Size-1]<<1 ^ carry*0x87
	return b
}

func xor(dst *[Size]byte, src []byte) {
	for i, c := range src {
		dst[i] ^= c
	}
}
