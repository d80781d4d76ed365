package material

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeysThatMayNotBeUsedAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		want error
	}{
		"good double":              {"0123456789ABCDEFFEDCBA9876543210", nil},
		"good triple":              {"0123456789ABCDEFFEDCBA987654321040404040404040434040404040404043"[:48], nil},
		"even parity":              {"0023456789ABCDEFFEDCBA9876543210", ErrParity},
		"equal halves":             {"0123456789ABCDEF0123456789ABCDEF", ErrWeakKey},
		"outer parts equal":        {"0123456789ABCDEFFEDCBA98765432100123456789ABCDEF", ErrWeakKey},
		"weak half":                {"0101010101010101FEDCBA9876543210", ErrWeakKey},
		"semi-weak half":           {"0123456789ABCDEF01FE01FE01FE01FE", ErrWeakKey},
		"zeros":                    {"00000000000000000000000000000000", ErrParity},
		"single":                   {"0123456789ABCDEF", ErrKeySize},
		"nothing":                  {"", ErrKeySize},
		"no whole parts":           {"0123456789ABCDEFFEDCBA98765432", ErrKeySize},
		"last part is a weak one":  {"0123456789ABCDEFFEDCBA98765432101F1F1F1F0E0E0E0E", ErrWeakKey},
		"double of four parts":     {"0123456789ABCDEFFEDCBA98765432100123456789ABCDEFFEDCBA9876543210", ErrKeySize},
		"middle and last the same": {"0123456789ABCDEFFEDCBA9876543210FEDCBA9876543210", ErrWeakKey},
	} {
		if err := CheckTDES(unhex(t, c.key)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		key  []byte
		want error
	}{"AES-128": {[]byte("0123456789abcdef"), nil}, "zeros": {make([]byte, 32), ErrWeakKey}, "wrong size": {make([]byte, 20), ErrKeySize}} {
		if err := CheckAES(c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAnyKeyGetsOddParityAndChangesInParityBitsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "key")
		set := bytes.Clone(key)
		SetOddParity(set)
		if !OddParity(set) {
			t.Fatal("parity is even")
		}
		for i := range key {
			if key[i]&0xFE != set[i]&0xFE {
				t.Fatal("a key bit changed")
			}
		}
	})
}

func TestComponentsMakeTheKeyInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key")
		first := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "first")
		second := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "second")
		third, err := Combine(key, first, second)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Combine(second, third, first)
		if err != nil || !bytes.Equal(got, key) {
			t.Fatal("another key")
		}
	})
}

func TestComponentsThatMakeNoKeyAreRefused(t *testing.T) {
	one := make([]byte, 16)
	for name, parts := range map[string][][]byte{
		"none": {}, "one": {one}, "two lengths": {one, one[:8]}, "empty": {{}, {}}, "ten": {one, one, one, one, one, one, one, one, one, one},
	} {
		if _, err := Combine(parts...); !errors.Is(err, ErrComponents) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOlderAESCheckValuesAreOfZeros(t *testing.T) {
	// A block of zeros under a key of zeros is the first of the known-answer tests of AES (NIST AESAVS).
	value, err := ZerosAES(unhex(t, "00000000000000000000000000000000"))
	if err != nil || hex.EncodeToString(value[:CheckValueSize]) != "66e94b" {
		t.Errorf("%x, %v", value, err)
	}
	if _, err := ZerosAES(make([]byte, 8)); !errors.Is(err, ErrKeySize) {
		t.Errorf("key of 8 bytes: %v", err)
	}
}
