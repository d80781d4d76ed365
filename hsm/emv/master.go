// Package emv derives the keys of EMV cards and computes what they compute: cryptograms, issuer responses, script messages, and the
// certificates of offline data authentication (EMV Books 2 and 3). It serves self-tests of personalization data and the check of foreign test
// packs; no card is made with it yet.
package emv

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"

	"platen/hsm"
	"platen/hsm/material"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// Key is a double-length key of a card or a session.
type Key = [2 * tdes.BlockSize]byte

// identityDigits is how much of card number and sequence number a master key is derived from.
const identityDigits = 16

// MasterKeyA derives a card's master key by option A (EMV Book 2, A1.4.1): the last 16 digits of card number and sequence number under the
// issuer's master key, and the same inverted, with odd parity.
func MasterKeyA(issuer *tdes.Key, pan, psn string) (Key, error) {
	digits, err := identity(issuer, pan, psn)
	if err != nil {
		return Key{}, err
	}
	if n := len(digits) - identityDigits; n > 0 {
		digits = digits[n:]
	}
	return derive(issuer, strings.Repeat("0", identityDigits-len(digits))+digits), nil
}

// MasterKeyB derives by option B (EMV Book 2, A1.4.2): for card numbers longer than 16 digits from their hash, for others as option A.
func MasterKeyB(issuer *tdes.Key, pan, psn string) (Key, error) {
	if len(pan) <= identityDigits {
		return MasterKeyA(issuer, pan, psn)
	}
	return MasterKeyHashed(issuer, pan, psn)
}

// MasterKeyHashed is option B for card numbers of every length. Some contactless keys (dCVV, CVC3) are derived so.
func MasterKeyHashed(issuer *tdes.Key, pan, psn string) (Key, error) {
	digits, err := identity(issuer, pan, psn)
	if err != nil {
		return Key{}, err
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	packed, err := hex.DecodeString(digits)
	if err != nil {
		return Key{}, &hsm.InputError{Field: "pan", Reason: "must hold decimal digits only"}
	}
	hash := sha1.Sum(packed)
	var wide [2 * sha1.Size]byte
	nibbles.Split(wide[:], hash[:])
	chosen := make([]byte, identityDigits)
	nibbles.Decimalise(chosen, wide[:])
	return derive(issuer, string(chosen)), nil
}

// identity is card number and sequence number; no sequence number is 00.
func identity(issuer *tdes.Key, pan, psn string) (string, error) {
	if issuer.Parts() != 2 {
		return "", &hsm.InputError{Field: "key", Reason: "must be of double length"}
	}
	if err := hsm.CheckDigits("pan", pan, 12, 19); err != nil {
		return "", err
	}
	if psn == "" {
		psn = "00"
	}
	if err := hsm.CheckDigits("psn", psn, 2, 2); err != nil {
		return "", err
	}
	return pan + psn, nil
}

func derive(issuer *tdes.Key, digits string) Key {
	var wide [identityDigits]byte
	var y [tdes.BlockSize]byte
	copy(wide[:], digits)
	nibbles.Join(y[:], wide[:])
	out := issuer.Derive(y, tdes.Invert(y))
	material.SetOddParity(out[:])
	return out
}

// SessionKey derives a session key by the common method (EMV Book 2, A1.3.1): the diversifier with its third byte F0, and with 0F, under the
// card's master key, with odd parity. The diversifier is the application transaction counter and six zeros for cryptograms (M/Chip: counter,
// two zeros, unpredictable number), the cryptogram for script messages.
func SessionKey(master Key, diversifier [tdes.BlockSize]byte) (Key, error) {
	k, err := tdes.New(master[:])
	if err != nil {
		return Key{}, err
	}
	left, right := diversifier, diversifier
	left[2], right[2] = 0xF0, 0x0F
	out := k.Derive(left, right)
	material.SetOddParity(out[:])
	return out, nil
}

// VisaScriptKey derives Visa's session key for script messages: the transaction counter added to the end of the left half of the master key,
// and inverted to the end of the right, with odd parity.
func VisaScriptKey(master Key, counter [2]byte) Key {
	out := master
	out[6] ^= counter[0]
	out[7] ^= counter[1]
	out[14] ^= ^counter[0]
	out[15] ^= ^counter[1]
	material.SetOddParity(out[:])
	return out
}
