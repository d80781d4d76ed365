// Package vault makes card numbers and tokens: two views of a card's identity under two AES keys. Both are the format-preserving
// permutation FF1 (NIST SP 800-38G), so that no two cards can get the same number or token, and nothing needs to be stored to go back.
// It always runs on the local keystore.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"sync"

	"platen/card"
	"platen/hsm"
	"platen/hsm/ff1"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
)

// Vault implements hsm.Vault. Its methods may be called by many goroutines at once.
type Vault struct {
	keys    *keystore.Store
	scratch sync.Pool

	mu      sync.RWMutex
	ciphers map[card.KeyRef]cipher.Block // by pinned version
	tokens  map[card.KeyRef]*ff1.Permutation
	ranges  map[rangeKey]*permutation
}

var _ hsm.Vault = (*Vault)(nil)

// New makes a vault on a keystore.
func New(keys *keystore.Store) *Vault {
	return &Vault{
		keys:    keys,
		scratch: sync.Pool{New: func() any { return new(ff1.Scratch) }},
		ciphers: map[card.KeyRef]cipher.Block{},
		tokens:  map[card.KeyRef]*ff1.Permutation{},
		ranges:  map[rangeKey]*permutation{},
	}
}

// KeyVersion implements hsm.Vault.
func (v *Vault) KeyVersion(key card.KeyRef) (version int, kcv string, err error) {
	k, err := v.keys.Lookup(key)
	if err != nil {
		return 0, "", err
	}
	return k.Version, k.KCV, nil
}

// pin resolves a reference to a data key's real version and refuses keys of another usage.
func (v *Vault) pin(ref card.KeyRef) (card.KeyRef, error) {
	k, err := v.keys.Lookup(ref)
	if err != nil {
		return card.KeyRef{}, err
	}
	if k.Usage != keyblock.Data {
		return card.KeyRef{}, fmt.Errorf("key %s of usage %s: %w", k.Ref(), k.Usage, hsm.ErrKeyUsage)
	}
	return k.Ref(), nil
}

// cipherOf returns the cipher of a pinned key, built once. v.mu is held for writing.
func (v *Vault) cipherOf(pinned card.KeyRef) (cipher.Block, error) {
	if block, ok := v.ciphers[pinned]; ok {
		return block, nil
	}
	var block cipher.Block
	err := v.keys.Use(pinned, keyblock.Data, keyblock.AES, func(clearKey []byte) (err error) {
		block, err = aes.NewCipher(clearKey)
		return err
	})
	if err != nil {
		return nil, err
	}
	v.ciphers[pinned] = block
	return block, nil
}

// borrow takes working storage; give returns it, wiped.
func (v *Vault) borrow() *ff1.Scratch {
	s, ok := v.scratch.Get().(*ff1.Scratch)
	if !ok {
		return new(ff1.Scratch)
	}
	return s
}

func (v *Vault) give(s *ff1.Scratch) {
	*s = ff1.Scratch{}
	v.scratch.Put(s)
}
