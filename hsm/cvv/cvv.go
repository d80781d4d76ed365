// Package cvv computes card verification values: Visa CVV, CVV2 and iCVV, Mastercard CVC 1, CVC 2 and chip CVC 1, and the values that the
// schemes derive from the same routine. They differ only in what stands for expiry and service code.
package cvv

import (
	"crypto/des"
	"encoding/binary"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// Digits is the length of a card verification value.
const Digits = 3

// Service codes that stand for a place instead of a card's service.
const (
	CVV2 = "000" // printed
	ICVV = "999" // on the chip
)

// Bench is one caller's working storage, so that a card costs no allocation. The value stands in it until its next use.
type Bench struct {
	first, second [des.BlockSize]byte
	digits        [2 * des.BlockSize]byte
	value         [Digits]byte
}

// Code computes the three digits of a card number (12 to 19 ASCII digits, unchecked), an expiry and a service code: number, expiry and service
// code in two blocks; single DES of the first under the left half of the key, the second added, EDE2 of the sum, decimalised.
func (b *Bench) Code(k *tdes.Key, pan []byte, expiry [4]byte, service [3]byte) []byte {
	b.Blocks(pan, expiry, service)
	k.Left().Encrypt(b.first[:], b.first[:])
	nibbles.Xor(b.first[:], b.second[:])
	k.Encrypt(b.first[:], b.first[:])
	return b.Value(b.first[:])
}

// Blocks are the two blocks that Code enciphers, for those whose cipher is elsewhere.
func (b *Bench) Blocks(pan []byte, expiry [4]byte, service [3]byte) (first, second []byte) {
	const digit, block = 4, 16 // bits, digits
	front := pan[:min(len(pan), block)]
	rest := pan[len(front):]
	tail := nibbles.Word(expiry[:])<<(3*digit) | nibbles.Word(service[:])
	// The seven digits of the tail follow the number's: its rest in the second block, or a short number in the first.
	free := uint(block-len(front)) * digit
	high := nibbles.Word(front)<<free | tail>>(7*digit-free)
	low := nibbles.Word(rest)<<(7*digit) | tail
	binary.BigEndian.PutUint64(b.first[:], high)
	binary.BigEndian.PutUint64(b.second[:], low<<(uint(block-7-len(rest))*digit+free))
	return b.first[:], b.second[:]
}

// Value decimalises the last block of Code.
func (b *Bench) Value(block []byte) []byte {
	nibbles.Split(b.digits[:], block)
	nibbles.Decimalise(b.value[:], b.digits[:])
	return b.value[:]
}

// Compute is Code for text, with everything checked: a number of 12 to 19 digits, an expiry of 4 in whatever order the value wants, a service
// code of 3. It fails with an hsm.InputError.
func Compute(k *tdes.Key, pan, expiry, service string) (string, error) {
	if k.Parts() != 2 {
		return "", &hsm.InputError{Field: "key", Reason: "must be of double length"}
	}
	if err := hsm.CheckDigits("pan", pan, 12, 19); err != nil {
		return "", err
	}
	if err := hsm.CheckDigits("expiry", expiry, 4, 4); err != nil {
		return "", err
	}
	if err := hsm.CheckDigits("service_code", service, 3, 3); err != nil {
		return "", err
	}
	return string(new(Bench).Code(k, []byte(pan), [4]byte([]byte(expiry)), [3]byte([]byte(service)))), nil
}

// CAVV computes the three digits in a Visa cardholder authentication verification value: the routine of a CVV with the four digits of the
// authentication tracking number for the expiry, and the result and second-factor codes for the service code.
func CAVV(k *tdes.Key, pan, trackingNumber, result, secondFactor string) (string, error) {
	if err := hsm.CheckDigits("authentication result", result, 1, 1); err != nil {
		return "", err
	}
	if err := hsm.CheckDigits("second factor", secondFactor, 2, 2); err != nil {
		return "", err
	}
	return Compute(k, pan, trackingNumber, result+secondFactor)
}
