package software_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/software"
)

func ref(label string) card.KeyRef { return card.KeyRef{Label: card.KeyLabel(label)} }

// usages are the labels of the test store, one for each pair of usage and algorithm.
var usages = map[string]struct {
	usage keystore.Usage
	alg   keystore.Algorithm
}{
	"cvk": {keyblock.CVK, keyblock.TDES}, "pvk.visa": {keyblock.VisaPVK, keyblock.TDES}, "pvk.ibm": {keyblock.IBMPVK, keyblock.TDES},
	"zpk.t": {keyblock.ZPK, keyblock.TDES}, "zpk.a": {keyblock.ZPK, keyblock.AES},
	"data": {keyblock.Data, keyblock.AES}, "pins": {keyblock.PINStorage, keyblock.AES},
}

func newStore(t testing.TB) *keystore.Store {
	t.Helper()
	kbpk := make([]byte, 32)
	kbpk[0] = 9
	s, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), card.NewSecret(kbpk), keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	for label, k := range usages {
		if err := s.Generate(card.KeyLabel(label), k.usage, k.alg, hsm.SeededEntropy("software test")); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newModule(t testing.TB, store *keystore.Store, entropy hsm.Entropy) *software.Module {
	t.Helper()
	m, err := software.New(store, entropy, software.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pansOf makes n test card numbers that begin with prefix.
func pansOf(t testing.TB, prefix string, n int) []card.PAN {
	t.Helper()
	out := make([]card.PAN, n)
	for i := range out {
		payload := []byte(fmt.Sprintf("%s%09d", prefix, i*7919))
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = pan
	}
	return out
}

func objects(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i) + 1000
	}
	return out
}

func generate(t testing.TB, m hsm.Module, length int, pans []card.PAN) []hsm.PIN {
	t.Helper()
	pins := make([]hsm.PIN, len(pans))
	if err := m.GeneratePINs(context.Background(), ref("pins"), length, pans, objects(len(pans)), pins); err != nil {
		t.Fatal(err)
	}
	return pins
}

var scheme = hsm.IBM3624{DecTable: "3456789012345678", Validation: "1234567890AN", Length: 5}

func TestSeededPINsDependOnlyOnTheirObject(t *testing.T) {
	store := newStore(t)
	pans := pansOf(t, "400000", 40)
	all := make([]hsm.PIN, 40)
	m := newModule(t, store, hsm.SeededEntropy("s"))
	ctx := context.Background()
	if err := m.GeneratePINs(ctx, ref("pins"), 6, pans, objects(40), all); err != nil {
		t.Fatal(err)
	}
	m = newModule(t, store, hsm.SeededEntropy("s"))
	for i := 39; i >= 0; i-- {
		one := make([]hsm.PIN, 1)
		if err := m.GeneratePINs(ctx, ref("pins"), 6, pans[i:i+1], objects(40)[i:i+1], one); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one[0].Bytes(), all[i].Bytes()) {
			t.Fatalf("PIN %d depends on its neighbours", i)
		}
	}
}

// Random PINs are uniform: a chi-square test over the digits of 20,000 PINs, with a seed, so it always gives the same answer. The bound
// is the 99.9 % point for 9 degrees of freedom.
func TestRandomPINDigitsAreUniform(t *testing.T) {
	store := newStore(t)
	m := newModule(t, store, hsm.SeededEntropy("uniform"))
	const n = 20_000
	pans := pansOf(t, "400000", n)
	pins := make([]hsm.PIN, n)
	ctx := context.Background()
	if err := m.GeneratePINs(ctx, ref("pins"), 5, pans, objects(n), pins); err != nil {
		t.Fatal(err)
	}
	// An offset against a known natural PIN shows the digits without opening a PIN.
	natural, offsets := make([]hsm.PIN, n), make([]hsm.Offset, n)
	if err := m.DerivePINs(ctx, ref("pins"), ref("pvk.ibm"), scheme, pans, natural); err != nil {
		t.Fatal(err)
	}
	if err := m.Offsets(ctx, ref("pins"), ref("pvk.ibm"), scheme, pans, pins, offsets); err != nil {
		t.Fatal(err)
	}
	var counts [10]float64
	for i := range offsets {
		if offsets[i].N != 5 {
			t.Fatalf("offset of %d digits", offsets[i].N)
		}
		counts[offsets[i].Digits[2]-'0']++
	}
	chi := 0.0
	for _, c := range counts {
		chi += math.Pow(c-n/10, 2) / (n / 10)
	}
	if chi > 27.9 {
		t.Errorf("chi square %.1f: %v", chi, counts)
	}
}

