package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// Once carries out what is due now, one thing after another and without a queue, until a whole round finds nothing to do: windows that came due, batches,
// files, deliveries, one look after the other into each outbox, return files, cards that are to be closed, answers that are overdue. What fails is left for the next call; the error tells of it.
// It returns how many things it did.
func Once(ctx context.Context, p *batch.Plant, schedule bool) (int, error) {
	done := 0
	var faults []error
	for {
		n, err := round(ctx, p, schedule)
		done += n
		if err != nil {
			faults = append(faults, err)
		}
		if n == 0 || ctx.Err() != nil {
			return done, errors.Join(append(faults, ctx.Err())...)
		}
	}
}

// round looks once at everything.
func round(ctx context.Context, p *batch.Plant, schedule bool) (int, error) {
	done := 0
	var faults []error
	for _, step := range []func(context.Context, *batch.Plant) (int, error){planDue, buildDue, sendDue, lookDue, applyDue, closeDue} {
		n, err := step(ctx, p)
		done += n
		faults = append(faults, err)
	}
	if schedule {
		n, err := openDue(ctx, p)
		done += n
		faults = append(faults, err, p.Watch(ctx))
	}
	faults = append(faults, p.AbandonDead(ctx))
	return done, errors.Join(faults...)
}

func openDue(ctx context.Context, p *batch.Plant) (int, error) {
	due, err := p.DueWindows(ctx)
	if err != nil {
		return 0, fmt.Errorf("find due windows: %w", err)
	}
	for _, d := range due {
		if _, _, err := p.OpenWindow(ctx, d.Institution, d.Schedule, d.BusinessDate, batch.CutoffSlot, "schedule"); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

func planDue(ctx context.Context, p *batch.Plant) (int, error) {
	var due []int64
	err := p.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.ClaimBatches(ctx, batch.Lease)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim batches: %w", err)
	}
	slices.Sort(due)
	return eachDue(due, func(n int64) error { return Plan(ctx, p, n) })
}

func buildDue(ctx context.Context, p *batch.Plant) (int, error) {
	return claimed(ctx, p, p.Build, func(tx *store.Tx) ([]store.Due, error) {
		return tx.ClaimStale(ctx, batch.Lease, card.FilePlanned, card.FileBuilding, card.FileSealed)
	})
}

func applyDue(ctx context.Context, p *batch.Plant) (int, error) {
	return claimed(ctx, p, p.ApplyReturn, func(tx *store.Tx) ([]store.Due, error) { return tx.ClaimReturns(ctx, batch.Lease) })
}

// claimed takes what nobody holds and works on it in the order of its numbers.
func claimed(ctx context.Context, p *batch.Plant, work func(context.Context, int64, int64) error, claim func(*store.Tx) ([]store.Due, error)) (int, error) {
	var due []store.Due
	err := p.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		due, err = claim(tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim work: %w", err)
	}
	slices.SortFunc(due, func(a, b store.Due) int { return cmp.Compare(a.Number, b.Number) })
	return eachDue(due, func(d store.Due) error { return work(ctx, d.Number, d.Epoch) })
}

func sendDue(ctx context.Context, p *batch.Plant) (int, error) {
	due, err := p.ClaimSends(ctx)
	if err != nil {
		return 0, fmt.Errorf("claim files to send: %w", err)
	}
	return eachDue(due, func(d store.Due) error { return p.Send(ctx, d.Number, d.Epoch) })
}

// lookDue looks into every outbox. It counts only looks that moved a return file on: one that must be looked at later is no work now.
func lookDue(ctx context.Context, p *batch.Plant) (int, error) {
	institutions, err := p.Store.Institutions(ctx)
	if err != nil {
		return 0, err
	}
	before, err := p.Store.ReturnCounts(ctx)
	if err != nil {
		return 0, err
	}
	var faults []error
	for _, i := range institutions {
		bureaus, err := p.Store.Programs(ctx, i.ID, store.BureauProgram)
		if err != nil {
			return 0, err
		}
		for _, b := range bureaus {
			faults = append(faults, p.Poll(ctx, i, b.Code))
		}
	}
	after, err := p.Store.ReturnCounts(ctx)
	moved := 0
	for s := card.ReturnDetected; s <= card.ReturnDiscarded; s++ {
		if before[s] != after[s] {
			moved++
		}
	}
	return moved, errors.Join(append(faults, err)...)
}

// closeDue closes cards whose time has come.
func closeDue(ctx context.Context, p *batch.Plant) (int, error) {
	return (&cards.Service{Plant: p}).CloseDue(ctx)
}

// eachDue works on everything; what another worker took over is its successor's.
func eachDue[T any](due []T, work func(T) error) (int, error) {
	var faults []error
	for _, d := range due {
		if err := work(d); err != nil && !errors.Is(err, store.ErrFenced) {
			faults = append(faults, err)
		}
	}
	return len(due), errors.Join(faults...)
}
