//go:build pkcs11

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"platen/card"
	"platen/hsm/keyblock"
)

// Errors of a key-block protection key.
var (
	// ErrKBPK says that a token's key of the label is not as it must be.
	ErrKBPK = errors.New("PKCS#11: the token must hold exactly one AES-256 key of this label, sensitive, not extractable, that may encipher")
	// ErrNoKBPK says that a token has no key of the label.
	ErrNoKBPK = errors.New("PKCS#11: the token has no key of this label")
)

// KBPK makes a token derive the two keys that stand behind its key-block protection key (X9.143, method D), which itself never leaves it. The key
// is found by its CKA_LABEL, whatever else it says of itself. It fails with ErrNoKBPK or ErrKBPK when there is none that serves.
func KBPK(ctx context.Context, options Options, label string) (card.Secret, error) {
	return deriveKBPK(ctx, options, label, (*token).protection)
}

// EnsureKBPK is KBPK in a token that may lack the key: then an AES-256 key is made in it, sensitive, not extractable, that can only encipher.
func EnsureKBPK(ctx context.Context, options Options, label string) (card.Secret, error) {
	return deriveKBPK(ctx, options, label, func(t *token, s p11.SessionHandle, label string) (p11.ObjectHandle, error) {
		h, err := t.protection(s, label)
		if !errors.Is(err, ErrNoKBPK) {
			return h, err
		}
		if err := t.makeProtection(s, label); err != nil {
			return 0, err
		}
		return t.protection(s, label)
	})
}

func deriveKBPK(ctx context.Context, options Options, label string, find func(*token, p11.SessionHandle, string) (p11.ObjectHandle, error)) (card.Secret, error) {
	t, err := load(options)
	if err != nil {
		return card.Secret{}, err
	}
	defer t.close()
	var pair []byte
	err = t.do(ctx, func(s p11.SessionHandle) error {
		h, err := find(t, s, label)
		if err != nil {
			return err
		}
		pair, err = keyblock.DerivePair(func(block []byte) ([]byte, error) {
			if err := t.lib.EncryptInit(s, mechanism(keyblock.AES), h); err != nil {
				return nil, err
			}
			return t.lib.Encrypt(s, block)
		})
		return err
	})
	if err != nil {
		return card.Secret{}, fmt.Errorf("KBPK %s: %w", label, err)
	}
	return card.NewSecret(pair), nil
}

// protection finds the key.
func (t *token) protection(s p11.SessionHandle, label string) (p11.ObjectHandle, error) {
	all, err := t.objects(s)
	if err != nil {
		return 0, err
	}
	var found []p11.ObjectHandle
	for _, h := range all {
		a, err := t.lib.GetAttributeValue(s, h, []*p11.Attribute{p11.NewAttribute(p11.CKA_LABEL, nil)})
		if err != nil {
			return 0, fmt.Errorf("read a key's label: %w", err)
		}
		if string(a[0].Value) == label {
			found = append(found, h)
		}
	}
	switch len(found) {
	case 0:
		return 0, ErrNoKBPK
	case 1:
	default:
		return 0, ErrKBPK
	}
	a, err := t.lib.GetAttributeValue(s, found[0], []*p11.Attribute{
		p11.NewAttribute(p11.CKA_KEY_TYPE, nil), p11.NewAttribute(p11.CKA_VALUE_LEN, nil), p11.NewAttribute(p11.CKA_SENSITIVE, nil),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, nil), p11.NewAttribute(p11.CKA_ENCRYPT, nil),
	})
	if err != nil {
		return 0, fmt.Errorf("read what the key says of itself: %w", err)
	}
	size := p11.NewAttribute(p11.CKA_VALUE_LEN, 32).Value
	alg, known := algorithmOf(a[0].Value)
	if !known || alg != keyblock.AES || !bytes.Equal(a[1].Value, size) || !isTrue(a[2].Value) || isTrue(a[3].Value) || !isTrue(a[4].Value) {
		return 0, ErrKBPK
	}
	return found[0], nil
}

// makeProtection makes the key. It has no CKA_ID of Platen's, so no module takes it for a card key.
func (t *token) makeProtection(s p11.SessionHandle, label string) error {
	h, err := t.lib.GenerateKey(s, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY), p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_AES), p11.NewAttribute(p11.CKA_VALUE_LEN, 32),
		p11.NewAttribute(p11.CKA_LABEL, label), p11.NewAttribute(p11.CKA_TOKEN, false), p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true), p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_ENCRYPT, true), p11.NewAttribute(p11.CKA_DECRYPT, false), p11.NewAttribute(p11.CKA_SIGN, false),
		p11.NewAttribute(p11.CKA_VERIFY, false), p11.NewAttribute(p11.CKA_WRAP, false), p11.NewAttribute(p11.CKA_UNWRAP, false),
	})
	if err == nil {
		_, err = t.keep(s, h)
	}
	if err != nil {
		return fmt.Errorf("make the key: %w", err)
	}
	return nil
}
