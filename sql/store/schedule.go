package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Window is one cut-off of one schedule: a business date and a slot, never an instant.
type Window struct {
	Schedule     int64     `db:"schedule_number"`
	BusinessDate string    `db:"business_date"`
	Slot         string    `db:"slot"`
	Batch        int64     `db:"batch_number"`
	Trigger      string    `db:"trigger_kind"`
	CreatedAt    time.Time `db:"created_at"`
}

// Batch is one run of one cycle, with the schedule as it stood.
type Batch struct {
	Number       int64           `db:"number"`
	ID           uuid.UUID       `db:"id"`
	Institution  uuid.UUID       `db:"institution_id"`
	Schedule     string          `db:"schedule_code"`
	ScheduleBody string          `db:"schedule_body"`
	BusinessDate string          `db:"business_date"`
	State        card.BatchState `db:"state"`
	Exceptions   string          `db:"exceptions"`
	CreatedAt    time.Time       `db:"created_at"`
}

const batchColumns = `number, id, institution_id, schedule_code, schedule_body, business_date, state, exceptions, created_at`

// OpenWindow inserts a window and its batch together. When the window exists already, nothing changes and won is false.
func (t *Tx) OpenWindow(ctx context.Context, w Window, b Batch) (number int64, won bool, err error) {
	number, err = t.Next(ctx, "batch")
	if err != nil {
		return 0, false, err
	}
	r, err := t.run.ExecContext(ctx, `INSERT INTO schedule_runs (schedule_number, business_date, slot, batch_number, trigger_kind, created_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (schedule_number, business_date, slot) DO NOTHING`,
		w.Schedule, w.BusinessDate, w.Slot, number, w.Trigger, stored(w.CreatedAt))
	if err != nil {
		return 0, false, clean("open a window", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return 0, false, clean("open a window", err)
	}
	return number, true, t.exec(ctx, "open a batch", `INSERT INTO batches (number, id, institution_id, schedule_code, schedule_body, business_date, state, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, number, b.ID, b.Institution, b.Schedule, b.ScheduleBody, b.BusinessDate, card.BatchOpen, stored(b.CreatedAt))
}

// ErrNoWindow rolls an unwon OpenWindow back, so that its batch number is not lost.
var ErrNoWindow = errors.New("window was opened before")

// WindowOf reads one window.
func (q Q) WindowOf(ctx context.Context, schedule int64, businessDate, slot string) (Window, error) {
	var w Window
	err := q.get(ctx, "window", &w, `SELECT schedule_number, business_date, slot, batch_number, trigger_kind, created_at FROM schedule_runs
		WHERE schedule_number = $1 AND business_date = $2 AND slot = $3`, schedule, businessDate, slot)
	return w, err
}

// LastWindow reads the newest window of a schedule for a slot; ErrNotFound when none was ever opened.
func (q Q) LastWindow(ctx context.Context, schedule int64, slot string) (Window, error) {
	var w Window
	err := q.get(ctx, "last window", &w, `SELECT schedule_number, business_date, slot, batch_number, trigger_kind, created_at FROM schedule_runs
		WHERE schedule_number = $1 AND slot = $2 ORDER BY business_date DESC LIMIT 1`, schedule, slot)
	return w, err
}

// CountWindows counts the windows of a schedule and date whose slot begins with prefix.
func (q Q) CountWindows(ctx context.Context, schedule int64, businessDate, prefix string) (int, error) {
	var n int
	err := q.get(ctx, "count windows", &n, `SELECT count(*) FROM schedule_runs WHERE schedule_number = $1 AND business_date = $2 AND slot LIKE $3`,
		schedule, businessDate, prefix+"%")
	return n, err
}

// BatchByNumber reads a batch.
func (q Q) BatchByNumber(ctx context.Context, number int64) (Batch, error) {
	var b Batch
	err := q.get(ctx, "batch", &b, `SELECT `+batchColumns+` FROM batches WHERE number = $1`, number)
	return b, err
}

// Batch finds a batch by its public id.
func (q Q) Batch(ctx context.Context, institution, id uuid.UUID) (Batch, error) {
	var b Batch
	err := q.get(ctx, "batch "+id.String(), &b, `SELECT `+batchColumns+` FROM batches WHERE institution_id = $1 AND id = $2`, institution, id)
	return b, err
}

// LockBatch reads a batch and keeps it locked until commit.
func (t *Tx) LockBatch(ctx context.Context, number int64) (Batch, error) {
	var b Batch
	err := t.get(ctx, "lock batch", &b, `SELECT `+batchColumns+` FROM batches WHERE number = $1`+t.forUpdate(), number)
	return b, err
}

// Batches pages through an institution's batches, newest first.
func (q Q) Batches(ctx context.Context, institution uuid.UUID, before int64, limit int) ([]Batch, error) {
	var all []Batch
	err := q.list(ctx, "batches", &all, `SELECT `+batchColumns+` FROM batches WHERE institution_id = $1 AND number < $2
		ORDER BY number DESC LIMIT $3`, institution, below(before), limit)
	return all, err
}

// BatchesIn lists the numbers of batches in any of the given states.
func (q Q) BatchesIn(ctx context.Context, states ...card.BatchState) ([]int64, error) {
	var all []int64
	for _, s := range states {
		var some []int64
		if err := q.list(ctx, "batches by state", &some, `SELECT number FROM batches WHERE state = $1 ORDER BY number`, s); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// MoveBatch changes a batch's state, checked against its transition table.
func (t *Tx) MoveBatch(ctx context.Context, b *Batch, next card.BatchState, exceptions string) error {
	if err := b.State.To(next); err != nil {
		return fmt.Errorf("batch %d: %w", b.Number, err)
	}
	if err := t.execOne(ctx, "move batch", `UPDATE batches SET state = $1, exceptions = $2 WHERE number = $3 AND state = $4`, next, exceptions, b.Number, b.State); err != nil {
		return err
	}
	b.State, b.Exceptions = next, exceptions
	return nil
}

// DeclaredSince tells when the first version of a declared object was applied.
func (q Q) DeclaredSince(ctx context.Context, number int64) (time.Time, error) {
	var at time.Time
	err := q.get(ctx, "declared object", &at, `SELECT applied_at FROM program_versions WHERE program_number = $1 AND version = 1`, number)
	return at, err
}

// ClaimBatches lists open batches that nobody plans, and gives them a lease. Planning itself is safe to repeat; the lease only saves work.
func (t *Tx) ClaimBatches(ctx context.Context, leaseSeconds int) ([]int64, error) {
	var all []int64
	err := t.list(ctx, "claim batches", &all, `UPDATE batches SET lease_until = `+t.clock()+` + $1 WHERE state = $2 AND lease_until <= `+t.clock()+` RETURNING number`,
		int64(leaseSeconds)*1_000_000, card.BatchOpen)
	return all, err
}
