package keystore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/material"
)

// ErrKBPK says that a key-block protection key cannot be used. It never shows the key.
var ErrKBPK = errors.New("KBPK must be 32, 48 or 64 hex digits")

// LoadSecret reads a secret from "file:PATH", a file that only its owner may touch, or from "env:NAME", an environment variable. White space around it
// is left out.
func LoadSecret(spec string) (card.Secret, error) {
	kind, name, _ := strings.Cut(spec, ":")
	switch {
	case kind == "file" && name != "":
		b, err := readPrivate(name, 1024)
		if err != nil {
			return card.Secret{}, err
		}
		return card.NewSecret(bytes.TrimSpace(b)), nil
	case kind == "env" && name != "":
		b := bytes.TrimSpace([]byte(os.Getenv(name)))
		if len(b) == 0 {
			return card.Secret{}, fmt.Errorf("environment variable %s is empty", name)
		}
		return card.NewSecret(b), nil
	}
	// The spec may be a secret that somebody pasted, so it is not repeated.
	return card.Secret{}, errors.New(`source must be "file:PATH" or "env:NAME"`)
}

// LoadKBPK reads a key-block protection key as hex digits from where LoadSecret reads.
func LoadKBPK(spec string) (card.Secret, error) {
	text, err := LoadSecret(spec)
	if err != nil {
		return card.Secret{}, fmt.Errorf("KBPK: %w", err)
	}
	defer text.Wipe()
	kind, _, _ := strings.Cut(spec, ":")
	digits := text.Reveal()
	key := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(key, digits); err != nil {
		clear(key)
		return card.Secret{}, fmt.Errorf("KBPK from %s: %w", kind, ErrKBPK)
	}
	if err := checkKBPK(key); err != nil || len(key) == keyblock.PairSize {
		if err == nil {
			err = ErrKBPK
		}
		clear(key)
		return card.Secret{}, fmt.Errorf("KBPK from %s: %w", kind, err)
	}
	return card.NewSecret(key), nil
}

// CreateKBPK makes a new AES-256 key-block protection key and writes it in hex to path, which must not exist, with mode 0600.
func CreateKBPK(path string, entropy hsm.Entropy) (card.Secret, error) {
	key := make([]byte, 32)
	if err := entropy.Draw("KBPK", 0, key); err != nil {
		return card.Secret{}, fmt.Errorf("create KBPK: %w", err)
	}
	text := append(hex.AppendEncode(nil, key), '\n')
	defer clear(text)
	if err := createFile(path, text); err != nil {
		clear(key)
		return card.Secret{}, fmt.Errorf("create KBPK: %w", err)
	}
	return card.NewSecret(key), nil
}

// checkKBPK takes an AES key, or the pair that a token derived from one that it keeps.
func checkKBPK(key []byte) error {
	if len(key) == keyblock.PairSize {
		return nil
	}
	if len(key) != 16 && len(key) != 24 && len(key) != 32 {
		return ErrKBPK
	}
	if errors.Is(material.CheckAES(key), ErrWeakKey) {
		return ErrWeakKey
	}
	return nil
}
