package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

func TestARestoredDatabaseGivesNoFileNumberAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("ONE", formats.MassOrder, mass(10))
		s.night("one")
		// The ledger knows three more files, one of them for south, that this database, as if restored, does not.
		s.must(s.plant.Ledger.Done([]batch.Reservation{{Range: "file", First: 1, Quantity: 3}, {Range: "sequence/demo-bank/south", First: 1, Quantity: 1}}))
		s.submit("TWO", formats.MassOrder, mass(10))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "two", "test")
		s.must(err)
		if err := s.plant.Plan(t.Context(), b.Number); !errors.Is(err, batch.ErrFilesHeld) {
			t.Fatalf("the plan: %v", err)
		}
		s.must(s.plant.AdvanceFiles(t.Context(), s.inst, "test"))
		s.must(s.plant.Plan(t.Context(), b.Number))
		files, err := s.store.FilesOfBatch(t.Context(), b.Number)
		s.must(err)
		if len(files) != 1 || files[0].Number != 5 || files[0].Sequence != 3 {
			t.Errorf("files after the advance: %+v", files)
		}
		s.settle()
	})
}

func TestAPlanThatDiesBeforeItsCommitLeavesNoGapInASequence(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.must(s.plant.Ledger.Intend([]batch.Reservation{{Range: "file", First: 0, Quantity: 1}, {Range: "sequence/demo-bank/south", First: 0, Quantity: 1}}))
		s.submit("ONE", formats.MassOrder, mass(10))
		s.night("one")
		if f := s.cardFile("south"); f.Number != 1 || f.Sequence != 1 {
			t.Errorf("file %d, sequence %d", f.Number, f.Sequence)
		}
	})
}

func TestAnAckTakesAFileOutOfDoubtAndItsOrderGoesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("ONE", formats.MassOrder, mass(10))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		for s.cardFile("south").State < card.FileReleased {
			s.buildOnly()
		}
		s.dieWhileRenaming(s.cardFile("south"))
		s.round(t.Context())
		if f := s.cardFile("south"); f.State != card.FileInDoubt {
			t.Fatalf("the file is %s", f.State)
		}
		s.settleThroughDoubt()
		o, err := s.store.OrderByReference(t.Context(), s.inst.ID, "ONE")
		s.must(err)
		b, err = s.store.BatchByNumber(t.Context(), b.Number)
		s.must(err)
		if b.State != card.BatchSucceeded || o.State < card.OrderInProduction {
			t.Errorf("batch %s, order %s", b.State, o.State)
		}
		if f := s.cardFile("south"); f.State != card.FileBalanced || f.SentAt == nil {
			t.Errorf("file %s, sent at %v", f.State, f.SentAt)
		}
	})
}

// dieWhileRenaming leaves what a worker leaves that dies after the bureau renamed its file and before it could write that down; the bureau takes the file at once.
func (s *site) dieWhileRenaming(f store.File) {
	s.t.Helper()
	ctx := s.t.Context()
	s.must(s.store.InTx(ctx, func(tx *store.Tx) error {
		due, err := tx.ClaimStale(ctx, 0, card.FileReleased)
		if err != nil {
			return err
		}
		f.Epoch = due[0].Epoch
		if err := tx.MoveFile(ctx, &f, card.FileSending, ""); err != nil {
			return err
		}
		a, err := tx.InsertAttempt(ctx, store.Attempt{File: f.Number, Epoch: f.Epoch, TempName: "." + f.Name + ".gone.part",
			CiphertextSHA: f.CiphertextSHA, CiphertextBytes: *f.CiphertextBytes, StartedAt: s.now()})
		if err != nil {
			return err
		}
		return tx.MoveAttempt(ctx, &a, store.AttemptRenaming, "", "", s.now())
	}))
	body, err := os.ReadFile(filepath.Join(s.dir, "spool", f.Spool))
	s.must(err)
	s.must(os.WriteFile(filepath.Join(s.dir, "south", "in", f.Name), body, 0o600))
	s.must(s.sims["south"].Process(ctx))
}

func (s *site) settleThroughDoubt() {
	s.t.Helper()
	for s.cardFile("south").State != card.FileBalanced {
		s.step()
	}
}

func TestBooksDoNotBalanceWhileAPINMailerWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(120)...)
		s.night("one")
		waiting := s.books().Waiting
		var cards, mailers int64
		for unit := 1; unit <= 120; unit++ {
			story, err := s.plant.ExplainCard(context.WithoutCancel(t.Context()), s.inst, fmt.Sprintf("BULK#%d", unit))
			s.must(err)
			for _, i := range story.Issues {
				if i.File == nil {
					cards++
				}
			}
			for _, m := range story.Mailers {
				if m.File == nil {
					mailers++
				}
			}
		}
		if mailers == 0 || waiting != cards+mailers {
			t.Errorf("%d wait: %d cards and %d mailers", waiting, cards, mailers)
		}
	})
}

func TestACardNumberInAnOrderIsRefusedAndNotStored(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		row := person(0)
		row.LastName = "Rao 4000 0000 0000 0002"
		r := s.submit("R", formats.BulkOrder, row)
		refused, err := s.store.Refused(t.Context(), r.Order.Number, 0, 10)
		s.must(err)
		if len(refused) != 1 || !strings.Contains(refused[0].Faults, "card_number") || strings.Contains(refused[0].Row, "4000 0000") {
			t.Errorf("kept: %+v", refused)
		}
	})
}

func TestAnOperatorDecidesAboutADoubt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, mass(10))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		for s.cardFile("south").State < card.FileReleased {
			s.buildOnly()
		}
		f := s.cardFile("south")
		if _, err := s.plant.Resolve(t.Context(), f.Number, batch.AnswerResend, "why not", "test"); !errors.Is(err, batch.ErrNotUndecided) {
			t.Errorf("a file that is not in doubt: %v", err)
		}
		s.dieWhileRenaming(f)
		s.must(os.RemoveAll(filepath.Join(s.dir, "south", "out"))) // the bureau's answer is lost with its disk
		s.must(os.Mkdir(filepath.Join(s.dir, "south", "out"), 0o700))
		s.round(t.Context())
		if _, err := s.plant.Resolve(t.Context(), f.Number, batch.AnswerCancel, "", "test"); err == nil {
			t.Error("a decision without a reason was taken")
		}
		if _, err := s.plant.Resolve(t.Context(), f.Number, batch.AnswerCancel, "the bureau lost it", "test"); err != nil {
			t.Fatal(err)
		}
		if got := s.books(); got.Waiting != 10 || got.Balanced {
			t.Errorf("after the cancel: %+v", got)
		}
		if of, err := s.plant.BalanceOf(t.Context(), s.inst, batch.BooksOf{Order: "MASS"}); err != nil || of.Waiting != 10 {
			t.Errorf("the order's books: %d wait, %v", of.Waiting, err)
		}
		for n := 2; n < 6 && !s.books().Balanced; n++ {
			s.night(fmt.Sprint(n))
		}
		if got := s.books(); !got.Balanced || got.Requested != 10 || got.Produced+got.Rejected != 10 {
			t.Errorf("at the end: %+v", got)
		}
		story, err := s.plant.ExplainCard(t.Context(), s.inst, "MASS#1")
		s.must(err)
		if len(story.Issues) < 2 || story.Issues[0].State != card.IssueCancelled || story.Issues[1].PSN != story.Issues[0].PSN {
			t.Errorf("story: %+v", story.Issues)
		}
	})
}
