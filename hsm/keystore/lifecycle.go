package keystore

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// Errors of a key's life.
var (
	ErrNotActive = errors.New("key is not active yet")
	ErrExpired   = errors.New("key has expired")
	ErrRetired   = errors.New("key is retired")
	ErrFixed     = errors.New("card numbers, tokens or stored PINs depend on this key for their life")
	ErrPinned    = errors.New("key is still needed")
	ErrCurrent   = errors.New("key is the one in force: rotate it first")
	ErrPeriod    = errors.New("key must expire after it activates, and in the future")
)

// Period is when a key may begin something new: from Activates on, before Expires. A zero time sets no bound. What was begun with a key,
// a file that pins its version or a PIN that is stored under it, ends with it, whenever that is.
type Period struct {
	Activates time.Time `json:"activates,omitzero"` // UTC, whole seconds
	Expires   time.Time `json:"expires,omitzero"`   // UTC, whole seconds
}

func (p Period) whole() Period {
	return Period{p.Activates.UTC().Truncate(time.Second), p.Expires.UTC().Truncate(time.Second)}
}

func (p Period) check(now time.Time) error {
	if !p.Expires.IsZero() && (!p.Expires.After(p.Activates) || !p.Expires.After(now)) {
		return &FieldError{"expires", ErrPeriod}
	}
	return nil
}

// InForce answers nil when a key may begin something new at a time, else ErrNotActive, ErrExpired or ErrRetired.
func (k Key) InForce(at time.Time) error {
	switch {
	case !k.Retired.IsZero():
		return fmt.Errorf("key %s: %w", k.Ref(), ErrRetired)
	case !k.Expires.IsZero() && !at.Before(k.Expires):
		return fmt.Errorf("key %s: %w", k.Ref(), ErrExpired)
	case at.Before(k.Activates):
		return fmt.Errorf("key %s: %w", k.Ref(), ErrNotActive)
	}
	return nil
}

// Lookup returns what may be known of one key. Version 0 is the newest in force; it sees what other processes wrote since, and fails as
// InForce does when there is none. A named version serves what was begun with it until it is retired. Unknown keys fail with
// hsm.ErrUnknownKey.
func (s *Store) Lookup(ref card.KeyRef) (Key, error) {
	if k, err := s.lookup(ref); err == nil && ref.Version != 0 {
		return k, nil
	}
	if err := s.refresh(); err != nil {
		return Key{}, err
	}
	return s.lookup(ref)
}

func (s *Store) lookup(ref card.KeyRef) (Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.usable(ref)
	if err != nil {
		return Key{}, err
	}
	return e.Key, nil
}

// refresh reads the file again when another process has replaced it, so that a rotation reaches a running press.
func (s *Store) refresh() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("look at keystore: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if os.SameFile(info, s.seen) && info.Size() == s.seen.Size() && info.ModTime().Equal(s.seen.ModTime()) {
		return nil
	}
	return s.load()
}

// usable is the entry of a reference that may be used: a named version unless it is retired, else the newest in force.
func (s *Store) usable(ref card.KeyRef) (*entry, error) {
	newest, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	if ref.Version != 0 {
		if !newest.Retired.IsZero() {
			return nil, fmt.Errorf("key %s: %w", ref, ErrRetired)
		}
		return newest, nil
	}
	now := s.now()
	var found *entry
	for i := range s.doc.Keys {
		e := &s.doc.Keys[i]
		if e.Label == ref.Label && e.InForce(now) == nil && (found == nil || e.Version > found.Version) {
			found = e
		}
	}
	if found == nil {
		return nil, newest.InForce(now)
	}
	return found, nil
}

// Rotate makes the next version of a key, with the same usage and algorithm. The older versions stay for what was made with them.
// It fails with ErrFixed for keys of usage Data: a range's numbers and tokens exist under one version only.
func (s *Store) Rotate(label card.KeyLabel, entropy hsm.Entropy) error {
	return s.RotateWithin(label, Period{}, entropy)
}

