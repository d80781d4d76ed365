//go:build pkcs11

package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // the hash of OAEP that every token knows; it needs no collision resistance
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	p11 "github.com/miekg/pkcs11"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/material"
	"platen/hsm/tdes"
)

// Key names a key that shall be in the token.
type Key struct {
	Label     card.KeyLabel
	Version   int
	Usage     keyblock.Usage
	Algorithm keyblock.Algorithm
}

func (k Key) ref() card.KeyRef { return card.KeyRef{Label: k.Label, Version: k.Version} }

// part is an object of a key with its material.
type part struct {
	left     bool
	material []byte
}

// parts are the objects of a clear key. The left half of a CVK is doubled, which makes EDE2 single DES.
func (k Key) parts(clearKey []byte) []part {
	out := []part{{false, clearKey}}
	if k.Usage == keyblock.CVK {
		left := clearKey[:tdes.BlockSize]
		out = append(out, part{true, append(append([]byte(nil), left...), left...)})
	}
	return out
}

// template is what an object of a key says of itself. A key that only computes card values may only encipher.
func (k Key) template(environment string, left bool) []*p11.Attribute {
	kind := p11.CKK_AES
	if k.Algorithm == keyblock.TDES {
		kind = p11.CKK_DES2
	}
	return []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY), p11.NewAttribute(p11.CKA_KEY_TYPE, kind), p11.NewAttribute(p11.CKA_TOKEN, false),
		p11.NewAttribute(p11.CKA_LABEL, string(k.Label)), p11.NewAttribute(p11.CKA_ID, []byte(identity(environment, k.Usage, k.Version, left))),
		p11.NewAttribute(p11.CKA_PRIVATE, true), p11.NewAttribute(p11.CKA_SENSITIVE, true), p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_ENCRYPT, true),
		p11.NewAttribute(p11.CKA_DECRYPT, k.Usage == keyblock.ZPK || k.Usage == keyblock.ZEK || k.Usage == keyblock.PINStorage),
		p11.NewAttribute(p11.CKA_SIGN, false), p11.NewAttribute(p11.CKA_VERIFY, false), p11.NewAttribute(p11.CKA_WRAP, false), p11.NewAttribute(p11.CKA_UNWRAP, false),
	}
}

// Import unwraps a clear key into the token: it travels under an RSA key of 2048 bits that the token makes for this one purpose and forgets
// (PKCS#1 OAEP). The token must then show the check value kcv. The caller wipes the key.
func (m *Module) Import(ctx context.Context, k Key, clearKey []byte, kcv string) error {
	if err := m.absent(ctx, k); err != nil {
		return err
	}
	if err := m.token.do(ctx, func(s p11.SessionHandle) error { return m.token.unwrap(s, k, clearKey) }); err != nil {
		return fmt.Errorf("import key %s: %w", k.ref(), err)
	}
	return m.confirm(ctx, k, kcv)
}

// Generate makes an AES key of 256 bits in the token, which nobody ever sees.
func (m *Module) Generate(ctx context.Context, k Key) error {
	if k.Algorithm != keyblock.AES {
		return fmt.Errorf("generate key %s: %w", k.ref(), errors.New("only AES keys are made in the token: others are shared and come from outside"))
	}
	if err := m.absent(ctx, k); err != nil {
		return err
	}
	err := m.token.do(ctx, func(s p11.SessionHandle) error {
		template := append(k.template(m.token.options.Environment, false), p11.NewAttribute(p11.CKA_VALUE_LEN, 32))
		h, err := m.token.lib.GenerateKey(s, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}, template)
		if err == nil {
			_, err = m.token.keep(s, h)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("generate key %s: %w", k.ref(), err)
	}
	return m.confirm(ctx, k, "")
}

func (m *Module) absent(ctx context.Context, k Key) error {
	if k.Version < 1 || k.Version > maxVersion {
		return fmt.Errorf("key %s: version must be 1 to %d", k.ref(), maxVersion)
	}
	_, _, err := m.token.lookup(ctx, k.ref(), true)
	switch {
	case err == nil:
		return fmt.Errorf("key %s: %w", k.ref(), ErrExists)
	case errors.Is(err, hsm.ErrUnknownKey):
		return nil
	}
	return err
}

// confirm reads a new key back: that it is there, cannot leave, and has its check value. Another key than that is removed again.
func (m *Module) confirm(ctx context.Context, k Key, kcv string) error {
	_, found, err := m.token.lookup(ctx, k.ref(), true)
	if err != nil {
		return err
	}
	got, err := m.token.checkValue(ctx, k.ref(), found.algorithm)
	if err == nil && kcv != "" && got != kcv {
		err = errors.Join(fmt.Errorf("key %s: %w", k.ref(), ErrCheckValue), m.remove(ctx, k.ref()))
	}
	return err
}

// remove takes a key out of the token.
func (m *Module) remove(ctx context.Context, ref card.KeyRef) error {
	return m.token.do(ctx, func(s p11.SessionHandle) error {
		ring, err := m.token.ring(s, true)
		if err != nil {
			return err
		}
		k := ring[ref.Label][ref.Version]
		if k == nil {
			return nil
		}
		for _, h := range k.parts {
			err = errors.Join(err, m.token.lib.DestroyObject(s, h))
		}
		_, again := m.token.ring(s, true)
		return errors.Join(err, again)
	})
}

// unwrap carries every part of a key over on one session, whose RSA key ends with it.
func (t *token) unwrap(s p11.SessionHandle, k Key, clearKey []byte) (err error) {
	public, private, err := t.carrier(s)
	if err != nil {
		return err
	}
	var made []p11.ObjectHandle
	defer func() {
		if err != nil {
			for _, h := range made {
				err = errors.Join(err, t.lib.DestroyObject(s, h))
			}
		}
		err = errors.Join(err, t.lib.DestroyObject(s, private))
	}()
	oaep := []*p11.Mechanism{p11.NewMechanism(p11.CKM_RSA_PKCS_OAEP, p11.NewOAEPParams(p11.CKM_SHA_1, p11.CKG_MGF1_SHA1, p11.CKZ_DATA_SPECIFIED, nil))}
	for _, p := range k.parts(clearKey) {
		wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, p.material, nil)
		if p.left {
			clear(p.material)
		}
		if err != nil {
			return fmt.Errorf("wrap: %w", err)
		}
		h, err := t.lib.UnwrapKey(s, oaep, private, wrapped, k.template(t.options.Environment, p.left))
		if err != nil {
			return fmt.Errorf("unwrap: %w", err)
		}
		if h, err = t.keep(s, h); err != nil {
			return err
		}
		made = append(made, h)
	}
	return nil
}

