package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// Errors of a store.
var (
	ErrExists  = errors.New("already exists")
	ErrChanged = errors.New("keystore file was changed by another process: open it again")
	ErrFormat  = errors.New("keystore file is malformed")
	ErrExport  = errors.New("key may not be exported")
)

const (
	fileFormat  = 1
	maxVersion  = 99 // two digits of a key block
	maxFileSize = 16 << 20
)

// document is the file.
type document struct {
	Format      int         `json:"format"`
	Environment Environment `json:"environment"`
	Keys        []entry     `json:"keys"`
}

// Store is an open keystore. Its methods may be called by many goroutines at once.
type Store struct {
	mu    sync.RWMutex
	path  string
	kbpk  card.Secret
	now   func() time.Time
	saved []byte // what the file held when it was last read or written
	seen  os.FileInfo
	doc   document
}

// Create makes an empty keystore at path, which must not exist, with mode 0600. kbpk is an AES key of 16, 24 or 32 bytes, or
// the pair of keyblock.DerivePair; the store keeps using it.
func Create(path string, kbpk card.Secret, env Environment) (*Store, error) {
	if env != Test && env != Production {
		return nil, fmt.Errorf("create keystore: environment %q is neither %s nor %s", env, Test, Production)
	}
	s := &Store{path: path, kbpk: kbpk, now: time.Now, doc: document{Format: fileFormat, Environment: env, Keys: []entry{}}}
	if err := checkKBPK(kbpk.Reveal()); err != nil {
		return nil, fmt.Errorf("create keystore: %w", err)
	}
	saved, err := encode(s.doc)
	if err != nil {
		return nil, err
	}
	if err := createFile(path, saved); err != nil {
		return nil, fmt.Errorf("create keystore: %w", err)
	}
	s.saved = saved
	s.seen, err = os.Stat(path)
	return s, err
}

// Open reads a keystore and proves every key in it: a changed block, a changed word about a key and a wrong KBPK are refused.
func Open(path string, kbpk card.Secret) (*Store, error) {
	if err := checkKBPK(kbpk.Reveal()); err != nil {
		return nil, fmt.Errorf("open keystore: %w", err)
	}
	s := &Store{path: path, kbpk: kbpk, now: time.Now}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// load reads and proves the file; the store is unchanged when that fails.
func (s *Store) load() error {
	// Looked at before it is read: a file that is replaced between the two is read again the next time.
	seen, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("open keystore: %w", err)
	}
	saved, err := readPrivate(s.path, maxFileSize)
	if err != nil {
		return fmt.Errorf("open keystore: %w", err)
	}
	var doc document
	decoder := json.NewDecoder(bytes.NewReader(saved))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil || doc.Format != fileFormat || decoder.More() {
		return fmt.Errorf("open keystore %s: %w", s.path, ErrFormat)
	}
	if err := doc.prove(s.kbpk.Reveal()); err != nil {
		return fmt.Errorf("open keystore %s: %w", s.path, err)
	}
	s.doc, s.saved, s.seen = doc, saved, seen
	return nil
}

// prove opens every entry once, so that a broken keystore stops the start and not a file at night.
func (d *document) prove(kbpk []byte) error {
	seen := map[card.KeyRef]bool{}
	for _, e := range d.Keys {
		if seen[e.Ref()] || e.Version < 1 || e.Environment != d.Environment {
			return fmt.Errorf("key %s: %w", e.Ref(), ErrFormat)
		}
		seen[e.Ref()] = true
		_, clearKey, err := e.open(kbpk)
		if err != nil {
			return err
		}
		clear(clearKey)
	}
	return nil
}

// SetClock replaces the source of creation dates, for rehearsals that must repeat.
func (s *Store) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// Environment tells test keys from production keys; it is one for the whole store.
func (s *Store) Environment() Environment { return s.doc.Environment }

// Generate makes version 1 of a new key. It fails with ErrExists when the label exists and with ErrPairing for an algorithm that the
// usage does not have.
func (s *Store) Generate(label card.KeyLabel, usage Usage, alg Algorithm, entropy hsm.Entropy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(card.KeyRef{Label: label}); err == nil {
		return fmt.Errorf("generate key %s: %w", label, ErrExists)
	}
	return s.generate(Key{Label: label, Version: 1, Usage: usage}, alg, entropy)
}

// GenerateWithin is Generate for a key with a period.
func (s *Store) GenerateWithin(label card.KeyLabel, usage Usage, alg Algorithm, period Period, entropy hsm.Entropy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(card.KeyRef{Label: label}); err == nil {
		return fmt.Errorf("generate key %s: %w", label, ErrExists)
	}
	return s.generate(Key{Label: label, Version: 1, Usage: usage, Period: period}, alg, entropy)
}

func (s *Store) generate(k Key, alg Algorithm, entropy hsm.Entropy) error {
	p, err := checkPairing(k.Usage, alg)
	if err != nil {
		return fmt.Errorf("generate key %s: %w", k.Label, err)
	}
	clearKey, err := newKey(k.Label, k.Version, p, alg, entropy)
	if err != nil {
		return err
	}
	defer clear(clearKey)
	k.Exportable = p.export
	return s.add(k, alg, clearKey, entropy)
}

