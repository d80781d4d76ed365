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

// ErrKBPK says that a token has no key-block protection key as it must be.
var ErrKBPK = errors.New("PKCS#11: the token must hold exactly one AES-256 key of this label, sensitive, not extractable, that may encipher")

// KBPK makes a token derive the two keys that stand behind its key-block protection key (X9.143, method D), which itself never leaves it. The key
// is found by its CKA_LABEL, whatever else it says of itself.
func KBPK(ctx context.Context, options Options, label string) (card.Secret, error) {
	t, err := load(options)
	if err != nil {
		return card.Secret{}, err
	}
	defer t.close()
	var pair []byte
	err = t.do(ctx, func(s p11.SessionHandle) error {
		h, err := t.protection(s, label)
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
	if len(found) != 1 {
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
