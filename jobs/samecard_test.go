package jobs_test

import (
	"io"
	"testing"

	"platen/batch"
	"platen/formats"
)

func TestTwoOrdersTakenInTogetherDoNotBothGetACard(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, person(1))
		s.night("one")
		action := formats.Row{Card: "BULK#1", Reason: "LOST"}
		// The first order has checked its row and not stored it yet when the second is taken in whole.
		second := make(chan batch.Receipt, 1)
		first, err := s.plant.Submit(t.Context(), batch.Submission{Institution: s.inst, Reference: "A", Actor: "test", Body: newBody([]formats.Row{action}),
			Rows: func(r io.Reader) (batch.Rows, error) {
				_, err := io.Copy(io.Discard, r)
				return &interrupted{rows: rows{kind: formats.ActionOrder, list: []formats.Row{action}}, then: func() { second <- s.submit("B", formats.ActionOrder, action) }}, err
			}})
		s.must(err)
		b := <-second
		if first.Order.Requested+b.Order.Requested != 1 || first.Order.RefusedRows+b.Order.RefusedRows != 1 {
			t.Errorf("first asks for %d, refuses %d; second asks for %d, refuses %d", first.Order.Requested, first.Order.RefusedRows, b.Order.Requested, b.Order.RefusedRows)
		}
		for n := 2; n < 6 && !s.books().Balanced; n++ {
			s.night(string(rune('0' + n)))
		}
		if books := s.books(); !books.Balanced || books.Requested != 2 {
			t.Errorf("books: %+v", books)
		}
	})
}

// interrupted lets something happen between its last row and its end.
type interrupted struct {
	rows
	then func()
}

func (r *interrupted) Next() (formats.Row, []formats.Fault, error) {
	row, faults, err := r.rows.Next()
	if err != nil && r.then != nil {
		r.then()
		r.then = nil
	}
	return row, faults, err
}
