package conformance

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/material"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
)

func readyAndKeyVersions(t *testing.T, b Bench) {
	ctx := context.Background()
	if err := b.Module.Ready(ctx); err != nil {
		t.Fatalf("not ready: %v", err)
	}
	for _, label := range b.Labels {
		version, kcv, err := b.Module.KeyVersion(ctx, ref(label))
		if err != nil || version < 1 || len(kcv) != 6 {
			t.Errorf("%s: version %d, check value %q, %v", label, version, kcv, err)
		}
		pinned, again, err := b.Module.KeyVersion(ctx, card.KeyRef{Label: label, Version: version})
		if err != nil || pinned != version || again != kcv {
			t.Errorf("%s pinned: version %d, check value %q, %v", label, pinned, again, err)
		}
	}
	for _, label := range []card.KeyLabel{CVK, VisaPVK, IBMPVK, ZPK} {
		want, err := material.ZerosTDES(Material(label))
		if err != nil {
			t.Fatal(err)
		}
		_, kcv, err := b.Module.KeyVersion(ctx, ref(label))
		if err != nil || kcv != strings.ToUpper(hex.EncodeToString(want[:3])) {
			t.Errorf("%s: check value %q, %v", label, kcv, err)
		}
	}
}

// requests are all kinds of card verification values of each card.
func requests(pans []card.PAN) []hsm.CodeRequest {
	var out []hsm.CodeRequest
	for i, pan := range pans {
		expiry := card.Expiry{Year: 2027 + i%9, Month: 1 + i%12}
		for _, service := range [][3]byte{{'2', '0', '1'}, {'0', '0', '0'}, {'9', '9', '9'}} {
			for _, swapped := range []bool{false, true} {
				out = append(out, hsm.CodeRequest{PAN: pan, Expiry: expiry, ServiceCode: service, MMYY: swapped})
			}
		}
	}
	return out
}

func codes(t *testing.T, b Bench) {
	in := requests(pansOf(t, "400000", 12))
	for _, digits := range []string{"4000000000006", "4000000000000000006"} {
		payload := []byte(digits[:len(digits)-1])
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, requests([]card.PAN{pan})...)
	}
	out := card.NewSecrets(len(in), 3)
	if err := b.Module.Codes(context.Background(), ref(CVK), in, out); err != nil {
		t.Fatal(err)
	}
	for i := range in {
		if string(out.Reveal(i)) != Code(t, in[i]) {
			t.Errorf("code %d is another", i)
		}
	}
}

func cscs(t *testing.T, b Bench) {
	ctx := context.Background()
	pans := amexPANs(t, 30)
	expiries := make([]card.Expiry, len(pans))
	for i := range expiries {
		expiries[i] = card.Expiry{Year: 2027 + i%9, Month: 1 + i%12}
	}
	out := card.NewSecrets(len(pans), 12)
	if err := b.Module.CSCs(ctx, ref(CVK), pans, expiries, out); err != nil {
		t.Fatal(err)
	}
	for i := range pans {
		if string(out.Reveal(i)) != CSC(t, pans[i], expiries[i]) {
			t.Errorf("card security code %d is another", i)
		}
	}
	// A number of another scheme stops the call and is named by its field.
	pans[7] = pansOf(t, "400000", 1)[0]
	err := b.Module.CSCs(ctx, ref(CVK), pans, expiries, out)
	if input := new(hsm.InputError); !errors.As(err, &input) || input.Field != "pan" || strings.Contains(err.Error(), string(pans[7].Reveal()[6:])) {
		t.Errorf("a number of another scheme: %v", err)
	}
}

func derivedPINs(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 5)
	for length := pin.MinLength; length <= pin.MaxLength; length++ {
		pins := b.derive(t, length, pans)
		offsets := make([]hsm.Offset, len(pans))
		if err := b.Module.Offsets(context.Background(), ref(Storage), ref(IBMPVK), scheme(length), pans, pins, offsets); err != nil {
			t.Fatal(err)
		}
		values := make([]hsm.PVV, len(pans))
		if err := b.Module.PVVs(context.Background(), ref(Storage), ref(VisaPVK), 1, pans, pins, values); err != nil {
			t.Fatal(err)
		}
		for i := range pins {
			if stored := pins[i].Bytes(); len(stored) < 2 || stored[0] != b.Module.Tag() {
				t.Errorf("PIN %d does not begin with its module's tag", i)
			}
			if int(offsets[i].N) != length || strings.Trim(string(offsets[i].Digits[:length]), "0") != "" {
				t.Errorf("natural PIN %d of %d digits has an offset", i, length)
			}
			if values[i] != PVV(t, 1, pans[i], Natural(t, scheme(length), pans[i])) {
				t.Errorf("natural PIN %d of %d digits is another", i, length)
			}
		}
	}
}

