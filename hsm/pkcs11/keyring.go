//go:build pkcs11

package pkcs11

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	p11 "github.com/miekg/pkcs11"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// What Platen's keys say of themselves in CKA_ID: "platen/test/C0/1" is version 1 of usage C0. CKA_LABEL is the label. They cannot be changed in
// place, for CKA_MODIFIABLE is false. A CVK has a second object, ".../left", for the card verification value begins with single DES under its left
// half: EDE2 with two equal parts.
const (
	idFront = "platen"
	idLeft  = "left"
)

// partID names an object of a key.
type partID struct {
	ref  card.KeyRef
	left bool
}

// String names the part in errors.
func (id partID) String() string {
	if id.left {
		return id.ref.String() + " (left half)"
	}
	return id.ref.String()
}

// key is what the token holds under one label and version.
type key struct {
	usage     keyblock.Usage
	algorithm keyblock.Algorithm
	parts     map[bool]p11.ObjectHandle // by left
	twice     bool
	exposed   bool
}

// keyring is the token's keys by label, in it by version.
type keyring map[card.KeyLabel]map[int]*key

func identity(environment string, usage keyblock.Usage, version int, left bool) string {
	id := strings.Join([]string{idFront, environment, string(usage), strconv.Itoa(version)}, "/")
	if left {
		id += "/" + idLeft
	}
	return id
}

// parseIdentity inverts identity for keys of an environment.
func parseIdentity(id, environment string) (usage keyblock.Usage, version int, left, ok bool) {
	parts := strings.Split(id, "/")
	if len(parts) < 4 || len(parts) > 5 || parts[0] != idFront || parts[1] != environment || len(parts) == 5 && parts[4] != idLeft {
		return "", 0, false, false
	}
	version, err := strconv.Atoi(parts[3])
	return keyblock.Usage(parts[2]), version, len(parts) == 5, err == nil && version > 0 && version <= maxVersion
}

const maxVersion = 0xFF // a stored PIN has a byte for it

// ring returns the keys, read from the token when they are not known or again is true.
func (t *token) ring(s p11.SessionHandle, again bool) (keyring, error) {
	t.mu.Lock()
	known := t.keys
	t.mu.Unlock()
	if known != nil && !again {
		return known, nil
	}
	handles, err := t.objects(s)
	if err != nil {
		return nil, err
	}
	ring := keyring{}
	for _, h := range handles {
		if err := t.learn(ring, s, h); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	t.keys = ring
	t.mu.Unlock()
	return ring, nil
}

func (t *token) objects(s p11.SessionHandle) ([]p11.ObjectHandle, error) {
	template := []*p11.Attribute{p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY), p11.NewAttribute(p11.CKA_TOKEN, true)}
	if err := t.lib.FindObjectsInit(s, template); err != nil {
		return nil, fmt.Errorf("look for keys: %w", err)
	}
	var all []p11.ObjectHandle
	for {
		some, _, err := t.lib.FindObjects(s, 256)
		if err != nil {
			return nil, fmt.Errorf("look for keys: %w", err)
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	if err := t.lib.FindObjectsFinal(s); err != nil {
		return nil, fmt.Errorf("look for keys: %w", err)
	}
	return all, nil
}

// learn adds an object to the ring unless it is none of ours.
func (t *token) learn(ring keyring, s p11.SessionHandle, h p11.ObjectHandle) error {
	a, err := t.lib.GetAttributeValue(s, h, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_LABEL, nil), p11.NewAttribute(p11.CKA_ID, nil), p11.NewAttribute(p11.CKA_KEY_TYPE, nil),
		p11.NewAttribute(p11.CKA_SENSITIVE, nil), p11.NewAttribute(p11.CKA_EXTRACTABLE, nil),
	})
	if err != nil {
		return fmt.Errorf("read what a key says of itself: %w", err)
	}
	usage, version, left, ours := parseIdentity(string(a[1].Value), t.options.Environment)
	label, err := card.NewKeyLabel(string(a[0].Value))
	alg, known := algorithmOf(a[2].Value)
	if !ours || err != nil || !known {
		return nil //nolint:nilerr // other applications name their keys as they like
	}
	versions := ring[label]
	if versions == nil {
		versions = map[int]*key{}
		ring[label] = versions
	}
	k := versions[version]
	if k == nil {
		k = &key{usage: usage, algorithm: alg, parts: map[bool]p11.ObjectHandle{}}
		versions[version] = k
	}
	_, again := k.parts[left]
	k.twice = k.twice || again || k.usage != usage || k.algorithm != alg
	k.exposed = k.exposed || !isTrue(a[3].Value) || isTrue(a[4].Value)
	k.parts[left] = h
	return nil
}

