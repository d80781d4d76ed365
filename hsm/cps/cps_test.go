package cps

import (
	"bytes"
	"encoding/hex"
	"testing"

	"platen/hsm/tdes"
)

func master(t *testing.T) *tdes.Key {
	t.Helper()
	k, err := tdes.New([]byte("@ABCDEFGHIJKLMNO"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEachPurposeHasItsOwnKey(t *testing.T) {
	data := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	seen := map[Key]bool{}
	for _, purpose := range []Purpose{Encryption, Authentication, DataEncryption} {
		for _, derive := range []func(*tdes.Key, []byte, Purpose) (Key, error){CardKey, VisaCardKey} {
			k, err := derive(master(t), data, purpose)
			if err != nil || seen[k] {
				t.Errorf("purpose %d: %v, seen before is %v", purpose, err, seen[k])
			}
			seen[k] = true
		}
	}
	for _, purpose := range []Purpose{0, 4} {
		if _, err := CardKey(master(t), data, purpose); err == nil {
			t.Errorf("purpose %d was taken", purpose)
		}
	}
	if _, err := VisaCardKey(master(t), data[:9], Encryption); err == nil {
		t.Error("KEYDATA of nine bytes was taken")
	}
}

func TestGroupingsThatAreNotWholeBlocksArePadded(t *testing.T) {
	for size, want := range map[int]string{0: "", 8: "0101010101010101", 9: "010101010101010101800000000000000000"[:32], 15: "01010101010101010101010101010180"} {
		sealed, err := EncryptGrouping(master(t), bytes.Repeat([]byte{1}, size))
		if err != nil {
			t.Fatal(err)
		}
		got, err := master(t).DecryptECB(sealed)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%d bytes: %x, %v", size, got, err)
		}
	}
}
