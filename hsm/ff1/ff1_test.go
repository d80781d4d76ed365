package ff1

import (
	"crypto/aes"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/hsm/knownanswers"
)

const numerals = "0123456789abcdefghijklmnopqrstuvwxyz"

func number(t *testing.T, s string, radix uint64) uint64 {
	t.Helper()
	n := uint64(0)
	for _, c := range s {
		d := strings.IndexRune(numerals, c)
		if d < 0 {
			t.Fatalf("%c is no digit", c)
		}
		n = n*radix + uint64(d)
	}
	return n
}

func numeral(n, radix uint64, size int) string {
	b := make([]byte, size)
	for i := size - 1; i >= 0; i-- {
		b[i] = numerals[n%radix]
		n /= radix
	}
	return string(b)
}

func TestFF1MatchesPublishedSamples(t *testing.T) {
	for _, v := range knownanswers.Load(t, "ff1", "ff1_pan_middle6_regression") {
		t.Run(v.ID, func(t *testing.T) {
			key, tweak, radix := v.Bytes(t, "key_hex"), []byte(v.Text("tweak_ascii")), uint64(10)
			if v.Algo == "ff1" {
				key, tweak, radix = v.Bytes(t, "key"), v.Bytes(t, "tweak"), uint64(v.Int("radix"))
			}
			block, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			plain := v.Text("plaintext")
			f, err := New(block, radix, len(plain), tweak)
			if err != nil {
				t.Fatal(err)
			}
			u := len(plain) / 2
			a, b := number(t, plain[:u], radix), number(t, plain[u:], radix)
			s := new(Scratch)
			ea, eb := f.Encrypt(s, a, b)
			if got := numeral(ea, radix, u) + numeral(eb, radix, len(plain)-u); got != v.Answer() {
				t.Errorf("%s, want %s", got, v.Answer())
			}
			if da, db := f.Decrypt(s, ea, eb); da != a || db != b {
				t.Error("decryption does not invert encryption")
			}
		})
	}
}

func TestFF1RefusesNumeralsItCannotHold(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		radix  uint64
		digits int
	}{{10, 1}, {10, 0}, {1, 6}, {10, 40}, {36, 26}, {1 << 17, 2}} {
		if _, err := New(block, c.radix, c.digits, nil); err == nil {
			t.Errorf("radix %d of %d digits was taken", c.radix, c.digits)
		}
	}
}

// The multiplication that stands for a division gives what the division gives, at the edges of every modulus too.
func TestAModulusReducesEveryNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Uint64Range(2, 1<<63-1).Draw(t, "modulus")
		multiple := rapid.Uint64Range(0, math.MaxUint64/value).Draw(t, "times") * value
		for _, n := range []uint64{rapid.Uint64().Draw(t, "number"), multiple, multiple - 1, multiple + 1, math.MaxUint64} {
			if got := newModulus(value).of(n); got != n%value {
				t.Fatalf("%d modulo %d is %d", n, value, got)
			}
		}
	})
}
