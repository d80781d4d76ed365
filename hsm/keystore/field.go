package keystore

import (
	"errors"
	"strings"

	"platen/hsm/keyblock"
)

// Errors of keys that come from outside.
var (
	ErrKCV         = errors.New("check value is another: the key was mistyped, or wrapped under another key")
	ErrStrength    = errors.New("key that carries another must be at least as strong")
	ErrEnvironment = errors.New("test and production keys do not mix")
)

// FieldError says which part of a foreign key cannot be taken. It never says its value.
type FieldError struct {
	Field string // key, key block, usage, algorithm, mode, exportability, kcv, environment, component, custodian, ...
	Err   error
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *FieldError) Unwrap() error { return e.Err }

// checkKCV compares a check value that came with a key, of 6 hex digits or more, of which 6 count. Empty is none.
func checkKCV(alg Algorithm, key []byte, want string) error {
	if want == "" {
		return nil
	}
	got, _, err := CheckValue(alg, key)
	if err != nil {
		return err
	}
	if len(want) < len(got) || !strings.EqualFold(want[:len(got)], got) {
		return &FieldError{"kcv", ErrKCV}
	}
	return nil
}

// strength is that of a key in bits (NIST SP 800-57 part 1, table 2): two-key TDES 80, three-key 112, AES its length.
func strength(alg Algorithm, size int) int {
	switch {
	case alg == keyblock.AES:
		return size * 8
	case size == 24:
		return 112
	}
	return 80
}
