package emv

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"math/big"

	"platen/hsm"
)

// ErrCertificate says that a certificate or signature of offline data authentication does not recover. It is one error for every fault.
var ErrCertificate = errors.New("certificate does not recover")

// PublicKey is an RSA key of a certification authority, an issuer or a card.
type PublicKey struct {
	Modulus  []byte
	Exponent []byte // 03 or 010001
}

// The sizes that card schemes use, in bytes of modulus; what is longer than an APDU cannot be on a card.
const (
	modulusLeast = 64
	modulusMost  = 248
)

const (
	header  = 0x6A
	trailer = 0xBC
)

// recovered is signed data in the clear: header, format, fields, hash, trailer.
type recovered []byte

// recoverData opens data signed with message recovery (EMV Book 2, A2.1), of one format and at least least bytes.
func (k PublicKey) recoverData(signed []byte, format byte, least int) (recovered, error) {
	n := len(k.Modulus)
	if n < modulusLeast || n > modulusMost || k.Modulus[0] == 0 || len(k.Exponent) == 0 || len(k.Exponent) > 3 {
		return nil, &hsm.InputError{Field: "public key", Reason: "must have a modulus of 64 to 248 bytes and an exponent of 1 to 3"}
	}
	if n < least {
		return nil, ErrCertificate
	}
	modulus, s := new(big.Int).SetBytes(k.Modulus), new(big.Int).SetBytes(signed)
	if len(signed) != n || s.Cmp(modulus) >= 0 {
		return nil, ErrCertificate
	}
	out := make(recovered, n)
	new(big.Int).Exp(s, new(big.Int).SetBytes(k.Exponent), modulus).FillBytes(out)
	if out[0] != header || out[1] != format || out[n-1] != trailer {
		return nil, ErrCertificate
	}
	return out, nil
}

// hash is the SHA-1 that the data carry.
func (r recovered) hash() [sha1.Size]byte { return [sha1.Size]byte(r[len(r)-1-sha1.Size : len(r)-1]) }

// signs tells whether the hash is that of the recovered fields and what follows them outside.
func (r recovered) signs(rest ...[]byte) bool {
	h := sha1.New()
	h.Write(r[1 : len(r)-1-sha1.Size])
	for _, b := range rest {
		h.Write(b)
	}
	want := r.hash()
	return bytes.Equal(h.Sum(nil), want[:])
}

// Certificate is a public key certificate, opened.
type Certificate struct {
	Subject       []byte // issuer identifier, or card number, padded with F
	Expiry        [2]byte
	Serial        [3]byte
	HashAlgorithm byte
	KeyAlgorithm  byte
	KeyLength     int
	ExponentSize  int
	Key           PublicKey
	Hash          [sha1.Size]byte
	HashOK        bool // true when the hash covers what is known; static data not given make it false
}

const (
	issuerCertificate = 0x02
	staticData        = 0x03
	cardCertificate   = 0x04
	dynamicData       = 0x05
	padByte           = 0xBB
)

// OpenIssuer opens an issuer's certificate (tags 90, 92, 9F32) under the key of a certification authority (EMV Book 2, table 6).
func OpenIssuer(authority PublicKey, certificate, remainder, exponent []byte) (Certificate, error) {
	return authority.open(certificate, remainder, exponent, nil, issuerCertificate, 4)
}

// OpenCard opens a card's certificate (tags 9F46, 9F48, 9F47) under its issuer's key (EMV Book 2, table 14). static is the static data to be
// authenticated, which its hash covers.
func OpenCard(issuer PublicKey, certificate, remainder, exponent, static []byte) (Certificate, error) {
	return issuer.open(certificate, remainder, exponent, static, cardCertificate, 10)
}

func (k PublicKey) open(certificate, remainder, exponent, static []byte, format byte, subject int) (Certificate, error) {
	front := 2 + subject + 2 + 3 + 1 + 1 + 1 + 1
	r, err := k.recoverData(certificate, format, front+sha1.Size+1)
	if err != nil {
		return Certificate{}, err
	}
	at := 2 + subject
	c := Certificate{
		Subject: r[2:at], Expiry: [2]byte(r[at : at+2]), Serial: [3]byte(r[at+2 : at+5]), HashAlgorithm: r[at+5], KeyAlgorithm: r[at+6],
		KeyLength: int(r[at+7]), ExponentSize: int(r[at+8]), Hash: r.hash(),
	}
	room := r[front : len(r)-1-sha1.Size]
	if c.HashAlgorithm != 1 || c.KeyAlgorithm != 1 || c.KeyLength == 0 || c.ExponentSize != len(exponent) {
		return Certificate{}, ErrCertificate
	}
	left := room[:min(c.KeyLength, len(room))]
	if len(left)+len(remainder) != c.KeyLength || len(bytes.Trim(room[len(left):], string([]byte{padByte}))) != 0 {
		return Certificate{}, ErrCertificate
	}
	c.Key = PublicKey{Modulus: append(bytes.Clone(left), remainder...), Exponent: exponent}
	c.HashOK = r.signs(remainder, exponent, static)
	return c, nil
}

// StaticSignature is signed static application data (tag 93), opened.
type StaticSignature struct {
	HashAlgorithm byte
	Code          [2]byte // data authentication code
	Padded        bool    // every pad byte is BB
	Hash          [sha1.Size]byte
	HashOK        bool
}

// OpenStatic opens signed static application data under the issuer's key (EMV Book 2, table 7).
func OpenStatic(issuer PublicKey, signature, static []byte) (StaticSignature, error) {
	const front = 2 + 1 + 2
	r, err := issuer.recoverData(signature, staticData, front+sha1.Size+1)
	if err != nil {
		return StaticSignature{}, err
	}
	if r[2] != 1 {
		return StaticSignature{}, ErrCertificate
	}
	pad := r[front : len(r)-1-sha1.Size]
	return StaticSignature{
		HashAlgorithm: r[2], Code: [2]byte(r[3:5]), Hash: r.hash(), HashOK: r.signs(static),
		Padded: len(bytes.Trim(pad, string([]byte{padByte}))) == 0,
	}, nil
}

// DynamicSignature is signed dynamic application data (tag 9F4B), opened.
type DynamicSignature struct {
	HashAlgorithm byte
	Data          []byte // ICC dynamic data
	Number        []byte // the ICC dynamic number inside them
	HashOK        bool
}

// OpenDynamic opens signed dynamic application data under the card's key (EMV Book 2, table 17). terminal is the data that the terminal sent by
// the card's list.
func OpenDynamic(card PublicKey, signature, terminal []byte) (DynamicSignature, error) {
	const front = 2 + 1 + 1
	r, err := card.recoverData(signature, dynamicData, front+sha1.Size+1)
	if err != nil {
		return DynamicSignature{}, err
	}
	room := r[front : len(r)-1-sha1.Size]
	length := int(r[3])
	if r[2] != 1 || length == 0 || length > len(room) || int(room[0]) >= length {
		return DynamicSignature{}, ErrCertificate
	}
	data := room[:length]
	return DynamicSignature{HashAlgorithm: r[2], Data: data, Number: data[1 : 1+int(data[0])], HashOK: r.signs(terminal)}, nil
}
