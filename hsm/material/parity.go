// Package material is what may be told of and done to clear keys before they are anybody's: parity, weakness, components, check values.
// Whoever enters, generates or unwraps a key asks here whether it may be used.
package material

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"math/bits"
	"strings"
)

// Errors of key material.
var (
	ErrParity  = errors.New("TDES key must have odd parity in every byte")
	ErrWeakKey = errors.New("key is weak, or its halves are equal")
	ErrKeySize = errors.New("key has the wrong length for its algorithm")
)

// OddParity tells whether every byte of a DES key has an odd count of ones.
func OddParity(key []byte) bool {
	even := 0
	for _, b := range key {
		even |= bits.OnesCount8(b)&1 ^ 1
	}
	return even == 0
}

// SetOddParity gives every byte an odd count of ones by its last bit, which DES ignores.
func SetOddParity(key []byte) {
	for i, b := range key {
		key[i] = b&0xFE | byte(bits.OnesCount8(b>>1)+1)&1
	}
}

// CheckTDES refuses double- and triple-length keys that may not be used: even parity, a weak part, two equal neighbours (which make a
// single-length or double-length key look longer). The first and third parts of a triple-length key may not be equal either.
func CheckTDES(key []byte) error {
	if len(key) != 16 && len(key) != 24 {
		return ErrKeySize
	}
	if !OddParity(key) {
		return ErrParity
	}
	for at := 0; at < len(key); at += 8 {
		if WeakDES(key[at : at+8]) {
			return ErrWeakKey
		}
		for other := 0; other < at; other += 8 {
			if subtle.ConstantTimeCompare(key[at:at+8], key[other:other+8]) == 1 {
				return ErrWeakKey
			}
		}
	}
	return nil
}

// CheckAES refuses AES keys of a wrong length or of one repeated byte.
func CheckAES(key []byte) error {
	if len(key) != 16 && len(key) != 24 && len(key) != 32 {
		return ErrKeySize
	}
	rest := byte(0)
	for _, b := range key {
		rest |= b ^ key[0]
	}
	if rest == 0 {
		return ErrWeakKey
	}
	return nil
}

// WeakDES tells whether an odd-parity single DES key is one of the 4 weak or 12 semi-weak keys (NIST SP 800-67, 3.4.2): those whose two
// halves of the key schedule are constant or alternate.
func WeakDES(key []byte) bool {
	const weak = "0101010101010101 FEFEFEFEFEFEFEFE E0E0E0E0F1F1F1F1 1F1F1F1F0E0E0E0E " +
		"011F011F010E010E 1F011F010E010E01 01E001E001F101F1 E001E001F101F101 01FE01FE01FE01FE FE01FE01FE01FE01 " +
		"1FE01FE00EF10EF1 E01FE01FF10EF10E 1FFE1FFE0EFE0EFE FE1FFE1FFE0EFE0E E0FEE0FEF1FEF1FE FEE0FEE0FEF1FEF1"
	found := 0
	for field := range strings.FieldsSeq(weak) {
		b, err := hex.DecodeString(field)
		if err != nil {
			panic("material: table of weak keys is malformed")
		}
		found |= subtle.ConstantTimeCompare(b, key)
	}
	return found == 1
}
