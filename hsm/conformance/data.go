package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/datablock"
)

// dataKey is the label of the key for a mode.
func dataKey(mode hsm.DataMode) card.KeyLabel {
	if mode.IsAES() {
		return ZEKAES
	}
	return ZEK
}

// Sealed is a value of whole blocks as it must be enciphered.
func Sealed(t testing.TB, mode hsm.DataMode, value []byte) []byte {
	t.Helper()
	k, err := datablock.NewKey(mode, Material(dataKey(mode)))
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(value)
	k.Encrypt(mode, out)
	return out
}

// values are 300 values of no blocks to four, so that neighbours differ in length and no two are alike, and the last is as long as one may be.
func values(mode hsm.DataMode) card.Secrets {
	const n = 300
	out := card.NewSecrets(n, hsm.MaxData)
	for i := range n - 1 {
		out.Set(i, bytes.Repeat(fmt.Appendf(nil, "%0*d", mode.BlockSize(), i), i%5))
	}
	out.Set(n-1, bytes.Repeat([]byte{0xA5}, hsm.MaxData))
	return out
}

func data(t *testing.T, b Bench) {
	ctx := context.Background()
	if !slices.Contains(b.Module.DataModes(), hsm.TDESECB) {
		t.Error("TDES in ECB, which EMV CPS enciphers data groupings with, is not offered")
	}
	for _, mode := range b.Module.DataModes() {
		in := values(mode)
		sealed, back := card.NewSecrets(in.Len(), hsm.MaxData), card.NewSecrets(in.Len(), hsm.MaxData)
		if err := b.Module.EncryptData(ctx, ref(dataKey(mode)), mode, in, sealed); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if err := b.Module.DecryptData(ctx, ref(dataKey(mode)), mode, sealed, back); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		for i := range in.Len() {
			if !bytes.Equal(sealed.Reveal(i), Sealed(t, mode, in.Reveal(i))) {
				t.Errorf("%s: value %d is enciphered otherwise", mode, i)
			}
			if !bytes.Equal(back.Reveal(i), in.Reveal(i)) {
				t.Errorf("%s: value %d does not come back", mode, i)
			}
		}
		// In the place where they are, both ways.
		if err := b.Module.EncryptData(ctx, ref(dataKey(mode)), mode, back, back); err != nil {
			t.Fatalf("%s in place: %v", mode, err)
		}
		if !bytes.Equal(back.Reveal(7), sealed.Reveal(7)) || !bytes.Equal(back.Reveal(299), sealed.Reveal(299)) {
			t.Errorf("%s: values enciphered in their own place are others", mode)
		}
	}
}

func badData(t *testing.T, b Bench) {
	ctx := context.Background()
	one := func(value []byte) card.Secrets {
		out := card.NewSecrets(1, hsm.MaxData)
		out.Set(0, value)
		return out
	}
	secret := []byte("4000001234567")
	for name, c := range map[string]struct {
		mode    hsm.DataMode
		in, out card.Secrets
		field   string
	}{
		"no whole block": {hsm.TDESECB, one(secret), one(nil), "data"},
		"narrow cells":   {hsm.TDESECB, one(make([]byte, 16)), card.NewSecrets(1, 8), "data"},
		"too few cells":  {hsm.TDESECB, card.NewSecrets(2, 8), card.NewSecrets(1, 8), "arguments"},
		"no mode":        {0, one(make([]byte, 8)), one(nil), "mode"},
		"unknown mode":   {hsm.AESCBC + 1, one(make([]byte, 16)), one(nil), "mode"},
	} {
		for _, do := range []func(context.Context, card.KeyRef, hsm.DataMode, card.Secrets, card.Secrets) error{b.Module.EncryptData, b.Module.DecryptData} {
			err := do(ctx, ref(ZEK), c.mode, c.in, c.out)
			if input := new(hsm.InputError); !errors.As(err, &input) || input.Field != c.field {
				t.Errorf("%s: %v", name, err)
			} else if strings.Contains(err.Error(), string(secret)) {
				t.Errorf("%s: the error carries the value", name)
			}
		}
	}
	for mode := hsm.TDESECB; mode <= hsm.AESCBC; mode++ {
		if !slices.Contains(b.Module.DataModes(), mode) && b.Module.EncryptData(ctx, ref(dataKey(mode)), mode, one(make([]byte, 16)), one(nil)) == nil {
			t.Errorf("%s is not offered and was done", mode)
		}
	}
}
