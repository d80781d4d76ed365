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
	sealed, err := v.SealText("key-files", "keys/ours.asc", card.NewSecret(bytes.Clone(secret)), hsm.SystemEntropy())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, secret[:10]) || !vault.IsSealed(sealed) || vault.IsSealed(secret) {
		t.Fatalf("sealed text %q", sealed)
	}
	if got, err := v.OpenText("keys/ours.asc", sealed); err != nil || !bytes.Equal(got.Reveal(), secret) {
		t.Errorf("opened %v", err)
	}
	if _, err := v.OpenText("keys/theirs.asc", sealed); !errors.Is(err, vault.ErrEnvelope) {
		t.Errorf("under another name: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if got, err := v.OpenText("keys/ours.asc", changed); err == nil && !bytes.Equal(got.Reveal(), secret) {
			t.Fatalf("byte %d changed, and other text was opened", i)
		} else if err == nil && i < len(sealed)-3 { // the last characters of base64 may carry no bits
			t.Fatalf("byte %d changed, and nobody noticed", i)
		}
	}
	if _, err := v.SealText("permutation", "x", card.NewSecret(nil), hsm.SystemEntropy()); err == nil {
		t.Error("sealed under a key that is not there")
	}
}