// clearPINs finds what PINs a module holds by their offsets: the natural PIN and the offset are the PIN.
func (b Bench) clearPINs(t testing.TB, length int, pans []card.PAN, pins []hsm.PIN) []pin.Clear {
	t.Helper()
	offsets := make([]hsm.Offset, len(pans))
	if err := b.Module.Offsets(context.Background(), ref(Storage), ref(IBMPVK), scheme(length), pans, pins, offsets); err != nil {
		t.Fatal(err)
	}
	out := make([]pin.Clear, len(pans))
	for i := range pans {
		natural := Natural(t, scheme(length), pans[i])
		out[i] = pin.FromOffset(&natural, offsets[i])
	}
	return out
}

func generatedPINs(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 60)
	for _, length := range []int{4, 6, 12} {
		seen := map[pin.Clear]bool{}
		for i, p := range b.clearPINs(t, length, pans, b.generate(t, length, pans)) {
			seen[p] = true
			if p.N != length {
				t.Errorf("PIN %d has %d digits, not %d", i, p.N, length)
			}
		}
		if len(seen) < 40 {
			t.Errorf("only %d of 60 PINs differ", len(seen))
		}
	}
}

func pvvs(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 10)
	pins := b.generate(t, 6, pans)
	clearPINs := b.clearPINs(t, 6, pans, pins)
	for pvki := range pin.MaxPVKI + 1 {
		out := make([]hsm.PVV, len(pans))
		if err := b.Module.PVVs(context.Background(), ref(Storage), ref(VisaPVK), pvki, pans, pins, out); err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if out[i] != PVV(t, pvki, pans[i], clearPINs[i]) {
				t.Errorf("index %d: PVV %d is another", pvki, i)
			}
		}
	}
}

func offsets(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 10)
	pins := b.generate(t, 5, pans)
	clearPINs := b.clearPINs(t, 5, pans, pins)
	// Another table makes other natural PINs, but the PIN that its offset leads to is the same.
	other := hsm.IBM3624{DecTable: "0123456789012345", Validation: "N1234567890A", Length: 5}
	out := make([]hsm.Offset, len(pans))
	if err := b.Module.Offsets(context.Background(), ref(Storage), ref(IBMPVK), other, pans, pins, out); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		natural := Natural(t, other, pans[i])
		if pin.FromOffset(&natural, out[i]) != clearPINs[i] {
			t.Errorf("offset %d leads to another PIN", i)
		}
	}
}

func transfer(t *testing.T, b Bench) {
	from, to := pansOf(t, "400000", 10), pansOf(t, "411111", 10)
	pins := b.generate(t, 6, from)
	moved, back := make([]hsm.PIN, 10), make([]hsm.PIN, 10)
	ctx := context.Background()
	if err := b.Module.TransferPINs(ctx, ref(Storage), from, pins, to, moved); err != nil {
		t.Fatal(err)
	}
	if err := b.Module.TransferPINs(ctx, ref(Storage), to, moved, from, back); err != nil {
		t.Fatal(err)
	}
	want := b.clearPINs(t, 6, from, pins)
	there, again := b.clearPINs(t, 6, to, moved), b.clearPINs(t, 6, from, back)
	for i := range want {
		if there[i] != want[i] || again[i] != want[i] {
			t.Errorf("PIN %d changed on its way", i)
		}
	}
}

