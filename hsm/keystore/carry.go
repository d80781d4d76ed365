package keystore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/material"
	"platen/hsm/thales"
)

// Incoming is what a person says of a key that comes from outside.
type Incoming struct {
	Label  card.KeyLabel
	Usage  Usage  // must be the block's; needed where there is no block
	KCV    string // 6 hex digits or more, of which 6 count; empty where a block proves the key
	Period Period
	Legacy bool // take blocks of the deprecated methods A and C, and cryptograms without a MAC
}

// Errors of what a person must say of a key that comes from outside.
var (
	// ErrLegacy refuses what binds a key to nothing or with a short MAC, unless Incoming.Legacy is set.
	ErrLegacy = errors.New("is of a deprecated form, which is taken only when asked for")
	// ErrNoKCV refuses a cryptogram that nothing but a check value can prove, without one.
	ErrNoKCV = errors.New("is needed: nothing else proves such a key")
)

// ImportBlock takes a key block (X9.143) under a key of usage Protection. What the block says is kept: a key that may not be exported
// there may not be exported here. It fails with a FieldError that names what cannot be taken.
func (s *Store) ImportBlock(in Incoming, under card.KeyRef, block string) (Key, error) {
	block = strings.TrimSpace(block)
	carrier, alg, err := s.carrier(under, keyblock.Protection)
	if err != nil {
		return Key{}, err
	}
	defer clear(carrier)
	fail := func(field string, err error) (Key, error) {
		return Key{}, fmt.Errorf("import key %s: %w", in.Label, &FieldError{field, err})
	}
	if len(block) > 0 && !in.Legacy && (block[0] == byte(keyblock.MethodA) || block[0] == byte(keyblock.MethodC)) {
		return fail("method", ErrLegacy)
	}
	if len(block) == 0 || (block[0] == byte(keyblock.MethodD)) != (alg == keyblock.AES) {
		return fail("key block", keyblock.ErrKeyBlock)
	}
	header, clearKey, err := keyblock.UnwrapAny(carrier, block)
	if err != nil {
		return fail("key block", err)
	}
	defer clear(clearKey)
	p, err := checkPairing(header.Usage, header.Algorithm)
	switch {
	case err != nil:
		return fail("usage", err)
	case in.Usage != "" && in.Usage != header.Usage:
		return fail("usage", hsm.ErrKeyUsage)
	case header.Mode != p.mode && header.Mode != 'N':
		return fail("mode", hsm.ErrKeyUsage)
	case strength(alg, len(carrier)) < strength(header.Algorithm, len(clearKey)):
		return fail("key", ErrStrength)
	}
	if env, ok := header.Find(environmentBlock); ok && Environment(env) != s.Environment() {
		return fail("environment", ErrEnvironment)
	}
	if err := checkInside(header, clearKey); err != nil {
		return Key{}, fmt.Errorf("import key %s: %w", in.Label, err)
	}
	k := Key{Label: in.Label, Usage: header.Usage, Exportable: p.export && header.Exportability == keyblock.Exportable, Period: in.Period}
	return s.take(k, header.Algorithm, in.KCV, card.NewSecret(clearKey))
}

// checkInside compares the check value that a block carries, if any, with the key.
func checkInside(h keyblock.Header, clearKey []byte) error {
	value, ok := h.Find(checkBlock)
	if !ok {
		return nil
	}
	_, method, err := CheckValue(h.Algorithm, clearKey)
	if err != nil {
		return err
	}
	want := slices.IndexFunc(checkCodes[:], func(c struct{ code, method string }) bool { return c.method == method })
	if !strings.HasPrefix(value, checkCodes[want].code) || len(value) < 8 {
		return nil // another method than ours: the MAC of the block proves the key
	}
	return checkKCV(h.Algorithm, clearKey, value[2:])
}

// ImportVariant takes a TDES key in payShield scheme U or T under a key of usage KEK, a ZMK. Nothing binds such a cryptogram, so it must be asked
// for as legacy, and its check value is needed.
func (s *Store) ImportVariant(in Incoming, zmk card.KeyRef, text string) (Key, error) {
	fail := func(field string, err error) (Key, error) {
		return Key{}, fmt.Errorf("import key %s: %w", in.Label, &FieldError{field, err})
	}
	if !in.Legacy {
		return fail("scheme", ErrLegacy)
	}
	if in.KCV == "" {
		return fail("kcv", ErrNoKCV)
	}
	carrier, alg, err := s.carrier(zmk, keyblock.KEK)
	if err != nil {
		return Key{}, err
	}
	defer clear(carrier)
	clearKey, err := thales.DecryptUnder(carrier, strings.TrimSpace(text))
	if err != nil {
		return fail("key", err)
	}
	defer clear(clearKey)
	if strength(alg, len(carrier)) < strength(keyblock.TDES, len(clearKey)) {
		return fail("key", ErrStrength)
	}
	p, _ := profileOf(in.Usage)
	return s.take(Key{Label: in.Label, Usage: in.Usage, Exportable: p.export, Period: in.Period}, keyblock.TDES, in.KCV, card.NewSecret(clearKey))
}

