// Package cmac is the block-cipher MAC of NIST SP 800-38B. Key blocks, key check values and key derivation rest on it.
package cmac

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"errors"
	"fmt"
)

// Lengths of full MACs in bytes.
const (
	Size     = aes.BlockSize
	SizeTDES = des.BlockSize
)

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
	var mac, subkey [Size]byte
	compute(block, message, mac[:], subkey[:], 0x87)
	return mac
}

// Remote is Sum for a cipher elsewhere, which enciphers one block a call and may fail.
func Remote(encrypt func(block []byte) ([]byte, error), message []byte) ([Size]byte, error) {
	r := &remote{encrypt: encrypt}
	mac := Sum(r, message)
	return mac, r.err
}

// remote is a cipher elsewhere as a cipher.Block. After an error it keeps it and enciphers nothing more.
type remote struct {
	encrypt func(block []byte) ([]byte, error)
	err     error
}

// BlockSize implements cipher.Block.
func (r *remote) BlockSize() int { return Size }

// Encrypt implements cipher.Block.
func (r *remote) Encrypt(dst, src []byte) {
	if r.err != nil {
		return
	}
	out, err := r.encrypt(src[:Size])
	if r.err = err; err == nil {
		copy(dst, out)
	}
}

// Decrypt implements cipher.Block. A CMAC has no use for it.
func (r *remote) Decrypt([]byte, []byte) { r.err = errDecrypt }

var errDecrypt = errors.New("a CMAC deciphers nothing")

// SumTDES computes the CMAC of message under a cipher with blocks of 8 bytes.
func SumTDES(block cipher.Block, message []byte) [SizeTDES]byte {
	var mac, subkey [SizeTDES]byte
	compute(block, message, mac[:], subkey[:], 0x1B)
	return mac
}

// compute fills mac; subkey is working storage as long as it, polynomial the end of the field's polynomial (SP 800-38B, 5.3).
func compute(block cipher.Block, message, mac, subkey []byte, polynomial byte) {
	size := len(mac)
	block.Encrypt(subkey, subkey)
	double(subkey, polynomial)
	if rest := len(message) % size; rest != 0 || len(message) == 0 {
		double(subkey, polynomial)
	}
	for len(message) > size {
		xor(mac, message[:size])
		block.Encrypt(mac, mac)
		message = message[size:]
	}
	xor(mac, message)
	if len(message) < size {
		mac[len(message)] ^= 0x80
	}
	xor(mac, subkey)
	block.Encrypt(mac, mac)
	clear(subkey)
}

// double multiplies by x in the field (SP 800-38B, 6.1).
func double(b []byte, polynomial byte) {
	carry := b[0] >> 7
	last := len(b) - 1
	for i := range last {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[last] = b[last]<<1 ^ carry*polynomial
}

func xor(dst, src []byte) {
	for i, c := range src {
		dst[i] ^= c
	}
}
