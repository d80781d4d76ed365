package jobs

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"platen/batch"
	"platen/sql/store"
)

// expressSlots is how many files a process builds beside its others when they are small or for the same day, so that these never wait until a large one ends.
const expressSlots = 1

// builders count what this process builds, and let a builder go on with the next file that is due when it has ended one.
type builders struct {
	plant    *batch.Plant
	wake     func()
	busy     [batch.ExpressFile + 1]atomic.Int32
	draining atomic.Bool
}

// free is how many more builders a lane has.
func (b *builders) free(lane batch.Lane, slots int) int {
	if b.draining.Load() {
		return 0
	}
	return slots - int(b.busy[lane].Load())
}

func (b *builders) build(ctx context.Context, lane batch.Lane, file, epoch int64) error {
	b.busy[lane].Add(1)
	defer func() {
		b.busy[lane].Add(-1)
		b.wake()
	}()
	for {
		if err := b.plant.Build(ctx, file, epoch); err != nil {
			return err
		}
		if b.draining.Load() || ctx.Err() != nil {
			return nil
		}
		next, err := b.plant.ClaimBuilds(ctx, lane, 1)
		if err != nil || len(next) == 0 {
			return err
		}
		file, epoch = next[0].Number, next[0].Epoch
	}
}

// claimBuilds claims files for the builders of this process that have nothing to do.
func (r *Runner) claimBuilds(ctx context.Context) ([]river.InsertManyParams, error) {
	var jobs []river.InsertManyParams
	due, err := r.config.Plant.ClaimBuilds(ctx, batch.ExpressFile, r.builders.free(batch.ExpressFile, expressSlots))
	if err != nil {
		return nil, err
	}
	for _, f := range due {
		jobs = append(jobs, river.InsertManyParams{Args: expressArgs{File: f.Number, Epoch: f.Epoch}})
	}
	if due, err = r.config.Plant.ClaimBuilds(ctx, batch.AnyFile, r.builders.free(batch.AnyFile, r.config.Workers)); err != nil {
		return nil, err
	}
	for _, f := range due {
		jobs = append(jobs, river.InsertManyParams{Args: buildArgs{File: f.Number, Epoch: f.Epoch}})
	}
	return jobs, nil
}

// seenEvery is how often a process tells that it lives.
const seenEvery = 5 * time.Second

// tellLife tells the others that this process lives, and cuts off who has not told so for as long as a claim lasts. It waits for no sweep, which may itself wait for
// the locks of a stopped process.
func (r *Runner) tellLife(ctx context.Context) {
	tick := time.NewTicker(seenEvery)
	defer tick.Stop()
	for {
		err := r.seen(ctx)
		if err == nil {
			var cut int64
			if cut, err = r.config.Plant.Store.CutSilent(ctx, batch.Lease); cut > 0 {
				r.config.Log.Warn().Int64("connections", cut).Msg("cut off a process that has been silent")
			}
		}
		if err != nil && ctx.Err() == nil {
			r.config.Log.Warn().Err(err).Msg("could not tell the other workers that this one lives")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Runner) seen(ctx context.Context) error {
	return r.config.Plant.Store.SeeWorker(ctx, store.Worker{Name: r.config.Plant.Instance, Slots: r.config.Workers, Express: expressSlots,
		Draining: r.builders.draining.Load(), StartedAt: r.started})
}

// leave ends the builders: what is being built may end, and nothing more begins.
func (r *Runner) leave(ctx context.Context) error {
	r.builders.draining.Store(true)
	return r.seen(ctx)
}

// leaveTime is how long a process tries to say that it goes; who cannot is found out by its silence.
const leaveTime = 5 * time.Second
