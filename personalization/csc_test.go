package personalization_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/personalization"
)

// The published American Express number of hsm/vectors/testdata/vectors.json, with its check digit, which no code depends on: 61247, 8720 and 552.
const cscPayload = "37123456789012"

var cscExpiry = card.Expiry{Year: 2099, Month: 12}

func amexKeys() personalization.Keys {
	k := keys()
	k.CSCK, k.CVK = k.CVK, card.KeyRef{}
	return k
}

func amexProduct() card.Product {
	p := visaProduct()
	p.Code, p.Scheme, p.CVV2Order = "charge", card.Amex, ""
	p.Track1, p.Track2 = []string{"pvki", "pvv", "csc5", "zeros:6"}, []string{"pvki", "pvv", "csc5", "zeros:4"}
	return p
}

func TestAnAmericanExpressCardHasThePublishedCodes(t *testing.T) {
	p := amexProduct()
	p.PIN.InCardFile = false
	press := newPress(t, p, amexKeys())
	issue := personalization.Issue{PAN: withLuhn(t, cscPayload), Expiry: cscExpiry, Surname: "Doe", GivenNames: "Jane", PVV: hsm.PVV{'8', '5', '2', '3'}, HasPVV: true}
	s := fill(t, press, []personalization.Issue{issue})
	number := string(issue.PAN.Reveal())
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"CSC5": {s.CSC5(0), "61247"}, "CSC4": {s.CSC4(0), "8720"}, "CSC3": {s.CSC3(0), "552"}, "CVV": {s.CVV(0), ""}, "CVV2": {s.CVV2(0), ""}, "iCVV": {s.ICVV(0), ""},
		"track 1": {s.Track1(0), "B" + number + "^DOE/JANE^9912201" + "18523" + "61247" + "000000"},
		"track 2": {s.Track2(0), number + "=9912201" + "18523" + "61247" + "0000"},
		// A stripe that is made of what the chip says has no valid code.
		"chip track 2": {s.ChipTrack2(0), number + "D9912201" + "18523" + "00000" + "0000F"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s is %s, want %s", name, c.got, c.want)
		}
	}
	v, err := press.SecurityValues(context.Background(), issue.PAN, cscExpiry)
	if err != nil || string(v.Printed().Reveal()) != "8720" || string(v.CSC5.Reveal()) != "61247" || string(v.CSC3.Reveal()) != "552" || !v.CVV.IsZero() || !v.CVV2.IsZero() || !v.ICVV.IsZero() {
		t.Errorf("the values are others: %v", err)
	}
	if said := fmt.Sprintf("%v %+v %#v %s", s, v, v, s); strings.Contains(said, "8720") {
		t.Error("a code is printed")
	}
	v.Wipe()
	if len(v.CSC4.Reveal())+len(v.CSC5.Reveal())+len(v.CSC3.Reveal()) != 0 {
		t.Error("codes outlive their wiping")
	}
	s.Wipe()
	if len(s.CSC5(0))+len(s.CSC4(0))+len(s.CSC3(0)) != 0 {
		t.Error("codes outlive the sheet's wiping")
	}
}

func TestVerifyCodesRecomputesCardSecurityCodes(t *testing.T) {
	press := newPress(t, amexProduct(), amexKeys())
	issues := issued(t, press, 3)
	// PINs are bound to their numbers, so these issues go without.
	p := amexProduct()
	p.PIN.InCardFile = false
	press = newPress(t, p, amexKeys())
	for i := range issues {
		issues[i].PAN = withLuhn(t, fmt.Sprintf("371449%08d", i*77))
	}
	records := func() []personalization.Printed {
		s := fill(t, press, issues)
		out := printed(s, issues)
		for i := range out {
			out[i].CSC5, out[i].CSC4, out[i].CSC3 = bytes.Clone(s.CSC5(i)), bytes.Clone(s.CSC4(i)), bytes.Clone(s.CSC3(i))
		}
		return out
	}
	if wrong := verify(t, press, records()); wrong != "[]" {
		t.Errorf("what was filled is wrong: %s", wrong)
	}
	next := func(b []byte, at int) { b[at] = '0' + (b[at]-'0'+1)%10 }
	for want, change := range map[string]func(r *personalization.Printed){
		"[1:csc5]":        func(r *personalization.Printed) { next(r.CSC5, 4) },
		"[1:csc4]":        func(r *personalization.Printed) { next(r.CSC4, 0) },
		"[1:csc3]":        func(r *personalization.Printed) { next(r.CSC3, 2) },
		"[1:cvv2]":        func(r *personalization.Printed) { r.CVV2 = []byte("123") }, // it has none
		"[1:track1]":      func(r *personalization.Printed) { next(r.Track1, len(r.Track1)-7) },
		"[1:track2]":      func(r *personalization.Printed) { next(r.Track2, len(r.Track2)-5) },
		"[1:chip_track2]": func(r *personalization.Printed) { next(r.ChipTrack2, len(r.ChipTrack2)-6) },
	} {
		r := records()
		change(&r[1])
		if wrong := verify(t, press, r); wrong != want {
			t.Errorf("wrong: %s, want %s", wrong, want)
		}
	}
}

func TestABlankAmericanExpressCardHasTheFormOfARealOne(t *testing.T) {
	press := newPress(t, amexProduct(), amexKeys())
	issue := []personalization.Issue{{PAN: withLuhn(t, cscPayload), Expiry: cscExpiry, Surname: "Doe", GivenNames: "Jane"}}
	s := personalization.NewSheet(1)
	if err := press.Blank(issue, s); err != nil {
		t.Fatal(err)
	}
	if string(s.CSC5(0)) != "00000" || string(s.CSC4(0)) != "0000" || string(s.CSC3(0)) != "000" || len(s.CVV2(0)) != 0 || len(s.Track2(0)) != 37 {
		t.Error("the blank has another form")
	}
}

func TestCodesOfOneSchemeAreNotMadeForAnother(t *testing.T) {
	amex, visa := amexProduct(), visaProduct()
	for name, c := range map[string]struct {
		product card.Product
		keys    personalization.Keys
		want    error
	}{
		"no CSCK":              {amex, keys(), personalization.ErrNoKey},
		"no CVK":               {visa, amexKeys(), personalization.ErrNoKey},
		"cvv of a CSC product": {func() card.Product { p := amex; p.Track2 = visa.Track2; return p }(), amexKeys(), personalization.ErrProduct},
		"csc5 of another":      {func() card.Product { p := visa; p.Track1 = amex.Track1; return p }(), keys(), personalization.ErrProduct},
		"csc5 with argument":   {func() card.Product { p := amex; p.Track1 = []string{"csc5:5"}; return p }(), amexKeys(), personalization.ErrProduct},
	} {
		if _, err := personalization.NewPress(newModule(t), c.product, c.keys); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	press := newPress(t, amex, amexKeys())
	err := press.Fill(context.Background(), []personalization.Issue{{PAN: pan(t, familyPAN), Expiry: cscExpiry}}, personalization.NewSheet(1))
	if input := new(hsm.InputError); !errors.As(err, &input) || input.Field != "pan" {
		t.Errorf("a number of another scheme: %v", err)
	}
}
