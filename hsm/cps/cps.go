// Package cps derives the keys of card personalization (EMV Card Personalization Specification 1.1, Global Platform SCP02) and enciphers what
// travels under them.
package cps

import (
	"platen/hsm"
	"platen/hsm/mac"
	"platen/hsm/tdes"
)

// Purpose is what a card key is for.
type Purpose byte

// The card keys.
const (
	Encryption     Purpose = 1 // KENC: authentication and encryption
	Authentication Purpose = 2 // KMAC: commands
	DataEncryption Purpose = 3 // KDEK: secret data
)

// Key is a double-length key.
type Key = [2 * tdes.BlockSize]byte

// keyDataSize is the length of KEYDATA, which a card names its keys by.
const keyDataSize = 10

// CardKey derives a card's key from the issuer's master key (KMC) and KEYDATA: its last six bytes twice, marked with the purpose (CPS 4.1).
func CardKey(master *tdes.Key, keyData []byte, purpose Purpose) (Key, error) {
	if len(keyData) != keyDataSize {
		return Key{}, errKeyData
	}
	return diversify(master, keyData[4:], purpose)
}

// VisaCardKey is CardKey with the older choice of bytes: the first two and the fifth to eighth of KEYDATA (Visa2).
func VisaCardKey(master *tdes.Key, keyData []byte, purpose Purpose) (Key, error) {
	if len(keyData) != keyDataSize {
		return Key{}, errKeyData
	}
	return diversify(master, append(append([]byte(nil), keyData[:2]...), keyData[4:8]...), purpose)
}

var errKeyData = &hsm.InputError{Field: "keydata", Reason: "must have 10 bytes"}

func diversify(master *tdes.Key, six []byte, purpose Purpose) (Key, error) {
	if purpose < Encryption || purpose > DataEncryption {
		return Key{}, &hsm.InputError{Field: "purpose", Reason: "must be KENC, KMAC or KDEK"}
	}
	var left, right [tdes.BlockSize]byte
	copy(left[:], six)
	copy(right[:], six)
	left[6], left[7] = 0xF0, byte(purpose)
	right[6], right[7] = 0x0F, byte(purpose)
	return master.Derive(left, right), nil
}

// Constants of session keys (SCP02).
var (
	SessionEncryption     = [2]byte{0x01, 0x82} // SKUENC
	SessionAuthentication = [2]byte{0x01, 0x01} // SKUMAC
	SessionData           = [2]byte{0x01, 0x81} // SKUDEK
	SessionResponse       = [2]byte{0x01, 0x02} // R-MAC
)

// SessionKey derives a session key of a card's static key: constant, sequence counter and twelve zeros, chained.
func SessionKey(static *tdes.Key, constant, counter [2]byte) (Key, error) {
	data := make([]byte, 2*tdes.BlockSize)
	copy(data, constant[:])
	copy(data[2:], counter[:])
	out, err := static.EncryptCBC(make([]byte, tdes.BlockSize), data)
	if err != nil {
		return Key{}, err
	}
	return Key(out), nil
}

// EncryptGrouping enciphers the secret data of a data grouping (DGI) under a session or transport key: ECB, padded with 80 and zeros when the
// data are not whole blocks.
func EncryptGrouping(k *tdes.Key, data []byte) ([]byte, error) {
	if len(data)%tdes.BlockSize != 0 {
		var err error
		if data, err = mac.Pad(data, mac.Bit); err != nil {
			return nil, err
		}
		defer clear(data)
	}
	return k.EncryptECB(data)
}
