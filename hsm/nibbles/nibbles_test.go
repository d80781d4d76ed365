package nibbles_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"platen/hsm/nibbles"
)

func TestDigitsOfAnyLengthComeApartAndTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		packed := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "packed")
		digits := make([]byte, 2*len(packed))
		nibbles.Split(digits, packed)
		for i, d := range digits {
			if want := "0123456789abcdef"[d]; hex.EncodeToString(packed)[i] != want {
				t.Fatalf("digit %d is %d", i, d)
			}
		}
		again := make([]byte, len(packed))
		nibbles.Join(again, digits)
		if !bytes.Equal(again, packed) {
			t.Fatalf("%x became %x", packed, again)
		}
		if few := digits[:min(len(digits), 16)]; fmt.Sprintf("%x", nibbles.Word(few)) != hexadecimal(few) {
			t.Fatalf("%v became the word %x", few, nibbles.Word(few))
		}
		other := rapid.SliceOfN(rapid.Byte(), len(packed), len(packed)).Draw(t, "other")
		nibbles.Xor(again, other)
		for i := range again {
			if again[i] != packed[i]^other[i] {
				t.Fatalf("byte %d of a sum is wrong", i)
			}
		}
	})
}

// hexadecimal writes digits as a number.
func hexadecimal(digits []byte) string {
	text := make([]byte, len(digits))
	for i, d := range digits {
		text[i] = "0123456789abcdef"[d]
	}
	if text = bytes.TrimLeft(text, "0"); len(text) == 0 {
		return "0"
	}
	return string(text)
}

func TestASCIIDigitsStandForTheirValues(t *testing.T) {
	for _, digits := range []string{"", "12", "0987654321", "4123456789012345", "41234567890123458701"} {
		got := make([]byte, len(digits)/2)
		nibbles.Join(got, []byte(digits))
		if hex.EncodeToString(got) != digits {
			t.Errorf("%s became %x", digits, got)
		}
		if few := []byte(digits[:min(len(digits), 15)]); nibbles.Word(few) != nibbles.Word(append([]byte{0}, few...)) {
			t.Errorf("%s in front of a zero is another number", few)
		}
	}
}

// The rule as the schemes tell it: the decimal digits in order, then the others, counted from 0.
func TestDecimaliseTakesDecimalDigitsFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.SliceOfN(rapid.ByteRange(0, 15), 0, 40).Draw(t, "digits")
		size := rapid.IntRange(0, 44).Draw(t, "size")
		var first, second []byte
		for _, d := range digits {
			if d < 10 {
				first = append(first, '0'+d)
			} else {
				second = append(second, '0'+d-10)
			}
		}
		want := append(first, second...)
		want = append(want, make([]byte, 44)...)[:size]
		got := bytes.Repeat([]byte{'x'}, size)
		if nibbles.Decimalise(got, digits); !bytes.Equal(got, want) {
			t.Fatalf("%v became %q, want %q", digits, got, want)
		}
	})
}
