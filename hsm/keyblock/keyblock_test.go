package keyblock

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/hsm/knownanswers"
)

func fillZero([]byte) error { return nil }

func TestUnwrapOpensPublishedBlocks(t *testing.T) {
	for _, v := range knownanswers.Load(t, "tr31_unwrap_d") {
		t.Run(v.ID, func(t *testing.T) {
			_, key, err := Unwrap(v.Bytes(t, "kbpk"), v.Text("key_block"))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ToUpper(hex.EncodeToString(key)); got != v.Answer() {
				t.Errorf("key differs")
			}
		})
	}
}

func TestDeriveKeysMatchesPublishedIntermediates(t *testing.T) {
	for _, v := range knownanswers.Load(t, "tr31_kdf_d") {
		want, ok := v.Expected.([]any)
		if !ok || len(want) != 2 {
			t.Fatalf("%s: expected two keys", v.ID)
		}
		encryption, authentication, err := deriveKeys(v.Bytes(t, "kbpk"))
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range [][]byte{encryption, authentication} {
			if strings.ToUpper(hex.EncodeToString(got)) != want[i] {
				t.Errorf("%s: key %d differs", v.ID, i)
			}
		}
	}
}

func TestUnwrapInvertsWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kbpk := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "kbpk")
		kbpk = kbpk[:rapid.SampledFrom([]int{16, 24, 32}).Draw(t, "size")]
		key := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key")
		h := Header{
			Usage: CVK, Algorithm: rapid.SampledFrom([]Algorithm{TDES, AES, 'H'}).Draw(t, "algorithm"),
			Mode: 'C', Version: "07", Exportability: Exportable,
		}
		for _, data := range rapid.SliceOfN(rapid.StringMatching(`[ -~]{0,300}`), 0, 4).Draw(t, "optional") {
			h.Optional = append(h.Optional, Optional{ID: "LB", Data: data})
		}
		block, err := Wrap(kbpk, h, key, fillZero)
		if err != nil {
			t.Fatal(err)
		}
		got, clear, err := Unwrap(kbpk, block)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(clear, key) {
			t.Error("key differs")
		}
		if got.Usage != h.Usage || got.Algorithm != h.Algorithm || got.Mode != h.Mode || got.Version != h.Version ||
			got.Exportability != h.Exportability || len(got.Optional) != len(h.Optional) {
			t.Errorf("header %+v became %+v", h, got)
		}
		for i := range got.Optional {
			if got.Optional[i] != h.Optional[i] {
				t.Errorf("optional block %d differs", i)
			}
		}
	})
}

func TestUnwrapRefusesEveryChangedCharacter(t *testing.T) {
	kbpk := bytes.Repeat([]byte{0x5A}, 32)
	h := Header{
		Usage: CVK, Algorithm: TDES, Mode: 'C', Version: "01", Exportability: NotExportable,
		Optional: []Optional{{ID: "LB", Data: "cvk.visa"}},
	}
	block, err := Wrap(kbpk, h, bytes.Repeat([]byte{0x3B}, 16), fillZero)
	if err != nil {
		t.Fatal(err)
	}
	for i := range block {
		for _, c := range []byte("0123456789ABCDEFNTXz") {
			if block[i] == c {
				continue
			}
			changed := block[:i] + string(c) + block[i+1:]
			if strings.EqualFold(changed, block) {
				continue
			}
			if _, _, err := Unwrap(kbpk, changed); !errors.Is(err, ErrKeyBlock) {
				t.Fatalf("character %d changed to %c: %v", i, c, err)
			}
		}
	}
	wrong := bytes.Repeat([]byte{0x5B}, 32)
	if _, _, err := Unwrap(wrong, block); !errors.Is(err, ErrKeyBlock) {
		t.Errorf("wrong KBPK: %v", err)
	}
}

func TestWrapHidesHowLongTheKeyIs(t *testing.T) {
	kbpk := make([]byte, 32)
	h := Header{Usage: Data, Algorithm: AES, Mode: 'B', Version: "01", Exportability: NotExportable}
	short, err := Wrap(kbpk, h, make([]byte, 16), fillZero)
	if err != nil {
		t.Fatal(err)
	}
	long, err := Wrap(kbpk, h, make([]byte, 32), fillZero)
	if err != nil {
		t.Fatal(err)
	}
	if len(short) != len(long) {
		t.Errorf("blocks of %d and %d characters", len(short), len(long))
	}
}

func FuzzUnwrap(f *testing.F) {
	kbpk := bytes.Repeat([]byte{0x5A}, 16)
	h := Header{Usage: CVK, Algorithm: TDES, Mode: 'C', Version: "01", Exportability: Exportable, Optional: []Optional{{"LB", "x"}}}
	block, err := Wrap(kbpk, h, make([]byte, 16), fillZero)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	f.Add("D0016C0TC01E00000")
	f.Add("D0032C0TC01E0100LB000410000AAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if _, _, err := Unwrap(kbpk, s); err == nil && !strings.EqualFold(s, block) {
			t.Errorf("a block that was never wrapped opened")
		}
	})
}
