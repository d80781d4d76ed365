package vault_test

import (
	"bytes"
	"errors"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/vault"
)

func TestASealedTextOpensOnlyUnchangedAndUnderItsName(t *testing.T) {
	keys := newStore(t)
	if err := keys.Generate("key-files", keyblock.Data, keyblock.AES, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	v := vault.New(keys)
	secret := []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----")
	sealed, err := v.SealText("key-files", "keys/ours.asc", card.NewSecret(bytes.Clone(secret)))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, secret[:10]) || !vault.IsSealed(sealed) || vault.IsSealed(secret) {
		t.Fatalf("sealed text %q", sealed)
	}
	if got, err := v.OpenText("keys/ours.asc", sealed); err != nil || !bytes.Equal(got.Reveal(), secret) {
		t.Errorf("opened %v", err)
	}
	if _, err := v.OpenText("keys/theirs.asc", sealed); !errors.Is(err, hsm.ErrSealed) {
		t.Errorf("under another name: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := v.OpenText("keys/ours.asc", changed); err == nil && i < len(sealed)-1 { // the last byte only ends the line
			t.Fatalf("byte %d changed, and nobody noticed", i)
		}
	}
	if _, err := v.SealText("permutation", "x", card.NewSecret(nil)); err == nil {
		t.Error("sealed under a key that is not there")
	}
}