// Import puts a clear key in as version 1 of a new label, and wipes it. A TDES key must have 16 bytes, odd parity and unequal halves.
func (s *Store) Import(label card.KeyLabel, usage Usage, alg Algorithm, clearKey card.Secret) error {
	p, _ := profileOf(usage)
	_, err := s.take(Key{Label: label, Usage: usage, Exportable: p.export}, alg, "", clearKey)
	return err
}

// take puts a clear key in as version 1 of a new label, and wipes it. kcv is the check value that it must have, or empty.
func (s *Store) take(k Key, alg Algorithm, kcv string, clearKey card.Secret) (Key, error) {
	defer clearKey.Wipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(card.KeyRef{Label: k.Label}); err == nil {
		return Key{}, fmt.Errorf("import key %s: %w", k.Label, ErrExists)
	}
	p, err := checkPairing(k.Usage, alg)
	if err != nil {
		return Key{}, fmt.Errorf("import key %s: %w", k.Label, &FieldError{"usage", err})
	}
	if err := checkMaterial(p, alg, clearKey.Reveal()); err != nil {
		return Key{}, fmt.Errorf("import key %s: %w", k.Label, &FieldError{"key", err})
	}
	if err := checkKCV(alg, clearKey.Reveal(), kcv); err != nil {
		return Key{}, fmt.Errorf("import key %s: %w", k.Label, err)
	}
	k.Version = 1
	if err := s.add(k, alg, clearKey.Reveal(), hsm.SystemEntropy()); err != nil {
		return Key{}, err
	}
	return s.doc.Keys[len(s.doc.Keys)-1].Key, nil
}

// add wraps a key and writes the file; the store is unchanged when that fails.
func (s *Store) add(k Key, alg Algorithm, clearKey []byte, entropy hsm.Entropy) error {
	if _, err := card.NewKeyLabel(string(k.Label)); err != nil {
		return err
	}
	p, err := checkPairing(k.Usage, alg)
	if err != nil {
		return fmt.Errorf("key %s: %w", k.Label, err)
	}
	k.Environment, k.Created = s.doc.Environment, s.now()
	if p.fixed && !k.Expires.IsZero() {
		return fmt.Errorf("key %s: %w", k.Label, &FieldError{"expires", ErrFixed})
	}
	if err := k.check(k.Created); err != nil {
		return fmt.Errorf("key %s: %w", k.Label, err)
	}
	pad := func(buf []byte) error { return entropy.Draw("key block pad "+string(k.Label), uint64(k.Version), buf) }
	e, err := wrap(s.kbpk.Reveal(), k, alg, p, clearKey, pad)
	if err != nil {
		return err
	}
	next := s.doc
	next.Keys = append(slices.Clone(s.doc.Keys), e)
	return s.save(next)
}

// save writes the next state of the file if nobody else wrote in the meantime.
func (s *Store) save(next document) error {
	now, err := readPrivate(s.path, maxFileSize)
	if err != nil {
		return fmt.Errorf("save keystore: %w", err)
	}
	if !bytes.Equal(now, s.saved) {
		return fmt.Errorf("save keystore %s: %w", s.path, ErrChanged)
	}
	saved, err := encode(next)
	if err != nil {
		return err
	}
	if err := replaceFile(s.path, saved); err != nil {
		return fmt.Errorf("save keystore: %w", err)
	}
	s.doc, s.saved = next, saved
	if s.seen, err = os.Stat(s.path); err != nil {
		return fmt.Errorf("save keystore: %w", err)
	}
	return nil
}

func encode(doc document) ([]byte, error) {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode keystore: %w", err)
	}
	return append(b, '\n'), nil
}

// List returns what may be known of every key, by label and version.
func (s *Store) List() []Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	keys := make([]Key, 0, len(s.doc.Keys))
	for _, e := range s.doc.Keys {
		keys = append(keys, e.Key)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if c := strings.Compare(string(a.Label), string(b.Label)); c != 0 {
			return c
		}
		return a.Version - b.Version
	})
	return keys
}

// find is the entry of a reference, in force or not; version 0 is the newest.
func (s *Store) find(ref card.KeyRef) (*entry, error) {
	var found *entry
	for i := range s.doc.Keys {
		e := &s.doc.Keys[i]
		if e.Label != ref.Label || (ref.Version != 0 && e.Version != ref.Version) {
			continue
		}
		if found == nil || e.Version > found.Version {
			found = e
		}
	}
	if found == nil {
		return nil, fmt.Errorf("key %s: %w", ref, hsm.ErrUnknownKey)
	}
	return found, nil
}

func (e *entry) algorithm() Algorithm {
	if e.Algorithm == algorithmName(keyblock.TDES) {
		return keyblock.TDES
	}
	return keyblock.AES
}

// Use opens a key and hands it to build, which makes a cipher of it and keeps nothing else; the clear key is wiped when build returns.
// It fails with hsm.ErrKeyUsage unless the key has this usage and algorithm. Only the software module and the vault call it.
func (s *Store) Use(ref card.KeyRef, usage Usage, alg Algorithm, build func(clearKey []byte) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.usable(ref)
	if err != nil {
		return err
	}
	bound, clearKey, err := e.open(s.kbpk.Reveal())
	if err != nil {
		return err
	}
	defer clear(clearKey)
	if e.Usage != usage || bound != alg {
		return fmt.Errorf("key %s of usage %s as %s %s: %w", e.Ref(), e.Usage, algorithmName(alg), usage, hsm.ErrKeyUsage)
	}
	return build(clearKey)
}
