// Package amex computes American Express card security codes.
package amex

import (
	"strings"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// Codes are the three card security codes that one calculation gives.
type Codes struct {
	Five  string // magnetic stripe
	Four  string // printed on the front
	Three string // signature panel
}

const (
	panDigits  = 15
	codeDigits = 5 + 4 + 3
)

// Version1 computes the codes of a number of 15 digits beginning 34 or 37 and an expiry as YYMM: one block of expiry and digits 3 to 14 (first
// the digits, for 34) under the double-length card security code key, decimalised with A to F as 1 to 6.
func Version1(k *tdes.Key, pan, expiry string) (Codes, error) {
	block, err := front(k, pan, expiry)
	if err != nil {
		return Codes{}, err
	}
	k.Encrypt(block[:], block[:])
	return extract(block), nil
}

// Version2 is Version1 with the service code in a second block, chained to the first. Its algorithm is known from one source: an issuer confirms
// it with its network's own test pack before it prints such codes.
func Version2(k *tdes.Key, pan, expiry, service string) (Codes, error) {
	if err := hsm.CheckDigits("service_code", service, 3, 3); err != nil {
		return Codes{}, err
	}
	block, err := front(k, pan, expiry)
	if err != nil {
		return Codes{}, err
	}
	k.Encrypt(block[:], block[:])
	second := packed(service + strings.Repeat("0", 2*tdes.BlockSize-len(service)))
	nibbles.Xor(block[:], second[:])
	k.Encrypt(block[:], block[:])
	return extract(block), nil
}

// front is the first block.
func front(k *tdes.Key, pan, expiry string) ([tdes.BlockSize]byte, error) {
	var none [tdes.BlockSize]byte
	if k.Parts() != 2 {
		return none, &hsm.InputError{Field: "key", Reason: "must be of double length"}
	}
	if err := hsm.CheckDigits("pan", pan, panDigits, panDigits); err != nil {
		return none, err
	}
	if err := hsm.CheckDigits("expiry", expiry, 4, 4); err != nil {
		return none, err
	}
	body := pan[2 : panDigits-1]
	switch pan[:2] {
	case "34":
		return packed(body + expiry), nil
	case "37":
		return packed(expiry + body), nil
	}
	return none, &hsm.InputError{Field: "pan", Reason: "must begin with 34 or 37"}
}

func packed(digits string) [tdes.BlockSize]byte {
	var wide [2 * tdes.BlockSize]byte
	var out [tdes.BlockSize]byte
	copy(wide[:], digits)
	nibbles.Join(out[:], wide[:])
	return out
}

func extract(block [tdes.BlockSize]byte) Codes {
	var digits [2 * tdes.BlockSize]byte
	nibbles.Split(digits[:], block[:])
	out := make([]byte, codeDigits)
	nibbles.DecimaliseFromOne(out, digits[:])
	return Codes{Five: string(out[:5]), Four: string(out[5:9]), Three: string(out[9:])}
}
