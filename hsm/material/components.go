package material

import (
	"errors"

	"platen/hsm/nibbles"
)

// MaxComponents is the most parts that a key may be entered in.
const MaxComponents = 9

// ErrComponents says that components do not make a key.
var ErrComponents = errors.New("a key needs two to nine components of one length")

// Combine adds components bit by bit to the key that none of their custodians knows. The caller wipes both. Whether the sum may be used
// is for CheckTDES and CheckAES; AdjustParity tells when a sum of even parity is one that may.
func Combine(components ...[]byte) ([]byte, error) {
	if len(components) < 2 || len(components) > MaxComponents || len(components[0]) == 0 {
		return nil, ErrComponents
	}
	key := make([]byte, len(components[0]))
	for _, c := range components {
		if len(c) != len(key) {
			clear(key)
			return nil, ErrComponents
		}
		nibbles.Xor(key, c)
	}
	return key, nil
}

// AdjustParity gives a sum odd parity, which changes only bits that DES ignores, and tells whether it did: when every byte of every component has
// odd parity and the components are an even number, for then every byte of the sum has even parity whatever they are. Any other sum of even parity shows that a component was mistyped or never had parity, and stays as it is.
func AdjustParity(sum []byte, components ...[]byte) bool {
	if len(components)%2 != 0 {
		return false
	}
	for _, c := range components {
		if !OddParity(c) {
			return false
		}
	}
	SetOddParity(sum)
	return true
}
