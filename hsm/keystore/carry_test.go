package keystore_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/thales"
)

const (
	zmkHex   = "E6F1081FEA4C402CC192B65DE367EC3E"
	knownHex = "0123456789ABCDEFFEDCBA9876543210"
	knownKCV = "08D7B4"
)

func secret(t testing.TB, digits string) card.Secret {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return card.NewSecret(b)
}

// partner is a store that shares its carrying keys with every other partner.
func partner(t testing.TB, env keystore.Environment) *keystore.Store {
	t.Helper()
	s, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), kbpk(3), env)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		label card.KeyLabel
		usage keystore.Usage
		alg   keystore.Algorithm
		key   string
	}{
		{"zmk", keyblock.KEK, keyblock.TDES, zmkHex}, {"kek.t", keyblock.Protection, keyblock.TDES, zmkHex},
		{"kek.a", keyblock.Protection, keyblock.AES, strings.Repeat("88E1AB2A2E3DD38C", 4)},
		{"kek.small", keyblock.Protection, keyblock.AES, strings.Repeat("88E1AB2A2E3DD38C", 2)},
	} {
		if err := s.Import(k.label, k.usage, k.alg, secret(t, k.key)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func named(name string) card.KeyRef { return card.KeyRef{Label: card.KeyLabel(name)} }

func refusedField(t testing.TB, err error, field string, want error) {
	t.Helper()
	var f *keystore.FieldError
	if !errors.As(err, &f) || f.Field != field || want != nil && !errors.Is(err, want) {
		t.Errorf("got %v, want field %s, %v", err, field, want)
	}
}

func TestAKeyTravelsAsABlockAndAsAVariant(t *testing.T) {
	ours, theirs := partner(t, keystore.Test), partner(t, keystore.Test)
	if err := ours.Import("cvk", keyblock.CVK, keyblock.TDES, secret(t, knownHex)); err != nil {
		t.Fatal(err)
	}
	for _, under := range []string{"kek.a", "kek.t"} {
		block, err := ours.ExportBlock(named("cvk"), named(under))
		if err != nil {
			t.Fatal(err)
		}
		k, err := theirs.ImportBlock(keystore.Incoming{Label: card.KeyLabel("by." + under), KCV: knownKCV}, named(under), block)
		if err != nil || k.KCV != knownKCV || k.Usage != keyblock.CVK || !k.Exportable {
			t.Errorf("under %s: %+v, %v", under, k, err)
		}
	}
	text, err := ours.ExportVariant(named("cvk"), named("zmk"), 'U')
	if err != nil {
		t.Fatal(err)
	}
	in := keystore.Incoming{Label: "by.zmk", Usage: keyblock.CVK, KCV: knownKCV + "FB629D0885", Legacy: true}
	if k, err := theirs.ImportVariant(in, named("zmk"), text); err != nil || k.KCV != knownKCV {
		t.Errorf("variant: %+v, %v", k, err)
	}
	in.Label, in.Legacy = "bare", false
	_, err = theirs.ImportVariant(in, named("zmk"), text)
	refusedField(t, err, "scheme", nil)
	in.Legacy, in.KCV = true, "000000"
	_, err = theirs.ImportVariant(in, named("zmk"), text)
	refusedField(t, err, "kcv", keystore.ErrKCV)
	in.KCV = ""
	_, err = theirs.ImportVariant(in, named("zmk"), text)
	refusedField(t, err, "kcv", nil)
	if strings.Contains(err.Error(), text[1:]) {
		t.Error("the error shows the key")
	}
}

func TestExportRefusesWhatTheBlockDoesNotAllow(t *testing.T) {
	s := partner(t, keystore.Test)
	for name, usage := range map[card.KeyLabel]keystore.Usage{"pan": keyblock.Data, "pins": keyblock.PINStorage, "zpk": keyblock.ZPK} {
		if err := s.Generate(name, usage, keyblock.AES, hsm.SystemEntropy()); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pan", "pins", "zmk", "kek.a"} {
		_, err := s.ExportBlock(named(name), named("kek.a"))
		refusedField(t, err, "exportability", keystore.ErrExport)
	}
	for _, weaker := range []string{"kek.small", "kek.t"} {
		_, err := s.ExportBlock(named("zpk"), named(weaker))
		refusedField(t, err, "key", keystore.ErrStrength)
	}
	if _, err := s.ExportBlock(named("zpk"), named("zmk")); !errors.Is(err, hsm.ErrKeyUsage) {
		t.Errorf("a block under a ZMK: %v", err)
	}
	if _, err := s.ExportVariant(named("zpk"), named("kek.t"), 'U'); !errors.Is(err, hsm.ErrKeyUsage) {
		t.Errorf("a variant under a block key: %v", err)
	}
	if err := s.Generate("cvk", keyblock.CVK, keyblock.TDES, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	var input *hsm.InputError
	if _, err := s.ExportVariant(named("cvk"), named("zmk"), 'T'); !errors.As(err, &input) || input.Field != "scheme" {
		t.Errorf("a double-length key by T: %v", err)
	}
}

// What goes into a security module leaves the keystore, so the same keys stay behind as with export.
func TestCarryRefusesWhatTheBlockDoesNotAllow(t *testing.T) {
	s := partner(t, keystore.Test)
	for name, usage := range map[card.KeyLabel]keystore.Usage{"pan": keyblock.Data, "pins": keyblock.PINStorage, "zpk": keyblock.ZPK} {
		if err := s.Generate(name, usage, keyblock.AES, hsm.SystemEntropy()); err != nil {
			t.Fatal(err)
		}
	}
	kek, _ := hex.DecodeString(strings.Repeat("88E1AB2A2E3DD38C", 4))
	known, _ := hex.DecodeString(knownHex)
	header := keyblock.Header{Usage: keyblock.CVK, Algorithm: keyblock.TDES, Mode: 'C', Version: "00", Exportability: keyblock.NotExportable}
	block, err := keyblock.Wrap(kek, header, known, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ImportBlock(keystore.Incoming{Label: "kept"}, named("kek.a"), block); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pan", "pins", "zmk", "kek.a", "kept"} {
		err := s.Carry(named(name), func(keystore.Algorithm, []byte) error {
			t.Errorf("%s was handed out", name)
			return nil
		})
		refusedField(t, err, "exportability", keystore.ErrExport)
	}
	if err := s.Carry(named("none"), nil); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("no such key: %v", err)
	}
	var seen []byte
	failed := errors.New("the module is away")
	err = s.Carry(named("zpk"), func(alg keystore.Algorithm, clearKey []byte) error {
		if seen = clearKey; alg != keyblock.AES || len(clearKey) != 32 {
			t.Errorf("%c, %d bytes", alg, len(clearKey))
		}
		return failed
	})
	if !errors.Is(err, failed) || !bytes.Equal(seen, make([]byte, 32)) {
		t.Errorf("%v, or the key was not wiped", err)
	}
}

func TestWhatABlockForbidsStaysForbidden(t *testing.T) {
	s := partner(t, keystore.Test)
	kek, _ := hex.DecodeString(strings.Repeat("88E1AB2A2E3DD38C", 4))
	known, _ := hex.DecodeString(knownHex)
	block := func(change func(h *keyblock.Header), key []byte) string {
		h := keyblock.Header{Usage: keyblock.CVK, Algorithm: keyblock.TDES, Mode: 'C', Version: "00", Exportability: keyblock.Exportable}
		change(&h)
		b, err := keyblock.Wrap(kek, h, key, func([]byte) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, e := range []keyblock.Exportability{keyblock.NotExportable, keyblock.Sensitive} {
		label := card.KeyLabel("kept." + strings.ToLower(string(rune(e))))
		k, err := s.ImportBlock(keystore.Incoming{Label: label}, named("kek.a"), block(func(h *keyblock.Header) { h.Exportability = e }, known))
		if err != nil || k.Exportable {
			t.Errorf("%c: %+v, %v", e, k, err)
		}
		_, err = s.ExportBlock(named(string(label)), named("kek.a"))
		refusedField(t, err, "exportability", keystore.ErrExport)
	}
	even, _ := hex.DecodeString("0022456789ABCDEFFEDCBA9876543210")
	halves, _ := hex.DecodeString("0123456789ABCDEF0123456789ABCDEF")
	for name, c := range map[string]struct {
		change func(h *keyblock.Header)
		key    []byte
		in     keystore.Incoming
		field  string
	}{
		"usage":       {func(h *keyblock.Header) { h.Usage = "B0" }, known, keystore.Incoming{}, "usage"},
		"other usage": {func(*keyblock.Header) {}, known, keystore.Incoming{Usage: keyblock.ZPK}, "usage"},
		"mode":        {func(h *keyblock.Header) { h.Mode = 'E' }, known, keystore.Incoming{}, "mode"},
		"environment": {func(h *keyblock.Header) { h.Optional = []keyblock.Optional{{ID: "20", Data: "production"}} }, known, keystore.Incoming{}, "environment"},
		"inner kcv":   {func(h *keyblock.Header) { h.Optional = []keyblock.Optional{{ID: "KC", Data: "00ABCDEF"}} }, known, keystore.Incoming{}, "kcv"},
		"outer kcv":   {func(*keyblock.Header) {}, known, keystore.Incoming{KCV: "ABCDEF"}, "kcv"},
		"even parity": {func(*keyblock.Header) {}, even, keystore.Incoming{}, "key"},
		"half-equal":  {func(*keyblock.Header) {}, halves, keystore.Incoming{}, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Label = "refused"
			_, err := s.ImportBlock(c.in, named("kek.a"), block(c.change, c.key))
			refusedField(t, err, c.field, nil)
		})
	}
	_, err := s.ImportBlock(keystore.Incoming{Label: "refused"}, named("kek.t"), "A0072C0TC00E0000"+strings.Repeat("0", 56))
	refusedField(t, err, "method", nil)
	if _, err := s.Lookup(named("refused")); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("a refused key is there: %v", err)
	}
}

// Any bit of an exported block that changes makes it no block at all.
func TestEveryFlippedBitOfAnExportedBlockIsRefused(t *testing.T) {
	s := partner(t, keystore.Test)
	if err := s.Import("cvk", keyblock.CVK, keyblock.TDES, secret(t, knownHex)); err != nil {
		t.Fatal(err)
	}
	for _, under := range []string{"kek.a", "kek.t"} {
		block, err := s.ExportBlock(named("cvk"), named(under))
		if err != nil {
			t.Fatal(err)
		}
		for at := range len(block) * 8 {
			b := []byte(block)
			b[at/8] ^= 1 << (at % 8)
			if _, err := s.ImportBlock(keystore.Incoming{Label: "flipped", Legacy: true}, named(under), string(b)); err == nil {
				t.Fatalf("under %s: bit %d of byte %d may change", under, at%8, at/8)
			} else {
				refusedField(t, err, "key block", nil)
			}
		}
	}
}

func TestVariantsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zmk := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "zmk")
		size, scheme := 16, byte('U')
		if rapid.Bool().Draw(t, "triple") {
			size, scheme = 24, 'T'
		}
		key := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "key")
		text, err := thales.EncryptUnder(zmk, scheme, key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := thales.DecryptUnder(zmk, text); err != nil || !bytes.Equal(got, key) {
			t.Fatalf("came back differently, %v", err)
		}
	})
}
