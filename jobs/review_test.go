package jobs_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
	"platen/testbed"
)

func TestIntakeGoesOnWhileABatchIsPlanned(t *testing.T) {
	s := newSite(t, testbed.Postgres(t), bureau.Dice{Seed: "night"})
	s.must(s.store.InTx(t.Context(), func(tx *store.Tx) error {
		if err := tx.LockInstitution(t.Context(), s.inst.ID); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := s.submitIn(ctx, "MEANWHILE", formats.MassOrder, mass(5))
		return err
	}))
}

// submitIn takes an order in under a context of its own.
func (s *site) submitIn(ctx context.Context, reference string, kind formats.OrderKind, list ...formats.Row) (batch.Receipt, error) {
	return s.plant.Submit(ctx, batch.Submission{Institution: s.inst, Reference: reference, Actor: "test", Body: newBody(list), Rows: reader(kind, list)})
}

func reader(kind formats.OrderKind, list []formats.Row) func(io.Reader) (batch.Rows, error) {
	return func(r io.Reader) (batch.Rows, error) {
		_, err := io.Copy(io.Discard, r)
		return &rows{kind: kind, list: list}, err
	}
}

// rival looks for work that nobody holds at each move of a file.
type rival struct {
	batch.Observer
	moved func()
}

func (r rival) FileMoved(card.FileState) { r.moved() }

func TestAJobThatStartsLateRenewsItsClaimBeforeItWorks(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("ONE", formats.MassOrder, mass(10))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		building := []card.FileState{card.FilePlanned, card.FileBuilding, card.FileSealed}
		claim := func() (due []store.Due) {
			s.must(s.store.InTx(t.Context(), func(tx *store.Tx) (err error) {
				due, err = tx.ClaimStale(t.Context(), 0, building...)
				return err
			}))
			return due
		}
		due := claim()
		file := due[0].Number
		stolen := 0
		s.plant.Observe = rival{s.plant.Observe, func() {
			for _, d := range claim() {
				if d.Number == file {
					stolen++
				}
			}
		}}
		if err := s.plant.Build(t.Context(), file, due[0].Epoch); err != nil || stolen > 0 {
			t.Errorf("%d claims on a file that is being built; %v", stolen, err)
		}
	})
}

func TestAFileInDoubtSaysWhy(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("ONE", formats.MassOrder, mass(10))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		for s.cardFile("south").State < card.FileReleased {
			s.buildOnly()
		}
		f := s.cardFile("south")
		ctx := t.Context()
		s.must(s.store.InTx(ctx, func(tx *store.Tx) error {
			due, err := tx.ClaimStale(ctx, 0, card.FileReleased)
			if err != nil {
				return err
			}
			f.Epoch = due[0].Epoch
			if err := tx.MoveFile(ctx, &f, card.FileSending, ""); err != nil {
				return err
			}
			a, err := tx.InsertAttempt(ctx, store.Attempt{File: f.Number, Epoch: f.Epoch, TempName: ".gone.part",
				CiphertextSHA: f.CiphertextSHA, CiphertextBytes: *f.CiphertextBytes, StartedAt: s.now()})
			if err != nil {
				return err
			}
			return tx.MoveAttempt(ctx, &a, store.AttemptRenaming, "", "", s.now())
		}))
		s.round(ctx)
		if f := s.cardFile("south"); f.State != card.FileInDoubt || f.Reason == "" {
			t.Errorf("the file is %s because of %q", f.State, f.Reason)
		}
	})
}

// quiet is a site whose bureaus spoil and reject nothing by themselves.
func quiet(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	for name, address := range map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "platen.db"), "PostgreSQL": testbed.Postgres(t)} {
		t.Run(name, func(t *testing.T) { test(t, newSite(t, address, bureau.Dice{Seed: "night"})) })
	}
}

// sentButSilent carries a window's files to their bureaus, which do not answer yet.
func (s *site) sentButSilent(schedule, slot string) {
	s.t.Helper()
	b, _, err := s.plant.RunNow(s.t.Context(), s.inst, schedule, slot, "test")
	s.must(err)
	s.must(s.plant.Plan(s.t.Context(), b.Number))
	for s.round(s.t.Context()) {
	}
}

// hear polls until what lies in the outboxes is applied, before the bureaus do anything more.
func (s *site) hear() {
	s.t.Helper()
	for range 3 {
		for _, b := range s.set.Bureaus {
			s.must(s.plant.Poll(s.t.Context(), s.inst, b.Code))
		}
		for s.round(s.t.Context()) {
		}
	}
}

func (s *site) orderState(reference string) card.OrderState {
	s.t.Helper()
	o, err := s.store.OrderByReference(s.t.Context(), s.inst.ID, reference)
	s.must(err)
	return o.State
}

func TestASpoiledCardThatWasReplacedMeanwhileHoldsUpNoBooks(t *testing.T) {
	quiet(t, func(t *testing.T, s *site) {
		s.submit("FIRST", formats.BulkOrder, person(1), person(2))
		s.sentButSilent("nightly", "one")
		f := s.cardFile("north")
		s.submit("LOST", formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "LOST"})
		s.sentButSilent("nightly", "two")
		s.answer("north", "0.status", f.Number, [3]string{fmt.Sprintf("%d-0000001", f.Number), "SPOILED", "x"})
		s.hear()
		s.settle()
		if o := s.orderState("FIRST"); o != card.OrderPartlyFulfilled {
			t.Errorf("the order of the lost card is %s", o)
		}
		if b := s.books(); !b.Balanced || b.Cancelled != 1 {
			t.Errorf("open %d, cancelled %d, balanced %v", b.Open, b.Cancelled, b.Balanced)
		}
	})
}

