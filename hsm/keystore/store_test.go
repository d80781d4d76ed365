package keystore_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
)

func kbpk(fill byte) card.Secret {
	key := bytes.Repeat([]byte{fill}, 32)
	key[0]++
	return card.NewSecret(key)
}

func label(t *testing.T, s string) card.KeyLabel {
	t.Helper()
	l, err := card.NewKeyLabel(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// filled is a store with one key of every usage.
func filled(t *testing.T) (*keystore.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	s, err := keystore.Create(path, kbpk(1), keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	s.SetClock(func() time.Time { return time.Date(2026, 11, 21, 8, 0, 0, 5, time.UTC) })
	entropy := hsm.SeededEntropy("keystore test")
	for name, k := range map[string]struct {
		usage keystore.Usage
		alg   keystore.Algorithm
	}{
		"cvk": {keyblock.CVK, keyblock.TDES}, "pvk.visa": {keyblock.VisaPVK, keyblock.TDES}, "pvk.ibm": {keyblock.IBMPVK, keyblock.TDES},
		"zpk.t": {keyblock.ZPK, keyblock.TDES}, "zpk.a": {keyblock.ZPK, keyblock.AES},
		"pan": {keyblock.Data, keyblock.AES}, "pins": {keyblock.PINStorage, keyblock.AES},
	} {
		if err := s.Generate(label(t, name), k.usage, k.alg, entropy); err != nil {
			t.Fatal(err)
		}
	}
	return s, path
}

func TestOpenFindsWhatWasGenerated(t *testing.T) {
	s, path := filled(t)
	again, err := keystore.Open(path, kbpk(1))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(again.List()), fmt.Sprint(s.List()); got != want {
		t.Errorf("list is %s, want %s", got, want)
	}
	k, err := again.Lookup(card.KeyRef{Label: "cvk"})
	if err != nil {
		t.Fatal(err)
	}
	if k.Version != 1 || k.Usage != keyblock.CVK || k.KCVMethod != keystore.ZerosTDES || len(k.KCV) != 6 || k.Environment != keystore.Test ||
		!k.Created.Equal(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("key is %+v", k)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

func TestOpenRefusesAnotherKBPK(t *testing.T) {
	_, path := filled(t)
	if _, err := keystore.Open(path, kbpk(2)); !errors.Is(err, keyblock.ErrKeyBlock) {
		t.Errorf("got %v", err)
	}
}

// Whatever the file says of a key is bound to the key: any change of it is found.
func TestOpenRefusesAnyChangeOfAKey(t *testing.T) {
	_, path := filled(t)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]any{
		"label": "other", "version": 2, "usage": "V2", "algorithm": "AES", "kcv": "000000", "kcv_method": "aes-cmac",
		"exportable": false, "environment": "production", "created": "2026-11-21T08:00:01Z",
	}
	var doc map[string]any
	for field, value := range changes {
		t.Run(field, func(t *testing.T) {
			if err := json.Unmarshal(original, &doc); err != nil {
				t.Fatal(err)
			}
			for _, k := range doc["keys"].([]any) {
				if key := k.(map[string]any); key["label"] == "cvk" {
					if fmt.Sprint(key[field]) == fmt.Sprint(value) {
						t.Fatal("the change changes nothing")
					}
					key[field] = value
				}
			}
			refusesDocument(t, path, doc)
		})
	}
	t.Run("blocks of two keys swapped", func(t *testing.T) {
		if err := json.Unmarshal(original, &doc); err != nil {
			t.Fatal(err)
		}
		keys := doc["keys"].([]any)
		a, b := keys[0].(map[string]any), keys[1].(map[string]any)
		a["block"], b["block"] = b["block"], a["block"]
		refusesDocument(t, path, doc)
	})
	t.Run("environment of the file", func(t *testing.T) {
		if err := json.Unmarshal(original, &doc); err != nil {
			t.Fatal(err)
		}
		doc["environment"] = "production"
		refusesDocument(t, path, doc)
	})
	t.Run("a key twice", func(t *testing.T) {
		if err := json.Unmarshal(original, &doc); err != nil {
			t.Fatal(err)
		}
		keys := doc["keys"].([]any)
		doc["keys"] = append(keys, keys[0])
		refusesDocument(t, path, doc)
	})
	t.Run("an unknown word", func(t *testing.T) {
		if err := json.Unmarshal(original, &doc); err != nil {
			t.Fatal(err)
		}
		doc["comment"] = "x"
		refusesDocument(t, path, doc)
	})
}

// What a flipped bit leaves of a file is refused, or it says the very same: a blank for a line's end, a letter of JSON in the other case.
func TestEveryFlippedBitOfAKeystoreIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s, err := keystore.Create(path, kbpk(1), keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	period := keystore.Period{Expires: time.Now().AddDate(1, 0, 0)}
	if err := s.GenerateWithin("cvk", keyblock.CVK, keyblock.TDES, period, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, same := s.List(), 0
	for at := range content {
		for bit := range 8 {
			content[at] ^= 1 << bit
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := keystore.Open(path, kbpk(1)); err == nil {
				same++
				if got := s.List(); !slices.Equal(got, want) || s.Environment() != keystore.Test {
					t.Fatalf("bit %d of byte %d flipped: the keystore says something else", bit, at)
				}
			}
			content[at] ^= 1 << bit
		}
	}
	if same > len(content) {
		t.Errorf("%d of %d flipped bits went unseen", same, 8*len(content))
	}
}

func refusesDocument(t *testing.T, path string, doc map[string]any) {
	t.Helper()
	changed, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keystore.Open(path, kbpk(1)); err == nil {
		t.Error("the changed file was opened")
	}
}

func TestOpenRefusesAFileThatOthersMayRead(t *testing.T) {
	_, path := filled(t)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := keystore.Open(path, kbpk(1)); !errors.Is(err, keystore.ErrMode) {
		t.Errorf("got %v", err)
	}
}

func TestGenerateRefusesAnExistingLabelAndAWrongPair(t *testing.T) {
	s, _ := filled(t)
	if err := s.Generate("cvk", keyblock.CVK, keyblock.TDES, hsm.SystemEntropy()); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("existing label: %v", err)
	}
	for _, u := range []keystore.Usage{keyblock.CVK, keyblock.IBMPVK, keyblock.VisaPVK} {
		if err := s.Generate("new", u, keyblock.AES, hsm.SystemEntropy()); !errors.Is(err, keystore.ErrPairing) {
			t.Errorf("%s with AES: %v", u, err)
		}
	}
	for _, u := range []keystore.Usage{keyblock.Data, keyblock.PINStorage, "K2"} {
		if err := s.Generate("new", u, keyblock.TDES, hsm.SystemEntropy()); !errors.Is(err, keystore.ErrPairing) {
			t.Errorf("%s with TDES: %v", u, err)
		}
	}
	if err := s.Generate("Not A Label", keyblock.CVK, keyblock.TDES, hsm.SystemEntropy()); err == nil {
		t.Error("a malformed label was taken")
	}
}

func TestRotateKeepsTheOlderVersion(t *testing.T) {
	s, path := filled(t)
	before, err := s.Lookup(card.KeyRef{Label: "cvk"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Rotate("cvk", hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	if s, err = keystore.Open(path, kbpk(1)); err != nil {
		t.Fatal(err)
	}
	current, err := s.Lookup(card.KeyRef{Label: "cvk"})
	if err != nil || current.Version != 2 || current.KCV == before.KCV {
		t.Errorf("current is %+v, %v", current, err)
	}
	old, err := s.Lookup(card.KeyRef{Label: "cvk", Version: 1})
	if err != nil || old != before {
		t.Errorf("version 1 is %+v, %v", old, err)
	}
	if _, err := s.Lookup(card.KeyRef{Label: "cvk", Version: 3}); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("version 3: %v", err)
	}
}

func TestSeededKeysRepeat(t *testing.T) {
	a, _ := filled(t)
	b, _ := filled(t)
	if got, want := fmt.Sprint(a.List()), fmt.Sprint(b.List()); got != want {
		t.Errorf("the same seed made %s and %s", got, want)
	}
}

func TestImportRefusesBadMaterial(t *testing.T) {
	good := "0123456789ABCDEFFEDCBA9876543210"
	cases := map[string]struct {
		key  string
		alg  keystore.Algorithm
		want error
	}{
		"even parity":      {"0022456789ABCDEFFEDCBA9876543210", keyblock.TDES, keystore.ErrParity},
		"equal halves":     {"0123456789ABCDEF0123456789ABCDEF", keyblock.TDES, keystore.ErrWeakKey},
		"weak left half":   {"0101010101010101FEDCBA9876543210", keyblock.TDES, keystore.ErrWeakKey},
		"semi-weak half":   {"0123456789ABCDEF01FE01FE01FE01FE", keyblock.TDES, keystore.ErrWeakKey},
		"single length":    {"0123456789ABCDEF", keyblock.TDES, keystore.ErrKeySize},
		"triple length":    {good + "0123456789ABCDEF", keyblock.TDES, keystore.ErrKeySize},
		"short AES":        {good[:30], keyblock.AES, keystore.ErrKeySize},
		"AES of one value": {strings.Repeat("00", 16), keyblock.AES, keystore.ErrWeakKey},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, _ := filled(t)
			raw, err := hex.DecodeString(c.key)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Import("imported", keyblock.ZPK, c.alg, card.NewSecret(raw)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !bytes.Equal(raw, make([]byte, len(raw))) {
				t.Error("the clear key was not wiped")
			}
		})
	}
	s, _ := filled(t)
	raw, _ := hex.DecodeString(good)
	if err := s.Import("imported", keyblock.CVK, keyblock.TDES, card.NewSecret(raw)); err != nil {
		t.Fatal(err)
	}
	if k, err := s.Lookup(card.KeyRef{Label: "imported"}); err != nil || k.KCV != "08D7B4" {
		t.Errorf("imported key is %+v, %v", k, err)
	}
}

func TestUseEnforcesUsageAndWipesTheKey(t *testing.T) {
	s, _ := filled(t)
	var kept []byte
	build := func(clearKey []byte) error {
		kept = clearKey
		return nil
	}
	if err := s.Use(card.KeyRef{Label: "cvk"}, keyblock.CVK, keyblock.TDES, build); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 16 || !bytes.Equal(kept, make([]byte, 16)) {
		t.Error("the clear key was not wiped")
	}
	refused := func([]byte) error { t.Error("a key was opened for another use"); return nil }
	for _, u := range []keystore.Usage{keyblock.ZPK, keyblock.VisaPVK, keyblock.Data} {
		if err := s.Use(card.KeyRef{Label: "cvk"}, u, keyblock.TDES, refused); !errors.Is(err, hsm.ErrKeyUsage) {
			t.Errorf("CVK as %s: %v", u, err)
		}
	}
	if err := s.Use(card.KeyRef{Label: "zpk.t"}, keyblock.ZPK, keyblock.AES, refused); !errors.Is(err, hsm.ErrKeyUsage) {
		t.Errorf("TDES key as AES: %v", err)
	}
	if err := s.Use(card.KeyRef{Label: "none"}, keyblock.ZPK, keyblock.AES, refused); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestExportMakesASubsetUnderAnotherKBPK(t *testing.T) {
	s, path := filled(t)
	target := filepath.Join(t.TempDir(), "bureau.json")
	if err := s.Export([]string{"cvk", "zpk.a"}, target, kbpk(9)); err != nil {
		t.Fatal(err)
	}
	if _, err := keystore.Open(target, kbpk(1)); err == nil {
		t.Error("the export opens under our own KBPK")
	}
	out, err := keystore.Open(target, kbpk(9))
	if err != nil {
		t.Fatal(err)
	}
	if keys := out.List(); len(keys) != 2 || keys[0].Label != "cvk" || keys[1].Label != "zpk.a" {
		t.Errorf("exported %v", keys)
	}
	want, _ := s.Lookup(card.KeyRef{Label: "cvk"})
	if got, err := out.Lookup(card.KeyRef{Label: "cvk"}); err != nil || got != want {
		t.Errorf("exported %+v, %v", got, err)
	}
	if err := s.Export([]string{"cvk"}, target, kbpk(9)); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("existing file: %v", err)
	}
	for _, secret := range []string{"pan", "pins"} {
		fresh := path + "." + secret
		if err := s.Export([]string{"cvk", secret}, fresh, kbpk(9)); !errors.Is(err, keystore.ErrExport) {
			t.Errorf("%s: %v", secret, err)
		}
		if _, err := os.Stat(fresh); !os.IsNotExist(err) {
			t.Errorf("a refused export left a file")
		}
	}
	if err := s.Export([]string{"nothing"}, path+".x", kbpk(9)); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("unknown label: %v", err)
	}
}

func written(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSupplyBringsWhatIsMissingAndLeavesTheRest(t *testing.T) {
	s, _ := filled(t)
	target := filepath.Join(t.TempDir(), "bureau.json")
	if err := s.Export([]string{"cvk"}, target, kbpk(9)); err != nil {
		t.Fatal(err)
	}
	to, err := keystore.Open(target, kbpk(9))
	if err != nil {
		t.Fatal(err)
	}
	before := written(t, target)
	if n, err := s.Supply([]string{"cvk"}, to); err != nil || n != 0 || written(t, target) != before {
		t.Errorf("nothing was missing: %d keys, %v", n, err)
	}
	if err := s.Rotate("cvk", hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	for _, labels := range [][]string{{"cvk", "pins"}, {"cvk", "nothing"}} {
		if _, err := s.Supply(labels, to); err == nil || written(t, target) != before {
			t.Errorf("%v: %v, or the file changed", labels, err)
		}
	}
	if n, err := s.Supply([]string{"cvk", "zpk.a"}, to); err != nil || n != 2 {
		t.Errorf("a new version and a new key: %d keys, %v", n, err)
	}
	for _, ref := range []card.KeyRef{{Label: "cvk", Version: 1}, {Label: "cvk", Version: 2}, {Label: "zpk.a", Version: 1}} {
		want, err := s.Lookup(ref)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := to.Lookup(ref); err != nil || got != want {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
	}
	if again, err := keystore.Open(target, kbpk(9)); err != nil || len(again.List()) != 3 {
		t.Errorf("what was supplied does not open again: %v", err)
	}
	// A key of its own under the same label is nothing to overwrite, and test and production keys do not mix.
	stranger, err := keystore.Create(filepath.Join(t.TempDir(), "own.json"), kbpk(9), keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Generate("cvk", keyblock.CVK, keyblock.TDES, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Supply([]string{"zpk.a", "cvk"}, stranger); !errors.Is(err, keystore.ErrExists) || len(stranger.List()) != 1 {
		t.Errorf("another key of the label: %v", err)
	}
	production, err := keystore.Create(filepath.Join(t.TempDir(), "production.json"), kbpk(9), keystore.Production)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Supply([]string{"cvk"}, production); !errors.Is(err, keystore.ErrEnvironment) {
		t.Errorf("into production: %v", err)
	}
}

func TestAStoreThatAnotherProcessChangedIsNotOverwritten(t *testing.T) {
	s, path := filled(t)
	other, err := keystore.Open(path, kbpk(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Rotate("cvk", hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	if err := s.Rotate("zpk.a", hsm.SystemEntropy()); !errors.Is(err, keystore.ErrChanged) {
		t.Errorf("got %v", err)
	}
	if k, _ := s.Lookup(card.KeyRef{Label: "zpk.a", Version: 2}); k.Version != 0 {
		t.Error("a key that was not written is in use")
	}
}

func TestTheFileShowsNoClearKey(t *testing.T) {
	s, path := filled(t)
	raw, _ := hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")
	if err := s.Import("known", keyblock.CVK, keyblock.TDES, card.NewSecret(bytes.Clone(raw))); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToUpper(string(content)), "0123456789ABCDEF") || bytes.Contains(content, raw) {
		t.Error("the file holds a clear key")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".keystore-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"format":1,"environment":"test","keys":[]}`))
	f.Add([]byte(`{"format":1,"environment":"test","keys":[{"label":"a","version":1,"block":"D0016"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := keystore.Open(path, kbpk(1)); err == nil && len(s.List()) != 0 {
			t.Error("a key that was never wrapped was opened")
		}
	})
}
