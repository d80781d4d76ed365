// Package mac is the block-cipher MACs of ISO/IEC 9797-1 over DES: algorithms 1 and 3 with padding methods 1 and 2. Terminals, EMV cards and
// script messages rest on them.
package mac

import (
	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// Padding is a padding method of ISO/IEC 9797-1.
type Padding int

// The padding methods.
const (
	Zeros Padding = 1 // method 1: zeros to a whole block; nothing when the data are whole blocks
	Bit   Padding = 2 // method 2: always one bit 1 (a byte 80), then zeros
)

// Size is the length of a full MAC in bytes.
const Size = tdes.BlockSize

// Pad brings data to whole blocks, and to one at least. It never changes data.
func Pad(data []byte, method Padding) ([]byte, error) {
	out := make([]byte, len(data), len(data)+2*Size)
	copy(out, data)
	switch method {
	case Zeros:
	case Bit:
		out = append(out, 0x80)
	default:
		return nil, &hsm.InputError{Field: "padding", Reason: "must be 1 or 2"}
	}
	for len(out) == 0 || len(out)%Size != 0 {
		out = append(out, 0)
	}
	return out, nil
}

// Algorithm1 is CBC-MAC: data chained under the whole key, single, double or triple.
func Algorithm1(k *tdes.Key, data []byte, method Padding) ([Size]byte, error) {
	padded, err := Pad(data, method)
	if err != nil {
		return [Size]byte{}, err
	}
	return chain(k.Encrypt, padded), nil
}

// Algorithm3 is the retail MAC: data chained under the left part of a double-length key, then decrypted under the right and encrypted under
// the left again.
func Algorithm3(k *tdes.Key, data []byte, method Padding) ([Size]byte, error) {
	if k.Parts() != 2 {
		return [Size]byte{}, &hsm.InputError{Field: "key", Reason: "must be of double length"}
	}
	padded, err := Pad(data, method)
	if err != nil {
		return [Size]byte{}, err
	}
	last := len(padded) - Size
	var out [Size]byte
	if last > 0 {
		out = chain(k.Left().Encrypt, padded[:last])
	}
	nibbles.Xor(out[:], padded[last:])
	k.Encrypt(out[:], out[:])
	return out, nil
}

// Retail is Algorithm3 with two keys of any length: data chained under first, then decrypted under second and encrypted under first.
func Retail(first, second *tdes.Key, data []byte, method Padding) ([Size]byte, error) {
	padded, err := Pad(data, method)
	if err != nil {
		return [Size]byte{}, err
	}
	out := chain(first.Encrypt, padded)
	second.Decrypt(out[:], out[:])
	first.Encrypt(out[:], out[:])
	return out, nil
}

func chain(encrypt func(dst, src []byte), data []byte) [Size]byte {
	var out [Size]byte
	for ; len(data) > 0; data = data[Size:] {
		nibbles.Xor(out[:], data[:Size])
		encrypt(out[:], out[:])
	}
	return out
}