// ExportBlock wraps a key as a key block (X9.143) under a key of usage Protection: method D under AES, B under TDES. It fails with ErrExport for
// a key that may not leave and with ErrStrength under a weaker key.
func (s *Store) ExportBlock(ref, under card.KeyRef) (string, error) {
	var block string
	err := s.leave(ref, under, keyblock.Protection, func(e entry, alg, carrierAlg Algorithm, carrier, clearKey []byte) (err error) {
		p, err := checkPairing(e.Usage, alg)
		if err != nil {
			return err
		}
		header := e.header(alg, p)
		header.Method = keyblock.MethodB
		if carrierAlg == keyblock.AES {
			header.Method = keyblock.MethodD
		}
		pad := func(buf []byte) error { return hsm.SystemEntropy().Draw("export pad", 0, buf) }
		block, err = keyblock.Wrap(carrier, header, clearKey, pad)
		return err
	})
	return block, err
}

// ExportVariant puts a TDES key in payShield scheme U (double length) or T (triple length) under a key of usage KEK, a ZMK.
func (s *Store) ExportVariant(ref, zmk card.KeyRef, scheme byte) (string, error) {
	var text string
	err := s.leave(ref, zmk, keyblock.KEK, func(_ entry, alg, _ Algorithm, carrier, clearKey []byte) (err error) {
		if alg != keyblock.TDES {
			return &FieldError{"algorithm", ErrPairing}
		}
		text, err = thales.EncryptUnder(carrier, scheme, clearKey)
		return err
	})
	return text, err
}

// Carry hands a clear key that may be exported to put, which takes it into a security module and keeps nothing else; it is wiped when put returns.
// It fails with ErrExport for a key that may not leave.
func (s *Store) Carry(ref card.KeyRef, put func(alg Algorithm, clearKey []byte) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.usable(ref)
	if err != nil {
		return fmt.Errorf("carry: %w", err)
	}
	if !e.Exportable {
		return fmt.Errorf("carry key %s: %w", e.Ref(), &FieldError{"exportability", ErrExport})
	}
	alg, clearKey, err := e.open(s.kbpk.Reveal())
	if err != nil {
		return err
	}
	defer clear(clearKey)
	return put(alg, clearKey)
}

// leave opens a key that may be exported and the one that carries it.
func (s *Store) leave(ref, under card.KeyRef, usage Usage, do func(e entry, alg, carrierAlg Algorithm, carrier, clearKey []byte) error) error {
	carrier, carrierAlg, err := s.carrier(under, usage)
	if err != nil {
		return err
	}
	defer clear(carrier)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.usable(ref)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if !e.Exportable {
		return fmt.Errorf("export key %s: %w", e.Ref(), &FieldError{"exportability", ErrExport})
	}
	alg, clearKey, err := e.open(s.kbpk.Reveal())
	if err != nil {
		return err
	}
	defer clear(clearKey)
	if strength(carrierAlg, len(carrier)) < strength(alg, len(clearKey)) {
		return fmt.Errorf("export key %s under %s: %w", e.Ref(), under, &FieldError{"key", ErrStrength})
	}
	if err := do(*e, alg, carrierAlg, carrier, clearKey); err != nil {
		return fmt.Errorf("export key %s: %w", e.Ref(), err)
	}
	return nil
}

// carrier opens a key that carries others; the caller wipes it.
func (s *Store) carrier(ref card.KeyRef, usage Usage) ([]byte, Algorithm, error) {
	k, err := s.Lookup(ref)
	if err != nil {
		return nil, 0, err
	}
	alg := keyblock.AES
	if k.Algorithm == algorithmName(keyblock.TDES) {
		alg = keyblock.TDES
	}
	var out []byte
	err = s.Use(k.Ref(), usage, alg, func(clearKey []byte) error {
		out = slices.Clone(clearKey)
		return nil
	})
	return out, alg, err
}

// componentKCV is the check value of one component, by the method of the key's algorithm; a component has any parity.
func componentKCV(alg Algorithm, component []byte) (string, error) {
	all := byte(0)
	for _, b := range component {
		all |= b
	}
	if all == 0 {
		return "", &FieldError{"component", material.ErrWeakKey}
	}
	kcv, _, err := CheckValue(alg, component)
	if err != nil {
		return "", &FieldError{"component", err}
	}
	return kcv, nil
}
