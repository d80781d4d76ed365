package software_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/software"
)

// operations is every operation of the module with the usages that each of its keys must have.
func operations(m hsm.Module, pans []card.PAN, pins []hsm.PIN) map[string]struct {
	keys []string // what the operation takes when all is right
	run  func(keys []card.KeyRef) error
} {
	ctx := context.Background()
	n := len(pans)
	type op = struct {
		keys []string
		run  func(keys []card.KeyRef) error
	}
	export := func(format hsm.PINFormat) func(k []card.KeyRef) error {
		return func(k []card.KeyRef) error {
			return m.ExportPINs(ctx, k[0], k[1], format, pans, pins, pans, card.NewSecrets(n, 16))
		}
	}
	blocks := func(zpk string, format hsm.PINFormat) card.Secrets {
		out := card.NewSecrets(n, 16)
		_ = m.ExportPINs(ctx, ref("pins"), ref(zpk), format, pans, pins, pans, out)
		return out
	}
	return map[string]op{
		"codes": {[]string{"cvk"}, func(k []card.KeyRef) error {
			return m.Codes(ctx, k[0], []hsm.CodeRequest{{PAN: pans[0], Expiry: card.Expiry{Year: 2030, Month: 1}, ServiceCode: [3]byte{'2', '0', '1'}}}, card.NewSecrets(1, 3))
		}},
		"card security codes": {[]string{"cvk"}, func(k []card.KeyRef) error {
			expiries := []card.Expiry{{Year: 2030, Month: 1}}
			return m.CSCs(ctx, k[0], amexOf(pans[:1]), expiries, card.NewSecrets(1, 12))
		}},
		"generate PINs": {[]string{"pins"}, func(k []card.KeyRef) error {
			return m.GeneratePINs(ctx, k[0], 4, pans, objects(n), make([]hsm.PIN, n))
		}},
		"derive PINs": {[]string{"pins", "pvk.ibm"}, func(k []card.KeyRef) error {
			return m.DerivePINs(ctx, k[0], k[1], scheme, pans, make([]hsm.PIN, n))
		}},
		"PVVs": {[]string{"pins", "pvk.visa"}, func(k []card.KeyRef) error {
			return m.PVVs(ctx, k[0], k[1], 1, pans, pins, make([]hsm.PVV, n))
		}},
		"offsets": {[]string{"pins", "pvk.ibm"}, func(k []card.KeyRef) error {
			return m.Offsets(ctx, k[0], k[1], scheme, pans, pins, make([]hsm.Offset, n))
		}},
		"transfer PINs": {[]string{"pins"}, func(k []card.KeyRef) error {
			return m.TransferPINs(ctx, k[0], pans, pins, pans, make([]hsm.PIN, n))
		}},
		"export format 0": {[]string{"pins", "zpk.t"}, export(hsm.ISO0)},
		"export format 4": {[]string{"pins", "zpk.a"}, export(hsm.ISO4)},
		"block PVVs 0": {[]string{"zpk.t", "pvk.visa"}, func(k []card.KeyRef) error {
			return m.BlockPVVs(ctx, k[0], hsm.ISO0, pans, blocks("zpk.t", hsm.ISO0), k[1], 1, make([]hsm.PVV, n))
		}},
		"block PVVs 4": {[]string{"zpk.a", "pvk.visa"}, func(k []card.KeyRef) error {
			return m.BlockPVVs(ctx, k[0], hsm.ISO4, pans, blocks("zpk.a", hsm.ISO4), k[1], 1, make([]hsm.PVV, n))
		}},
		"check blocks 0": {[]string{"zpk.t"}, func(k []card.KeyRef) error {
			return m.CheckBlocks(ctx, k[0], hsm.ISO0, pans, blocks("zpk.t", hsm.ISO0), 5)
		}},
		"check blocks 4": {[]string{"zpk.a"}, func(k []card.KeyRef) error {
			return m.CheckBlocks(ctx, k[0], hsm.ISO4, pans, blocks("zpk.a", hsm.ISO4), 5)
		}},
		"import 0": {[]string{"zpk.t", "pins"}, func(k []card.KeyRef) error {
			return m.ImportPINs(ctx, k[0], hsm.ISO0, hsm.PresentedPIN, 5, pans, blocks("zpk.t", hsm.ISO0), k[1], make([]hsm.PIN, n))
		}},
		"import 4": {[]string{"zpk.a", "pins"}, func(k []card.KeyRef) error {
			return m.ImportPINs(ctx, k[0], hsm.ISO4, hsm.PresentedPIN, 5, pans, blocks("zpk.a", hsm.ISO4), k[1], make([]hsm.PIN, n))
		}},
		"take": {[]string{"pins"}, func(k []card.KeyRef) error {
			return m.(hsm.PINTaker).TakePINs(ctx, hsm.PresentedPIN, 5, pans, digitsOf("13579", n), k[0], make([]hsm.PIN, n))
		}},
	}
}

// digitsOf is a PIN for each card.
func digitsOf(pin string, n int) []card.Secret {
	all := make([]card.Secret, n)
	for i := range all {
		all[i] = card.NewSecret([]byte(pin))
	}
	return all
}

// amexOf makes American Express numbers: of a test BIN where all numbers are of test BINs.
func amexOf(pans []card.PAN) []card.PAN {
	prefix := "379999"
	if strings.HasPrefix(string(pans[0].Reveal()), "400000") {
		prefix = "371449"
	}
	payload := []byte(prefix + "12345678")
	pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
	if err != nil {
		panic(err)
	}
	return []card.PAN{pan}
}

func TestRealCardNumbersAreRefusedUnlessAllowedByName(t *testing.T) {
	store := newStore(t)
	m := newModule(t, store, hsm.SeededEntropy("x"))
	open, err := software.New(store, hsm.SeededEntropy("x"), software.Options{AllowRealBINs: true})
	if err != nil {
		t.Fatal(err)
	}
	pans := pansOf(t, "453978", 2)
	pins := generate(t, open, 5, pans)
	for name, op := range operations(open, pans, pins) {
		keys := make([]card.KeyRef, len(op.keys))
		for i, label := range op.keys {
			keys[i] = ref(label)
		}
		if err := op.run(keys); err != nil {
			t.Errorf("%s, allowed: %v", name, err)
		}
	}
	for name, op := range operations(m, pans, pins) {
		keys := make([]card.KeyRef, len(op.keys))
		for i, label := range op.keys {
			keys[i] = ref(label)
		}
		// Accounts of blocks may be mailer references, so opening blocks without a PVV looks at none.
		if err := op.run(keys); !strings.HasPrefix(name, "check") && !errors.Is(err, hsm.ErrRealBIN) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bin := range []string{"400000", "476173", "222300", "371449", "620000"} {
		if generate(t, m, 4, pansOf(t, bin, 1))[0].IsZero() {
			t.Errorf("no PIN for test BIN %s", bin)
		}
	}
}
