package jobs_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

func TestTheSameOrderIsTakenOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		first := s.submit("R", formats.BulkOrder, people(3)...)
		again := s.submit("R", formats.BulkOrder, people(3)...)
		if !again.Repeat || again.Order.ID != first.Order.ID || first.Repeat {
			t.Errorf("repeat %v, ids %s and %s", again.Repeat, first.Order.ID, again.Order.ID)
		}
		if first.Cutoff == nil || first.Cutoff.Schedule != "nightly" {
			t.Errorf("the next cut-off is %+v", first.Cutoff)
		}
		if _, err := s.trySubmit("R", formats.BulkOrder, people(4)...); !errors.Is(err, batch.ErrReference) {
			t.Errorf("other content: %v", err)
		}
	})
}

func TestAKeyOfADeadIntakeIsRefusedForAnotherReference(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		key := "KEY"
		s.must(s.store.InTx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.InsertOrder(t.Context(), store.Order{ID: uuid.New(), Institution: s.inst.ID, Reference: "DEAD", IdempotencyKey: &key, Kind: int(formats.BulkOrder),
				SubmittedBy: "x", CreatedAt: s.now()}, -60)
			return err
		}))
		try := func(reference string) error {
			list := people(1)
			_, err := s.plant.Submit(t.Context(), batch.Submission{Institution: s.inst, Reference: reference, IdempotencyKey: key, Actor: "test", Body: newBody(list),
				Rows: func(r io.Reader) (batch.Rows, error) {
					_, err := io.Copy(io.Discard, r)
					return &rows{kind: formats.BulkOrder, list: list}, err
				}})
			return err
		}
		if err := try("OTHER"); !errors.Is(err, batch.ErrReference) {
			t.Errorf("its key with another reference: %v", err)
		}
		if err := try("DEAD"); err != nil {
			t.Errorf("its key with its own reference: %v", err)
		}
		if _, err := s.store.OrderByReference(t.Context(), s.inst.ID, "OTHER"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the other order: %v", err)
		}
	})
}

func TestAnOrderInFlightIsToldFromOneThatIsDone(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		blocked := make(chan struct{})
		reading := make(chan struct{})
		finished := make(chan error, 1)
		go func() {
			_, err := s.plant.Submit(t.Context(), batch.Submission{Institution: s.inst, Reference: "R", Actor: "test", Body: strings.NewReader("x"),
				Rows: func(io.Reader) (batch.Rows, error) {
					return &slowRows{rows: rows{kind: formats.BulkOrder, list: people(1)}, reading: reading, go_on: blocked}, nil
				}})
			finished <- err
		}()
		<-reading
		_, err := s.trySubmit("R", formats.BulkOrder, people(1)...)
		close(blocked)
		if !errors.Is(err, batch.ErrInFlight) {
			t.Errorf("second submission: %v", err)
		}
		if err := <-finished; err != nil {
			t.Error(err)
		}
	})
}

// slowRows waits before its end, so that an order stays in flight.
type slowRows struct {
	rows
	reading chan struct{}
	go_on   chan struct{}
}

func (r *slowRows) Next() (formats.Row, []formats.Fault, error) {
	row, faults, err := r.rows.Next()
	if errors.Is(err, io.EOF) {
		close(r.reading)
		<-r.go_on
	}
	return row, faults, err
}

func TestABodyThatBreaksOffLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		broken := errors.New("the line went dead")
		_, err := s.plant.Submit(t.Context(), batch.Submission{Institution: s.inst, Reference: "R", Actor: "test", Body: strings.NewReader("x"),
			Rows: func(io.Reader) (batch.Rows, error) {
				return &brokenRows{rows: rows{kind: formats.BulkOrder, list: people(5000)}, after: 4500, err: broken}, nil
			}})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if _, err := s.store.OrderByReference(t.Context(), s.inst.ID, "R"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the order is still there: %v", err)
		}
		s.submit("R", formats.BulkOrder, people(2)...)
	})
}

type brokenRows struct {
	rows
	after int
	err   error
}

func (r *brokenRows) Next() (formats.Row, []formats.Fault, error) {
	if r.next == r.after {
		return formats.Row{}, nil, r.err
	}
	return r.rows.Next()
}

