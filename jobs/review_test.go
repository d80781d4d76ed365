package jobs_test

import (
	"context"
	"io"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
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
