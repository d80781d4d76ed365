// Package keystore keeps keys in a file: each wrapped as a key block (X9.143 version D) under a key-block protection key that is never
// in the file. Label, version, usage, check value, environment and date are bound into the block, so none of them can be changed
// without the KBPK. Clear keys leave the store only through Use, which the software module and the vault call.
package keystore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/material"
)

// Usage and Algorithm are those of key blocks.
type (
	Usage     = keyblock.Usage
	Algorithm = keyblock.Algorithm
)

// Environment tells test keys from production keys.
type Environment string

// The environments.
const (
	Test       Environment = "test"
	Production Environment = "production"
)

// Methods of key check values.
const (
	ZerosTDES = "tdes-zeros" // first bytes of the encryption of a zero block
	CMACAES   = "aes-cmac"   // first bytes of the AES-CMAC of a zero block (X9.24-1)
)

// Key is what may be known of a key.
type Key struct {
	Label       card.KeyLabel `json:"label"`
	Version     int           `json:"version"`
	Usage       Usage         `json:"usage"`
	Algorithm   string        `json:"algorithm"` // TDES or AES
	KCV         string        `json:"kcv"`       // 6 hex digits
	KCVMethod   string        `json:"kcv_method"`
	Exportable  bool          `json:"exportable"`
	Environment Environment   `json:"environment"`
	Created     time.Time     `json:"created"` // UTC, whole seconds
	Period
	Retired time.Time `json:"retired,omitzero"` // since then it does nothing
}

// Ref names the key.
func (k Key) Ref() card.KeyRef { return card.KeyRef{Label: k.Label, Version: k.Version} }

// Errors of key material.
var (
	ErrParity  = material.ErrParity
	ErrWeakKey = material.ErrWeakKey
	ErrKeySize = material.ErrKeySize
	ErrPairing = errors.New("no such pair of usage and algorithm")
)

// profile is what goes with a usage.
type profile struct {
	algorithms string // letters of allowed algorithms
	mode       byte
	sizes      []int // of TDES keys, in bytes
	export     bool  // may leave the store, if its block allows
	fixed      bool  // versions serve for life: no rotation, no retirement
}

// Lengths of TDES keys: card schemes take double length; keys that carry others must be as strong as these.
var (
	double         = []int{16}
	doubleOrTriple = []int{16, 24}
)

// profileOf is the table of usages. Keys of the vault and PINs at rest never leave: whoever has them and the database has the cards. Keys
// that carry other keys do not leave either: they are carried by people, in components.
func profileOf(u Usage) (profile, bool) {
	switch u {
	case keyblock.CVK, keyblock.IBMPVK, keyblock.VisaPVK:
		return profile{algorithms: "T", sizes: double, mode: 'C', export: true}, true
	case keyblock.ZPK, keyblock.ZEK:
		return profile{algorithms: "TA", sizes: double, mode: 'B', export: true}, true
	case keyblock.Data:
		return profile{algorithms: "A", mode: 'B', fixed: true}, true
	case keyblock.PINStorage:
		return profile{algorithms: "A", mode: 'B'}, true
	case keyblock.KEK:
		return profile{algorithms: "T", sizes: doubleOrTriple, mode: 'B'}, true
	case keyblock.Protection:
		return profile{algorithms: "TA", sizes: doubleOrTriple, mode: 'B'}, true
	}
	return profile{}, false
}

func checkPairing(u Usage, alg Algorithm) (profile, error) {
	p, ok := profileOf(u)
	if !ok || !strings.Contains(p.algorithms, string(rune(alg))) {
		return profile{}, fmt.Errorf("usage %s with algorithm %c: %w", u, rune(alg), ErrPairing)
	}
	return p, nil
}

func algorithmName(a Algorithm) string {
	if a == keyblock.TDES {
		return "TDES"
	}
	return "AES"
}

// Sizes of new keys in bytes: double-length TDES, AES-256.
const (
	newTDESSize = 16
	newAESSize  = 32
)

// newKey draws a key of a label and version. The caller wipes it.
func newKey(label card.KeyLabel, version int, p profile, alg Algorithm, entropy hsm.Entropy) ([]byte, error) {
	size := newAESSize
	if alg == keyblock.TDES {
		size = newTDESSize
	}
	key := make([]byte, size)
	for draw := 1; ; draw++ {
		if err := entropy.Draw(fmt.Sprintf("key %s draw %d", label, draw), uint64(version), key); err != nil {
			return nil, fmt.Errorf("new key %s: %w", label, err)
		}
		if alg == keyblock.TDES {
			material.SetOddParity(key)
		}
		err := checkMaterial(p, alg, key)
		if err == nil {
			return key, nil
		}
		// A fair source gives a weak key about once in 2^53 draws; one that keeps doing it is broken.
		if draw == 3 {
			clear(key)
			return nil, fmt.Errorf("new key %s: %w", label, err)
		}
	}
}

// checkMaterial refuses keys that may not be used: wrong lengths, even parity, weak halves, a single-length key in disguise.
func checkMaterial(p profile, alg Algorithm, key []byte) error {
	if alg == keyblock.AES {
		return material.CheckAES(key)
	}
	if !slices.Contains(p.sizes, len(key)) {
		return ErrKeySize
	}
	return material.CheckTDES(key)
}

// CheckValue computes the check value of a clear key and the name of its method: for TDES the encryption of a zero block, for AES the
// AES-CMAC of one, six hex digits.
func CheckValue(alg Algorithm, key []byte) (kcv, method string, err error) {
	if alg == keyblock.AES {
		mac, err := material.CMACAES(key)
		if err != nil {
			return "", "", fmt.Errorf("check value: %w", err)
		}
		return upperHex(mac[:material.CheckValueSize]), CMACAES, nil
	}
	zeros, err := material.ZerosTDES(key)
	if err != nil {
		return "", "", fmt.Errorf("check value: %w", err)
	}
	return upperHex(zeros[:material.CheckValueSize]), ZerosTDES, nil
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
