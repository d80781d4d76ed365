package jobs

import (
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/rs/zerolog"

	"platen/batch"
	"platen/services/webhooks"
	"platen/sql/store"
)

// The arguments of jobs are ids, never data. An epoch makes each claim its own job.

type planArgs struct {
	Batch int64 `json:"batch"`
	Claim int64 `json:"claim"`
}

type buildArgs struct {
	File  int64 `json:"file"`
	Epoch int64 `json:"epoch"`
}

// expressArgs are of a build that small and same-day files do not share with others.
type expressArgs struct {
	File  int64 `json:"file"`
	Epoch int64 `json:"epoch"`
}

type sendArgs struct {
	File  int64 `json:"file"`
	Epoch int64 `json:"epoch"`
}

type pollArgs struct {
	Institution string `json:"institution"`
	Bureau      string `json:"bureau"`
	Tick        int64  `json:"tick"`
}

type applyArgs struct {
	Return int64 `json:"return"`
	Epoch  int64 `json:"epoch"`
}

type webhookArgs struct {
	Webhook uuid.UUID `json:"webhook"`
	Epoch   int64     `json:"epoch"`
}

// Kind names each job for River.
func (planArgs) Kind() string    { return "plan-batch" }
func (buildArgs) Kind() string   { return "build-file" }
func (expressArgs) Kind() string { return "build-express" }
func (sendArgs) Kind() string    { return "send-file" }
func (pollArgs) Kind() string    { return "poll-returns" }
func (applyArgs) Kind() string   { return "apply-return" }
func (webhookArgs) Kind() string { return "webhooks" }

// InsertOpts puts each job into its queue; equal arguments are inserted once.
func (planArgs) InsertOpts() river.InsertOpts    { return options(planQueue) }
func (expressArgs) InsertOpts() river.InsertOpts { return options(expressQueue) }
func (buildArgs) InsertOpts() river.InsertOpts   { return options(buildQueue) }
func (sendArgs) InsertOpts() river.InsertOpts    { return options(linkQueue) }
func (pollArgs) InsertOpts() river.InsertOpts    { return options(linkQueue) }
func (applyArgs) InsertOpts() river.InsertOpts   { return options(applyQueue) }
func (webhookArgs) InsertOpts() river.InsertOpts { return options(webhookQueue) }

func options(queue string) river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// worker runs one kind of job: River hands over arguments, do is what they mean.
type worker[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	log zerolog.Logger
	do  func(context.Context, T) error
}

// Work implements river.Worker. A claim that somebody else took over is not an error: its successor does the work.
func (w *worker[T]) Work(ctx context.Context, job *river.Job[T]) error {
	err := w.do(ctx, job.Args)
	switch {
	case err == nil:
		w.log.Debug().Str("job", job.Kind).Int64("job_id", job.ID).Interface("args", job.Args).Msg("job done")
	case errors.Is(err, store.ErrFenced):
		w.log.Info().Str("job", job.Kind).Int64("job_id", job.ID).Interface("args", job.Args).Msg("job was taken over by another worker")
		return nil
	case errors.Is(err, context.Canceled):
		w.log.Info().Str("job", job.Kind).Int64("job_id", job.ID).Msg("job stopped with its process; the next one goes on")
	default:
		w.log.Error().Str("job", job.Kind).Int64("job_id", job.ID).Interface("args", job.Args).Err(err).Msg("job failed; it is tried again from the database")
	}
	return err
}

// newWorkers binds every kind of job to the plant, and to what sends to subscribers.
func newWorkers(p *batch.Plant, hooks *webhooks.Service, b *builders, log zerolog.Logger) *river.Workers {
	all := river.NewWorkers()
	river.AddWorker(all, &worker[planArgs]{log: log, do: func(ctx context.Context, a planArgs) error { return Plan(ctx, p, a.Batch) }})
	river.AddWorker(all, &worker[buildArgs]{log: log, do: func(ctx context.Context, a buildArgs) error { return b.build(ctx, batch.AnyFile, a.File, a.Epoch) }})
	river.AddWorker(all, &worker[expressArgs]{log: log, do: func(ctx context.Context, a expressArgs) error {
		return b.build(ctx, batch.ExpressFile, a.File, a.Epoch)
	}})
	river.AddWorker(all, &worker[sendArgs]{log: log, do: func(ctx context.Context, a sendArgs) error { return send(ctx, p, a) }})
	river.AddWorker(all, &worker[applyArgs]{log: log, do: func(ctx context.Context, a applyArgs) error { return p.ApplyReturn(ctx, a.Return, a.Epoch) }})
	polling := new(looks)
	river.AddWorker(all, &worker[pollArgs]{log: log, do: func(ctx context.Context, a pollArgs) error { return polling.poll(ctx, p, a) }})
	river.AddWorker(all, &worker[webhookArgs]{log: log, do: func(ctx context.Context, a webhookArgs) error {
		return hooks.Deliver(ctx, store.WebhookClaim{ID: a.Webhook, Epoch: a.Epoch})
	}})
	return all
}

// send goes on with the bureau's next file when one has left, so that a night of small files does not wait for the queue between them.
func send(ctx context.Context, p *batch.Plant, a sendArgs) error {
	for {
		if err := p.Send(ctx, a.File, a.Epoch); err != nil {
			return err
		}
		next, err := p.NextSend(ctx, a.File)
		if err != nil || len(next) == 0 || ctx.Err() != nil {
			return err
		}
		a = sendArgs{File: next[0].Number, Epoch: next[0].Epoch}
	}
}

// looks keeps one process from looking into one outbox twice at the same time.
type looks struct{ busy sync.Map }

func (l *looks) poll(ctx context.Context, p *batch.Plant, a pollArgs) error {
	key := a.Institution + "/" + a.Bureau
	if _, running := l.busy.LoadOrStore(key, true); running {
		return nil
	}
	defer l.busy.Delete(key)
	i, err := p.Store.Institution(ctx, a.Institution)
	if err != nil {
		return err
	}
	return p.Poll(ctx, i, a.Bureau)
}
