package pinblock

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"platen/hsm"
	"platen/hsm/pin"
)

const account = "4000001234562"

func pinOf(t testing.TB, digits string) pin.Clear {
	t.Helper()
	p, err := pin.Parse(digits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fill is right for every format.
func fill() (out [16]byte) {
	for i := range out {
		out[i] = 0xA + byte(i%6)
	}
	return out
}

// keyFor makes a key that serves a format.
func keyFor(t testing.TB, format hsm.PINFormat, b byte) Key {
	t.Helper()
	raw := bytes.Repeat([]byte{b, b ^ 0x55, b + 7, b * 3}, 4)
	make := NewTDESKey
	if format == ISO4 {
		make = NewAESKey
	}
	k, err := make(raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Every fault of a clear block is found: control, length, digits and fill.
func TestMalformedBlocksAreRefused(t *testing.T) {
	for name, block := range map[string]string{
		"control 3": "341234AAAAAAAAAA", "control 0": "041234AAAAAAAAAA", "length 3": "43123AAAAAAAAAAA", "length 0": "40AAAAAAAAAAAAAA",
		"length 13": "4D1234567890123A", "length 15": "4F12345678901234", "letter in the PIN": "441AB2AAAAAAAAAA",
		"fill B": "441234BBBBBBBBBB", "last fill": "441234AAAAAAAAAB", "first fill": "4412349AAAAAAAAA", "fill inside": "461234AAAAAAAAAA",
	} {
		b := new(Bench)
		raw, err := hex.DecodeString(block)
		if err != nil {
			t.Fatal(err)
		}
		copy(b.Block[:], raw)
		if b.ReadISO4() {
			t.Errorf("%s was taken", name)
		}
		if b.PIN != (pin.Clear{}) {
			t.Errorf("%s left a PIN behind", name)
		}
	}
	for name, c := range map[string]struct {
		format hsm.PINFormat
		block  string
	}{
		"1: control": {ISO1, "261234FFFFFFFFFF"}, "1: letter": {ISO1, "141A34FFFFFFFFFF"}, "1: length": {ISO1, "1D12345678901234"},
		"2: fill": {ISO2, "241234FFFFFFFFFA"}, "2: control": {ISO2, "141234FFFFFFFFFF"}, "2: short": {ISO2, "241234FFFFFFFF"},
		"4: never clear": {ISO4, "441234AAAAAAAAAA"},
	} {
		raw, err := hex.DecodeString(c.block)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(c.format, raw, account); !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsSealedOpensForItsAccountAlone(t *testing.T) {
	for n := pin.MinLength; n <= pin.MaxLength; n++ {
		want := pinOf(t, "987654321098"[:n])
		for _, format := range []hsm.PINFormat{ISO0, ISO1, ISO3, ISO4} {
			k := keyFor(t, format, 0x31)
			block, err := Seal(format, k, want, account, fill())
			if err != nil || len(block) != Size(format) {
				t.Fatalf("format %d: %v, %d bytes", format, err, len(block))
			}
			if got, err := Open(format, k, block, account); err != nil || got != want {
				t.Errorf("format %d: a PIN of %d digits came back as %d: %v", format, n, got.N, err)
			}
			if got, err := Open(format, k, block, "4000009876543"); format != ISO1 && err == nil && got == want {
				t.Errorf("format %d opened for another account", format)
			}
			if _, err := Open(format, keyFor(t, format, 0x32), block, account); !errors.Is(err, hsm.ErrPINBlock) {
				t.Errorf("format %d under another key: %v", format, err)
			}
		}
		block, err := Clear(ISO2, want, "", fill())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Read(ISO2, block, ""); err != nil || got != want {
			t.Errorf("format 2: %v", err)
		}
	}
}

func TestTranslationTakesPermittedPairsOnly(t *testing.T) {
	permitted := map[[2]hsm.PINFormat]bool{}
	for _, pair := range [][2]hsm.PINFormat{{0, 0}, {0, 3}, {0, 4}, {3, 0}, {3, 3}, {3, 4}, {4, 0}, {4, 3}, {4, 4}, {1, 0}, {1, 3}, {1, 4}} {
		permitted[pair] = true
	}
	want := pinOf(t, "52031")
	for from := ISO0; from <= ISO4; from++ {
		for to := ISO0; to <= ISO4+1; to++ {
			if Permitted(from, to) != permitted[[2]hsm.PINFormat{from, to}] {
				t.Errorf("%d to %d: permitted is %v", from, to, Permitted(from, to))
			}
			a, b := Sealed{from, keyFor(t, from, 0x11)}, Sealed{to, keyFor(t, to, 0x22)}
			block := make([]byte, Size(from))
			if from != ISO2 {
				var err error
				if block, err = Seal(from, a.Key, want, account, fill()); err != nil {
					t.Fatal(err)
				}
			}
			out, err := Translate(a, b, block, account, fill())
			if !Permitted(from, to) {
				if input := new(hsm.InputError); !errors.As(err, &input) || input.Field != "format" {
					t.Errorf("%d to %d: %v", from, to, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%d to %d: %v", from, to, err)
			}
			if got, err := Open(to, b.Key, out, account); err != nil || got != want {
				t.Errorf("%d to %d: another PIN", from, to)
			}
		}
	}
}

func TestKeysServeTheirFormatsOnly(t *testing.T) {
	p := pinOf(t, "1357")
	for _, c := range []struct {
		format hsm.PINFormat
		key    Key
	}{{ISO0, keyFor(t, ISO4, 1)}, {ISO4, keyFor(t, ISO0, 1)}, {ISO2, keyFor(t, ISO0, 1)}, {5, keyFor(t, ISO0, 1)}, {ISO0, Key{}}} {
		if _, err := Seal(c.format, c.key, p, account, fill()); err == nil {
			t.Errorf("format %d sealed", c.format)
		}
	}
	if _, err := NewTDESKey(make([]byte, 8)); err == nil {
		t.Error("a single-length key was taken")
	}
	if _, err := Seal(ISO0, keyFor(t, ISO0, 1), p, "400000123456", fill()); err == nil {
		t.Error("an account of twelve digits was taken")
	}
	if _, err := Clear(ISO3, p, account, [16]byte{}); err == nil {
		t.Error("format 3 was filled with digits")
	}
}

func TestAnyPINComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9]{4,12}`).Draw(t, "pin")
		number := rapid.StringMatching(`[0-9]{13,19}`).Draw(t, "account")
		p, err := pin.Parse(digits)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []hsm.PINFormat{ISO0, ISO1, ISO2, ISO3} {
			block, err := Clear(format, p, number, fill())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Read(format, block, number); err != nil || got != p {
				t.Fatalf("format %d: %v", format, err)
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"041215FEDCBA9876", "161234566ABCFDE1", "26123456FFFFFFFF", "341261AAAAEDCBA9", "28B41FDDD29B743E93124BD8E32D921E", ""} {
		raw, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		for format := ISO0; format <= ISO4; format++ {
			f.Add(uint8(format), raw, account)
		}
	}
	f.Fuzz(func(t *testing.T, format uint8, block []byte, number string) {
		chosen := hsm.PINFormat(format)
		p, err := Read(chosen, block, number)
		if err == nil && (p.N < pin.MinLength || p.N > pin.MaxLength) {
			t.Errorf("a PIN of %d digits", p.N)
		}
		if sealed, err := Open(chosen, keyFor(t, chosen, 9), block, number); err == nil && (sealed.N < pin.MinLength || sealed.N > pin.MaxLength) {
			t.Errorf("a sealed PIN of %d digits", sealed.N)
		}
	})
}

// TestTheISO0BlockIsThePublishedOne: ISO 9564-1 format 0 of a PIN of six digits, in clear and under a double-length TDES key, as a processor's documentation prints it.
func TestTheISO0BlockIsThePublishedOne(t *testing.T) {
	const pan = "5299887766554439"
	clear, err := Clear(ISO0, pinOf(t, "223344"), pan, fill())
	if got := hex.EncodeToString(clear); err != nil || got != "0622abc3899aabbc" {
		t.Errorf("clear block %s, %v", got, err)
	}
	key, err := NewTDESKey([]byte("\x3b\x68\x70\x98\x76\x13\x10\x7c\xfb\x1f\x4c\x6e\xc1\x7f\x34\x83"))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Seal(ISO0, key, pinOf(t, "223344"), pan, fill())
	if got := hex.EncodeToString(sealed); err != nil || got != "7553daa289620533" {
		t.Errorf("encrypted block %s, %v", got, err)
	}
	if p, err := Open(ISO0, key, sealed, pan); err != nil || p != pinOf(t, "223344") {
		t.Errorf("it opens to another PIN: %v", err)
	}
}
