package keyblock

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/hsm/knownanswers"
)

func fillZero([]byte) error { return nil }

func TestUnwrapOpensPublishedBlocks(t *testing.T) {
	for _, v := range knownanswers.Load(t, "tr31_unwrap_a", "tr31_unwrap_b", "tr31_unwrap_c", "tr31_unwrap_d") {
		t.Run(v.ID, func(t *testing.T) {
			_, key, err := UnwrapAny(v.Bytes(t, "kbpk"), v.Text("key_block"))
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
	for _, v := range knownanswers.Load(t, "tr31_kdf_d", "tr31_kdf_b", "tr31_kdf_ac") {
		want, ok := v.Expected.([]any)
		if !ok || len(want) != 2 {
			t.Fatalf("%s: expected two keys", v.ID)
		}
		method := map[string]Method{"tr31_kdf_d": MethodD, "tr31_kdf_b": MethodB, "tr31_kdf_ac": MethodA}[v.Algo]
		encryption, authentication, err := DeriveKeys(method, v.Bytes(t, "kbpk"))
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
		method, sizes := rapid.SampledFrom([]Method{MethodB, MethodD}).Draw(t, "method"), []int{16, 24, 32}
		if method == MethodB {
			sizes = sizes[:2]
		}
		kbpk = kbpk[:rapid.SampledFrom(sizes).Draw(t, "size")]
		key := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key")
		h := Header{
			Method: method, Usage: CVK, Algorithm: rapid.SampledFrom([]Algorithm{TDES, AES, 'H'}).Draw(t, "algorithm"),
			Mode: 'C', Version: "07", Exportability: Exportable,
		}
		for _, data := range rapid.SliceOfN(rapid.StringMatching(`[ -~]{0,300}`), 0, 4).Draw(t, "optional") {
			h.Optional = append(h.Optional, Optional{ID: "LB", Data: data})
		}
		block, err := Wrap(kbpk, h, key, fillZero)
		if err != nil {
			t.Fatal(err)
		}
		got, clear, err := UnwrapAny(kbpk, block)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(clear, key) {
			t.Error("key differs")
		}
		if got.Method != h.Method || got.Usage != h.Usage || got.Algorithm != h.Algorithm || got.Mode != h.Mode || got.Version != h.Version ||
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

func TestEveryFlippedBitOfABlockIsRefused(t *testing.T) {
	kbpk := bytes.Repeat([]byte{0x5A, 0xC3, 0x19}, 8)
	for _, method := range []Method{MethodB, MethodD} {
		h := Header{
			Method: method, Usage: CVK, Algorithm: TDES, Mode: 'C', Version: "01", Exportability: NotExportable,
			Optional: []Optional{{ID: "LB", Data: "cvk.visa"}},
		}
		block, err := Wrap(kbpk, h, bytes.Repeat([]byte{0x3B}, 16), fillZero)
		if err != nil {
			t.Fatal(err)
		}
		for i := range block {
			for bit := range 8 {
				changed := []byte(block)
				changed[i] ^= 1 << bit
				if _, _, err := UnwrapAny(kbpk, string(changed)); err == nil {
					t.Fatalf("method %c: bit %d of character %d flipped, and it opened", method, bit, i)
				}
			}
		}
		wrong := bytes.Repeat([]byte{0x5B}, 24)
		if _, _, err := UnwrapAny(wrong, block); !errors.Is(err, ErrKeyBlock) {
			t.Errorf("wrong KBPK: %v", err)
		}
	}
}

func TestBlocksReadForImportLetNoBitFlip(t *testing.T) {
	for _, v := range knownanswers.Load(t, "tr31_unwrap_a", "tr31_unwrap_b", "tr31_unwrap_c") {
		kbpk, block := v.Bytes(t, "kbpk"), v.Text("key_block")
		for i := range block {
			for bit := range 8 {
				changed := []byte(block)
				changed[i] ^= 1 << bit
				if _, _, err := UnwrapAny(kbpk, string(changed)); !errors.Is(err, ErrKeyBlock) {
					t.Fatalf("%s: bit %d of character %d: %v", v.ID, bit, i, err)
				}
			}
		}
		if _, _, err := Unwrap(kbpk, block); !errors.Is(err, ErrKeyBlock) {
			t.Errorf("%s: taken as a block of the keystore: %v", v.ID, err)
		}
	}
}

func TestDeprecatedMethodsAreNeverWritten(t *testing.T) {
	for _, method := range []Method{MethodA, MethodC, 'E'} {
		h := Header{Method: method, Usage: CVK, Algorithm: TDES, Mode: 'C', Version: "01", Exportability: Exportable}
		if _, err := Wrap(make([]byte, 16), h, make([]byte, 16), fillZero); err == nil {
			t.Errorf("method %c was written", method)
		}
	}
}

func TestOptionalBlocksAreKeptInBothExtendedForms(t *testing.T) {
	data := strings.Repeat("certificate ", 30)
	for name, front := range map[string]string{"characters": "CT0004%04X", "pairs": "CT0002%04X"} {
		text := fmt.Sprintf(front, len(data)+10) + data
		o, size, err := parseOptional(text)
		if err != nil || size != len(text) || o.ID != "CT" || o.Data != data {
			t.Errorf("length of length in %s: %v", name, err)
		}
	}
	written, err := Optional{ID: "CT", Data: data}.encode()
	if err != nil || !strings.HasPrefix(written, "CT0004") {
		t.Errorf("written as %.10s: %v", written, err)
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
	for _, method := range "ABC" {
		f.Add(string(method) + block[1:])
	}
	f.Add("D0016C0TC01E00000")
	f.Add("D0032C0TC01E0100LB000410000AAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if _, _, err := UnwrapAny(kbpk, s); err == nil && s != block {
			t.Errorf("a block that was never wrapped opened")
		}
	})
}
