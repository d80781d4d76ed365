package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"platen/batch"
	"platen/sql/store"
)

// sweepState is what readiness asks of the sweeps.
type sweepState struct {
	last atomic.Int64 // microseconds of the last sweep that succeeded
}

// Healthy answers nil while sweeps succeed.
func (r *Runner) Healthy() error {
	last := r.swept.last.Load()
	if last == 0 || time.Since(time.UnixMicro(last)) > 6*sweepEvery {
		return errors.New("schedules and sweeps have not succeeded for a minute")
	}
	return nil
}

// sweep looks at our own tables for everything that is due and hands it to the queue.
func (r *Runner) sweep(ctx context.Context) error {
	faults := []error{r.ensureMonths(ctx)}
	if r.config.Schedule {
		faults = append(faults, r.openWindows(ctx), r.watch(ctx))
	}
	if r.config.Work {
		faults = append(faults, r.claim(ctx), r.look(ctx), r.config.Plant.AbandonDead(ctx), r.closeDue(ctx))
	}
	err := errors.Join(faults...)
	if err == nil {
		r.swept.last.Store(time.Now().UnixMicro())
	}
	return err
}

// ensureMonths lets the big tables have their partitions in time: when the process starts, and each time the month has changed.
func (r *Runner) ensureMonths(ctx context.Context) error {
	now := r.config.Plant.Now().UTC()
	if month := now.Format("2006-01"); r.month != month {
		if err := r.config.Plant.Store.EnsureMonths(ctx, now); err != nil {
			return err
		}
		r.month = month
	}
	return nil
}

// watchEvery is how soon it is known that a bureau's answer is overdue.
const watchEvery = time.Minute

// watch holds files against the times that bureaus promised, once a minute.
func (r *Runner) watch(ctx context.Context) error {
	if now := time.Now(); now.Sub(r.watched) >= watchEvery {
		r.watched = now
		return r.config.Plant.Watch(ctx)
	}
	return nil
}

func (r *Runner) openWindows(ctx context.Context) error {
	due, err := r.config.Plant.DueWindows(ctx)
	if err != nil {
		return fmt.Errorf("find due windows: %w", err)
	}
	for _, d := range due {
		b, won, err := r.config.Plant.OpenWindow(ctx, d.Institution, d.Schedule, d.BusinessDate, batch.CutoffSlot, "schedule")
		if err != nil {
			return err
		}
		if won {
			r.config.Log.Info().Str("schedule", d.Schedule).Str("date", d.BusinessDate).Int64("batch", b.Number).Msg("cut-off")
		}
	}
	return nil
}

// claim takes what nobody holds. The epoch was raised in the database before the job exists, so a job that comes late finds itself fenced.
func (r *Runner) claim(ctx context.Context) error {
	var jobs []river.InsertManyParams
	err := r.config.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		jobs = jobs[:0]
		batches, err := tx.ClaimBatches(ctx, batch.Lease)
		if err != nil {
			return err
		}
		for _, n := range batches {
			jobs = append(jobs, river.InsertManyParams{Args: planArgs{Batch: n, Claim: time.Now().UnixMicro()}})
		}
		returns, err := tx.ClaimReturns(ctx, 2*batch.Lease)
		if err != nil {
			return err
		}
		for _, f := range returns {
			jobs = append(jobs, river.InsertManyParams{Args: applyArgs{Return: f.Number, Epoch: f.Epoch}})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("claim work: %w", err)
	}
	builds, err := r.claimBuilds(ctx)
	if err != nil {
		return err
	}
	jobs = append(jobs, builds...)
	sends, err := r.config.Plant.ClaimSends(ctx)
	if err != nil {
		return fmt.Errorf("claim files to send: %w", err)
	}
	for _, f := range sends {
		jobs = append(jobs, river.InsertManyParams{Args: sendArgs{File: f.Number, Epoch: f.Epoch}})
	}
	if r.config.Webhooks != nil {
		claims, err := r.config.Webhooks.Claim(ctx)
		if err != nil {
			return fmt.Errorf("claim webhooks: %w", err)
		}
		for _, c := range claims {
			jobs = append(jobs, river.InsertManyParams{Args: webhookArgs{Webhook: c.ID, Epoch: c.Epoch}})
		}
	}
	return r.insert(ctx, jobs)
}

// closeDue closes cards whose time has come. One sweep closes so many; the rest are the next one's.
func (r *Runner) closeDue(ctx context.Context) error {
	n, err := closeDue(ctx, r.config.Plant)
	if n > 0 {
		r.Wake()
	}
	return err
}

// look asks for one look into each outbox per interval; equal ticks of several processes are one job.
func (r *Runner) look(ctx context.Context) error {
	institutions, err := r.config.Plant.Store.Institutions(ctx)
	if err != nil {
		return err
	}
	var jobs []river.InsertManyParams
	tick := time.Now().UnixMicro() / r.config.ReturnsPoll.Microseconds()
	for _, i := range institutions {
		bureaus, err := r.config.Plant.Store.Programs(ctx, i.ID, store.BureauProgram)
		if err != nil {
			return err
		}
		for _, b := range bureaus {
			jobs = append(jobs, river.InsertManyParams{Args: pollArgs{Institution: i.Code, Bureau: b.Code, Tick: tick}})
		}
	}
	return r.insert(ctx, jobs)
}

func (r *Runner) insert(ctx context.Context, jobs []river.InsertManyParams) error {
	if len(jobs) == 0 {
		return nil
	}
	if _, err := r.client.InsertMany(ctx, jobs); err != nil {
		return fmt.Errorf("hand jobs to the queue: %w", err)
	}
	return nil
}
