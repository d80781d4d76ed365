package jobs_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// stopMinting ends a build after so many cards.
type stopMinting struct {
	batch.Observer
	after int
	stop  func()
}

func (s *stopMinting) CardsMinted(n int) {
	if s.after -= n; s.after <= 0 {
		s.stop()
	}
}

// widen lets files hold so many lines.
func (s *site) widen(lines int) {
	s.t.Helper()
	for i := range s.set.Bureaus {
		s.set.Bureaus[i].MaxRecords = lines
	}
	s.apply()
}

// planned opens a window and plans its files.
func (s *site) planned(slot string) []store.File {
	s.t.Helper()
	b, _, err := s.plant.RunNow(s.t.Context(), s.inst, "nightly", slot, "test")
	s.must(err)
	s.must(s.plant.Plan(s.t.Context(), b.Number))
	files, err := s.store.FilesOfBatch(s.t.Context(), b.Number)
	s.must(err)
	return files
}

// claimed raises the epochs of all files that are due to be built.
func (s *site) claimed() []store.Due {
	s.t.Helper()
	var due []store.Due
	s.must(s.store.InTx(s.t.Context(), func(tx *store.Tx) (err error) {
		due, err = tx.ClaimStale(s.t.Context(), batch.Lease, card.FilePlanned, card.FileBuilding, card.FileSealed)
		return err
	}))
	return due
}

func (s *site) cancel(o store.Order) batch.Withdrawal {
	s.t.Helper()
	w, err := s.plant.CancelOrder(s.t.Context(), s.inst, o.Number, "not wanted", "test")
	s.must(err)
	return w
}

// proveChecked expects that nothing is wrong with the database.
func (s *site) proveChecked() {
	s.t.Helper()
	r, err := s.plant.Check(s.t.Context())
	s.must(err)
	for _, f := range r.Findings {
		s.t.Errorf("check: %+v", f)
	}
}

func TestACancelledOrderStopsWithinAChunkAndTheOthersMoveUp(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.widen(12_000)
		first := s.submit("FIRST", formats.MassOrder, mass(4000))
		second := s.submit("SECOND", formats.MassOrder, mass(4000))
		s.submit("THIRD", formats.MassOrder, mass(4000))
		files := s.planned("one")
		due := s.claimed()
		if len(files) != 1 || len(due) != 1 {
			t.Fatalf("%d files, %d due", len(files), len(due))
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		worker := *s.plant
		worker.Observe = &stopMinting{Observer: s.plant.Observe, after: 1, stop: stop}
		if err := worker.Build(ctx, due[0].Number, due[0].Epoch); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped: %v", err)
		}
		f, err := s.store.FileByNumber(t.Context(), files[0].Number)
		s.must(err)
		if f.Minted <= 8000 || f.Minted >= 12_000 {
			t.Fatalf("%d lines minted: the test needs a file in the midst of its third order", f.Minted)
		}
		w := s.cancel(second.Order)
		if w.Cancelled != 4000 || len(w.InFiles) != 0 || w.Order.State != card.OrderCancelled {
			t.Errorf("cancelled: %+v", w)
		}
		after, err := s.store.FileByNumber(t.Context(), f.Number)
		s.must(err)
		if after.Planned != 8000 || after.Minted != f.Minted-4000 {
			t.Errorf("planned %d, minted %d of %d before", after.Planned, after.Minted, f.Minted)
		}
		if err := s.plant.Build(t.Context(), f.Number, due[0].Epoch); !errors.Is(err, store.ErrFenced) {
			t.Errorf("the worker from before the cancel goes on: %v", err)
		}
		s.proveChecked()
		for n := 0; n < 4 && !s.books().Balanced; n++ {
			s.settle()
			s.night(string(rune('a' + n)))
		}
		b := s.books()
		if !b.Balanced || b.Requested != 12_000 || b.Cancelled != 4000 || b.Produced+b.Rejected != 8000 {
			t.Errorf("books: %+v", b)
		}
		s.proveChecked()
		if w := s.cancel(first.Order); w.Cancelled != 0 || len(w.InFiles) != 1 || w.InFiles[0].Cards != 4000 || w.InFiles[0].File.Number != f.Number {
			t.Errorf("cancelled when it was made: %+v", w)
		}
		same, _, err := s.plant.Replay(t.Context(), f.Number, nil)
		if err != nil || !same {
			t.Errorf("replay: %v, %v", same, err)
		}
	})
}

