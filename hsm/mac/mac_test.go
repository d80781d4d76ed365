package mac

import (
	"bytes"
	"encoding/hex"
	"testing"

	"platen/hsm/tdes"
)

func key(t *testing.T, text string) *tdes.Key {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	k, err := tdes.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPaddingBringsDataToWholeBlocks(t *testing.T) {
	for _, c := range []struct {
		data   int
		method Padding
		want   int
	}{{0, Zeros, 8}, {0, Bit, 8}, {1, Zeros, 8}, {7, Bit, 8}, {8, Zeros, 8}, {8, Bit, 16}, {9, Zeros, 16}} {
		data := bytes.Repeat([]byte{0xAA}, c.data)
		got, err := Pad(data, c.method)
		if err != nil || len(got) != c.want || !bytes.HasPrefix(got, data) {
			t.Errorf("%d bytes by method %d became %d, %v", c.data, c.method, len(got), err)
		}
		if c.method == Bit && got[c.data] != 0x80 {
			t.Errorf("%d bytes by method 2 go on with %02X", c.data, got[c.data])
		}
	}
	if _, err := Pad(nil, 3); err == nil {
		t.Error("method 3 was taken")
	}
}

// One block under a double-length key is the same by both algorithms: EDE2 of it.
func TestTheAlgorithmsMeetInOneBlock(t *testing.T) {
	k := key(t, "0123456789ABCDEFFEDCBA9876543210")
	one, err := Algorithm1(k, []byte("one bloc"), Zeros)
	if err != nil {
		t.Fatal(err)
	}
	three, err := Algorithm3(k, []byte("one bloc"), Zeros)
	if err != nil || one != three {
		t.Errorf("%x and %x, %v", one, three, err)
	}
	retail, err := Retail(key(t, "0123456789ABCDEF"), key(t, "FEDCBA9876543210"), []byte("two blocks of it"), Zeros)
	if err != nil {
		t.Fatal(err)
	}
	if three, err = Algorithm3(k, []byte("two blocks of it"), Zeros); err != nil || retail != three {
		t.Errorf("%x and %x, %v", retail, three, err)
	}
}

func TestTheRetailMACWantsADoubleKey(t *testing.T) {
	for _, text := range []string{"0123456789ABCDEF", "0123456789ABCDEFFEDCBA98765432100123456789ABCDEF"} {
		if _, err := Algorithm3(key(t, text), nil, Bit); err == nil {
			t.Errorf("a key of %d digits was taken", len(text))
		}
	}
}
