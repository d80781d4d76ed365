package emv

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"platen/hsm"
	"platen/hsm/material"
	"platen/hsm/tdes"
)

func issuer(t testing.TB) *tdes.Key {
	t.Helper()
	k, err := tdes.New([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOptionBIsOptionAForShortCardNumbers(t *testing.T) {
	for _, c := range []struct {
		pan  string
		same bool
	}{{"4123456789012", true}, {"4123456789012349", true}, {"41234567890123490", false}, {"4123456789012349000", false}} {
		a, err := MasterKeyA(issuer(t), c.pan, "01")
		if err != nil {
			t.Fatal(err)
		}
		b, err := MasterKeyB(issuer(t), c.pan, "01")
		if err != nil {
			t.Fatal(err)
		}
		if (a == b) != c.same || !material.OddParity(a[:]) || !material.OddParity(b[:]) {
			t.Errorf("%d digits: same is %v", len(c.pan), a == b)
		}
	}
}

func TestDerivationWantsACardNumberAndADoubleKey(t *testing.T) {
	single, err := tdes.New(make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	for field, run := range map[string]func() (Key, error){
		"key": func() (Key, error) { return MasterKeyA(single, "4123456789012349", "00") },
		"pan": func() (Key, error) { return MasterKeyHashed(issuer(t), "41234567890A2349", "00") },
		"psn": func() (Key, error) { return MasterKeyB(issuer(t), "4123456789012349", "1") },
	} {
		_, err := run()
		if input := new(hsm.InputError); !errors.As(err, &input) || input.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A small key of an authority, made for this test: two primes of 512 bits and e = 3.
func authority(t testing.TB) (PublicKey, *big.Int) {
	t.Helper()
	prime := func(seed string) *big.Int {
		sum := bytes.Repeat([]byte(seed), 64)[:64]
		sum[0] |= 0xC0
		n := new(big.Int).SetBytes(sum)
		three, one := big.NewInt(3), big.NewInt(1)
		for !n.ProbablyPrime(20) || new(big.Int).Mod(new(big.Int).Sub(n, one), three).Sign() == 0 {
			n.Add(n, one)
		}
		return n
	}
	p, q := prime("platen"), prime("bureau")
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	d := new(big.Int).ModInverse(big.NewInt(3), phi)
	return PublicKey{Modulus: new(big.Int).Mul(p, q).Bytes(), Exponent: []byte{3}}, d
}

// sign makes data with message recovery of fields and what else the hash covers.
func sign(t testing.TB, k PublicKey, d *big.Int, fields []byte, rest ...[]byte) []byte {
	t.Helper()
	h := sha1.New()
	h.Write(fields)
	for _, r := range rest {
		h.Write(r)
	}
	clearText := append(append([]byte{header}, fields...), append(h.Sum(nil), trailer)...)
	if len(clearText) != len(k.Modulus) {
		t.Fatalf("%d bytes for a modulus of %d", len(clearText), len(k.Modulus))
	}
	out := make([]byte, len(k.Modulus))
	return new(big.Int).Exp(new(big.Int).SetBytes(clearText), d, new(big.Int).SetBytes(k.Modulus)).FillBytes(out)
}

func TestACertificateCoversRemainderExponentAndStaticData(t *testing.T) {
	k, d := authority(t)
	room := len(k.Modulus) - 42
	cardKey := bytes.Repeat([]byte{0xA7}, room+10)
	front, err := hex.DecodeString("044123456789012349FFFF1230000001" + "0101")
	if err != nil {
		t.Fatal(err)
	}
	fields := append(append(front, byte(len(cardKey)), 1), cardKey[:room]...)
	remainder, exponent, static := cardKey[room:], []byte{3}, []byte("records of the card")
	certificate := sign(t, k, d, fields, remainder, exponent, static)
	c, err := OpenCard(k, certificate, remainder, exponent, static)
	if err != nil || !c.HashOK || !bytes.Equal(c.Key.Modulus, cardKey) || hex.EncodeToString(c.Subject) != "4123456789012349ffff" {
		t.Fatalf("%+v, %v", c, err)
	}
	if c, err := OpenCard(k, certificate, remainder, exponent, []byte("records of the cart")); err != nil || c.HashOK {
		t.Errorf("other static data: hash is %v, %v", c.HashOK, err)
	}
	for name, open := range map[string]func() (Certificate, error){
		"short remainder":      func() (Certificate, error) { return OpenCard(k, certificate, remainder[1:], exponent, static) },
		"longer exponent":      func() (Certificate, error) { return OpenCard(k, certificate, remainder, []byte{1, 0, 1}, static) },
		"as an issuer's":       func() (Certificate, error) { return OpenIssuer(k, certificate, remainder, exponent) },
		"short certificate":    func() (Certificate, error) { return OpenCard(k, certificate[1:], remainder, exponent, static) },
		"greater than modulus": func() (Certificate, error) { return OpenCard(k, k.Modulus, remainder, exponent, static) },
	} {
		if _, err := open(); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range certificate {
		changed := bytes.Clone(certificate)
		changed[i] ^= 1
		if c, err := OpenCard(k, changed, remainder, exponent, static); err == nil && c.HashOK {
			t.Fatalf("byte %d changed, and the certificate holds", i)
		}
	}
	if _, err := OpenCard(PublicKey{Modulus: make([]byte, 128), Exponent: exponent}, certificate, remainder, exponent, static); err == nil {
		t.Error("a modulus of zeros was taken")
	}
}

func FuzzOpen(f *testing.F) {
	k, d := authority(f)
	fields := append([]byte{dynamicData, 1, 3, 2, 0xAB, 0xCD}, bytes.Repeat([]byte{padByte}, len(k.Modulus)-28)...)
	f.Add(sign(f, k, d, fields, []byte("terminal")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, signed []byte) {
		_, _ = OpenCard(k, signed, nil, []byte{3}, nil)
		_, _ = OpenIssuer(k, signed, nil, []byte{3})
		_, _ = OpenStatic(k, signed, nil)
		s, err := OpenDynamic(k, signed, []byte("terminal"))
		if err == nil && s.HashOK && !bytes.Equal(s.Number, []byte{0xAB, 0xCD}) {
			t.Error("a signature that was never made holds")
		}
	})
}
