//go:build pkcs11

package main

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/pkcs11"
)

func tokenOptions(c PKCS11Config, environment string) (pkcs11.Options, error) {
	pin, err := keystore.LoadSecret(c.PIN)
	if err != nil {
		return pkcs11.Options{}, fmt.Errorf("pkcs11.pin: %w", err)
	}
	return pkcs11.Options{Library: c.Library, Token: c.Token, PIN: pin, Sessions: c.Sessions, Environment: environment}, nil
}

func openToken(c PKCS11Config, environment string, entropy hsm.Entropy) (hsm.Module, carrier, error) {
	options, err := tokenOptions(c, environment)
	if err != nil {
		return nil, nil, err
	}
	m, err := pkcs11.New(options, entropy)
	if err != nil {
		return nil, nil, err
	}
	return m, tokenCarrier{m}, nil
}

// tokenKBPK lets a token derive the keys that key blocks are wrapped under.
func tokenKBPK(c PKCS11Config, label string) (card.Secret, error) {
	options, err := tokenOptions(c, "")
	if err != nil {
		return card.Secret{}, err
	}
	return pkcs11.KBPK(context.Background(), options, label)
}

// ensureTokenKBPK is tokenKBPK of a key that is made when the token lacks it.
func ensureTokenKBPK(c PKCS11Config, label string) (card.Secret, error) {
	options, err := tokenOptions(c, "")
	if err != nil {
		return card.Secret{}, err
	}
	return pkcs11.EnsureKBPK(context.Background(), options, label)
}

// tokenCarrier unwraps keys into the token.
type tokenCarrier struct{ module *pkcs11.Module }

func (t tokenCarrier) algorithms() string {
	return string([]rune{rune(keyblock.TDES), rune(keyblock.AES)})
}

func (t tokenCarrier) carry(ctx context.Context, keys *keystore.Store, k keystore.Key) error {
	return keys.Carry(k.Ref(), func(alg keystore.Algorithm, clearKey []byte) error {
		return t.module.Import(ctx, pkcs11.Key{Label: k.Label, Version: k.Version, Usage: k.Usage, Algorithm: alg}, clearKey, k.KCV)
	})
}

func (t tokenCarrier) storage(ctx context.Context, label card.KeyLabel) (bool, error) {
	_, _, err := t.module.KeyVersion(ctx, card.KeyRef{Label: label})
	if !errors.Is(err, hsm.ErrUnknownKey) {
		return false, err
	}
	err = t.module.Generate(ctx, pkcs11.Key{Label: label, Version: 1, Usage: keyblock.PINStorage, Algorithm: keyblock.AES})
	return err == nil, err
}
