// Package thales is what can be computed of the host interface of Thales payShield modules without one: keys under the published test set of
// local master keys (LMKs), headers of key blocks, message frames, and the answers of deterministic host commands. The test LMKs are public:
// whatever is under them is in the clear, so nothing but tests and the check of foreign test packs may use them.
package thales

import (
	"encoding/hex"
	"strings"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// testLMK returns a pair of the published test LMKs, left and right.
func testLMK(pair string) ([16]byte, bool) {
	text := map[string]string{
		"04-05": "40404040404040405151515151515151", "06-07": "61616161616161617070707070707070", "14-15": "E0E0010101010101F1F1010101010101",
		"16-17": "1C587F1C13924FEF0101010101010101", "20-21": "02020202020202020404040404040404", "22-23": "07070707070707071010101010101010",
		"24-25": "13131313131313131515151515151515", "26-27": "16161616161616161919191919191919", "28-29": "1A1A1A1A1A1A1A1A1C1C1C1C1C1C1C1C",
		"30-31": "23232323232323232525252525252525", "32-33": "26262626262626262929292929292929", "34-35": "2A2A2A2A2A2A2A2A2C2C2C2C2C2C2C2C",
	}[pair]
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 16 {
		return [16]byte{}, false
	}
	return [16]byte(raw), true
}

// variants are added to the first byte of an LMK's left half; the first is none.
const variants = "\x00\xA6\x5A\x6A\xDE\x2B\x50\x74\x9C\xFA"

// The schemes that tell how long a key is and how its parts are enciphered.
const (
	schemeDouble    = 'U' // two parts, each under its own variant of the LMK's right half
	schemeTriple    = 'T' // three parts so
	schemeX917      = 'X' // two parts as they are (ANSI X9.17)
	schemeX917Three = 'Y' // three parts as they are
	schemeSingle    = 'Z' // one part
)

// partVariants are added to the first byte of an LMK's right half for each part of a key, by scheme.
func partVariants(scheme byte) string {
	switch scheme {
	case schemeDouble:
		return "\xA6\x5A"
	case schemeTriple:
		return "\x6A\xDE\x2B"
	case schemeX917:
		return "\x00\x00"
	case schemeX917Three:
		return "\x00\x00\x00"
	}
	return "\x00"
}

// Slot is where a key type lives: a pair of LMKs and a variant.
type Slot struct {
	Pair    string
	Variant int
}

// Slots of the key types that commands take.
var (
	slotZPK = Slot{"06-07", 0} // 001
	slotPVK = Slot{"14-15", 0} // 002
	slotCVK = Slot{"14-15", 4} // 402
	slotZEK = Slot{"30-31", 0} // 00A
)

// masters builds the ciphers of a slot, one for each part of a key.
func (s Slot) masters(scheme byte, parts int) ([]*tdes.Key, error) {
	pair, ok := testLMK(s.Pair)
	if !ok || s.Variant < 0 || s.Variant >= len(variants) {
		return nil, &hsm.InputError{Field: "lmk", Reason: "is not a pair and variant of the test set"}
	}
	pair[0] ^= variants[s.Variant]
	added := partVariants(scheme)
	out := make([]*tdes.Key, parts)
	for i := range out {
		part := pair
		part[8] ^= added[i%len(added)]
		k, err := tdes.New(part[:])
		if err != nil {
			return nil, err
		}
		out[i] = k
	}
	return out, nil
}

// cutKey divides text into a key under an LMK, with its scheme, and the rest. Without a scheme a key is 16 hexadecimal digits, or 32 where
// double is true.
func cutKey(text string, double bool) (scheme byte, digits, rest string, ok bool) {
	size := 16
	switch {
	case text == "":
		return 0, "", "", false
	case strings.IndexByte("UTXYZ", text[0]) >= 0:
		scheme, text = text[0], text[1:]
		size = 16 * len(partVariants(scheme))
	case double:
		size = 32
	}
	if len(text) < size {
		return 0, "", "", false
	}
	return scheme, text[:size], text[size:], true
}

// Decrypt opens a key under the test LMK of a slot: its scheme letter, or none, and hexadecimal digits.
func (s Slot) Decrypt(text string) ([]byte, error) {
	scheme, digits, rest, ok := cutKey(text, len(text) == 32)
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || rest != "" {
		return nil, &hsm.InputError{Field: "key", Reason: "must be a scheme U, T, X, Y, Z or none and 16, 32 or 48 hexadecimal digits"}
	}
	return s.each(scheme, raw, (*tdes.Key).Decrypt)
}

// Encrypt puts a clear key under the test LMK of a slot. A scheme of 0 writes no letter.
func (s Slot) Encrypt(scheme byte, key []byte) (string, error) {
	wide := len(partVariants(scheme)) * tdes.BlockSize
	if scheme == 0 {
		wide = len(key)
	}
	if len(key) != wide || len(key) == 0 || len(key)%tdes.BlockSize != 0 {
		return "", &hsm.InputError{Field: "key", Reason: "has another length than its scheme"}
	}
	sealed, err := s.each(scheme, key, (*tdes.Key).Encrypt)
	if err != nil {
		return "", err
	}
	text := strings.ToUpper(hex.EncodeToString(sealed))
	if scheme != 0 {
		text = string(rune(scheme)) + text
	}
	return text, nil
}

func (s Slot) each(scheme byte, in []byte, do func(k *tdes.Key, dst, src []byte)) ([]byte, error) {
	masters, err := s.masters(scheme, len(in)/tdes.BlockSize)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(in))
	for i, k := range masters {
		at := i * tdes.BlockSize
		do(k, out[at:at+tdes.BlockSize], in[at:at+tdes.BlockSize])
	}
	return out, nil
}

// packDigits packs hexadecimal digits, one a byte.
func packDigits(digits [16]byte) []byte {
	out := make([]byte, tdes.BlockSize)
	nibbles.Join(out, digits[:])
	return out
}
