package software

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"sync"

	"platen/card"
	"platen/hsm"
	"platen/hsm/cmac"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/pinblock"
	"platen/hsm/tdes"
)

// newTDESKey builds a double-length key, which is what card schemes use.
func newTDESKey(clearKey []byte) (*tdes.Key, error) {
	if len(clearKey) != 16 {
		return nil, keystore.ErrKeySize
	}
	return tdes.New(clearKey)
}

// aesKey is an AES key for PIN blocks, with a second key derived from it that makes repeatable fill.
type aesKey struct {
	block cipher.Block
	fill  cipher.Block
}

func newAESKey(clearKey []byte) (*aesKey, error) {
	block, err := aes.NewCipher(clearKey)
	if err != nil {
		return nil, err
	}
	derived := cmac.Sum(block, []byte(pinblock.FillLabel))
	defer clear(derived[:])
	fill, err := aes.NewCipher(derived[:])
	if err != nil {
		return nil, err
	}
	return &aesKey{block: block, fill: fill}, nil
}

// keyring builds the ciphers of a key when it is first used and keeps them. Usage and algorithm are checked at every call.
type keyring struct {
	store *keystore.Store
	mu    *sync.RWMutex
	tdes  map[card.KeyRef]*tdes.Key
	aes   map[card.KeyRef]*aesKey
}

func newKeyring(store *keystore.Store) keyring {
	return keyring{store: store, mu: new(sync.RWMutex), tdes: map[card.KeyRef]*tdes.Key{}, aes: map[card.KeyRef]*aesKey{}}
}

// resolve pins a reference to a version and checks what the key is for.
func (r *keyring) resolve(ref card.KeyRef, usage keyblock.Usage, algorithm string) (card.KeyRef, error) {
	k, err := r.store.Lookup(ref)
	if err != nil {
		return card.KeyRef{}, err
	}
	if k.Usage != usage || k.Algorithm != algorithm {
		return card.KeyRef{}, fmt.Errorf("key %s of usage %s (%s) as %s (%s): %w", k.Ref(), k.Usage, k.Algorithm, usage, algorithm, hsm.ErrKeyUsage)
	}
	return k.Ref(), nil
}

// tdesFor returns the TDES key of a usage.
func (r *keyring) tdesFor(ref card.KeyRef, usage keyblock.Usage) (*tdes.Key, error) {
	pinned, err := r.resolve(ref, usage, "TDES")
	if err != nil {
		return nil, err
	}
	return built(r, r.tdes, pinned, usage, keyblock.TDES, newTDESKey)
}

// aesFor returns the AES key of a usage and its version.
func (r *keyring) aesFor(ref card.KeyRef, usage keyblock.Usage) (*aesKey, int, error) {
	pinned, err := r.resolve(ref, usage, "AES")
	if err != nil {
		return nil, 0, err
	}
	k, err := built(r, r.aes, pinned, usage, keyblock.AES, newAESKey)
	return k, pinned.Version, err
}

// built takes a key from its cache or opens it in the keystore, which checks the usage again against the key block itself.
func built[K any](r *keyring, cache map[card.KeyRef]*K, pinned card.KeyRef, usage keyblock.Usage, alg keyblock.Algorithm, build func([]byte) (*K, error)) (*K, error) {
	r.mu.RLock()
	k, ok := cache[pinned]
	r.mu.RUnlock()
	if ok {
		return k, nil
	}
	err := r.store.Use(pinned, usage, alg, func(clearKey []byte) (err error) {
		k, err = build(clearKey)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	cache[pinned] = k
	r.mu.Unlock()
	return k, nil
}
