package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/rs/zerolog"

	"platen/sql/store"
)

// queueDriver is River's view of the database: PostgreSQL is shared with the store; SQLite has a file of its own, because River wants its one
// connection for itself.
func queueDriver(ctx context.Context, s *store.Store, sqlitePath string) (riverdriver.Driver[*sql.Tx], func() error, error) {
	if s.Dialect() == store.Postgres {
		return riverdatabasesql.New(s.DB()), func() error { return nil }, nil
	}
	db, err := sql.Open("sqlite", store.SQLiteDSN(sqlitePath))
	if err != nil {
		return nil, nil, fmt.Errorf("open the job queue: %w", err)
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("open the job queue: %w", err)
	}
	return riversqlite.New(db), db.Close, nil
}

// Migrate brings the queue's own tables to the newest version. sqlitePath is used on SQLite only.
func Migrate(ctx context.Context, s *store.Store, sqlitePath string) error {
	driver, closeQueue, err := queueDriver(ctx, s, sqlitePath)
	if err != nil {
		return err
	}
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if closing := closeQueue(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	return nil
}

// newClient makes a River client; without workers it only inserts.
func newClient(driver riverdriver.Driver[*sql.Tx], c Config, workers *river.Workers) (*river.Client[*sql.Tx], error) {
	config := &river.Config{
		FetchCooldown:     min(c.QueuePoll, 100*time.Millisecond),
		FetchPollInterval: c.QueuePoll,
		JobTimeout:        -1,
		MaxAttempts:       1,
		Logger:            slog.New(zerolog.NewSlogHandler(c.Log.Level(zerolog.WarnLevel))),
		PollOnly:          true,
	}
	if workers != nil {
		config.Workers = workers
		config.Queues = map[string]river.QueueConfig{
			planQueue:    {MaxWorkers: 2},
			buildQueue:   {MaxWorkers: c.Workers},
			expressQueue: {MaxWorkers: expressSlots},
			applyQueue:   {MaxWorkers: c.Workers + 1},
			linkQueue:    {MaxWorkers: linkWorkers},
			webhookQueue: {MaxWorkers: webhookWorkers},
		}
	}
	client, err := river.NewClient(driver, config)
	if err != nil {
		return nil, fmt.Errorf("prepare the job queue: %w", err)
	}
	return client, nil
}

// Work that keeps the processor or the database busy and work that waits for others have queues of their own, so that a slow bureau never delays minting.
const (
	planQueue    = "plan"
	buildQueue   = "build"
	expressQueue = "express"
	applyQueue   = "apply"
	linkQueue    = "link"
	webhookQueue = "webhooks"
)

// linkWorkers is how many conversations with bureaus a process has at once. Each mostly waits; a bureau takes part in a few at most (batch.Plant.ClaimSends).
const linkWorkers = 64

// webhookWorkers is how many subscribers a process sends to at once.
const webhookWorkers = 16
