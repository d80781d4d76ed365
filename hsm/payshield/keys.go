package payshield

import (
	"fmt"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// Key is a key of the configuration.
type Key struct {
	Label   card.KeyLabel  `json:"label"`
	Version int            `json:"version,omitempty"` // 1 when it is 0; the highest of a label is the current one
	Usage   keyblock.Usage `json:"usage"`             // C0, V1, V2, P0, D3; K0 for a ZMK; 10 names the LMK under which PINs are kept
	// Value is the key under the LMK with its scheme letter: U, X (double), T, Y (triple), Z (single), S (Thales key block), or 16 or 32
	// hexadecimal digits. It is empty for usage 10.
	Value string `json:"value,omitempty"`
	// Type is the three-character key type of variant LMKs, which differs between firmware settings; 402, 002, 001 or 00A by usage when empty.
	Type string `json:"type,omitempty"`
	// CheckValue is six hexadecimal digits to compare with what the module tells; needed for key blocks, otherwise optional.
	CheckValue string `json:"check_value,omitempty"`
}

const (
	checkValueSize = 6
	keyBlockScheme = 'S'
)

func (k *Key) ref() card.KeyRef { return card.KeyRef{Label: k.Label, Version: k.Version} }

// lengthFlag tells the module how long a key is: 0 single, 1 double, 2 triple.
func (k *Key) lengthFlag() string {
	switch {
	case strings.ContainsRune("TY", rune(k.Value[0])):
		return "2"
	case k.Value[0] == 'Z', len(k.Value) == 16:
		return "0"
	}
	return "1"
}

// complete fills in defaults and refuses what cannot be.
func (k Key) complete() (*Key, error) {
	if k.Version == 0 {
		k.Version = 1
	}
	if k.Type == "" {
		k.Type = map[keyblock.Usage]string{keyblock.CVK: "402", keyblock.IBMPVK: "002", keyblock.VisaPVK: "002", keyblock.ZPK: "001", keyblock.ZEK: "00A", keyblock.KEK: "000", keyblock.PINStorage: "000"}[k.Usage]
	}
	malformed := func(field, reason string) (*Key, error) {
		return nil, fmt.Errorf("payShield: key %s: %w", k.ref(), &hsm.InputError{Field: field, Reason: reason})
	}
	if _, err := card.NewKeyLabel(string(k.Label)); err != nil {
		return nil, fmt.Errorf("payShield: %w", err)
	}
	switch {
	case k.Version < 1 || k.Version > 0xFF:
		return malformed("version", "must be 1 to 255")
	case k.Type == "" || len(k.Type) != 3 || !isHex(k.Type):
		return malformed("usage", "must be C0, V1, V2, P0, D3, K0 or 10, and type three characters")
	case k.CheckValue != "" && (len(k.CheckValue) != checkValueSize || !isHex(k.CheckValue)):
		return malformed("check value", "must be six hexadecimal digits")
	case k.Usage == keyblock.PINStorage && k.Value != "":
		return malformed("value", "must be empty: PINs are kept under the LMK itself")
	case k.Usage != keyblock.PINStorage && !wellFormedValue(k.Value):
		return malformed("value", "must be a key under an LMK: U, X, T, Y, Z, S or no letter, and as many hexadecimal digits as fit")
	case k.Value != "" && k.Value[0] == keyBlockScheme && k.CheckValue == "":
		return malformed("check value", "must be given for a key block")
	}
	return &k, nil
}

func wellFormedValue(value string) bool {
	if value == "" {
		return false
	}
	size := map[byte]int{'Z': 16, 'U': 32, 'X': 32, 'T': 48, 'Y': 48}[value[0]]
	switch {
	case value[0] == keyBlockScheme:
		return len(value) > 32 && len(value) < 1024 && isWord(value)
	case size != 0:
		return len(value) == 1+size && isHex(value[1:])
	}
	return (len(value) == 16 || len(value) == 32) && isHex(value)
}

// isHex tells whether text is hexadecimal digits, letters in capitals.
func isHex(text string) bool { return strings.Trim(text, "0123456789ABCDEF") == "" }

// isWord tells whether text is digits and capitals: nothing that divides fields.
func isWord(text string) bool {
	return strings.Trim(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// isDecimal tells whether text is n decimal digits.
func isDecimal(text string, n int) bool { return hsm.CheckDigits("", text, n, n) == nil }

// keyring holds the keys by label, in it by version. It does not change.
type keyring map[card.KeyLabel]map[int]*Key

func newKeyring(keys []Key) (keyring, error) {
	r := keyring{}
	for _, given := range keys {
		k, err := given.complete()
		if err != nil {
			return nil, err
		}
		versions := r[k.Label]
		if versions == nil {
			versions = map[int]*Key{}
			r[k.Label] = versions
		}
		if versions[k.Version] != nil {
			return nil, fmt.Errorf("payShield: key %s is there twice", k.ref())
		}
		versions[k.Version] = k
		versions[0] = k
		for _, other := range versions {
			if other.Usage != k.Usage {
				return nil, fmt.Errorf("payShield: key %s has another usage than its other versions", k.ref())
			}
			if other.Version > versions[0].Version {
				versions[0] = other
			}
		}
	}
	return r, nil
}

func (r keyring) find(ref card.KeyRef) (*Key, error) {
	k := r[ref.Label][ref.Version]
	if k == nil {
		return nil, fmt.Errorf("key %s: %w", ref, hsm.ErrUnknownKey)
	}
	return k, nil
}

// resolve finds a key and checks what it is for.
func (r keyring) resolve(ref card.KeyRef, usage keyblock.Usage) (*Key, error) {
	k, err := r.find(ref)
	if err != nil {
		return nil, err
	}
	if k.Usage != usage {
		return nil, fmt.Errorf("key %s of usage %s as %s: %w", k.ref(), k.Usage, usage, hsm.ErrKeyUsage)
	}
	return k, nil
}
