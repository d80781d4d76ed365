package material

import (
	"crypto/aes"
	"fmt"

	"platen/hsm/cmac"
	"platen/hsm/tdes"
)

// Lengths of check values in bytes, as people read them and as X9.143 writes them for AES.
const (
	CheckValueSize    = 3
	CheckValueAESSize = 5
)

// ZerosTDES is the encryption of a block of zeros under a DES or TDES key: its check value is the beginning.
func ZerosTDES(key []byte) ([tdes.BlockSize]byte, error) {
	var out [tdes.BlockSize]byte
	k, err := tdes.New(key)
	if err != nil {
		return out, ErrKeySize
	}
	k.Encrypt(out[:], out[:])
	return out, nil
}

// CMACAES is the AES-CMAC of a block of zeros (X9.24-1): an AES key's check value is the beginning.
func CMACAES(key []byte) ([cmac.Size]byte, error) {
	mac, err := cmac.AES(key, make([]byte, aes.BlockSize))
	if err != nil {
		return mac, ErrKeySize
	}
	return mac, nil
}

// ZerosAES is the encryption of a block of zeros under an AES key: the check value that older equipment shows.
func ZerosAES(key []byte) ([aes.BlockSize]byte, error) {
	var out [aes.BlockSize]byte
	block, err := aes.NewCipher(key)
	if err != nil {
		return out, fmt.Errorf("check value: %w", ErrKeySize)
	}
	block.Encrypt(out[:], out[:])
	return out, nil
}