func TestACancelledOrderTakesItsMailersWithIt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("STAYS", formats.BulkOrder, people(9)...)
		goes := s.submit("GOES", formats.BulkOrder, people(12)...)
		s.submit("STAYS-TOO", formats.BulkOrder, people(6)...)
		s.planned("one")
		for _, d := range s.claimed() {
			f, err := s.store.FileByNumber(t.Context(), d.Number)
			s.must(err)
			if f.Purpose == store.CardPurpose {
				s.must(s.plant.Mint(t.Context(), d.Number, d.Epoch))
			}
		}
		if w := s.cancel(goes.Order); w.Cancelled != 12 || w.Order.State != card.OrderCancelled {
			t.Errorf("cancelled: %+v", w)
		}
		lines, err := s.store.Lines(t.Context(), goes.Order.Number, 0, 100)
		s.must(err)
		for _, l := range lines {
			if l.State != store.LineCancelled {
				t.Errorf("unit %d is in state %d", l.Unit, l.State)
			}
		}
		s.proveChecked()
		for n := 0; n < 4 && !s.books().Balanced; n++ {
			s.night(string(rune('a' + n)))
		}
		b := s.books()
		if !b.Balanced || b.Cancelled != 12 || b.Requested != 27 {
			t.Errorf("books: %+v", b)
		}
		s.proveChecked()
		if _, err := s.plant.Correct(t.Context(), s.inst, goes.Order.ID, strings.NewReader(""), func(io.Reader) (batch.Rows, error) { return &rows{kind: formats.BulkOrder}, nil }, "test"); !errors.Is(err, batch.ErrCancelled) {
			t.Errorf("a correction of a cancelled order: %v", err)
		}
	})
}

func TestAFileLeftWithoutLinesIsVoidOrGoesEmptyAsItsBureauHasIt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := s.submit("ALL", formats.BulkOrder, people(12)...)
		m := s.submit("MASS", formats.MassOrder, mass(20))
		files := s.planned("one")
		for _, r := range []batch.Receipt{o, m} {
			if w := s.cancel(r.Order); w.Cancelled != r.Order.Requested || w.Order.State != card.OrderCancelled {
				t.Errorf("cancelled: %+v", w)
			}
		}
		s.settle()
		want := map[string]card.FileState{"north": card.FileBalanced, "south": card.FileCancelled}
		for _, f := range files {
			got, err := s.store.FileByNumber(t.Context(), f.Number)
			s.must(err)
			if got.State != want[f.BureauCode] || got.Planned != 0 {
				t.Errorf("file %d for %s is %s with %d lines: %s", f.Number, f.BureauCode, got.State, got.Planned, got.Reason)
			}
		}
		b, err := s.store.BatchByNumber(t.Context(), files[0].Batch)
		s.must(err)
		if b.State != card.BatchSucceeded && b.State != card.BatchWithExceptions {
			t.Errorf("batch: %s", b.State)
		}
		if b := s.books(); !b.Balanced || b.Cancelled != 32 || b.Requested != 32 {
			t.Errorf("books: %+v", b)
		}
		s.proveChecked()
	})
}

func TestAPausedOrderWaitsUntilItIsResumed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		r := s.submit("ORDER", formats.BulkOrder, people(6)...)
		pause := func() batch.Withdrawal {
			w, err := s.plant.PauseOrder(t.Context(), s.inst, r.Order.Number, "the designer calls", "test")
			s.must(err)
			return w
		}
		resume := func() {
			_, err := s.plant.ResumeOrder(t.Context(), s.inst, r.Order.Number, "it was nothing", "test")
			s.must(err)
		}
		pause()
		if files := s.planned("paused"); len(files) != 0 {
			t.Errorf("%d files were planned for a paused order", len(files))
		}
		resume()
		files := s.planned("one")
		old := s.claimed()
		if w := pause(); w.Order.Held == "" || len(w.InFiles) != 0 {
			t.Errorf("paused: %+v", w)
		}
		for _, d := range old {
			f, err := s.store.FileByNumber(t.Context(), d.Number)
			s.must(err)
			if f.Purpose != store.CardPurpose {
				continue
			}
			if err := s.plant.Build(t.Context(), d.Number, d.Epoch); !errors.Is(err, store.ErrFenced) {
				t.Errorf("a worker goes on with a paused order: %v", err)
			}
		}
		for _, d := range s.claimed() {
			if f, err := s.store.FileByNumber(t.Context(), d.Number); err != nil || f.Purpose == store.CardPurpose {
				t.Errorf("file %d of a paused order is claimed: %v", d.Number, err)
			}
		}
		resume()
		for n := 0; n < 4 && !s.books().Balanced; n++ {
			s.step()
			s.settle()
			s.night(string(rune('a' + n)))
		}
		if b := s.books(); !b.Balanced {
			t.Errorf("books: %+v", b)
		}
		if w := pause(); len(w.InFiles) != 2 {
			t.Errorf("%d of %d files are made, told are %d", 2, len(files), len(w.InFiles))
		}
		s.proveChecked()
	})
}
