package datablock_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"testing"

	"platen/hsm"
	"platen/hsm/datablock"
)

// known are published answers: GlobalPlatform's test key enciphering itself (a secret data grouping), and NIST SP 800-38A, F.1.1 and F.2.1 with its first
// block of zeros, for which FIPS 197 is the source: CBC of one block under a block of zeros is that of ECB.
var known = []struct {
	mode             hsm.DataMode
	key, clear, want string
}{
	{hsm.TDESECB, "404142434445464748494A4B4C4D4E4F", "404142434445464748494A4B4C4D4E4F", "B4BAA89A8CD0292B45210E1BC84B1C31"},
	{hsm.AESECB, "2B7E151628AED2A6ABF7158809CF4F3C", "6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E51", "3AD77BB40D7A3660A89ECAF32466EF97F5D3D58503B9699DE785895A96FDBAAF"},
	{hsm.AESCBC, "2B7E151628AED2A6ABF7158809CF4F3C", "6BC1BEE22E409F96E93D7E117393172A", "3AD77BB40D7A3660A89ECAF32466EF97"},
}

func raw(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKnownAnswers(t *testing.T) {
	for _, k := range known {
		block, err := datablock.NewKey(k.mode, raw(t, k.key))
		if err != nil {
			t.Fatal(err)
		}
		data := raw(t, k.clear)
		block.Encrypt(k.mode, data)
		if !bytes.Equal(data, raw(t, k.want)) {
			t.Errorf("%s: %X", k.mode, data)
		}
		block.Decrypt(k.mode, data)
		if !bytes.Equal(data, raw(t, k.clear)) {
			t.Errorf("%s does not come back: %X", k.mode, data)
		}
	}
}

// The standard library's chaining is the other implementation.
func TestChainingIsThatOfTheStandardLibrary(t *testing.T) {
	for mode, key := range map[hsm.DataMode]string{hsm.TDESCBC: "0123456789ABCDEFFEDCBA9876543210", hsm.AESCBC: "2B7E151628AED2A6ABF7158809CF4F3C"} {
		k, err := datablock.NewKey(mode, raw(t, key))
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(raw(t, key))
		if !mode.IsAES() {
			whole := append(raw(t, key), raw(t, key)[:8]...)
			block, err = des.NewTripleDESCipher(whole)
		}
		if err != nil {
			t.Fatal(err)
		}
		for blocks := range 6 {
			data := bytes.Repeat([]byte("a block of bytes"), blocks)
			want := make([]byte, len(data))
			cipher.NewCBCEncrypter(block, make([]byte, block.BlockSize())).CryptBlocks(want, data)
			got := bytes.Clone(data)
			k.Encrypt(mode, got)
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %d bytes: %X", mode, len(data), got)
			}
			k.Decrypt(mode, got)
			if !bytes.Equal(got, data) {
				t.Errorf("%s, %d bytes do not come back", mode, len(data))
			}
		}
	}
}

func TestModesHaveNames(t *testing.T) {
	for mode := hsm.TDESECB; mode <= hsm.AESCBC; mode++ {
		if back, ok := hsm.ParseDataMode(mode.String()); !ok || back != mode {
			t.Errorf("%s is not read back", mode)
		}
	}
	for _, name := range []string{"", "ecb", "TDES-ECB", "unknown(0)"} {
		if _, ok := hsm.ParseDataMode(name); ok {
			t.Errorf("%q is a mode", name)
		}
	}
	for _, size := range []int{0, 8, 15, 24} {
		if _, err := datablock.NewKey(hsm.TDESECB, make([]byte, size)); err == nil {
			t.Errorf("a TDES key of %d bytes was taken", size)
		}
	}
	if _, err := datablock.NewKey(hsm.AESCBC, make([]byte, 15)); err == nil {
		t.Error("an AES key of 15 bytes was taken")
	}
	if _, err := datablock.NewKey(0, make([]byte, 16)); err == nil {
		t.Error("no mode was taken")
	}
}
