package jobs_test

import (
	"context"
	"io"
	"testing"
	"time"

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
				CiphertextSHA: f.CiphertextSHA, CiphertextBytes: *f.CiphertextBytes, StartedAt: s.now})
			if err != nil {
				return err
			}
			return tx.MoveAttempt(ctx, &a, store.AttemptRenaming, "", "", s.now)
		}))
		s.round(ctx)
		if f := s.cardFile("south"); f.State != card.FileInDoubt || f.Reason == "" {
			t.Errorf("the file is %s because of %q", f.State, f.Reason)
		}
	})
}
