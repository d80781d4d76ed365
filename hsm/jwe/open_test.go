package jwe

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"platen/card"
)

// certified is a certificate of a key, and the key as a file has it.
func certified(t *testing.T, k *rsa.PrivateKey) (certificate string, private card.Secret) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), card.NewSecret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// sealedTo encrypts a payload; more goes into the header beside the thumbprint.
func sealedTo(t *testing.T, k *rsa.PublicKey, algorithm jose.KeyAlgorithm, content jose.ContentEncryption, thumbprint, payload string, packed bool) string {
	t.Helper()
	options := &jose.EncrypterOptions{ExtraHeaders: map[jose.HeaderKey]any{"x5t#S256": thumbprint}}
	if packed {
		options.Compression = jose.DEFLATE
	}
	e, err := jose.NewEncrypter(content, jose.Recipient{Algorithm: algorithm, Key: k}, options)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Encrypt([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestANumberIsOpenedByTheHolderOfItsCertificateOnly(t *testing.T) {
	mine, other := rsaKey(t, 2048), rsaKey(t, 2048)
	certificate, private := certified(t, mine)
	others, otherPrivate := certified(t, other)
	thumbprint, err := Thumbprint(certificate)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := Thumbprint(others)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpener(certificate, private)
	if err != nil {
		t.Fatal(err)
	}
	const payload = `{ "cardNumber": "5555555555554444" }`
	good := sealedTo(t, &mine.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, thumbprint, payload, false)
	pan, err := o.Number(good)
	if err != nil || string(pan.Reveal()) != "5555555555554444" {
		t.Fatalf("opened: %v %v", pan, err)
	}
	parts := strings.Split(good, ".")
	altered := func(i int) string {
		p := append([]string(nil), parts...)
		flipped := byte('A')
		if p[i][5] == flipped {
			flipped = 'B'
		}
		p[i] = p[i][:5] + string(flipped) + p[i][6:]
		return strings.Join(p, ".")
	}
	of := func(payload string) string {
		return sealedTo(t, &mine.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, thumbprint, payload, false)
	}
	for name, c := range map[string]struct {
		sealed string
		want   error
	}{
		"another certificate":       {sealedTo(t, &other.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, foreign, payload, false), ErrForeign},
		"no thumbprint":             {sealedTo(t, &mine.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, "", payload, false), ErrForeign},
		"another key, our name":     {sealedTo(t, &other.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, thumbprint, payload, false), ErrMessage},
		"another key algorithm":     {sealedTo(t, &mine.PublicKey, jose.RSA_OAEP, jose.A256GCM, thumbprint, payload, false), ErrMessage},
		"another content algorithm": {sealedTo(t, &mine.PublicKey, jose.RSA_OAEP_256, jose.A128GCM, thumbprint, payload, false), ErrMessage},
		"packed":                    {sealedTo(t, &mine.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, thumbprint, payload, true), ErrMessage},
		"altered key":               {altered(1), ErrMessage},
		"altered vector":            {altered(2), ErrMessage},
		"altered content":           {altered(3), ErrMessage},
		"altered tag":               {altered(4), ErrMessage},
		"no parts":                  {"a.b.c.d.e", ErrMessage},
		"nothing":                   {"", ErrMessage},
		"too long":                  {good + strings.Repeat("A", maxNumberJWE), ErrMessage},
		"bad check digit":           {of(`{"cardNumber":"5555555555554445"}`), ErrMessage},
		"a number for text":         {of(`{"cardNumber":5555555555554444}`), ErrMessage},
		"another member":            {of(`{"cardNumber":"5555555555554444","pin":"1"}`), ErrMessage},
		"escapes":                   {of(`{"cardNumber":"555555555555444\u0034"}`), ErrMessage},
		"two documents":             {of(payload + payload), ErrMessage},
		"no JSON":                   {of(`5555555555554444`), ErrMessage},
	} {
		if pan, err := o.Number(c.sealed); !errors.Is(err, c.want) || strings.Contains(fmt.Sprint(pan, err), "5555") {
			t.Errorf("%s: %v %v", name, pan, err)
		}
	}
	if _, err := NewOpener(certificate, otherPrivate); !errors.Is(err, ErrPair) {
		t.Errorf("another's private key: %v", err)
	}
	for _, text := range []string{"", pemOf(t, &mine.PublicKey), certificate + certificate, strings.Replace(certificate, "MII", "MIJ", 1)} {
		if _, err := NewOpener(text, private); !errors.Is(err, ErrCertificate) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	small, smallPrivate := certified(t, rsaKey(t, 1024))
	if _, err := NewOpener(small, smallPrivate); !errors.Is(err, ErrCertificate) {
		t.Errorf("1024 bits: %v", err)
	}
}