func TestBadRowsWaitAndACorrectionContinuesTheOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		list := people(5)
		list[1].Product = "no-such-card"
		list[3].Expiry = "2020-01"
		r := s.submit("R", formats.BulkOrder, list...)
		if r.Order.Requested != 3 || r.Order.RefusedRows != 2 {
			t.Fatalf("requested %d, refused %d", r.Order.Requested, r.Order.RefusedRows)
		}
		s.night("one")
		refused, err := s.store.Refused(t.Context(), r.Order.Number, 0, 10)
		if err != nil || len(refused) != 2 || refused[0].SourceLine != 3 || !strings.Contains(refused[0].Faults, "unknown_product") || !strings.Contains(refused[1].Faults, "expiry_past") {
			t.Fatalf("refused rows: %+v, %v", refused, err)
		}
		good, stillBad := person(1), person(3)
		stillBad.Expiry = "2021-01"
		correct := func(list ...formats.Row) (batch.Receipt, error) {
			return s.plant.Correct(t.Context(), s.inst, r.Order.ID, newBody(list), func(body io.Reader) (batch.Rows, error) {
				_, err := io.Copy(io.Discard, body)
				return &linedRows{list: list}, err
			}, "test")
		}
		good.Line, stillBad.Line = 3, 5
		got, err := correct(good, stillBad)
		if err != nil || got.Order.Requested != 4 || got.Order.RefusedRows != 1 || got.Order.State != card.OrderOpen {
			t.Fatalf("after the correction: %+v, %v", got.Order, err)
		}
		if again, err := correct(good, stillBad); err != nil || !again.Repeat || again.Order.Requested != 4 {
			t.Errorf("the same correction again: %+v, %v", again, err)
		}
		other := good
		other.City = "Agra"
		if _, err := correct(other); !errors.Is(err, batch.ErrNotWaiting) {
			t.Errorf("a line that waits no more: %v", err)
		}
		for n := 2; n < 6 && !s.books().Balanced; n++ {
			s.night(string(rune('0' + n)))
		}
		if b := s.books(); !b.Balanced || b.Requested != 4 || b.Refused != 1 {
			t.Errorf("books: %+v", b)
		}
	})
}

// linedRows are rows that say their own line, like a correction.
type linedRows struct {
	list []formats.Row
	next int
}

func (r *linedRows) Kind() formats.OrderKind { return formats.BulkOrder }

func (r *linedRows) Next() (formats.Row, []formats.Fault, error) {
	if r.next == len(r.list) {
		return formats.Row{}, nil, io.EOF
	}
	r.next++
	return r.list[r.next-1], nil, nil
}

func TestRowsGetCodedFaults(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("FIRST", formats.BulkOrder, people(2)...)
		s.night("one")
		for name, c := range map[string]struct {
			kind formats.OrderKind
			row  formats.Row
			code string
		}{
			"quantity zero":            {formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "0"}, "quantity_zero"},
			"quantity over the most":   {formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "1000001"}, "quantity_over_maximum"},
			"names needed":             {formats.MassOrder, formats.Row{Product: "visa-debit-chip", Quantity: "5"}, "product_needs_names"},
			"unknown product":          {formats.MassOrder, formats.Row{Product: "x", Quantity: "5"}, "unknown_product"},
			"name too long":            {formats.BulkOrder, withName(strings.Repeat("Ab", 14)), "name_too_long"},
			"name in another script":   {formats.BulkOrder, withName("山田太郎"), "name_unmappable"},
			"unknown card":             {formats.ActionOrder, formats.Row{Card: "FIRST#99", Reason: "LOST"}, "unknown_card"},
			"token of nobody":          {formats.ActionOrder, formats.Row{Card: "T010000000000000000", Reason: "LOST"}, "unknown_card"},
			"unknown reason":           {formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "BORED"}, "unknown_reason"},
			"reason that makes none":   {formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "NEW"}, "reason_not_for_action"},
			"name change without name": {formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "NAME_CHANGE"}, "required"},
		} {
			r := s.submit(strings.ReplaceAll(name, " ", "-"), c.kind, c.row)
			refused, err := s.store.Refused(t.Context(), r.Order.Number, 0, 10)
			if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Faults, `"`+c.code+`"`) {
				t.Errorf("%s: %+v, %v", name, refused, err)
			}
		}
	})
}

func withName(name string) formats.Row {
	r := person(0)
	r.EmbossName = name
	return r
}

func TestACardIsAskedForOnceAtATime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("FIRST", formats.BulkOrder, people(2)...)
		s.night("one")
		if r := s.submit("A", formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "LOST"}); r.Order.Requested != 1 {
			t.Fatalf("first action: %+v", r.Order)
		}
		if r := s.submit("B", formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "STOLEN"}); r.Order.RefusedRows != 1 {
			t.Errorf("second action: %+v", r.Order)
		}
		s.night("two")
		if r := s.submit("C", formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "STOLEN"}); r.Order.RefusedRows != 1 {
			t.Errorf("action on a closed card: %+v", r.Order)
		}
		story, err := s.plant.ExplainCard(t.Context(), s.inst, "FIRST#1")
		if err != nil || story.Card.Status != card.CardClosed || story.Card.ClosedFor != card.Lost || story.ReplacedBy == "" {
			t.Errorf("story: %+v, %v", story, err)
		}
	})
}
