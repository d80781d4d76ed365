// Package cvv computes card verification values: Visa CVV, CVV2 and iCVV, Mastercard CVC 1, CVC 2 and chip CVC 1, and the values that the
// schemes derive from the same routine. They differ only in what stands for expiry and service code.
package cvv

import (
	"crypto/des"

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
	digits        [32]byte
	value         [Digits]byte
}

// Code computes the three digits of a card number (12 to 19 ASCII digits, unchecked), an expiry and a service code: number, expiry and service
// code in two blocks; single DES of the first under the left half of the key, the second added, EDE2 of the sum, decimalised.
func (b *Bench) Code(k *tdes.Key, pan []byte, expiry [4]byte, service [3]byte) []byte {
	n := nibbles.FromASCII(b.digits[:], pan)
	n += nibbles.FromASCII(b.digits[n:], expiry[:])
	n += nibbles.FromASCII(b.digits[n:], service[:])
	clear(b.digits[n:])
	nibbles.Join(b.first[:], b.digits[:16])
	nibbles.Join(b.second[:], b.digits[16:])
	k.Left().Encrypt(b.first[:], b.first[:])
	nibbles.Xor(b.first[:], b.second[:])
	k.Encrypt(b.first[:], b.first[:])
	nibbles.Split(b.digits[:16], b.first[:])
	nibbles.Decimalise(b.value[:], b.digits[:16])
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
