package keyblock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"platen/hsm/cmac"
)

// ErrKeyBlock says that a block cannot be opened: it is malformed, was changed, or is wrapped under another KBPK. It is one error for
// all three, so that it tells an attacker nothing.
var ErrKeyBlock = errors.New("key block cannot be opened: changed, or wrapped under another key")

// Longest keys, to which shorter ones are padded so that the block does not show their length.
const (
	paddedTDES = 24
	paddedAES  = 32
)

// Wrap encrypts key under kbpk (16, 24 or 32 bytes, AES) and binds it to header (X9.143, method D). pad fills buf with random bytes.
func Wrap(kbpk []byte, header Header, key []byte, pad func(buf []byte) error) (string, error) {
	if len(key) == 0 || len(key) > 512 {
		return "", fmt.Errorf("wrap key: %d bytes", len(key))
	}
	masked := len(key)
	switch header.Algorithm {
	case TDES:
		masked = max(masked, paddedTDES)
	case AES:
		masked = max(masked, paddedAES)
	}
	size := (2 + masked + blockSize - 1) / blockSize * blockSize
	head, err := header.encode(2*size + 2*cmac.Size)
	if err != nil {
		return "", fmt.Errorf("wrap key: %w", err)
	}
	text := make([]byte, len(head)+size)
	defer clear(text)
	copy(text, head)
	payload := text[len(head):]
	binary.BigEndian.PutUint16(payload, uint16(len(key)*8))
	copy(payload[2:], key)
	if err := pad(payload[2+len(key):]); err != nil {
		return "", fmt.Errorf("wrap key: %w", err)
	}
	keys, err := derive(kbpk)
	if err != nil {
		return "", fmt.Errorf("wrap key: %w", err)
	}
	mac := cmac.Sum(keys.authentication, text)
	out := make([]byte, size)
	cipher.NewCBCEncrypter(keys.encryption, mac[:]).CryptBlocks(out, payload)
	return head + strings.ToUpper(hex.EncodeToString(out)+hex.EncodeToString(mac[:])), nil
}

// Unwrap opens block under kbpk and returns its header and the clear key, which the caller wipes.
func Unwrap(kbpk []byte, block string) (Header, []byte, error) {
	header, at, err := parseHeader(block)
	if err != nil {
		return Header{}, nil, ErrKeyBlock
	}
	tail, err := hex.DecodeString(block[at:])
	size := len(tail) - cmac.Size
	if err != nil || size < blockSize || size%blockSize != 0 {
		return Header{}, nil, ErrKeyBlock
	}
	keys, err := derive(kbpk)
	if err != nil {
		return Header{}, nil, fmt.Errorf("unwrap key: %w", err)
	}
	text := make([]byte, at+size)
	defer clear(text)
	copy(text, block[:at])
	payload, mac := text[at:], tail[size:]
	cipher.NewCBCDecrypter(keys.encryption, mac).CryptBlocks(payload, tail[:size])
	want := cmac.Sum(keys.authentication, text)
	if subtle.ConstantTimeCompare(want[:], mac) != 1 {
		return Header{}, nil, ErrKeyBlock
	}
	bits := int(binary.BigEndian.Uint16(payload))
	if bits == 0 || bits%8 != 0 || bits/8 > size-2 {
		return Header{}, nil, ErrKeyBlock
	}
	return header, append([]byte(nil), payload[2:2+bits/8]...), nil
}

// derived holds the two keys that a KBPK is never used without.
type derived struct{ encryption, authentication cipher.Block }

// derive makes the encryption and authentication keys of method D from the KBPK.
func derive(kbpk []byte) (derived, error) {
	encryption, authentication, err := deriveKeys(kbpk)
	if err != nil {
		return derived{}, err
	}
	defer clear(encryption)
	defer clear(authentication)
	var d derived
	if d.encryption, err = aes.NewCipher(encryption); err != nil {
		return derived{}, fmt.Errorf("key-block encryption key: %w", err)
	}
	if d.authentication, err = aes.NewCipher(authentication); err != nil {
		return derived{}, fmt.Errorf("key-block authentication key: %w", err)
	}
	return d, nil
}

// deriveKeys is the AES-CMAC key derivation of X9.143, method D: counter, usage, separator, algorithm, length in bits.
func deriveKeys(kbpk []byte) (encryption, authentication []byte, err error) {
	algorithm, ok := map[int]byte{16: 2, 24: 3, 32: 4}[len(kbpk)]
	if !ok {
		return nil, nil, fmt.Errorf("KBPK must be an AES key of 16, 24 or 32 bytes, not %d", len(kbpk))
	}
	block, err := aes.NewCipher(kbpk)
	if err != nil {
		return nil, nil, fmt.Errorf("KBPK: %w", err)
	}
	expand := func(usage byte) []byte {
		out := make([]byte, 0, 2*cmac.Size)
		for counter := byte(1); len(out) < len(kbpk); counter++ {
			mac := cmac.Sum(block, []byte{counter, 0, usage, 0, 0, algorithm, byte(len(kbpk) * 8 >> 8), byte(len(kbpk) * 8)})
			out = append(out, mac[:]...)
		}
		return out[:len(kbpk)]
	}
	return expand(0), expand(1), nil
}
