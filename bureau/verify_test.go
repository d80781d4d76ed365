package bureau_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/hsm"
)

func keysOf(i *issuer) bureau.Keys {
	return bureau.Keys{ZPK: ref("zpk"), PINFormat: hsm.ISO4, Products: map[string]card.Product{i.product.Code: i.product}}
}

func verify(t *testing.T, i *issuer, kind formats.Kind, records []*formats.Record) bureau.Verdict {
	t.Helper()
	v, err := bureau.Verify(t.Context(), i.reader(kind, i.file(kind, records)), kind, i.module, keysOf(i))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyAcceptsWhatTheIssuerMakes(t *testing.T) {
	i := newIssuer(t)
	for _, n := range []int{0, 1, 600} {
		v := verify(t, i, formats.CardFile, i.cards(n))
		if !v.Good() || len(v.Lines) != n {
			t.Errorf("%d cards: %d lines, %s", n, len(v.Lines), v.Reason())
		}
		if n > 0 && (v.Lines[0].UID != "42-0000001" || len(v.Lines[0].Last4) != 4) {
			t.Errorf("line %+v", v.Lines[0])
		}
		v = verify(t, i, formats.PINMailer, i.mailers(n))
		if !v.Good() || len(v.Lines) != n {
			t.Errorf("%d mailers: %d lines, %s", n, len(v.Lines), v.Reason())
		}
	}
}

// other returns v with its digit at place changed.
func other(v []byte, place int) []byte {
	v = bytes.Clone(v)
	v[place] = '0' + (v[place]-'0'+1)%10
	return v
}

// set plants a value in a field.
func set(f formats.Field, change func(r *formats.Record, v []byte) []byte) func(*formats.Record) {
	return func(r *formats.Record) { r.Set(f, change(r, r.Get(f))) }
}

func digit(place int) func(*formats.Record, []byte) []byte {
	return func(_ *formats.Record, v []byte) []byte { return other(v, (place+len(v))%len(v)) }
}

func TestVerifyRefusesEveryPlantedFault(t *testing.T) {
	i := newIssuer(t)
	good := i.cards(3)
	neighbour := bytes.Clone(good[2].Get(formats.CardPINBlock))
	for _, test := range []struct {
		name, code string
		plant      func(*formats.Record)
	}{
		{"wrong CVV", "cvv", set(formats.CardCVV, digit(1))},
		{"wrong CVV2", "cvv2", set(formats.CardCVV2, digit(2))},
		{"wrong iCVV", "icvv", set(formats.CardICVV, digit(0))},
		{"CVV2 printed as CVV", "cvv", set(formats.CardCVV, func(r *formats.Record, _ []byte) []byte { return r.Get(formats.CardCVV2) })},
		{"track 1 of another number", "track1", set(formats.CardTrack1, digit(5))},
		{"track 2 of another number", "track2", set(formats.CardTrack2, digit(5))},
		{"track 2 of another month", "track2", set(formats.CardTrack2, digit(20))},
		{"track 2 with another service code", "track2", set(formats.CardTrack2, digit(22))},
		{"track 2 with another CVV", "track2", set(formats.CardTrack2, digit(-3))},
		{"track 2 with another PVV", "track", set(formats.CardTrack2, digit(26))},
		{"track 2 of another issue", "track2", set(formats.CardTrack2, digit(-1))},
		{"stripe data on the chip", "chip_track2", set(formats.CardChipTrack2, func(r *formats.Record, v []byte) []byte {
			stripe := bytes.ReplaceAll(bytes.Clone(r.Get(formats.CardTrack2)), []byte("="), []byte("D"))
			if len(stripe)%2 == 1 {
				stripe = append(stripe, 'F')
			}
			return stripe
		})},
		{"another expiry", "cvv", set(formats.CardExpiry, func(*formats.Record, []byte) []byte { return []byte("3006") })},
		{"another service code", bureau.FaultServiceCode, set(formats.CardServiceCode, digit(1))},
		{"a neighbour's PIN block", "pin_block", set(formats.CardPINBlock, func(*formats.Record, []byte) []byte { return neighbour })},
		{"a flipped bit in the PIN block", "pin_block", set(formats.CardPINBlock, func(_ *formats.Record, v []byte) []byte {
			v = bytes.Clone(v)
			v[3] ^= 1
			return v
		})},
		{"no PIN block", bureau.FaultPIN, set(formats.CardPINBlock, func(*formats.Record, []byte) []byte { return nil })},
		{"no tracks", bureau.FaultTracks, func(r *formats.Record) { r.Set(formats.CardTrack1, nil); r.Set(formats.CardTrack2, nil) }},
		{"no chip data", bureau.FaultChip, func(r *formats.Record) { r.Set(formats.CardChipTrack2, nil); r.Set(formats.CardICVV, nil) }},
		{"a wrong check digit", bureau.FaultPAN, set(formats.CardPAN, digit(-1))},
		{"an identifier that stands twice", bureau.FaultTwice, func(r *formats.Record) { r.SetString(formats.RecordUID, "42-0000001") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			records := i.cards(3)
			test.plant(records[1])
			v := verify(t, i, formats.CardFile, records)
			if v.Unread != nil || v.Bad != 1 || v.Faults[0].Record != 2 {
				t.Fatalf("%d bad records, faults %+v, unread %v", v.Bad, v.Faults, v.Unread)
			}
			if !strings.HasPrefix(v.Faults[0].Code, test.code) {
				t.Errorf("the first fault is %q, want %q", v.Faults[0].Code, test.code)
			}
		})
	}
}

func TestVerifyRefusesAPINUnderOtherVerificationData(t *testing.T) {
	i := newIssuer(t)
	records := i.cards(2)
	// The PIN block of the same number with another PIN opens, but its PVV is not the track's.
	pan, err := card.NewPAN(records[1].Get(formats.CardPAN))
	i.must(err)
	pins, block := make([]hsm.PIN, 1), card.NewSecrets(1, 16)
	i.must(i.module.GeneratePINs(t.Context(), ref("pins"), 4, []card.PAN{pan}, []uint64{999}, pins))
	i.must(i.module.ExportPINs(t.Context(), ref("pins"), ref("zpk"), hsm.ISO4, []card.PAN{pan}, pins, []card.PAN{pan}, block))
	records[1].Set(formats.CardPINBlock, block.Reveal(0))
	v := verify(t, i, formats.CardFile, records)
	if v.Bad != 1 || v.Faults[0].Code != "pin_block" || v.Faults[0].Record != 2 {
		t.Fatalf("faults %+v", v.Faults)
	}
}

func TestVerifyRefusesPlantedFaultsInMailers(t *testing.T) {
	i := newIssuer(t)
	neighbour := bytes.Clone(i.mailers(3)[2].Get(formats.MailerPINBlock))
	for code, plant := range map[string]func(*formats.Record){
		"pin_block":           set(formats.MailerPINBlock, func(*formats.Record, []byte) []byte { return neighbour }),
		bureau.FaultPIN:       set(formats.MailerPINBlock, func(*formats.Record, []byte) []byte { return nil }),
		bureau.FaultReference: set(formats.MailerReference, digit(-1)),
		bureau.FaultTwice:     func(r *formats.Record) { r.SetString(formats.RecordUID, "42-0000001") },
	} {
		t.Run(code, func(t *testing.T) {
			records := i.mailers(3)
			plant(records[1])
			v := verify(t, i, formats.PINMailer, records)
			if v.Bad != 1 || v.Faults[0].Code != code || v.Faults[0].Record != 2 {
				t.Fatalf("faults %+v, unread %v", v.Faults, v.Unread)
			}
		})
	}
}

func TestVerifyRefusesAFileThatIsNotWhole(t *testing.T) {
	i := newIssuer(t)
	whole := i.file(formats.CardFile, i.cards(2))
	for n := range whole {
		v, err := bureau.Verify(t.Context(), i.reader(formats.CardFile, whole[:n]), formats.CardFile, i.module, keysOf(i))
		if err != nil || v.Good() {
			t.Fatalf("%d of %d bytes: good %t, error %v", n, len(whole), v.Good(), err)
		}
	}
}

func TestVerifyTellsFaultsOfTheFileFromItsOwn(t *testing.T) {
	i := newIssuer(t)
	keys := keysOf(i)
	lost := i.product
	lost.Keys.CVK = "lost"
	keys.Products = map[string]card.Product{i.product.Code: lost}
	file := i.file(formats.CardFile, i.cards(1))
	if _, err := bureau.Verify(t.Context(), i.reader(formats.CardFile, file), formats.CardFile, i.module, keys); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("a missing key: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bureau.Verify(ctx, i.reader(formats.CardFile, file), formats.CardFile, i.module, keysOf(i)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	keys.Products = map[string]card.Product{"another": i.product}
	v, err := bureau.Verify(t.Context(), i.reader(formats.CardFile, file), formats.CardFile, i.module, keys)
	if err != nil || v.Bad != 1 || v.Faults[0].Code != bureau.FaultProduct {
		t.Errorf("an unknown product: %+v, error %v", v.Faults, err)
	}
	wrong := i.product
	wrong.Keys.CVK = "other-cvk"
	keys.Products = map[string]card.Product{i.product.Code: wrong}
	if v, err = bureau.Verify(t.Context(), i.reader(formats.CardFile, file), formats.CardFile, i.module, keys); err != nil || v.Bad != 1 {
		t.Errorf("another card verification key: %+v, error %v", v.Faults, err)
	}
}

func TestVerifyNamesNumbersOutsideTheTestBINs(t *testing.T) {
	i := newIssuer(t)
	records := i.cards(3)
	real := i.pan("499999", 1)
	for _, f := range []formats.Field{formats.CardTrack1, formats.CardTrack2, formats.CardChipTrack2} {
		records[1].Set(f, bytes.Replace(records[1].Get(f), records[1].Get(formats.CardPAN), real.Reveal(), 1))
	}
	records[1].Set(formats.CardPAN, real.Reveal())
	v := verify(t, i, formats.CardFile, records)
	if v.Bad != 1 || v.Faults[0].Code != bureau.FaultBIN || v.Faults[0].Record != 2 {
		t.Fatalf("faults %+v", v.Faults)
	}
}

func TestVerdictsNeverSayACardNumber(t *testing.T) {
	i := newIssuer(t)
	records := i.cards(2)
	number := string(records[1].Get(formats.CardPAN))
	records[1].Set(formats.CardCVV, other(records[1].Get(formats.CardCVV), 0))
	v := verify(t, i, formats.CardFile, records)
	if strings.Contains(v.Reason(), number) || strings.Contains(v.Reason(), string(records[1].Get(formats.CardCVV))) {
		t.Errorf("the reason %q shows card data", v.Reason())
	}
}

func TestDiceFallBySeedAndIdentifierAlone(t *testing.T) {
	d := bureau.Dice{Seed: "seed", RejectPermille: 30, SpoilPermille: 50}
	counts := map[string]int{}
	const n = 20_000
	first := make([]string, n)
	for k := range n {
		status, reason := d.Roll(uid(k))
		if (status == bureau.Produced) != (reason == "") {
			t.Fatalf("%s with the reason %q", status, reason)
		}
		first[k] = status + reason
		counts[status]++
	}
	for k := n - 1; k >= 0; k-- {
		status, reason := d.Roll(uid(k))
		if first[k] != status+reason {
			t.Fatalf("record %d is decided differently the second time", k)
		}
	}
	if r, s := counts[bureau.Rejected], counts[bureau.Spoiled]; r < 500 || r > 700 || s < 850 || s > 1150 {
		t.Errorf("%d rejected and %d spoiled of %d", r, s, n)
	}
	if status, _ := (bureau.Dice{Seed: "seed"}).Roll(uid(1)); status != bureau.Produced {
		t.Error("dice without faults reject")
	}
}

func FuzzVerifyOnlyAcceptsWhatItCanRead(f *testing.F) {
	for _, kind := range []formats.Kind{formats.CardFile, formats.PINMailer} {
		f.Add(uint8(kind), []byte("H|42|demo|visa-chip\nD|1|42-0000001|4000000000000002|2901|00|201|||||||\nT|1|000000000002\n"))
		f.Add(uint8(kind), []byte(`{"type":"header","file":42,"product":"visa-chip"}`+"\n"+`{"type":"trailer","records":0}`+"\n"))
	}
	i := newIssuer(f)
	f.Fuzz(func(t *testing.T, kind uint8, file []byte) {
		k := formats.CardFile
		if kind%2 == 0 {
			k = formats.PINMailer
		}
		v, err := bureau.Verify(t.Context(), i.reader(k, file), k, i.module, keysOf(i))
		if err != nil {
			t.Fatal(err)
		}
		if v.Bad > int64(len(v.Lines)) || v.Good() && len(v.Faults) > 0 {
			t.Fatalf("%d bad of %d records, %d faults named", v.Bad, len(v.Lines), len(v.Faults))
		}
	})
}

// TestVerifyFindsFaultsInEveryLayoutOfCards reads the same cards out of fixed lines, XML and a stream of control tags.
func TestVerifyFindsFaultsInEveryLayoutOfCards(t *testing.T) {
	for _, layout := range []string{"north-fixed", "cardgen-style", "datacard-style", "dgi-secret"} {
		t.Run(layout, func(t *testing.T) {
			i := newIssuer(t)
			i.use(filepath.Join("..", "samples", "layouts", layout+".yaml"))
			made := func() []*formats.Record {
				records := i.cards(3)
				for _, r := range records {
					for f, v := range map[formats.Field]string{formats.ProductCode: i.product.Code, formats.ProductDesign: i.product.Design, formats.ProductTechnology: "CHIP",
						formats.CardRequest: "NEW", formats.CardTrackName: "HOLDER/A", formats.CardEffective: "2611"} {
						r.SetString(f, v)
					}
				}
				return records
			}
			if v := verify(t, i, formats.CardFile, made()); !v.Good() || len(v.Lines) != 3 {
				t.Fatalf("%d lines, %s, %+v", len(v.Lines), v.Reason(), v.Faults)
			}
			for code, plant := range map[string]func(*formats.Record){
				"cvv2": set(formats.CardCVV2, digit(2)), "track2": set(formats.CardTrack2, digit(-3)),
				"chip_track2": set(formats.CardChipTrack2, digit(20)), "pin_block": set(formats.CardPINBlock, func(_ *formats.Record, v []byte) []byte {
					v[3] ^= 1
					return v
				}),
				"track1": set(formats.CardTrack1, digit(5)),
			} {
				if code == "track1" && layout == "dgi-secret" { // which has none
					continue
				}
				records := made()
				plant(records[1])
				if v := verify(t, i, formats.CardFile, records); v.Unread != nil || v.Bad != 1 || v.Faults[0].Record != 2 || v.Faults[0].Code != code {
					t.Errorf("%s: %d bad records, faults %+v, unread %v", code, v.Bad, v.Faults, v.Unread)
				}
			}
		})
	}
}

// What a record has enciphered is opened under the key whose check value the header tells, older ones too. Under another it is refused, and so is what
// opens to nothing.
func TestVerifyOpensWhatIsEnciphered(t *testing.T) {
	i := newIssuer(t)
	layout := i.use(filepath.Join("..", "samples", "layouts", "dgi-secret.yaml"))
	file := i.file(formats.CardFile, i.cards(3))
	check := func(what string, file []byte, want string) {
		t.Helper()
		v, err := bureau.Verify(t.Context(), layout.NewReader(bytes.NewReader(file)), formats.CardFile, i.module, keysOf(i))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if reason := v.Reason(); want == "" && !v.Good() || !strings.Contains(reason, want) {
			t.Errorf("%s: %s, want %s", what, reason, want)
		}
	}
	check("as it was made", file, "")
	i.must(i.store.Rotate("zek-north", hsm.SeededEntropy("rotation")))
	check("under the key before", file, "")
	check("under the key of now", i.file(formats.CardFile, i.cards(3)), "")
	at := bytes.Index(file, []byte(`"key":"`)) + len(`"key":"`)
	check("under a stranger's key", slices.Concat(file[:at], []byte("000000"), file[at+6:]), "the file is enciphered under a key that is not ours: zek-north")
	printed := bytes.Index(file, []byte(`"printed":"`)) + len(`"printed":"`)
	check("with a block of another file", slices.Concat(file[:printed], bytes.Repeat([]byte("0"), 48), file[printed+48:]), "1 bad records; record 1: enciphered")
	check("cut by half a block", slices.Concat(file[:printed], file[printed+8:]), "1 bad records; record 1: enciphered")
}