// RotateWithin is Rotate with a period: a version that activates later leaves the present one in force until then.
func (s *Store) RotateWithin(label card.KeyLabel, period Period, entropy hsm.Entropy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.find(card.KeyRef{Label: label})
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if p, _ := profileOf(e.Usage); p.fixed {
		return fmt.Errorf("rotate key %s: %w", label, ErrFixed)
	}
	if e.Version == maxVersion {
		return fmt.Errorf("rotate key %s: it has %d versions, which is the most", label, maxVersion)
	}
	return s.generate(Key{Label: label, Version: e.Version + 1, Usage: e.Usage, Period: period}, e.algorithm(), entropy)
}

// Retire ends a version of a key: nothing is made or opened with it again. needed is asked who still needs it and answers with an error
// when somebody does. The version in force is refused, so that no file can pin it between the question and the end; keys that carry
// other keys are pinned by nobody and may go at any time. Keys of usage Data, and of stored PINs, fail with ErrFixed.
func (s *Store) Retire(ref card.KeyRef, needed func(card.KeyRef) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref.Version == 0 {
		return fmt.Errorf("retire key %s: %w", ref.Label, &FieldError{"version", errors.New("must be named")})
	}
	e, err := s.usable(ref)
	if err != nil {
		return fmt.Errorf("retire: %w", err)
	}
	p, err := checkPairing(e.Usage, e.algorithm())
	if err != nil {
		return err
	}
	carrier := e.Usage == keyblock.KEK || e.Usage == keyblock.Protection
	current, err := s.usable(card.KeyRef{Label: ref.Label})
	switch {
	case p.fixed || e.Usage == keyblock.PINStorage:
		return fmt.Errorf("retire key %s: %w", ref, ErrFixed)
	case err == nil && current.Version == ref.Version && !carrier:
		return fmt.Errorf("retire key %s: %w", ref, ErrCurrent)
	}
	if err := needed(ref); err != nil {
		return fmt.Errorf("retire key %s: %w: %w", ref, ErrPinned, err)
	}
	k := e.Key
	k.Retired = s.now()
	again, err := e.again(s.kbpk.Reveal(), s.kbpk.Reveal(), k)
	if err != nil {
		return err
	}
	next := s.doc
	next.Keys = slices.Clone(s.doc.Keys)
	next.Keys[slices.IndexFunc(next.Keys, func(e entry) bool { return e.Ref() == ref })] = again
	return s.save(next)
}

// Protect wraps every key anew under another key-block protection key, as Create takes it; the file changes as a whole or not at all, and nothing
// is opened with the former one again. Other processes that have the keystore open fail with it until they are started under the new one.
func (s *Store) Protect(kbpk card.Secret) error {
	if err := checkKBPK(kbpk.Reveal()); err != nil {
		return fmt.Errorf("protect keystore: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.doc
	next.Keys = make([]entry, len(s.doc.Keys))
	for i, e := range s.doc.Keys {
		var err error
		if next.Keys[i], err = e.again(s.kbpk.Reveal(), kbpk.Reveal(), e.Key); err != nil {
			return fmt.Errorf("protect keystore: %w", err)
		}
	}
	if err := s.save(next); err != nil {
		return err
	}
	s.kbpk = kbpk
	return nil
}

// again opens an entry and wraps its key with what k says of it, under another key-block protection key or the same.
func (e entry) again(from, to []byte, k Key) (entry, error) {
	alg, clearKey, err := e.open(from)
	if err != nil {
		return entry{}, err
	}
	defer clear(clearKey)
	p, err := checkPairing(e.Usage, alg)
	if err != nil {
		return entry{}, err
	}
	pad := func(buf []byte) error { return hsm.SystemEntropy().Draw("key block pad", 0, buf) }
	return wrap(to, k, alg, p, clearKey, pad)
}
