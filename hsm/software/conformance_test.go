package software_test

import (
	"path/filepath"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
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
		if b.Module, err = software.New(store, hsm.SystemEntropy(), software.Options{}); err != nil {
			t.Fatal(err)
		}
		return b
	})
}