func isTrue(value []byte) bool { return len(value) == 1 && value[0] != 0 }

// algorithmOf reads a CKA_KEY_TYPE, which is a number in the machine's own byte order and width.
func algorithmOf(value []byte) (keyblock.Algorithm, bool) {
	var kind uint64
	switch len(value) {
	case 8:
		kind = binary.NativeEndian.Uint64(value)
	case 4:
		kind = uint64(binary.NativeEndian.Uint32(value))
	}
	switch kind {
	case p11.CKK_AES:
		return keyblock.AES, true
	case p11.CKK_DES2:
		return keyblock.TDES, true
	}
	return 0, false
}

// get is the key of a pinned reference, sound.
func (r keyring) get(ref card.KeyRef) (*key, error) {
	k := r[ref.Label][ref.Version]
	switch {
	case k == nil:
		return nil, fmt.Errorf("key %s: %w", ref, hsm.ErrUnknownKey)
	case k.twice:
		return nil, fmt.Errorf("key %s: %w", ref, ErrTwice)
	case k.exposed:
		return nil, fmt.Errorf("key %s: %w", ref, ErrExposed)
	}
	return k, nil
}

// pin turns a reference to the current version into one to the highest.
func (r keyring) pin(ref card.KeyRef) card.KeyRef {
	if ref.Version != 0 {
		return ref
	}
	for version := range r[ref.Label] {
		ref.Version = max(ref.Version, version)
	}
	return ref
}

// handle is the object of a part.
func (t *token) handle(s p11.SessionHandle, id partID) (p11.ObjectHandle, keyblock.Algorithm, error) {
	ring, err := t.ring(s, false)
	if err != nil {
		return 0, 0, err
	}
	k, err := ring.get(id.ref)
	if err != nil {
		return 0, 0, err
	}
	h, ok := k.parts[id.left]
	if !ok {
		return 0, 0, fmt.Errorf("key %s: %w", id, hsm.ErrUnknownKey)
	}
	return h, k.algorithm, nil
}

// lookup finds a key. fresh looks into the token again, as it does for a key that is not known, which may have come since.
func (t *token) lookup(ctx context.Context, ref card.KeyRef, fresh bool) (found card.KeyRef, k *key, err error) {
	err = t.do(ctx, func(s p11.SessionHandle) error {
		ring, err := t.ring(s, fresh)
		if err != nil {
			return err
		}
		found = ring.pin(ref)
		if k, err = ring.get(found); err == nil || fresh {
			return err
		}
		if ring, err = t.ring(s, true); err != nil {
			return err
		}
		found = ring.pin(ref)
		k, err = ring.get(found)
		return err
	})
	return found, k, err
}

// resolve finds a key and checks what it is for.
func (t *token) resolve(ctx context.Context, ref card.KeyRef, usage keyblock.Usage, alg keyblock.Algorithm) (card.KeyRef, error) {
	found, k, err := t.lookup(ctx, ref, false)
	if err != nil {
		return card.KeyRef{}, err
	}
	if k.usage != usage || k.algorithm != alg {
		return card.KeyRef{}, fmt.Errorf("key %s of usage %s (%c) as %s (%c): %w", found, k.usage, rune(k.algorithm), usage, rune(alg), hsm.ErrKeyUsage)
	}
	return found, nil
}