func TestTheRemakeOfACardThatIsClosedIsNotMade(t *testing.T) {
	quiet(t, func(t *testing.T, s *site) {
		s.submit("FIRST", formats.BulkOrder, person(1), person(2))
		s.sentButSilent("nightly", "one")
		f := s.cardFile("north")
		s.submit("LOST", formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "LOST", SameDay: "true"})
		s.answer("north", "0.status", f.Number, [3]string{fmt.Sprintf("%d-0000001", f.Number), "SPOILED", "x"})
		s.hear()
		s.settle()
		if b := s.books(); b.Waiting != 1 {
			t.Fatalf("%d issues wait", b.Waiting)
		}
		s.sentButSilent("same-day", "now")
		if o := s.orderState("FIRST"); o != card.OrderPartlyFulfilled {
			t.Errorf("the order of the lost card is %s", o)
		}
		s.night("three")
		story, err := s.plant.ExplainCard(t.Context(), s.inst, "FIRST#1")
		s.must(err)
		if last := story.Issues[len(story.Issues)-1]; last.Reason != card.Remake || last.File != nil {
			t.Errorf("a closed card was made again: %+v", last.Issue)
		}
		if b := s.books(); !b.Balanced || b.Waiting != 0 {
			t.Errorf("open %d, waiting %d, balanced %v", b.Open, b.Waiting, b.Balanced)
		}
	})
}

func TestAReturnFileThatCannotBeAppliedPausesBeforeTheNextTry(t *testing.T) {
	quiet(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		var r store.ReturnFile
		s.must(s.store.InTx(ctx, func(tx *store.Tx) (err error) {
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			north, err := s.store.Programs(ctx, s.inst.ID, store.BureauProgram)
			if err != nil {
				return err
			}
			r, err = tx.InsertReturn(ctx, store.ReturnFile{ID: id, Institution: s.inst.ID, Bureau: north[0].Number, BureauCode: north[0].Code, Name: "x", CreatedAt: s.now()})
			if err != nil {
				return err
			}
			r.Layout, r.LayoutVersion, r.Lines = 999_999, 1, 1
			if err := tx.ParsedReturn(ctx, &r); err != nil {
				return err
			}
			for _, next := range []card.ReturnState{card.ReturnStable, card.ReturnStored, card.ReturnParsed, card.ReturnApplying} {
				if err := tx.MoveReturn(ctx, &r, next, ""); err != nil {
					return err
				}
			}
			return nil
		}))
		claim := func() (due []store.Due) {
			s.must(s.store.InTx(ctx, func(tx *store.Tx) (err error) {
				due, err = tx.ClaimReturns(ctx, batch.Lease)
				return err
			}))
			return due
		}
		due := claim()
		if err := s.plant.ApplyReturn(ctx, due[0].Number, due[0].Epoch); err == nil {
			t.Fatal("a return file without a layout was applied")
		}
		if again := claim(); len(again) > 0 {
			t.Error("it is tried again at once")
		}
	})
}

func TestADestroyedCardWasMadeAndABureauCancelsNothing(t *testing.T) {
	quiet(t, func(t *testing.T, s *site) {
		s.submit("FIRST", formats.BulkOrder, person(1), person(2))
		s.sentButSilent("nightly", "one")
		f := s.cardFile("north")
		uid := func(line int) string { return fmt.Sprintf("%d-%07d", f.Number, line) }
		s.answer("north", "0.status", f.Number, [3]string{uid(1), "CANCELLED", "x"})
		s.hear()
		s.answer("north", "1.status", f.Number, [3]string{uid(1), "PRODUCED", ""})
		s.hear()
		s.answer("north", "2.status", f.Number, [3]string{uid(1), "DESTROYED", "stock taken off"})
		s.hear()
		s.settle()
		if b := s.books(); !b.Balanced || b.Produced != 2 {
			t.Errorf("open %d, produced %d, balanced %v", b.Open, b.Produced, b.Balanced)
		}
	})
}

func TestARemakeWaitsForAnOpenActionOnItsCard(t *testing.T) {
	quiet(t, func(t *testing.T, s *site) {
		s.submit("FIRST", formats.BulkOrder, person(1), person(2))
		s.sentButSilent("nightly", "one")
		f := s.cardFile("north")
		s.submit("LOST", formats.ActionOrder, formats.Row{Card: "FIRST#1", Reason: "LOST"})
		s.answer("north", "0.status", f.Number, [3]string{fmt.Sprintf("%d-0000001", f.Number), "SPOILED", "x"})
		s.hear()
		s.settle()
		// The remake and the replacement are due in the same plan: only the replacement may be made.
		s.night("two")
		story, err := s.plant.ExplainCard(t.Context(), s.inst, "FIRST#1")
		s.must(err)
		if last := story.Issues[len(story.Issues)-1]; last.Reason != card.Remake || last.File != nil || last.State != card.IssueCancelled {
			t.Errorf("the remake of a card that was lost meanwhile is %+v", last.Issue)
		}
		if b := s.books(); !b.Balanced || b.Waiting != 0 {
			t.Errorf("open %d, waiting %d, balanced %v", b.Open, b.Waiting, b.Balanced)
		}
	})
}