func TestDerivedPINsHaveOffsetZero(t *testing.T) {
	m := newModule(t, newStore(t), hsm.SystemEntropy())
	pans := pansOf(t, "400000", 5)
	pins, offsets := make([]hsm.PIN, 5), make([]hsm.Offset, 5)
	ctx := context.Background()
	if err := m.DerivePINs(ctx, ref("pins"), ref("pvk.ibm"), scheme, pans, pins); err != nil {
		t.Fatal(err)
	}
	if err := m.Offsets(ctx, ref("pins"), ref("pvk.ibm"), scheme, pans, pins, offsets); err != nil {
		t.Fatal(err)
	}
	for i, o := range offsets {
		if o.N != 5 || string(o.Digits[:5]) != "00000" {
			t.Errorf("offset %d is not zero", i)
		}
	}
}

func pvvs(t *testing.T, m hsm.Module, pans []card.PAN, pins []hsm.PIN) []hsm.PVV {
	t.Helper()
	out := make([]hsm.PVV, len(pans))
	if err := m.PVVs(context.Background(), ref("pins"), ref("pvk.visa"), 1, pans, pins, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What a bureau opens under the zone key is the stored PIN: it has the same PVV.
func TestExportedBlocksHoldTheStoredPINs(t *testing.T) {
	m := newModule(t, newStore(t), hsm.SystemEntropy())
	ctx := context.Background()
	pans := pansOf(t, "400000", 20)
	for length := 4; length <= 12; length++ {
		pins := generate(t, m, length, pans)
		want := pvvs(t, m, pans, pins)
		for zpk, format := range map[string]hsm.PINFormat{"zpk.t": hsm.ISO0, "zpk.a": hsm.ISO4} {
			out := card.NewSecrets(20, 16)
			if err := m.ExportPINs(ctx, ref("pins"), ref(zpk), format, pans, pins, pans, out); err != nil {
				t.Fatal(err)
			}
			again := card.NewSecrets(20, 16)
			if err := m.ExportPINs(ctx, ref("pins"), ref(zpk), format, pans, pins, pans, again); err != nil {
				t.Fatal(err)
			}
			got := make([]hsm.PVV, 20)
			if err := m.BlockPVVs(ctx, ref(zpk), format, pans, out, ref("pvk.visa"), 1, got); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("format %d, %d digits: block %d holds another PIN", format, length, i)
				}
				if !bytes.Equal(out.Reveal(i), again.Reveal(i)) {
					t.Errorf("format %d: a second export gave other bytes", format)
				}
			}
			if err := m.CheckBlocks(ctx, ref(zpk), format, pans, out, length); err != nil {
				t.Errorf("format %d, %d digits: %v", format, length, err)
			}
			if err := m.CheckBlocks(ctx, ref(zpk), format, pans, out, length+1); !errors.Is(err, hsm.ErrPINBlock) {
				t.Errorf("format %d: %d digits passed for %d: %v", format, length, length+1, err)
			}
		}
	}
}

// Format 0 binds weakly: a wrong account shows only where it makes a digit that is none, hence many PINs.
func TestBlocksBindThePINToItsAccount(t *testing.T) {
	m := newModule(t, newStore(t), hsm.SeededEntropy("binding"))
	ctx := context.Background()
	pans, others := pansOf(t, "400000", 40), pansOf(t, "411111", 40)
	pins := generate(t, m, 12, pans)
	if err := m.PVVs(ctx, ref("pins"), ref("pvk.visa"), 1, others, pins, make([]hsm.PVV, 40)); !errors.Is(err, hsm.ErrPINBlock) {
		t.Errorf("a stored PIN opened for another card: %v", err)
	}
	references := pansOf(t, "987654", 40)
	for zpk, format := range map[string]hsm.PINFormat{"zpk.t": hsm.ISO0, "zpk.a": hsm.ISO4} {
		out := card.NewSecrets(40, 16)
		if err := m.ExportPINs(ctx, ref("pins"), ref(zpk), format, pans, pins, references, out); err != nil {
			t.Fatalf("to mailer references: %v", err)
		}
		if err := m.CheckBlocks(ctx, ref(zpk), format, references, out, 12); err != nil {
			t.Errorf("format %d: %v", format, err)
		}
		if err := m.CheckBlocks(ctx, ref(zpk), format, pans, out, 12); !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("format %d: blocks opened for other accounts: %v", format, err)
		}
	}
}

