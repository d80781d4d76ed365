package keyblock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"

	"platen/hsm/cmac"
	"platen/hsm/mac"
	"platen/hsm/tdes"
)

// protection holds the two keys that a KBPK is never used without.
type protection struct {
	method         Method
	encryption     cipher.Block
	authentication cipher.Block
	chained        *tdes.Key // the authentication key of methods A and C
}

func newProtection(method Method, kbpk []byte) (*protection, error) {
	encryption, authentication, err := DeriveKeys(method, kbpk)
	if err != nil {
		return nil, err
	}
	defer clear(encryption)
	defer clear(authentication)
	p := &protection{method: method}
	if method == MethodD {
		if p.encryption, err = aes.NewCipher(encryption); err != nil {
			return nil, fmt.Errorf("key-block encryption key: %w", err)
		}
		if p.authentication, err = aes.NewCipher(authentication); err != nil {
			return nil, fmt.Errorf("key-block authentication key: %w", err)
		}
		return p, nil
	}
	outer, err := tdes.New(encryption)
	if err != nil {
		return nil, fmt.Errorf("key-block encryption key: %w", err)
	}
	if p.chained, err = tdes.New(authentication); err != nil {
		return nil, fmt.Errorf("key-block authentication key: %w", err)
	}
	p.encryption, p.authentication = outer.Block(), p.chained.Block()
	return p, nil
}

// seal encrypts the payload that begins at at in text and returns it with its MAC over all of text. Methods B and D only.
func (p *protection) seal(text []byte, at int) []byte {
	check := p.sum(text)
	out := make([]byte, len(text)-at)
	cipher.NewCBCEncrypter(p.encryption, check).CryptBlocks(out, text[at:])
	return append(out, check...)
}

// open decrypts sealed and checks its MAC with head.
func (p *protection) open(head, sealed, check []byte) ([]byte, bool) {
	payload := make([]byte, len(sealed))
	if p.method == MethodA || p.method == MethodC {
		cipher.NewCBCDecrypter(p.encryption, head[:p.method.block()]).CryptBlocks(payload, sealed)
		full, err := mac.Algorithm1(p.chained, append(append([]byte(nil), head...), sealed...), mac.Zeros)
		return payload, err == nil && subtle.ConstantTimeCompare(full[:p.method.mac()], check) == 1
	}
	cipher.NewCBCDecrypter(p.encryption, check).CryptBlocks(payload, sealed)
	text := append(append([]byte(nil), head...), payload...)
	defer clear(text)
	return payload, subtle.ConstantTimeCompare(p.sum(text), check) == 1
}

func (p *protection) sum(text []byte) []byte {
	if p.method == MethodD {
		full := cmac.Sum(p.authentication, text)
		return full[:]
	}
	full := cmac.SumTDES(p.authentication, text)
	return full[:]
}

// DeriveKeys derives the encryption and authentication keys of a KBPK, which the caller wipes. Methods B and D derive by CMAC over counter,
// usage, separator, algorithm and length in bits; A and C add a constant.
func DeriveKeys(method Method, kbpk []byte) (encryption, authentication []byte, err error) {
	switch method {
	case MethodD:
		if len(kbpk) == PairSize {
			return append([]byte(nil), kbpk[:PairSize/2]...), append([]byte(nil), kbpk[PairSize/2:]...), nil
		}
		algorithm, ok := map[int]byte{16: 2, 24: 3, 32: 4}[len(kbpk)]
		if !ok {
			return nil, nil, fmt.Errorf("KBPK must be an AES key of 16, 24 or 32 bytes, not %d", len(kbpk))
		}
		block, err := aes.NewCipher(kbpk)
		if err != nil {
			return nil, nil, fmt.Errorf("KBPK: %w", err)
		}
		sum := func(data []byte) []byte { full := cmac.Sum(block, data); return full[:] }
		return expand(sum, 0, algorithm, len(kbpk)), expand(sum, 1, algorithm, len(kbpk)), nil
	case MethodA, MethodB, MethodC:
		if len(kbpk) != 16 && len(kbpk) != 24 {
			return nil, nil, fmt.Errorf("KBPK must be a TDES key of 16 or 24 bytes, not %d", len(kbpk))
		}
		if method != MethodB {
			return added(kbpk, 'E'), added(kbpk, 'M'), nil
		}
		key, err := tdes.New(kbpk)
		if err != nil {
			return nil, nil, fmt.Errorf("KBPK: %w", err)
		}
		sum := func(data []byte) []byte { full := cmac.SumTDES(key.Block(), data); return full[:] }
		algorithm := byte(len(kbpk)/8 - 2)
		return expand(sum, 0, algorithm, len(kbpk)), expand(sum, 1, algorithm, len(kbpk)), nil
	}
	return nil, nil, fmt.Errorf("no key block of method %c", method)
}

// PairSize is the length of a pair: what DerivePair derives stands for an AES-256 KBPK in every function of this package.
const PairSize = 2 * 32

// DerivePair derives the keys of method D from an AES-256 KBPK that is elsewhere and enciphers one block a call: the encryption key and behind it
// the authentication key. The caller wipes them.
func DerivePair(encrypt func(block []byte) ([]byte, error)) ([]byte, error) {
	var failed error
	sum := func(data []byte) []byte {
		full, err := cmac.Remote(encrypt, data)
		failed = errors.Join(failed, err)
		return full[:]
	}
	const aes256, size = 4, PairSize / 2
	pair := append(expand(sum, 0, aes256, size), expand(sum, 1, aes256, size)...)
	if failed != nil {
		clear(pair)
		return nil, fmt.Errorf("derive the keys of a KBPK: %w", failed)
	}
	return pair, nil
}

func expand(sum func([]byte) []byte, usage, algorithm byte, size int) []byte {
	var out []byte
	for counter := byte(1); len(out) < size; counter++ {
		out = append(out, sum([]byte{counter, 0, usage, 0, 0, algorithm, byte(size * 8 >> 8), byte(size * 8)})...)
	}
	return out[:size]
}

// added is the KBPK with a constant added to every byte.
func added(kbpk []byte, constant byte) []byte {
	out := make([]byte, len(kbpk))
	for i, b := range kbpk {
		out[i] = b ^ constant
	}
	return out
}
