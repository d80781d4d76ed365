package keyblock

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrKeyBlock says that a block cannot be opened: it is malformed, was changed, or is wrapped under another KBPK. It is one error for
// all three, so that it tells an attacker nothing.
var ErrKeyBlock = errors.New("key block cannot be opened: changed, or wrapped under another key")

// Longest keys, to which shorter ones are padded so that the block does not show their length.
const (
	paddedTDES = 24
	paddedAES  = 32
)

// Wrap encrypts key under kbpk and binds it to header: by method D, where kbpk is an AES key of 16, 24 or 32 bytes, or by method B, where it
// is a TDES key of 16 or 24 bytes. pad fills buf with random bytes. Methods A and C are refused.
func Wrap(kbpk []byte, header Header, key []byte, pad func(buf []byte) error) (string, error) {
	if header.Method == 0 {
		header.Method = MethodD
	}
	if header.Method != MethodD && header.Method != MethodB {
		return "", fmt.Errorf("wrap key: method %c is read only", header.Method)
	}
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
	block := header.Method.block()
	size := (2 + masked + block - 1) / block * block
	head, err := header.encode(2*size + 2*header.Method.mac())
	if err != nil {
		return "", fmt.Errorf("wrap key: %w", err)
	}
	protect, err := newProtection(header.Method, kbpk)
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
	return head + strings.ToUpper(hex.EncodeToString(protect.seal(text, len(head)))), nil
}

// Unwrap opens a block of method D under kbpk and returns its header and the clear key, which the caller wipes.
func Unwrap(kbpk []byte, block string) (Header, []byte, error) {
	if len(block) == 0 || Method(block[0]) != MethodD {
		return Header{}, nil, ErrKeyBlock
	}
	return UnwrapAny(kbpk, block)
}

// UnwrapAny is Unwrap for blocks of every method, as they come from other people.
func UnwrapAny(kbpk []byte, block string) (Header, []byte, error) {
	header, at, err := parseHeader(block)
	if err != nil {
		return Header{}, nil, ErrKeyBlock
	}
	// Lower case is refused: a block has one spelling, so that no character of it can change unseen.
	tail, err := hex.DecodeString(block[at:])
	size := len(tail) - header.Method.mac()
	least := header.Method.block()
	if err != nil || strings.ToUpper(block[at:]) != block[at:] || size < least || size%least != 0 {
		return Header{}, nil, ErrKeyBlock
	}
	protect, err := newProtection(header.Method, kbpk)
	if err != nil {
		return Header{}, nil, fmt.Errorf("unwrap key: %w", err)
	}
	payload, ok := protect.open([]byte(block[:at]), tail[:size], tail[size:])
	defer clear(payload)
	if !ok {
		return Header{}, nil, ErrKeyBlock
	}
	bits := int(binary.BigEndian.Uint16(payload))
	if bits == 0 || bits%8 != 0 || bits/8 > size-2 {
		return Header{}, nil, ErrKeyBlock
	}
	return header, append([]byte(nil), payload[2:2+bits/8]...), nil
}
