package vault_test

import (
	"bytes"
	"errors"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/vault"
)

func TestASealedSecretOpensOnlyAsItWasSealed(t *testing.T) {
	v := vault.New(newStore(t))
	secret := []byte("a shared secret")
	sealed, err := v.Seal(panKey, "client 1", secret)
	if err != nil {
		t.Fatal(err)
	}
	again, err := v.Seal(panKey, "client 1", secret)
	if err != nil || bytes.Equal(sealed, again) || bytes.Contains(sealed, secret) {
		t.Errorf("sealed twice: %v", err)
	}
	if got, err := v.OpenSealed(panKey.Label, "client 1", sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := v.OpenSealed(panKey.Label, "client 2", sealed); !errors.Is(err, hsm.ErrSealed) {
		t.Errorf("for another: %v", err)
	}
	if _, err := v.OpenSealed(tokenKey.Label, "client 1", sealed); !errors.Is(err, hsm.ErrSealed) {
		t.Errorf("with another key: %v", err)
	}
	for i := 2; i < len(sealed); i++ {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := v.OpenSealed(panKey.Label, "client 1", changed); !errors.Is(err, hsm.ErrSealed) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for _, short := range [][]byte{nil, sealed[:1], sealed[:2], sealed[:20]} {
		if _, err := v.OpenSealed(panKey.Label, "client 1", short); !errors.Is(err, hsm.ErrSealed) {
			t.Errorf("%d bytes: %v", len(short), err)
		}
	}
	if _, err := v.Seal(card.KeyRef{Label: "cvk"}, "client 1", secret); !errors.Is(err, hsm.ErrKeyUsage) {
		t.Errorf("under a CVK: %v", err)
	}
}