func export(t *testing.T, b Bench) {
	ctx := context.Background()
	pans, references := pansOf(t, "400000", 10), pansOf(t, "987654", 10)
	for _, format := range b.Module.Formats() {
		for _, length := range []int{4, 5, 12} {
			pins := b.generate(t, length, pans)
			want := b.clearPINs(t, length, pans, pins)
			for _, accounts := range [][]card.PAN{pans, references} {
				out := card.NewSecrets(10, 16)
				if err := b.Module.ExportPINs(ctx, ref(Storage), ref(zoneKey(format)), format, pans, pins, accounts, out); err != nil {
					t.Fatal(err)
				}
				for i := range pins {
					if len(out.Reveal(i)) != pinblock.Size(format) || opened(t, format, accounts[i], out.Reveal(i)) != want[i] {
						t.Errorf("format %d: block %d holds another PIN", format, i)
					}
				}
			}
		}
	}
}

func exportIsRepeatable(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 10)
	pins := b.generate(t, 4, pans)
	for _, format := range b.Module.Formats() {
		var runs [2]card.Secrets
		for r := range runs {
			runs[r] = card.NewSecrets(10, 16)
			if err := b.Module.ExportPINs(context.Background(), ref(Storage), ref(zoneKey(format)), format, pans, pins, pans, runs[r]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range pins {
			if !bytes.Equal(runs[0].Reveal(i), runs[1].Reveal(i)) {
				t.Errorf("format %d: block %d is another the second time", format, i)
			}
		}
	}
}

func receivedBlocks(t *testing.T, b Bench) {
	ctx := context.Background()
	accounts := pansOf(t, "400000", 10)
	for _, format := range b.Module.Formats() {
		for _, length := range []int{4, 7, 12} {
			blocks := card.NewSecrets(10, 16)
			for i := range accounts {
				blocks.Set(i, Block(t, format, accounts[i], Natural(t, scheme(length), accounts[i])))
			}
			out := make([]hsm.PVV, 10)
			if err := b.Module.BlockPVVs(ctx, ref(zoneKey(format)), format, accounts, blocks, ref(VisaPVK), 3, out); err != nil {
				t.Fatal(err)
			}
			for i := range out {
				if out[i] != PVV(t, 3, accounts[i], Natural(t, scheme(length), accounts[i])) {
					t.Errorf("format %d: the PVV of block %d is another", format, i)
				}
			}
			if err := b.Module.CheckBlocks(ctx, ref(zoneKey(format)), format, accounts, blocks, length); err != nil {
				t.Errorf("format %d, %d digits: %v", format, length, err)
			}
		}
	}
}

func manyAndNone(t *testing.T, b Bench) {
	ctx := context.Background()
	for _, n := range []int{0, 1, 1000} {
		pans := pansOf(t, "400000", n)
		in, out := make([]hsm.CodeRequest, n), card.NewSecrets(n, 3)
		for i, pan := range pans {
			in[i] = hsm.CodeRequest{PAN: pan, Expiry: card.Expiry{Year: 2031, Month: 7}, ServiceCode: [3]byte{'2', '2', '1'}}
		}
		if err := b.Module.Codes(ctx, ref(CVK), in, out); err != nil {
			t.Fatalf("%d cards: %v", n, err)
		}
		pins, blocks := b.derive(t, 12, pans), card.NewSecrets(n, 8)
		if err := b.Module.ExportPINs(ctx, ref(Storage), ref(ZPK), hsm.ISO0, pans, pins, pans, blocks); err != nil {
			t.Fatalf("%d cards: %v", n, err)
		}
		for i, pan := range pans {
			if string(out.Reveal(i)) != Code(t, in[i]) || !bytes.Equal(blocks.Reveal(i), Block(t, hsm.ISO0, pan, Natural(t, scheme(12), pan))) {
				t.Fatalf("card %d of %d has the answer of another", i, n)
			}
		}
	}
}

func imported(t *testing.T, b Bench) {
	ctx := context.Background()
	pans := pansOf(t, "400000", 10)
	for _, format := range b.Module.Formats() {
		for _, length := range []int{4, 6, 12} {
			blocks, pins, values := card.NewSecrets(10, 16), make([]hsm.PIN, 10), make([]hsm.PVV, 10)
			for i := range pans {
				blocks.Set(i, Block(t, format, pans[i], Natural(t, scheme(length), pans[i])))
			}
			if err := b.Module.ImportPINs(ctx, ref(zoneKey(format)), format, hsm.PresentedPIN, length, pans, blocks, ref(Storage), pins); err != nil {
				t.Fatal(err)
			}
			if err := b.Module.PVVs(ctx, ref(Storage), ref(VisaPVK), 2, pans, pins, values); err != nil {
				t.Fatal(err)
			}
			held := b.clearPINs(t, length, pans, pins)
			for i := range pins {
				if want := Natural(t, scheme(length), pans[i]); held[i] != want || values[i] != PVV(t, 2, pans[i], want) || pins[i].Bytes()[0] != b.Module.Tag() {
					t.Errorf("format %d, %d digits: PIN %d is another", format, length, i)
				}
			}
		}
	}
}

// incomingFormats imports PINs in the formats whose fill is random, which no module makes: each is stored as what it is, and damage of any kind gets the one error. A
// block of format 1 is bound to no card; one of format 3 is, as weakly as format 0: a wrong account shows where it makes a digit that is none.
func incomingFormats(t *testing.T, b Bench) {
	ctx := context.Background()
	const n = 20
	pans, others := pansOf(t, "400000", n), pansOf(t, "424242", n)
	for _, format := range []hsm.PINFormat{hsm.ISO1, hsm.ISO3} {
		if !slices.Contains(b.Module.IncomingFormats(), format) {
			t.Errorf("PINs do not come in in format %d", format)
			continue
		}
		blocks, pins := card.NewSecrets(n, 16), make([]hsm.PIN, n)
		for i := range pans {
			blocks.Set(i, filled(t, format, pans[i], Natural(t, scheme(12), pans[i]), i))
		}
		if err := b.Module.CheckBlocks(ctx, ref(ZPK), format, pans, blocks, 12); err != nil {
			t.Errorf("format %d: %v", format, err)
		}
		if err := b.Module.ImportPINs(ctx, ref(ZPK), format, hsm.PresentedPIN, 12, pans, blocks, ref(Storage), pins); err != nil {
			t.Fatalf("format %d: %v", format, err)
		}
		for i, held := range b.clearPINs(t, 12, pans, pins) {
			if held != Natural(t, scheme(12), pans[i]) {
				t.Errorf("format %d: PIN %d is another", format, i)
			}
		}
		err := b.Module.CheckBlocks(ctx, ref(ZPK), format, others, blocks, 12)
		if bound := errors.Is(err, hsm.ErrPINBlock); bound != (format == hsm.ISO3) {
			t.Errorf("format %d for other accounts: %v", format, err)
		}
		for name, wrong := range map[string][]byte{"nothing": nil, "too short": make([]byte, 7), "zeros": make([]byte, 8), "another format": Block(t, hsm.ISO0, pans[0], Natural(t, scheme(12), pans[0]))} {
			blocks.Set(n-1, wrong)
			if err := b.Module.ImportPINs(ctx, ref(ZPK), format, hsm.PresentedPIN, 12, pans, blocks, ref(Storage), pins); !errors.Is(err, hsm.ErrPINBlock) {
				t.Errorf("format %d, %s: %v", format, name, err)
			}
		}
	}
}

// weakChoices imports PINs that a holder may not choose, and then asks for their PVVs: at one of the two a module says what it thinks of them. To
// present them is always allowed.
func weakChoices(t *testing.T, b Bench) {
	ctx := context.Background()
	pans := pansOf(t, "400000", 1)
	for _, format := range b.Module.Formats() {
		for digits, weak := range map[string]bool{"1111": true, "1234": true, "9876": true, "2580": false, "8317": false} {
			chosen, err := pin.Parse(digits)
			if err != nil {
				t.Fatal(err)
			}
			blocks, pins := card.NewSecrets(1, 16), make([]hsm.PIN, 1)
			blocks.Set(0, Block(t, format, pans[0], chosen))
			if err := b.importBlock(format, hsm.PresentedPIN, 4, pans, blocks); err != nil {
				t.Errorf("format %d: %v", format, err)
			}
			err = b.Module.ImportPINs(ctx, ref(zoneKey(format)), format, hsm.ChosenPIN, 4, pans, blocks, ref(Storage), pins)
			if err == nil {
				err = b.Module.PVVs(ctx, ref(Storage), ref(VisaPVK), 1, pans, pins, make([]hsm.PVV, 1))
			}
			if weak && !errors.Is(err, hsm.ErrWeakPIN) || !weak && err != nil {
				t.Errorf("format %d: a PIN that is weak is %v: %v", format, weak, err)
			}
		}
	}
}
