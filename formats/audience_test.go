package formats

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// A copy for the issuer is read with the layout of its audience: every record, and every value that the audience sees.
func TestACopyForAnAudienceIsReadAsSuch(t *testing.T) {
	for name, l := range builtIn(t) {
		if l.Kind() != CardFile && l.Kind() != PINMailer {
			continue
		}
		head, cards := SampleCards(l.Kind(), 3)
		for i, c := range cards { // names that every encoding has
			for _, f := range []Field{HolderFirstName, HolderLastName, CarrierName, CarrierAddress1, CarrierCity} {
				c.SetString(f, []string{"Asha", "Maria", "Jo"}[i])
			}
			c.SetString(ProductTechnology, "CHIP")
		}
		head.SetString(ProductTechnology, "CHIP")
		for _, a := range []Audience{ForIssuerMasked, ForIssuerCutdown} {
			of := l.For(a)
			file := writeAll(t, of, merged(head), cards...)
			r := of.NewReader(bytes.NewReader(file))
			read := 0
			for {
				which, rec, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s for %s: %v\n%s", name, a, err, file)
				}
				if which != Detail {
					continue
				}
				for f := Field(1); f < numFields; f++ {
					if of.sections[Detail].returns(f) && f.Sensitivity() <= Personal && !bytes.Equal(rec.Get(f), cards[read].Get(f)) {
						t.Errorf("%s for %s: %s is %q, not %q", name, a, f, rec.Get(f), cards[read].Get(f))
					}
					if f.Sensitivity() > PAN && rec.Has(f) {
						t.Errorf("%s for %s: has %s", name, a, f)
					}
				}
				want := ""
				if a == ForIssuerMasked && slices.ContainsFunc(of.sections[Detail].columns, func(c column) bool { return c.audience == masked && c.fidelity == exact }) {
					want = "411111******" + string(cards[read].Get(CardPAN)[12:])
				}
				if got := string(rec.Get(CardPAN)); got != want {
					t.Errorf("%s for %s: the number is %q, not %q", name, a, got, want)
				}
				read++
			}
			if read != len(cards) {
				t.Errorf("%s for %s: %d records of %d", name, a, read, len(cards))
			}
			if whole := writeAll(t, l, merged(head), cards...); !bytes.Equal(whole, file) {
				if _, _, err := firstDetail(of, whole); !errors.Is(err, errShown) && !errors.Is(err, errNotMasked) {
					t.Errorf("%s for %s takes what the bureau gets: %v", name, a, err)
				}
			}
			if _, _, err := firstDetail(l, file); err == nil && a == ForIssuerCutdown && l.Kind() == CardFile {
				t.Errorf("%s for %s is read as the bureau's", name, a)
			}
		}
	}
}

func firstDetail(l *Layout, file []byte) (Section, *Record, error) {
	r := l.NewReader(bytes.NewReader(file))
	for {
		which, rec, err := r.Next()
		if err != nil || which == Detail {
			return which, rec, err
		}
	}
}
