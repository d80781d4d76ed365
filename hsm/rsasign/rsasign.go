// Package rsasign signs what leaves over HTTP, and verifies what comes in, as services do whose protocol has it so: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2) over the bytes of
// a body, in base 64. openssl dgst -sha256 -verify reads the same.
package rsasign

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm/jwe"
)

// Errors of keys and signatures.
var (
	ErrKey       = errors.New("must be one PEM block PRIVATE KEY with an RSA key of 2048 to 8192 bits")
	ErrSignature = errors.New("the signature is not the body's")
)

// keyBits is the size of keys that are made here.
const keyBits = 2048

// Sizes of keys that are taken.
const (
	leastBits = 2048
	mostBits  = 8192
)

// Key is a private key. It prints as a mask in every verb.
type Key struct{ rsa *rsa.PrivateKey }

// Format implements fmt.Formatter: every verb prints a mask.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[private key]")) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (Key) MarshalText() ([]byte, error) { return []byte("[private key]"), nil }

// Generate makes a key and its text: a PEM block PRIVATE KEY (PKCS #8).
func Generate() (Key, card.Secret, error) {
	made, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return Key{}, card.Secret{}, fmt.Errorf("make an RSA key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return Key{}, card.Secret{}, fmt.Errorf("write an RSA key: %w", err)
	}
	return Key{made}, card.NewSecret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// ParseKey reads what Generate wrote, or openssl genpkey. It fails with ErrKey.
func ParseKey(text card.Secret) (Key, error) {
	block, rest := pem.Decode(text.Reveal())
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) != 0 {
		return Key{}, ErrKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, ErrKey
	}
	k, ok := parsed.(*rsa.PrivateKey)
	if !ok || k.N.BitLen() < leastBits || k.N.BitLen() > mostBits {
		return Key{}, ErrKey
	}
	return Key{k}, nil
}

// Sign signs a body.
func (k Key) Sign(body []byte) (string, error) {
	if k.rsa == nil {
		return "", ErrKey
	}
	sum := sha256.Sum256(body)
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.rsa, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a body: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// Public is the public half as a PEM block PUBLIC KEY.
func (k Key) Public() (string, error) {
	if k.rsa == nil {
		return "", ErrKey
	}
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		return "", fmt.Errorf("write a public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// PublicKey verifies signatures.
type PublicKey struct{ rsa *rsa.PublicKey }

// ParsePublicKey reads a PEM block PUBLIC KEY. It fails with jwe.ErrKey.
func ParsePublicKey(text string) (PublicKey, error) {
	k, err := jwe.ParseRSA(text)
	return PublicKey{k}, err
}

// Verify fails with ErrSignature unless a signature is that of a body.
func (k PublicKey) Verify(body []byte, signature string) error {
	if k.rsa == nil {
		return jwe.ErrKey
	}
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return ErrSignature
	}
	sum := sha256.Sum256(body)
	if rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, sum[:], given) != nil {
		return ErrSignature
	}
	return nil
}
