package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// Algorithm is a signature algorithm by its name in the registry of RFC 9421 section 6.2.2.
type Algorithm string

// The algorithms that are accepted.
const (
	ECDSAP384 Algorithm = "ecdsa-p384-sha384"
	ECDSAP256 Algorithm = "ecdsa-p256-sha256"
	Ed25519   Algorithm = "ed25519"
	RSAPSS    Algorithm = "rsa-pss-sha512"
	HMAC      Algorithm = "hmac-sha256"
)

// minRSABits is the shortest RSA key that is accepted; longer than maxRSABits only costs the server time.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// ErrKey says that a public key cannot be used for signatures here.
var ErrKey = errors.New("give a public key in PEM (SubjectPublicKeyInfo): P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits")

// Key verifies signatures: a public key, or the secret of HMAC. Its algorithm follows from it; no request can choose another.
type Key struct {
	algorithm Algorithm
	public    crypto.PublicKey
	secret    []byte
}

// Algorithm is the one algorithm that the key is for.
func (k Key) Algorithm() Algorithm { return k.algorithm }

// Format implements fmt.Formatter: a key shows its algorithm only.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[" + string(k.algorithm) + " key]")) }

// SecretKey is a key that both sides hold (hmac-sha256).
func SecretKey(secret []byte) Key { return Key{algorithm: HMAC, secret: secret} }

// PublicKey reads a public key in PEM or DER (SubjectPublicKeyInfo, RFC 5280 section 4.1.2.7).
func PublicKey(encoded []byte) (Key, error) {
	if block, rest := pem.Decode(encoded); block != nil {
		if block.Type != "PUBLIC KEY" || len(rest) > 0 && len(rest) != countBlank(rest) {
			return Key{}, ErrKey
		}
		encoded = block.Bytes
	}
	public, err := x509.ParsePKIXPublicKey(encoded)
	if err != nil {
		return Key{}, ErrKey
	}
	k := Key{public: public}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			k.algorithm = ECDSAP256
		case elliptic.P384():
			k.algorithm = ECDSAP384
		}
	case ed25519.PublicKey:
		k.algorithm = Ed25519
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
			k.algorithm = RSAPSS
		}
	}
	if k.algorithm == "" {
		return Key{}, ErrKey
	}
	return k, nil
}

func countBlank(b []byte) int {
	n := 0
	for _, c := range b {
		if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			n++
		}
	}
	return n
}

// DER is the public key as it is stored; nil for a secret.
func (k Key) DER() ([]byte, error) {
	if k.public == nil {
		return nil, nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return nil, fmt.Errorf("store a public key: %w", err)
	}
	return der, nil
}

// verify checks a signature over a base (RFC 9421 section 3.3). ECDSA signatures are r and s side by side, not ASN.1.
func (k Key) verify(message, sig []byte) bool {
	switch k.algorithm {
	case HMAC:
		h := hmac.New(sha256.New, k.secret)
		h.Write(message)
		return hmac.Equal(h.Sum(nil), sig)
	case Ed25519:
		public, ok := k.public.(ed25519.PublicKey)
		return ok && ed25519.Verify(public, message, sig)
	case ECDSAP256:
		sum := sha256.Sum256(message)
		return k.verifyECDSA(sum[:], sig, 32)
	case ECDSAP384:
		sum := sha512.Sum384(message)
		return k.verifyECDSA(sum[:], sig, 48)
	case RSAPSS:
		public, ok := k.public.(*rsa.PublicKey)
		sum := sha512.Sum512(message)
		return ok && rsa.VerifyPSS(public, crypto.SHA512, sum[:], sig, &rsa.PSSOptions{SaltLength: 64, Hash: crypto.SHA512}) == nil
	}
	return false
}

func (k Key) verifyECDSA(sum, sig []byte, size int) bool {
	public, ok := k.public.(*ecdsa.PublicKey)
	if !ok || len(sig) != 2*size {
		return false
	}
	return ecdsa.Verify(public, sum, new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:]))
}
