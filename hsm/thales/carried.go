package thales

import (
	"encoding/hex"
	"strings"

	"platen/hsm"
	"platen/hsm/tdes"
)

// EncryptUnder puts a TDES key under a clear zone master key of 16 or 24 bytes by a variant scheme: U for a key of 16 bytes, T for one of 24.
// Each part is enciphered under the ZMK with the scheme's variant on the first byte of its second part. Such a cryptogram binds no usage
// and has no MAC: a key block is better wherever the other side reads one.
func EncryptUnder(zmk []byte, scheme byte, key []byte) (string, error) {
	if (scheme != schemeDouble || len(key) != 16) && (scheme != schemeTriple || len(key) != 24) {
		return "", &hsm.InputError{Field: "scheme", Reason: "must be U for a double-length key or T for a triple-length one"}
	}
	sealed, err := carry(zmk, scheme, key, (*tdes.Key).Encrypt)
	if err != nil {
		return "", err
	}
	return string(rune(scheme)) + strings.ToUpper(hex.EncodeToString(sealed)), nil
}

// DecryptUnder inverts EncryptUnder. The caller wipes the key, and proves it by its check value: nothing else shows a wrong ZMK.
func DecryptUnder(zmk []byte, text string) ([]byte, error) {
	if len(text) != 33 && len(text) != 49 || len(text) == 33 && text[0] != schemeDouble || len(text) == 49 && text[0] != schemeTriple {
		return nil, &hsm.InputError{Field: "key", Reason: "must be U and 32 hexadecimal digits or T and 48"}
	}
	sealed, err := hex.DecodeString(text[1:])
	if err != nil {
		return nil, &hsm.InputError{Field: "key", Reason: "must be U and 32 hexadecimal digits or T and 48"}
	}
	return carry(zmk, text[0], sealed, (*tdes.Key).Decrypt)
}

func carry(zmk []byte, scheme byte, in []byte, do func(k *tdes.Key, dst, src []byte)) ([]byte, error) {
	if len(zmk) != 16 && len(zmk) != 24 {
		return nil, &hsm.InputError{Field: "zmk", Reason: "must be a TDES key of double or triple length"}
	}
	out := make([]byte, len(in))
	part := make([]byte, len(zmk))
	defer clear(part)
	for i, variant := range []byte(partVariants(scheme)) {
		copy(part, zmk)
		part[tdes.BlockSize] ^= variant
		k, err := tdes.New(part)
		if err != nil {
			return nil, err
		}
		at := i * tdes.BlockSize
		do(k, out[at:at+tdes.BlockSize], in[at:at+tdes.BlockSize])
	}
	return out, nil
}
