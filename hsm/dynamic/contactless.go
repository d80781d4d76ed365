// Package dynamic computes card verification values that change: by transaction (Visa dCVV, Mastercard CVC3) and by time.
package dynamic

import (
	"encoding/binary"
	"fmt"

	"platen/hsm"
	"platen/hsm/cvv"
	"platen/hsm/emv"
	"platen/hsm/mac"
	"platen/hsm/tdes"
)

// VisaDCVV computes the dynamic CVV of a contactless magnetic-stripe transaction: the transaction counter (4 digits) stands for the first four
// digits of the card number, and a card key for the CVK.
func VisaDCVV(cardKey emv.Key, pan, expiry, service, counter string) (string, error) {
	if err := hsm.CheckDigits("atc", counter, 4, 4); err != nil {
		return "", err
	}
	if err := hsm.CheckDigits("pan", pan, 12, 19); err != nil {
		return "", err
	}
	k, err := tdes.New(cardKey[:])
	if err != nil {
		return "", err
	}
	return cvv.Compute(k, counter+pan[4:], expiry, service)
}

// StaticCVC3 computes IVCVC3 of a track template: the last two bytes of the retail MAC of its static part under the card's CVC3 key.
func StaticCVC3(cardKey emv.Key, track []byte) ([2]byte, error) {
	full, err := emv.ApplicationCryptogram(cardKey, track, mac.Bit)
	return [2]byte(full[mac.Size-2:]), err
}

// CVC3 computes Mastercard's dynamic CVC of a contactless magnetic-stripe transaction from IVCVC3, the terminal's unpredictable number and the
// transaction counter: the last two bytes of their block as a number, of which the last digits are taken (1 to 5).
func CVC3(cardKey emv.Key, static [2]byte, unpredictable [4]byte, counter [2]byte, digits int) (string, error) {
	if digits < 1 || digits > 5 {
		return "", &hsm.InputError{Field: "digits", Reason: "must be 1 to 5"}
	}
	k, err := tdes.New(cardKey[:])
	if err != nil {
		return "", err
	}
	var block [tdes.BlockSize]byte
	copy(block[:], static[:])
	copy(block[2:], unpredictable[:])
	copy(block[6:], counter[:])
	k.Encrypt(block[:], block[:])
	all := fmt.Sprintf("%05d", binary.BigEndian.Uint16(block[6:]))
	return all[len(all)-digits:], nil
}