// keep makes an object of the session one of the token that nothing can change any more. Tokens do not all let one say so when a key is unwrapped.
func (t *token) keep(s p11.SessionHandle, h p11.ObjectHandle) (p11.ObjectHandle, error) {
	kept, err := t.lib.CopyObject(s, h, []*p11.Attribute{p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_MODIFIABLE, false)})
	if err != nil {
		err = fmt.Errorf("keep the key: %w", err)
	}
	return kept, errors.Join(err, t.lib.DestroyObject(s, h))
}

// carrier makes the RSA key pair under which a key comes in. It is an object of the session.
func (t *token) carrier(s p11.SessionHandle) (*rsa.PublicKey, p11.ObjectHandle, error) {
	const bits, exponent = 2048, 65537
	public, private, err := t.lib.GenerateKeyPair(s, []*p11.Mechanism{p11.NewMechanism(p11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil)},
		[]*p11.Attribute{
			p11.NewAttribute(p11.CKA_TOKEN, false), p11.NewAttribute(p11.CKA_MODULUS_BITS, bits), p11.NewAttribute(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
			p11.NewAttribute(p11.CKA_WRAP, true), p11.NewAttribute(p11.CKA_ENCRYPT, false), p11.NewAttribute(p11.CKA_VERIFY, false),
		},
		[]*p11.Attribute{
			p11.NewAttribute(p11.CKA_TOKEN, false), p11.NewAttribute(p11.CKA_PRIVATE, true), p11.NewAttribute(p11.CKA_SENSITIVE, true),
			p11.NewAttribute(p11.CKA_EXTRACTABLE, false), p11.NewAttribute(p11.CKA_UNWRAP, true), p11.NewAttribute(p11.CKA_DECRYPT, false), p11.NewAttribute(p11.CKA_SIGN, false),
		})
	if err != nil {
		return nil, 0, fmt.Errorf("make a carrying key: %w", err)
	}
	a, err := t.lib.GetAttributeValue(s, public, []*p11.Attribute{p11.NewAttribute(p11.CKA_MODULUS, nil)})
	if err != nil {
		return nil, 0, fmt.Errorf("read the carrying key: %w", err)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(a[0].Value), E: exponent}, private, nil
}

// checkValue lets the token compute a key's check value, six hexadecimal digits: of the encryption of zeros for TDES, of their CMAC for AES.
func (t *token) checkValue(ctx context.Context, ref card.KeyRef, alg keyblock.Algorithm) (string, error) {
	var zeros [16]byte
	var value []byte
	if alg == keyblock.AES {
		sum, err := t.cmac(ctx, ref, zeros[:])
		if err != nil {
			return "", err
		}
		value = sum[:]
	} else {
		sealed, err := t.encrypt(ctx, partID{ref: ref}, zeros[:tdes.BlockSize])
		if err != nil {
			return "", err
		}
		value = sealed
	}
	return strings.ToUpper(hex.EncodeToString(value[:material.CheckValueSize])), nil
}
