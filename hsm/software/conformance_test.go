package software_test

import (
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/software"
)

func TestTheSoftwareModuleConforms(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Bench {
		kbpk := make([]byte, 32)
		kbpk[0] = 7
		store, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), card.NewSecret(kbpk), keystore.Test)
		if err != nil {
			t.Fatal(err)
		}
		var b conformance.Bench
		for _, k := range conformance.Keys() {
			if err := store.Import(k.Label, k.Usage, k.Algorithm, card.NewSecret(conformance.Material(k.Label))); err != nil {
				t.Fatal(err)
			}
			b.Labels = append(b.Labels, k.Label)
		}
		b.Ways = waysOut(t, store)
		if b.Module, err = software.New(store, hsm.SystemEntropy(), software.Options{}); err != nil {
			t.Fatal(err)
		}
		return b
	})
}

// waysOut are those by which a key leaves a keystore, which does what the key's block allows.
func waysOut(t *testing.T, store *keystore.Store) []conformance.Way {
	t.Helper()
	for _, k := range []conformance.Key{
		{Label: "kek", Usage: keyblock.Protection, Algorithm: keyblock.AES, Clear: strings.Repeat("88E1AB2A2E3DD38C", 4)},
		{Label: "zmk", Usage: keyblock.KEK, Algorithm: keyblock.TDES, Clear: "E6F1081FEA4C402CC192B65DE367EC3E"},
	} {
		raw, err := hex.DecodeString(k.Clear)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Import(k.Label, k.Usage, k.Algorithm, card.NewSecret(raw)); err != nil {
			t.Fatal(err)
		}
	}
	tdes := []card.KeyLabel{conformance.CVK, conformance.VisaPVK, conformance.IBMPVK, conformance.ZPK, conformance.ZEK}
	all := append(slices.Clone(tdes), conformance.ZPKAES, conformance.ZEKAES)
	return []conformance.Way{
		{Name: "key block", Leaves: all, Ask: func(label card.KeyLabel) error {
			_, err := store.ExportBlock(card.KeyRef{Label: label}, card.KeyRef{Label: "kek"})
			return err
		}},
		{Name: "scheme U", Leaves: tdes, Ask: func(label card.KeyLabel) error {
			_, err := store.ExportVariant(card.KeyRef{Label: label}, card.KeyRef{Label: "zmk"}, 'U')
			return err
		}},
		{Name: "security module", Leaves: all, Ask: func(label card.KeyLabel) error {
			return store.Carry(card.KeyRef{Label: label}, func(keystore.Algorithm, []byte) error { return nil })
		}},
	}
}
