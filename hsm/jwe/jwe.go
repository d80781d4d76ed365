// Package jwe encrypts what a client may know of a card to the client's own public key: a JWE (RFC 7516) in compact form, with RSA-OAEP-256 and A256GCM
// (RFC 7518) and nothing else.
package jwe

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"platen/card"
)

// Sizes of RSA keys in bits.
const (
	leastBits = 2048
	mostBits  = 8192
)

// ErrKey says that a text is no public key that may be encrypted to.
var ErrKey = errors.New("must be one PEM block PUBLIC KEY with an RSA key of 2048 to 8192 bits")

// Key is the public key of a client.
type Key struct{ rsa *rsa.PublicKey }

// ParseKey reads a PEM block PUBLIC KEY (SubjectPublicKeyInfo, RFC 5280). It fails with ErrKey.
func ParseKey(text string) (Key, error) {
	k, err := ParseRSA(text)
	return Key{k}, err
}

// ParseRSA is ParseKey for what does something else with a client's key than to encrypt to it.
func ParseRSA(text string) (*rsa.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) != 0 {
		return nil, ErrKey
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, ErrKey
	}
	k, ok := public.(*rsa.PublicKey)
	if !ok || k.N.BitLen() < leastBits || k.N.BitLen() > mostBits || k.E < 65537 {
		return nil, ErrKey
	}
	return k, nil
}

// Encrypt makes a JWE whose header names the key as kid. Each call gives another text.
func (k Key) Encrypt(kid string, payload card.Secret) (string, error) {
	if k.rsa == nil {
		return "", ErrKey
	}
	to := jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: k.rsa, KeyID: kid}
	e, err := jose.NewEncrypter(jose.A256GCM, to, (&jose.EncrypterOptions{}).WithContentType("json"))
	if err != nil {
		return "", fmt.Errorf("encrypt to zone %s: %w", kid, err)
	}
	sealed, err := e.Encrypt(payload.Reveal())
	if err != nil {
		return "", fmt.Errorf("encrypt to zone %s: %w", kid, err)
	}
	return sealed.CompactSerialize()
}
