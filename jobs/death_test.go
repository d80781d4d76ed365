package jobs_test

import (
	"context"
	"testing"

	"platen/batch"
	"platen/formats"
	"platen/sql/store"
)

// dying ends its process's context as soon as a line of a return file is applied and committed.
type dying struct {
	batch.Observer
	die context.CancelFunc
}

func (d dying) ReturnLine(store.Outcome) { d.die() }

func TestAProcessThatDiesBehindTheLastLineOfAReturnLeavesNoFileOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(6)...)
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		deaths := 0
		for rounds := 0; s.anyAtWork(); rounds++ {
			if rounds == 100 {
				t.Fatalf("after %d deaths the books say %+v", deaths, s.books().Files)
			}
			deaths += s.applyAndDie()
			s.step()
		}
		if deaths == 0 {
			t.Error("nobody died")
		}
	})
}

// applyAndDie claims what has come back and applies it in processes that die with their first commit. It returns how many died.
func (s *site) applyAndDie() int {
	s.t.Helper()
	alive := s.plant.Observe
	defer func() { s.plant.Observe = alive }()
	var returns []store.Due
	s.must(s.store.InTx(s.t.Context(), func(tx *store.Tx) (err error) {
		returns, err = tx.ClaimReturns(s.t.Context(), batch.Lease)
		return err
	}))
	deaths := 0
	for _, r := range returns {
		ctx, die := context.WithCancel(s.t.Context())
		s.plant.Observe = dying{alive, die}
		err := s.plant.ApplyReturn(ctx, r.Number, r.Epoch)
		if ctx.Err() != nil {
			deaths++
		} else {
			s.must(err)
		}
		die()
	}
	return deaths
}
