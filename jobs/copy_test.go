package jobs_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"platen/bureau"
	"platen/formats"
)

func TestACopyForTheIssuersPeopleShowsNoCardData(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(20)...)
		s.night("one")
		f := s.cardFile("north")
		var plain bytes.Buffer
		_, _, err := s.plant.Replay(t.Context(), f.Number, &plain)
		s.must(err)
		copies := map[formats.Audience][]byte{}
		for _, a := range []formats.Audience{formats.ForIssuerMasked, formats.ForIssuerCutdown} {
			var out bytes.Buffer
			s.must(s.plant.CopyFor(t.Context(), f.Number, a, &out, "test"))
			copies[a] = out.Bytes()
		}
		r, records := s.layoutOf(plain.Bytes()).NewReader(&plain), int64(0)
		for {
			section, rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			s.must(err)
			if section != formats.Detail {
				continue
			}
			records++
			pan := rec.Get(formats.CardPAN)
			for a, copied := range copies {
				squeezed := bytes.ReplaceAll(copied, []byte(" "), nil)
				for _, secret := range [][]byte{pan, rec.Get(formats.CardTrack1), rec.Get(formats.CardTrack2), pan[6:12]} {
					if bytes.Contains(squeezed, bytes.ReplaceAll(secret, []byte(" "), nil)) {
						t.Errorf("record %d: the copy for %s shows card data", records, a)
					}
				}
				masked := append(append(bytes.Clone(pan[:6]), "******"...), pan[12:]...)
				if bytes.Contains(squeezed, masked) != (a == formats.ForIssuerMasked) {
					t.Errorf("record %d: the copy for %s has the masked number %v", records, a, a != formats.ForIssuerMasked)
				}
				if !bytes.Contains(copied, rec.Get(formats.RecordUID)) {
					t.Errorf("record %d is not in the copy for %s", records, a)
				}
			}
		}
		if records != f.Planned || records == 0 {
			t.Errorf("%d records", records)
		}
		if err := s.plant.CopyFor(t.Context(), f.Number, formats.ForBureau, io.Discard, "test"); err == nil {
			t.Error("a copy for the bureau was written")
		}
	})
}

// layoutOf finds the layout of a card file by its beginning.
func (s *site) layoutOf(file []byte) *formats.Layout {
	s.t.Helper()
	for _, l := range s.set.Layouts {
		if _, _, err := l.NewReader(bytes.NewReader(file)).Next(); err == nil && l.Kind() == formats.CardFile {
			return l
		}
	}
	s.t.Fatal("no layout reads the file")
	return nil
}
