package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/robfig/cron/v3"
	"github.com/rs/zerolog"

	"platen/batch"
	"platen/services/webhooks"
)

// sweepEvery is how long something that died may go unnoticed beyond its lease.
const sweepEvery = 10 * time.Second

// Config says what a process does and how eagerly.
type Config struct {
	Plant       *batch.Plant
	Webhooks    *webhooks.Service // nil = nobody is told
	Log         zerolog.Logger
	QueuePath   string        // the queue's file on SQLite
	Workers     int           // files built side by side
	QueuePoll   time.Duration // how often River looks for jobs
	ReturnsPoll time.Duration // how often each outbox is looked into
	Schedule    bool          // open windows that come due
	Work        bool          // carry jobs out
}

// Runner runs schedules and jobs until it is stopped.
type Runner struct {
	config Config
	client *river.Client[*sql.Tx]
	cron   *cron.Cron
	wake   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
	close  func() error
	swept  sweepState

	builders *builders
	started  time.Time

	// Of the loop alone: when bureaus' times were looked at, and the month whose partitions stand ready.
	watched time.Time
	month   string
}

// Start migrates nothing and fails when the queue's tables are missing. The plant's Wake is set to this runner.
func Start(ctx context.Context, c Config) (*Runner, error) {
	if c.Work && c.Plant != nil && c.Plant.Instance == "" {
		return nil, errors.New("a process that works needs a name among others")
	}
	if c.Plant == nil || c.Workers < 1 || c.QueuePoll <= 0 || c.ReturnsPoll <= 0 {
		return nil, errors.New("jobs need a plant, at least one worker and poll intervals")
	}
	driver, closeQueue, err := queueDriver(ctx, c.Plant.Store, c.QueuePath)
	if err != nil {
		return nil, err
	}
	r := &Runner{config: c, wake: make(chan struct{}, 1), close: closeQueue, started: time.Now()}
	r.builders = &builders{plant: c.Plant, wake: r.Wake}
	var workers *river.Workers
	if c.Work {
		workers = newWorkers(c.Plant, c.Webhooks, r.builders, c.Log)
	}
	if r.client, err = newClient(driver, c, workers); err != nil {
		return nil, errors.Join(err, closeQueue())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	if c.Work {
		if err := r.client.Start(running); err != nil {
			cancel()
			return nil, errors.Join(fmt.Errorf("start the job queue: %w", err), closeQueue())
		}
	}
	if c.Schedule {
		r.cron = cron.New(cron.WithLocation(time.UTC))
		// The minute only wakes the sweep; which windows are due is computed from business dates and decided by a unique row.
		if _, err := r.cron.AddFunc("* * * * *", r.Wake); err != nil {
			return nil, errors.Join(fmt.Errorf("start the clock: %w", err), r.Stop(ctx))
		}
		r.cron.Start()
	}
	r.done.Go(func() { r.loop(running) })
	if c.Work {
		r.done.Go(func() { r.tellLife(running) })
	}
	r.Wake()
	return r, nil
}

// Wake makes the runner look at once. It never blocks.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Stop ends the sweeps, gives running jobs until ctx ends, and then cancels them: whatever they leave is taken up from the database.
func (r *Runner) Stop(ctx context.Context) error {
	if r.cron != nil {
		<-r.cron.Stop().Done()
	}
	var err error
	if r.config.Work {
		told, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		defer cancel()
		if err := r.leave(told); err != nil {
			r.config.Log.Warn().Err(err).Msg("could not tell the other workers that this one goes")
		}
		if err = r.client.Stop(ctx); err != nil {
			hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = r.client.StopAndCancel(hard)
		}
	}
	r.cancel()
	r.done.Wait()
	if r.config.Work {
		forgotten, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		defer cancel()
		err = errors.Join(err, r.config.Plant.Store.ForgetWorker(forgotten, r.config.Plant.Instance))
	}
	return errors.Join(err, r.close())
}

func (r *Runner) loop(ctx context.Context) {
	tick := time.NewTicker(min(sweepEvery, r.config.ReturnsPoll))
	defer tick.Stop()
	for {
		if err := r.sweep(ctx); err != nil && !errors.Is(err, context.Canceled) {
			r.config.Log.Error().Err(err).Msg("sweep failed; it is repeated")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.wake:
		}
	}
}