func TestTransferredPINsStayTheSame(t *testing.T) {
	m := newModule(t, newStore(t), hsm.SystemEntropy())
	ctx := context.Background()
	from, to := pansOf(t, "400000", 6), pansOf(t, "411111", 6)
	pins := generate(t, m, 6, from)
	moved, back := make([]hsm.PIN, 6), make([]hsm.PIN, 6)
	if err := m.TransferPINs(ctx, ref("pins"), from, pins, to, moved); err != nil {
		t.Fatal(err)
	}
	if err := m.TransferPINs(ctx, ref("pins"), to, moved, from, back); err != nil {
		t.Fatal(err)
	}
	want, got := pvvs(t, m, from, pins), pvvs(t, m, from, back)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("PIN %d changed on its way", i)
		}
		if bytes.Equal(pins[i].Bytes(), back[i].Bytes()) {
			t.Errorf("PIN %d was stored twice with the same random fill", i)
		}
	}
}

func TestStoredPINsOutliveTheirStorageKey(t *testing.T) {
	store := newStore(t)
	m := newModule(t, store, hsm.SystemEntropy())
	pans := pansOf(t, "400000", 2)
	pins := generate(t, m, 4, pans[:1])
	want := pvvs(t, m, pans[:1], pins)
	if err := store.Rotate("pins", hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	pins = append(pins, generate(t, m, 4, pans[1:])...)
	if got := pvvs(t, m, pans, pins); got[0] != want[0] {
		t.Error("a PIN under the older key reads differently")
	}
	if old, young := pins[0].Bytes(), pins[1].Bytes(); old[0] != m.Tag() || old[1] != 1 || young[1] != 2 {
		t.Errorf("PINs begin with %v and %v", old[:2], young[:2])
	}
}

func TestChangedPINsAndBlocksGetOneError(t *testing.T) {
	m := newModule(t, newStore(t), hsm.SeededEntropy("tamper"))
	ctx := context.Background()
	pans := pansOf(t, "400000", 1)
	pins := generate(t, m, 4, pans)
	stored := pins[0].Bytes()
	damaged := map[string][]byte{"empty": nil, "short": stored[:17], "long": append(bytes.Clone(stored), 0)}
	for at := range stored {
		changed := bytes.Clone(stored)
		changed[at] ^= 0x10
		damaged[fmt.Sprintf("byte %d", at)] = changed
	}
	for name, b := range damaged {
		pin, err := hsm.NewPIN(b)
		if err != nil {
			t.Fatal(err)
		}
		err = m.PVVs(ctx, ref("pins"), ref("pvk.visa"), 1, pans, []hsm.PIN{pin}, make([]hsm.PVV, 1))
		if name == "byte 1" {
			if !errors.Is(err, hsm.ErrUnknownKey) {
				t.Errorf("another key version: %v", err)
			}
			continue
		}
		if !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, block := range [][]byte{nil, make([]byte, 7), make([]byte, 8), make([]byte, 16)} {
		in := card.NewSecrets(1, 16)
		in.Set(0, block)
		for zpk, format := range map[string]hsm.PINFormat{"zpk.t": hsm.ISO0, "zpk.a": hsm.ISO4} {
			if err := m.CheckBlocks(ctx, ref(zpk), format, pans, in, 4); !errors.Is(err, hsm.ErrPINBlock) {
				t.Errorf("%d bytes as format %d: %v", len(block), format, err)
			}
		}
	}
}

func TestErrorsCarryNoCardData(t *testing.T) {
	m := newModule(t, newStore(t), hsm.SystemEntropy())
	pans := pansOf(t, "453978", 1)
	err := m.GeneratePINs(context.Background(), ref("pins"), 4, pans, objects(1), make([]hsm.PIN, 1))
	if err == nil || strings.Contains(err.Error(), string(pans[0].Reveal())) || strings.Contains(err.Error(), pans[0].Last4()) {
		t.Errorf("got %v", err)
	}
}

func TestKeyVersionTellsTheCheckValue(t *testing.T) {
	store := newStore(t)
	m := newModule(t, store, hsm.SystemEntropy())
	want, err := store.Lookup(ref("cvk"))
	if err != nil {
		t.Fatal(err)
	}
	if version, kcv, err := m.KeyVersion(context.Background(), ref("cvk")); err != nil || version != 1 || kcv != want.KCV || len(kcv) != 6 {
		t.Errorf("got %d %s, %v", version, kcv, err)
	}
	if _, _, err := m.KeyVersion(context.Background(), ref("none")); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("unknown: %v", err)
	}
}
