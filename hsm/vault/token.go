package vault

import (
	"fmt"
	"math/bits"

	"platen/card"
	"platen/hsm"
	"platen/hsm/ff1"
)

// A token is T, two base-36 characters of key version, sixteen base-36 characters of permuted identity. The T keeps it from ever being
// all digits, so it cannot be taken for a card number.
const (
	tokenSize     = 19
	tokenRadix    = 36
	tokenNumeral  = 16
	tokenHalf     = tokenNumeral / 2
	tokenIdentity = 1 << 63 // identities are below
)

const tokenDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// tokenOf returns the permutation of tokens under a key, built once.
func (v *Vault) tokenOf(key card.KeyRef) (*ff1.Permutation, card.KeyRef, error) {
	pinned, err := v.pin(key)
	if err != nil {
		return nil, card.KeyRef{}, err
	}
	v.mu.RLock()
	f, ok := v.tokens[pinned]
	v.mu.RUnlock()
	if ok {
		return f, pinned, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	block, err := v.cipherOf(pinned)
	if err != nil {
		return nil, card.KeyRef{}, err
	}
	if f, err = ff1.New(block, tokenRadix, tokenNumeral, []byte("platen card token")); err != nil {
		return nil, card.KeyRef{}, err
	}
	v.tokens[pinned] = f
	return f, pinned, nil
}

// Token implements hsm.Vault.
func (v *Vault) Token(id card.ID, key card.KeyRef) (string, error) {
	if id.Range() < 1 || id.Range() > card.MaxRange {
		return "", fmt.Errorf("token: %w", card.ErrID)
	}
	f, pinned, err := v.tokenOf(key)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if pinned.Version >= tokenRadix*tokenRadix {
		return "", fmt.Errorf("token: key %s: %w", pinned, hsm.ErrToken)
	}
	s := v.borrow()
	defer v.give(s)
	a, b := f.Encrypt(s, uint64(id)/f.Right(), uint64(id)%f.Right())
	var token [tokenSize]byte
	token[0] = 'T'
	putBase36(token[1:3], uint64(pinned.Version))
	putBase36(token[3:3+tokenHalf], a)
	putBase36(token[3+tokenHalf:], b)
	return string(token[:]), nil
}

// OpenToken implements hsm.Vault.
func (v *Vault) OpenToken(token string, label card.KeyLabel) (card.ID, error) {
	if len(token) != tokenSize || token[0] != 'T' {
		return 0, hsm.ErrToken
	}
	version, ok1 := base36(token[1:3])
	a, ok2 := base36(token[3 : 3+tokenHalf])
	b, ok3 := base36(token[3+tokenHalf:])
	if !ok1 || !ok2 || !ok3 || version == 0 {
		return 0, hsm.ErrToken
	}
	pinned := card.KeyRef{Label: label, Version: int(version)}
	// The label comes from configuration and its absence is our fault; the version comes from the token and is the caller's.
	if _, err := v.pin(card.KeyRef{Label: label}); err != nil {
		return 0, fmt.Errorf("open token: %w", err)
	}
	if _, err := v.keys.Lookup(pinned); err != nil {
		return 0, hsm.ErrToken
	}
	f, _, err := v.tokenOf(pinned)
	if err != nil {
		return 0, fmt.Errorf("open token: %w", err)
	}
	s := v.borrow()
	defer v.give(s)
	a, b = f.Decrypt(s, a, b)
	high, low := bits.Mul64(a, f.Right())
	low, carry := bits.Add64(low, b, 0)
	if high+carry != 0 || low >= tokenIdentity {
		return 0, hsm.ErrToken
	}
	id := card.ID(low)
	if id.Range() < 1 {
		return 0, hsm.ErrToken
	}
	return id, nil
}

func putBase36(dst []byte, n uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = tokenDigits[n%tokenRadix]
		n /= tokenRadix
	}
}

func base36(s string) (uint64, bool) {
	n := uint64(0)
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'Z':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n*tokenRadix + uint64(c)
	}
	return n, true
}
