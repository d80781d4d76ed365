package jobs_test

import (
	"io"
	"testing"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// instant orders one card that is made at once, and tells its token.
func (s *site) instant(reference string, kind formats.OrderKind, row formats.Row) (store.Order, string) {
	s.t.Helper()
	row.Line = 2
	list := []formats.Row{row}
	r, err := s.plant.Submit(s.t.Context(), batch.Submission{Institution: s.inst, Reference: reference, Actor: "test", Body: newBody(list), Single: true, Instant: true,
		Rows: func(r io.Reader) (batch.Rows, error) {
			_, err := io.Copy(io.Discard, r)
			return &rows{kind: kind, list: list}, err
		}})
	s.must(err)
	made, err := s.plant.InstantCard(s.t.Context(), r.Order)
	s.must(err)
	return r.Order, made.Token
}

func TestACardThatWasMadeAtOnceGoesThroughItsFileLikeTheOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		before := s.submit("BEFORE", formats.MassOrder, mass(50))
		one, token := s.instant("ONE", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "1"})
		_, second := s.instant("TWO", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "1"})
		_, named := s.instant("NAMED", formats.BulkOrder, person(1))
		s.submit("AFTER", formats.MassOrder, mass(3))
		s.proveChecked()

		// Lines of another order go out of the planned file, and these move up.
		files := s.planned("one")
		s.cancel(before.Order)
		w := s.cancel(one)
		if w.Cancelled != 0 || len(w.InFiles) != 1 || w.InFiles[0].Cards != 1 {
			t.Errorf("cancelled when it had its line: %+v", w)
		}
		s.proveChecked()
		for n := 0; n < 4 && !s.books().Balanced; n++ {
			s.settle()
			s.night(string(rune('a' + n)))
		}
		if b := s.books(); !b.Balanced || b.Requested != 56 || b.Cancelled != 50 {
			t.Errorf("books: %+v", b)
		}
		s.proveChecked()
		for _, name := range []string{token, second, named} {
			story, err := s.plant.ExplainCard(t.Context(), s.inst, name)
			s.must(err)
			if story.Issues[0].File == nil || story.Card.Status != card.CardInactive {
				t.Errorf("card %+v", story)
			}
		}
		if story, err := s.plant.ExplainCard(t.Context(), s.inst, named); err != nil || len(story.Mailers) == 0 {
			t.Errorf("its PIN mailer: %+v, %v", story.Mailers, err)
		}
		if state := s.orderState("TWO"); state != card.OrderFulfilled && state != card.OrderPartlyFulfilled {
			t.Errorf("its order is %s", state)
		}
		for _, f := range files {
			if same, _, err := s.plant.Replay(t.Context(), f.Number, nil); err != nil || !same {
				t.Errorf("replay of file %d: %v, %v", f.Number, same, err)
			}
		}
	})
}
