package card

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// KeyLabel names a key in a security module: 1 to 48 of a-z 0-9 . - _ beginning with a letter.
type KeyLabel string

// ErrKeyLabel says that a key label is malformed.
var ErrKeyLabel = errors.New("key label must be 1 to 48 of a-z 0-9 . - _ and begin with a letter")

// NewKeyLabel validates s.
func NewKeyLabel(s string) (KeyLabel, error) {
	if !wellFormedName(s, 48) {
		return "", fmt.Errorf("%q: %w", s, ErrKeyLabel)
	}
	return KeyLabel(s), nil
}

// KeyRef is one version of a labelled key. Version 0 means the current one; a file pins a real version.
type KeyRef struct {
	Label   KeyLabel
	Version int
}

// String prints label@version, or the label alone for the current version.
func (k KeyRef) String() string {
	if k.Version == 0 {
		return string(k.Label)
	}
	return string(k.Label) + "@" + strconv.Itoa(k.Version)
}

// ParseKeyRef reads what String prints.
func ParseKeyRef(s string) (KeyRef, error) {
	name, version, pinned := strings.Cut(s, "@")
	label, err := NewKeyLabel(name)
	if err != nil {
		return KeyRef{}, err
	}
	ref := KeyRef{Label: label}
	if pinned {
		ref.Version, err = strconv.Atoi(version)
		if err != nil || ref.Version < 1 {
			return KeyRef{}, fmt.Errorf("key %q: version must be a positive number", s)
		}
	}
	return ref, nil
}

// wellFormedName tells whether s is a code or label: 1 to limit of a-z 0-9 . - _ and a letter first.
func wellFormedName(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
