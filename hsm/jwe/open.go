package jwe

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"platen/card"
)

// Errors of what is opened.
var (
	ErrCertificate = errors.New("must be one PEM block CERTIFICATE of an RSA key of 2048 to 8192 bits")
	ErrPair        = errors.New("the private key is not the certificate's")
	ErrForeign     = errors.New("it is encrypted to another certificate")
	ErrMessage     = errors.New("it is no JWE with RSA-OAEP-256 and A256GCM of a JSON object with a card number")
)

// maxNumberJWE is how many characters a JWE of a card number has at most.
const maxNumberJWE = 8 << 10

// Thumbprint is the SHA-256 of a certificate (PEM) as a JOSE header has it (x5t#S256, RFC 7516 section 4.1.8). It fails with ErrCertificate.
func Thumbprint(certificate string) (string, error) {
	_, thumbprint, err := parseCertificate(certificate)
	return thumbprint, err
}

func parseCertificate(text string) (*rsa.PublicKey, string, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) != 0 {
		return nil, "", ErrCertificate
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, "", ErrCertificate
	}
	k, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || k.N.BitLen() < leastBits || k.N.BitLen() > mostBits {
		return nil, "", ErrCertificate
	}
	sum := sha256.Sum256(c.Raw)
	return k, base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// Opener opens what was encrypted to a certificate.
type Opener struct {
	rsa        *rsa.PrivateKey
	thumbprint string
}

// NewOpener reads a certificate and its private key (PEM block PRIVATE KEY, PKCS #8). It fails with ErrCertificate and ErrPair.
func NewOpener(certificate string, key card.Secret) (Opener, error) {
	public, thumbprint, err := parseCertificate(certificate)
	if err != nil {
		return Opener{}, err
	}
	block, _ := pem.Decode(key.Reveal())
	if block == nil {
		return Opener{}, ErrPair
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Opener{}, ErrPair
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(public) {
		return Opener{}, ErrPair
	}
	return Opener{private, thumbprint}, nil
}

// Number opens a JWE in compact form whose payload is {"cardNumber": "…"}. It fails with ErrForeign where its header names another certificate, and with ErrMessage for all else that is
// wrong with it: which part, nobody is told.
func (o Opener) Number(compact string) (card.PAN, error) {
	if o.rsa == nil {
		return card.PAN{}, ErrPair
	}
	if len(compact) > maxNumberJWE {
		return card.PAN{}, ErrMessage
	}
	if err := o.checkHeader(compact); err != nil {
		return card.PAN{}, err
	}
	sealed, err := jose.ParseEncryptedCompact(compact, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return card.PAN{}, ErrMessage
	}
	payload, err := sealed.Decrypt(o.rsa)
	if err != nil {
		return card.PAN{}, ErrMessage
	}
	defer clear(payload)
	var said struct {
		Number json.RawMessage `json:"cardNumber"` // not a text, which could not be wiped
	}
	in := json.NewDecoder(bytes.NewReader(payload))
	in.DisallowUnknownFields()
	err = in.Decode(&said)
	defer clear(said.Number)
	digits := said.Number
	if err != nil || in.More() || len(digits) < 2 || digits[0] != '"' || digits[len(digits)-1] != '"' {
		return card.PAN{}, ErrMessage
	}
	pan, err := card.NewPAN(digits[1 : len(digits)-1])
	if err != nil {
		return card.PAN{}, ErrMessage
	}
	return pan, nil
}

// checkHeader looks at the protected header before anything is decrypted: who it is for, and that nothing is asked that is not done, such as to unpack what was packed.
func (o Opener) checkHeader(compact string) error {
	encoded, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ErrMessage
	}
	var header struct {
		Thumbprint string          `json:"x5t#S256"`
		Packed     json.RawMessage `json:"zip"`
	}
	if json.Unmarshal(raw, &header) != nil || header.Packed != nil {
		return ErrMessage
	}
	if header.Thumbprint != o.thumbprint {
		return ErrForeign
	}
	return nil
}
