package personalization_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/personalization"
)

// printed copies a sheet as a reader of its file would see it.
func printed(s *personalization.Sheet, issues []personalization.Issue) []personalization.Printed {
	out := make([]personalization.Printed, len(issues))
	for i, issue := range issues {
		out[i] = personalization.Printed{
			PAN: issue.PAN, Expiry: issue.Expiry, PSN: issue.PSN, HasPSN: true,
			CVV: bytes.Clone(s.CVV(i)), CVV2: bytes.Clone(s.CVV2(i)), ICVV: bytes.Clone(s.ICVV(i)), PINBlock: bytes.Clone(s.PINBlock(i)),
			Track1: bytes.Clone(s.Track1(i)), Track2: bytes.Clone(s.Track2(i)), ChipTrack2: bytes.Clone(s.ChipTrack2(i)),
		}
	}
	return out
}

// verify returns what is wrong as sorted text.
func verify(t *testing.T, press *personalization.Press, records []personalization.Printed) string {
	t.Helper()
	found := []string{}
	err := press.VerifyCodes(context.Background(), records, personalization.NewSheet(len(records)), func(i int, what string) {
		found = append(found, fmt.Sprintf("%d:%s", i, what))
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return fmt.Sprint(found)
}

func TestVerifyCodesAgreesWithFill(t *testing.T) {
	psn := visaProduct()
	psn.Track1, psn.Track2 = []string{"cvv", "psn"}, []string{"psn", "cvv"}
	for name, p := range map[string]card.Product{"with PVV": visaProduct(), "with PSN": psn} {
		for _, format := range []hsm.PINFormat{hsm.ISO0, hsm.ISO4} {
			k := keys()
			k.PINFormat = format
			if format == hsm.ISO0 {
				k.ZPK = card.KeyRef{Label: "zpk.t"}
			}
			press := newPress(t, p, k)
			issues := issued(t, press, 9)
			if wrong := verify(t, press, printed(fill(t, press, issues), issues)); wrong != "[]" {
				t.Errorf("%s, format %d: wrong: %s", name, format, wrong)
			}
		}
	}
}

func TestVerifyCodesNamesWhatIsWrong(t *testing.T) {
	press := newPress(t, visaProduct(), keys())
	issues := issued(t, press, 3)
	// digit replaces the digit at a place by another.
	digit := func(b []byte, at int) {
		if at < 0 {
			at += len(b)
		}
		b[at] = '0' + (b[at]-'0'+1)%10
	}
	for name, c := range map[string]struct {
		change func(r *personalization.Printed)
		want   string
	}{
		"CVV":                {func(r *personalization.Printed) { digit(r.CVV, 0) }, "[1:cvv]"},
		"CVV2":               {func(r *personalization.Printed) { digit(r.CVV2, 2) }, "[1:cvv2]"},
		"iCVV":               {func(r *personalization.Printed) { digit(r.ICVV, 1) }, "[1:icvv]"},
		"number on track 1":  {func(r *personalization.Printed) { digit(r.Track1, 5) }, "[1:track1]"},
		"format of track 1":  {func(r *personalization.Printed) { r.Track1[0] = 'A' }, "[1:track1]"},
		"name on track 1":    {func(r *personalization.Printed) { r.Track1 = bytes.Replace(r.Track1, []byte("/"), nil, 1) }, "[1:track1]"},
		"small letters":      {func(r *personalization.Printed) { r.Track1 = bytes.ToLower(r.Track1) }, "[1:track1]"},
		"last of track 1":    {func(r *personalization.Printed) { digit(r.Track1, -1) }, "[1:track1]"},
		"number on track 2":  {func(r *personalization.Printed) { digit(r.Track2, 5) }, "[1:track2]"},
		"expiry on track 2":  {func(r *personalization.Printed) { digit(r.Track2, 18) }, "[1:track2]"},
		"service code":       {func(r *personalization.Printed) { digit(r.Track2, 22) }, "[1:track2]"},
		"key index":          {func(r *personalization.Printed) { digit(r.Track2, 24) }, "[1:track2]"},
		"code on track 2":    {func(r *personalization.Printed) { digit(r.Track2, 29) }, "[1:track2]"},
		"short track 2":      {func(r *personalization.Printed) { r.Track2 = r.Track2[:20] }, "[1:track2]"},
		"stripe code inside": {func(r *personalization.Printed) { digit(r.ChipTrack2, 30) }, "[1:chip_track2]"},
		"PVV on one track":   {func(r *personalization.Printed) { digit(r.Track2, 25) }, "[1:track2]"},
		"fill of the chip":   {func(r *personalization.Printed) { r.ChipTrack2 = r.ChipTrack2[:len(r.ChipTrack2)-1] }, "[1:chip_track2]"},
		"PVV on every track": {func(r *personalization.Printed) {
			digit(r.Track1, -15)
			digit(r.Track2, 25)
			digit(r.ChipTrack2, 25)
		}, "[1:pin_block]"},
		"PIN block":        {func(r *personalization.Printed) { r.PINBlock[3] ^= 1 }, "[1:pin_block]"},
		"short PIN block":  {func(r *personalization.Printed) { r.PINBlock = r.PINBlock[:8] }, "[1:pin_block]"},
		"long PIN block":   {func(r *personalization.Printed) { r.PINBlock = make([]byte, 17) }, "[1:pin_block]"},
		"PSN not on track": {func(r *personalization.Printed) { r.PSN = 2 }, "[]"},
		"expiry of record": {func(r *personalization.Printed) { r.Expiry.Year++ }, "[1:chip_track2 1:cvv 1:cvv2 1:icvv 1:track1 1:track2]"},
		"nothing carried": {func(r *personalization.Printed) {
			*r = personalization.Printed{PAN: r.PAN, Expiry: r.Expiry}
		}, "[]"},
	} {
		records := printed(fill(t, press, issues), issues)
		c.change(&records[1])
		if got := verify(t, press, records); got != c.want {
			t.Errorf("%s: found %s, want %s", name, got, c.want)
		}
	}
}

// Swapped blocks open to nothing under the other card's number.
func TestVerifyCodesFindsSwappedPINBlocks(t *testing.T) {
	press := newPress(t, visaProduct(), keys())
	issues := issued(t, press, 3)
	records := printed(fill(t, press, issues), issues)
	records[0].PINBlock, records[2].PINBlock = records[2].PINBlock, records[0].PINBlock
	if got := verify(t, press, records); got != "[0:pin_block 2:pin_block]" {
		t.Errorf("found %s", got)
	}
}

func TestVerifyCodesComparesThePSNOnTheTrack(t *testing.T) {
	p := visaProduct()
	p.Track1, p.Track2 = []string{"cvv", "psn"}, []string{"psn", "cvv"}
	press := newPress(t, p, keys())
	issues := issued(t, press, 1)
	records := printed(fill(t, press, issues), issues)
	records[0].PSN++
	if got := verify(t, press, records); got != "[0:chip_track2 0:track1 0:track2]" {
		t.Errorf("found %s", got)
	}
	records[0].HasPSN = false
	if got := verify(t, press, records); got != "[]" {
		t.Errorf("found %s", got)
	}
}

func TestVerifyCodesNeedsTheZoneKey(t *testing.T) {
	press := newPress(t, visaProduct(), keys())
	issues := issued(t, press, 1)
	records := printed(fill(t, press, issues), issues)
	k := keys()
	k.ZPK = card.KeyRef{}
	err := newPress(t, visaProduct(), k).VerifyCodes(context.Background(), records, personalization.NewSheet(1), func(int, string) {})
	if !errors.Is(err, personalization.ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

// Whatever a file says, checking it ends with findings and not with a crash.
func FuzzVerifyCodes(f *testing.F) {
	p := visaProduct()
	press := newPress(f, p, keys())
	issues := issued(f, press, 1)
	s := fill(f, press, issues)
	f.Add(bytes.Clone(s.Track1(0)), bytes.Clone(s.Track2(0)), bytes.Clone(s.ChipTrack2(0)), bytes.Clone(s.PINBlock(0)))
	f.Add([]byte("B^^"), []byte("="), []byte("D"), []byte{})
	f.Fuzz(func(t *testing.T, track1, track2, chip, block []byte) {
		record := personalization.Printed{PAN: issues[0].PAN, Expiry: issues[0].Expiry, Track1: track1, Track2: track2, ChipTrack2: chip, PINBlock: block}
		if err := press.VerifyCodes(context.Background(), []personalization.Printed{record}, personalization.NewSheet(1), func(int, string) {}); err != nil {
			t.Fatal(err)
		}
	})
}
