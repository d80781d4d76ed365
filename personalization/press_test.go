package personalization_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/software"
	"platen/personalization"
)

// Published card of hsm/vectors/testdata/vectors.json: CVV 474, iCVV 591, CVV2 552 under the imported CVK.
const familyPAN = "4123456789012349"

var familyExpiry = card.Expiry{Year: 2028, Month: 12}

func newModule(t testing.TB) hsm.Module {
	t.Helper()
	kbpk := make([]byte, 16)
	kbpk[3] = 7
	s, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), card.NewSecret(kbpk), keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Import("cvk", keyblock.CVK, keyblock.TDES, card.NewSecret(raw)); err != nil {
		t.Fatal(err)
	}
	for label, k := range map[card.KeyLabel]struct {
		usage keystore.Usage
		alg   keystore.Algorithm
	}{
		"pvk": {keyblock.VisaPVK, keyblock.TDES}, "pvk.ibm": {keyblock.IBMPVK, keyblock.TDES}, "pins": {keyblock.PINStorage, keyblock.AES},
		"zpk": {keyblock.ZPK, keyblock.AES}, "zpk.t": {keyblock.ZPK, keyblock.TDES},
	} {
		if err := s.Generate(label, k.usage, k.alg, hsm.SeededEntropy("press test")); err != nil {
			t.Fatal(err)
		}
	}
	m, err := software.New(s, hsm.SeededEntropy("press test"), software.Options{AllowRealBINs: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func keys() personalization.Keys {
	return personalization.Keys{
		CVK: card.KeyRef{Label: "cvk"}, PVK: card.KeyRef{Label: "pvk"}, Storage: card.KeyRef{Label: "pins"}, ZPK: card.KeyRef{Label: "zpk"},
		PINFormat: hsm.ISO4,
	}
}

// visaProduct is a chip card with a random PIN in the card file.
func visaProduct() card.Product {
	return card.Product{
		Code: "visa", Scheme: "visa", Technology: card.DualInterface, ServiceCode: "201", ValidityMonths: 36, FirstPSN: 1, CVV2Order: "MMYY",
		Track1: []string{"pvki", "pvv", "const:00", "cvv", "zeros:6"}, Track2: []string{"pvki", "pvv", "cvv", "zeros:5"},
		PIN: card.PINPolicy{Method: card.RandomPIN, Length: 4, PVKI: 1, Mailer: true, InCardFile: true},
	}
}

func newPress(t testing.TB, p card.Product, k personalization.Keys) *personalization.Press {
	t.Helper()
	press, err := personalization.NewPress(newModule(t), p, k)
	if err != nil {
		t.Fatal(err)
	}
	return press
}

func pan(t testing.TB, digits string) card.PAN {
	t.Helper()
	p, err := card.ParsePAN(digits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withLuhn completes a payload.
func withLuhn(t testing.TB, payload string) card.PAN {
	t.Helper()
	return pan(t, payload+string(card.CheckDigit([]byte(payload))))
}

// issued makes n issues with PINs.
func issued(t testing.TB, press *personalization.Press, n int) []personalization.Issue {
	t.Helper()
	issues := make([]personalization.Issue, n)
	pans, objects := make([]card.PAN, n), make([]uint64, n)
	for i := range issues {
		pans[i], objects[i] = withLuhn(t, fmt.Sprintf("400000%09d", i*77)), uint64(i)
	}
	pins, pvvs, offsets := make([]hsm.PIN, n), make([]hsm.PVV, n), make([]hsm.Offset, n)
	if err := press.MakePINs(context.Background(), pans, objects, pins, pvvs, offsets); err != nil {
		t.Fatal(err)
	}
	for i := range issues {
		issues[i] = personalization.Issue{
			PAN: pans[i], Expiry: familyExpiry, PSN: 1, Name: "JÖRG MÜLLER", Surname: "Mueller", GivenNames: "Joerg",
			PIN: pins[i], PVV: pvvs[i], HasPVV: true, Offset: offsets[i],
		}
	}
	return issues
}

func fill(t testing.TB, press *personalization.Press, issues []personalization.Issue) *personalization.Sheet {
	t.Helper()
	s := personalization.NewSheet(len(issues))
	if err := press.Fill(context.Background(), issues, s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFillMakesThePublishedCodesAndTracks(t *testing.T) {
	p := visaProduct()
	p.PIN.InCardFile = false
	issue := personalization.Issue{
		PAN: pan(t, familyPAN), Expiry: familyExpiry, PSN: 1, Surname: "Doe", GivenNames: "Jane M", PVV: hsm.PVV{'8', '5', '2', '3'}, HasPVV: true,
	}
	s := fill(t, newPress(t, p, keys()), []personalization.Issue{issue})
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"CVV": {s.CVV(0), "474"}, "CVV2": {s.CVV2(0), "552"}, "iCVV": {s.ICVV(0), "591"}, "PIN block": {s.PINBlock(0), ""},
		"track 1":      {s.Track1(0), "B4123456789012349^DOE/JANE M^281220118523" + "00474000000"},
		"track 2":      {s.Track2(0), "4123456789012349=281220118523" + "47400000"},
		"chip track 2": {s.ChipTrack2(0), "4123456789012349D281220118523" + "59100000F"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s is %s, want %s", name, c.got, c.want)
		}
	}
}

func TestAStripeCardHasNoChipData(t *testing.T) {
	p := visaProduct()
	p.Technology, p.ServiceCode, p.CVV2Order = card.Magstripe, "101", "YYMM"
	p.Anonymous, p.AnonymousName = true, "VALUED CUSTOMER"
	p.Track1, p.Track2 = []string{"const:00", "cvv", "zeros:6"}, []string{"cvv", "psn", "zeros:5"}
	p.PIN = card.PINPolicy{Method: card.NoPIN}
	issue := personalization.Issue{PAN: pan(t, familyPAN), Expiry: familyExpiry, PSN: 7, Name: p.AnonymousName}
	s := fill(t, newPress(t, p, keys()), []personalization.Issue{issue})
	if len(s.ICVV(0)) != 0 || len(s.ChipTrack2(0)) != 0 || len(s.PINBlock(0)) != 0 {
		t.Error("there is chip or PIN data")
	}
	cvv := string(s.CVV(0))
	if got, want := string(s.Track1(0)), "B4123456789012349^ /^2812101"+"00"+cvv+"000000"; got != want {
		t.Errorf("track 1 is %s, want %s", got, want)
	}
	if got, want := string(s.Track2(0)), "4123456789012349=2812101"+cvv+"07"+"00000"; got != want {
		t.Errorf("track 2 is %s, want %s", got, want)
	}
}

// The longest tracks of ISO/IEC 7813: 76 and 37 characters without sentinels and LRC, for every length of number.
func TestTracksReachTheirLimitAndNotFurther(t *testing.T) {
	for length := 13; length <= 19; length++ {
		p := visaProduct()
		p.PIN = card.PINPolicy{Method: card.NoPIN}
		room1, room2 := 76-(1+length+1+26+1+7), 37-(length+1+7)
		p.Track1 = []string{"cvv", fmt.Sprintf("zeros:%d", room1-3)}
		p.Track2 = []string{"cvv", fmt.Sprintf("zeros:%d", room2-3)}
		if err := personalization.CheckTracks(&p, length); err != nil {
			t.Fatalf("%d digits: %v", length, err)
		}
		issue := personalization.Issue{
			PAN: withLuhn(t, "4"+strings.Repeat("0", length-2)), Expiry: familyExpiry, Surname: "VERYLONGSURNAME", GivenNames: "WITHLONGGIVENNAMES",
		}
		s := fill(t, newPress(t, p, keys()), []personalization.Issue{issue})
		if len(s.Track1(0)) != 76 || len(s.Track2(0)) != 37 || len(s.ChipTrack2(0)) != 38 {
			t.Errorf("%d digits: tracks of %d, %d and %d characters", length, len(s.Track1(0)), len(s.Track2(0)), len(s.ChipTrack2(0)))
		}
		longer := p
		longer.Track2 = append([]string{"const:1"}, p.Track2...)
		if err := personalization.CheckTracks(&longer, length); !errors.Is(err, personalization.ErrTrack) {
			t.Errorf("%d digits: a longer track 2: %v", length, err)
		}
		longer = p
		longer.Track1 = append([]string{"const:1"}, p.Track1...)
		if err := personalization.CheckTracks(&longer, length); !errors.Is(err, personalization.ErrTrack) {
			t.Errorf("%d digits: a longer track 1: %v", length, err)
		}
	}
}

func TestFillRefusesATrackThatGrowsTooLong(t *testing.T) {
	p := visaProduct()
	p.PIN = card.PINPolicy{Method: card.NoPIN}
	p.Track1, p.Track2 = nil, []string{"cvv", "zeros:10"} // fits 16 digits, not 17
	press := newPress(t, p, keys())
	issue := personalization.Issue{PAN: withLuhn(t, "4000000000000000"), Expiry: familyExpiry}
	err := press.Fill(context.Background(), []personalization.Issue{issue}, personalization.NewSheet(1))
	if !errors.Is(err, personalization.ErrTrack) || strings.Contains(err.Error(), "4000") {
		t.Errorf("got %v", err)
	}
}

func TestNewPressRefusesProductsThatMakeNoSense(t *testing.T) {
	for name, change := range map[string]func(*card.Product, *personalization.Keys){
		"unknown piece":          func(p *card.Product, _ *personalization.Keys) { p.Track1 = []string{"pan"} },
		"cvv with argument":      func(p *card.Product, _ *personalization.Keys) { p.Track1 = []string{"cvv:3"} },
		"const of letters":       func(p *card.Product, _ *personalization.Keys) { p.Track1 = []string{"const:A0"} },
		"const of nothing":       func(p *card.Product, _ *personalization.Keys) { p.Track1 = []string{"const:"} },
		"zeros without count":    func(p *card.Product, _ *personalization.Keys) { p.Track2 = []string{"zeros:x"} },
		"zero zeros":             func(p *card.Product, _ *personalization.Keys) { p.Track2 = []string{"zeros:0"} },
		"offset of a random PIN": func(p *card.Product, _ *personalization.Keys) { p.Track2 = []string{"offset"} },
		"track 2 too long":       func(p *card.Product, _ *personalization.Keys) { p.Track2 = []string{"zeros:17"} },
		"track 1 too long":       func(p *card.Product, _ *personalization.Keys) { p.Track1 = []string{"zeros:28"} },
		"stripe code on a chip":  func(p *card.Product, _ *personalization.Keys) { p.ServiceCode = "101" },
		"chip code on a stripe":  func(p *card.Product, _ *personalization.Keys) { p.Technology = card.Magstripe },
		"no service code":        func(p *card.Product, _ *personalization.Keys) { p.ServiceCode = "" },
		"no CVV2 order":          func(p *card.Product, _ *personalization.Keys) { p.CVV2Order = "" },
		"PIN too short":          func(p *card.Product, _ *personalization.Keys) { p.PIN.Length = 3 },
		"PVKI too high":          func(p *card.Product, _ *personalization.Keys) { p.PIN.PVKI = 7 },
		"no PIN method":          func(p *card.Product, _ *personalization.Keys) { p.PIN.Method = 0 },
		"PIN of a PINless product": func(p *card.Product, _ *personalization.Keys) {
			p.PIN = card.PINPolicy{Method: card.NoPIN, InCardFile: true}
			p.Track1, p.Track2 = nil, nil
		},
		"PVV of a PINless product":  func(p *card.Product, _ *personalization.Keys) { p.PIN = card.PINPolicy{Method: card.NoPIN} },
		"derived PIN without table": func(p *card.Product, _ *personalization.Keys) { p.PIN.Method = card.DerivedPIN },
		"no CVK":                    func(_ *card.Product, k *personalization.Keys) { k.CVK = card.KeyRef{} },
		"PIN-block format 3":        func(_ *card.Product, k *personalization.Keys) { k.PINFormat = 3 },
	} {
		p, k := visaProduct(), keys()
		change(&p, &k)
		if _, err := personalization.NewPress(nil, p, k); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := personalization.NewPress(nil, visaProduct(), keys()); err != nil {
		t.Error(err)
	}
}

func TestDerivedPINsPutTheirOffsetOnTheTrack(t *testing.T) {
	p := visaProduct()
	p.PIN = card.PINPolicy{Method: card.DerivedPIN, Length: 5, DecTable: "0123456789012345", Validation: "00000000000N"}
	p.Track1, p.Track2 = []string{"offset", "cvv"}, []string{"offset", "cvv"}
	k := keys()
	k.PVK = card.KeyRef{Label: "pvk.ibm"}
	press := newPress(t, p, k)
	issues := issued(t, press, 1)
	if issues[0].Offset.N != 5 || issues[0].PIN.IsZero() || issues[0].PVV != (hsm.PVV{}) {
		t.Errorf("PIN data are not those of a derived PIN")
	}
	s := fill(t, press, issues)
	if got := string(s.Track2(0)); !strings.HasSuffix(got, "=281220100000"+string(s.CVV(0))) {
		t.Errorf("track 2 is %s", got)
	}
}

// excluding is a module whose table of excluded PINs holds every PIN.
type excluding struct{ hsm.Module }

func (excluding) Offsets(context.Context, card.KeyRef, card.KeyRef, hsm.IBM3624, []card.PAN, []hsm.PIN, []hsm.Offset) error {
	return hsm.ErrWeakPIN
}

func TestANaturalPINThatAModuleExcludesStopsNoFile(t *testing.T) {
	p := visaProduct()
	p.PIN = card.PINPolicy{Method: card.DerivedPIN, Length: 4, DecTable: "0123456789012345", Validation: "00000000000N"}
	p.Track1, p.Track2 = []string{"offset", "cvv"}, []string{"offset", "cvv"}
	k := keys()
	k.PVK = card.KeyRef{Label: "pvk.ibm"}
	module := newModule(t)
	press, err := personalization.NewPress(excluding{module}, p, k)
	if err != nil {
		t.Fatal(err)
	}
	made := issued(t, press, 3)
	pans, pins, want := make([]card.PAN, 3), make([]hsm.PIN, 3), make([]hsm.Offset, 3)
	for i, issue := range made {
		pans[i], pins[i] = issue.PAN, issue.PIN
	}
	scheme := hsm.IBM3624{Length: 4, DecTable: p.PIN.DecTable, Validation: p.PIN.Validation}
	if err := module.Offsets(t.Context(), k.Storage, k.PVK, scheme, pans, pins, want); err != nil {
		t.Fatal(err)
	}
	for i, issue := range made {
		if issue.Offset != want[i] {
			t.Errorf("card %d has another offset than the module computes", i)
		}
	}
}

func TestPINlessProductsMakeNoPINs(t *testing.T) {
	p := visaProduct()
	p.PIN, p.Track1, p.Track2 = card.PINPolicy{Method: card.NoPIN}, nil, nil
	issue := issued(t, newPress(t, p, keys()), 1)[0]
	if !issue.PIN.IsZero() || issue.PVV != (hsm.PVV{}) || issue.Offset.N != 0 {
		t.Error("there is PIN data")
	}
}

func TestTransferredPINsGetThePVVOfTheNewNumber(t *testing.T) {
	press := newPress(t, visaProduct(), keys())
	issues := issued(t, press, 3)
	from, to := make([]card.PAN, 3), make([]card.PAN, 3)
	pins, out, pvvs := make([]hsm.PIN, 3), make([]hsm.PIN, 3), make([]hsm.PVV, 3)
	for i := range issues {
		from[i], to[i], pins[i] = issues[i].PAN, withLuhn(t, fmt.Sprintf("411111%09d", i)), issues[i].PIN
	}
	if err := press.TransferPINs(context.Background(), from, pins, to, out, pvvs, nil); err != nil {
		t.Fatal(err)
	}
	for i := range issues {
		issues[i].PAN, issues[i].PIN, issues[i].PVV = to[i], out[i], pvvs[i]
	}
	if wrong := verify(t, press, printed(fill(t, press, issues), issues)); wrong != "[]" {
		t.Errorf("wrong: %s", wrong)
	}
}

func TestMissingKeysAndPINsAreNamed(t *testing.T) {
	issues := issued(t, newPress(t, visaProduct(), keys()), 1)
	ctx := context.Background()
	for name, change := range map[string]func(*personalization.Keys){
		"zone key":    func(k *personalization.Keys) { k.ZPK = card.KeyRef{} },
		"storage key": func(k *personalization.Keys) { k.Storage = card.KeyRef{} },
	} {
		k := keys()
		change(&k)
		if err := newPress(t, visaProduct(), k).Fill(ctx, issues, personalization.NewSheet(1)); !errors.Is(err, personalization.ErrNoKey) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	press := newPress(t, visaProduct(), keys())
	if err := press.Fill(ctx, make([]personalization.Issue, 2), personalization.NewSheet(1)); err == nil {
		t.Error("two cards fitted a sheet for one")
	}
	without := issues[0]
	without.HasPVV = false
	if err := press.Fill(ctx, []personalization.Issue{without}, personalization.NewSheet(1)); err == nil {
		t.Error("a track was made without its PVV")
	}
	without = issues[0]
	without.PIN = hsm.PIN{}
	if err := press.Fill(ctx, []personalization.Issue{without}, personalization.NewSheet(1)); !errors.Is(err, hsm.ErrPINBlock) {
		t.Errorf("a card without PIN: %v", err)
	}
}

func TestFillGivesTheSameBytesAgainAndInAReusedSheet(t *testing.T) {
	press := newPress(t, visaProduct(), keys())
	issues := issued(t, press, 8)
	first := fill(t, press, issues)
	again := personalization.NewSheet(20)
	for _, part := range [][]personalization.Issue{issues[4:], issues[:2], issues} {
		if err := press.Fill(context.Background(), part, again); err != nil {
			t.Fatal(err)
		}
	}
	for i := range issues {
		for name, pair := range map[string][2][]byte{
			"CVV": {first.CVV(i), again.CVV(i)}, "CVV2": {first.CVV2(i), again.CVV2(i)}, "iCVV": {first.ICVV(i), again.ICVV(i)},
			"track 1": {first.Track1(i), again.Track1(i)}, "track 2": {first.Track2(i), again.Track2(i)},
			"chip track 2": {first.ChipTrack2(i), again.ChipTrack2(i)}, "PIN block": {first.PINBlock(i), again.PINBlock(i)},
		} {
			if string(pair[0]) != string(pair[1]) || len(pair[0]) == 0 {
				t.Errorf("%s of card %d differs or is empty", name, i)
			}
		}
	}
}

func TestSheetsAndIssuesPrintAsMasks(t *testing.T) {
	press := newPress(t, visaProduct(), keys())
	issues := issued(t, press, 1)
	s := fill(t, press, issues)
	records := printed(s, issues)
	secrets := []string{string(issues[0].PAN.Reveal()), string(s.Track2(0)), "MÜLLER", "Mueller", hex.EncodeToString(s.PINBlock(0))}
	for name, v := range map[string]any{
		"sheet": s, "sheet value": *s, "issue": issues[0], "issues": issues, "record": records[0],
		"inside": struct{ S personalization.Sheet }{*s}, "hidden inside": struct{ s personalization.Sheet }{*s},
	} {
		out := fmt.Sprintf("%v %+v %#v %s %d %x %e", v, v, v, v, v, v, v)
		if raw, err := json.Marshal(v); err == nil {
			out += string(raw)
		}
		for _, secret := range secrets {
			numbers := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
			if strings.Contains(out, secret) || strings.Contains(out, hex.EncodeToString([]byte(secret))) || strings.Contains(out, numbers) {
				t.Errorf("%s prints card data", name)
			}
		}
	}
}

func TestACardCostsNoAllocation(t *testing.T) {
	press := newPress(t, visaProduct(), keys())
	issues := issued(t, press, 500)
	s := personalization.NewSheet(500)
	allocations := testing.AllocsPerRun(5, func() {
		if err := press.Fill(context.Background(), issues, s); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 50 {
		t.Errorf("%v allocations for 500 cards", allocations)
	}
}

func BenchmarkFill(b *testing.B) {
	press := newPress(b, visaProduct(), keys())
	issues := issued(b, press, 1000)
	s := personalization.NewSheet(1000)
	b.ReportAllocs()
	for b.Loop() {
		if err := press.Fill(context.Background(), issues, s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/card")
}
