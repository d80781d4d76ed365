package jwe

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"

	"platen/card"
)

// EncryptField encrypts one short value as services do that know no JWE: RSAES-PKCS1-v1_5 (RFC 8017 section 7.2), in base 64. Each call gives another text. Only the holder of the private
// key ever decrypts it; nothing here does, so that nobody can be asked whether a padding is right.
func (k Key) EncryptField(value card.Secret) (string, error) {
	if k.rsa == nil {
		return "", ErrKey
	}
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, k.rsa, value.Reveal()) //nolint:staticcheck // the form is that of services that clients decrypt by
	if err != nil {
		return "", fmt.Errorf("encrypt a field: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}
