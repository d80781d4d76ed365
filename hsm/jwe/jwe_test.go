package jwe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"platen/card"
)

func pemOf(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOnlyTheHolderOfTheKeyReads(t *testing.T) {
	mine, other := rsaKey(t, 2048), rsaKey(t, 2048)
	k, err := ParseKey(pemOf(t, &mine.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Encrypt("app", card.NewSecret([]byte(`{"cvv2":"123"}`)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.Encrypt("app", card.NewSecret([]byte(`{"cvv2":"123"}`)))
	if err != nil || again == text {
		t.Errorf("the same text twice, or %v", err)
	}
	sealed, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	if sealed.Header.KeyID != "app" {
		t.Errorf("kid %q", sealed.Header.KeyID)
	}
	if got, err := sealed.Decrypt(mine); err != nil || string(got) != `{"cvv2":"123"}` {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := sealed.Decrypt(other); err == nil {
		t.Error("another key opens it")
	}
}

func TestOtherKeysAreRefused(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := pemOf(t, &rsaKey(t, 2048).PublicKey)
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "AAAA", "two keys": good + good, "a curve": pemOf(t, &curve.PublicKey), "a short key": pemOf(t, &rsaKey(t, 1024).PublicKey),
		"another kind": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})), "no key inside": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}})),
	} {
		if _, err := ParseKey(text); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Key{}).Encrypt("app", card.Secret{}); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
}
