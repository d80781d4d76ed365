package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Worker is a process that carries jobs out.
type Worker struct {
	Name      string    `db:"name"`
	Slots     int       `db:"slots"`   // files built side by side
	Express   int       `db:"express"` // more of them, for small and same-day files
	Draining  bool      `db:"draining"`
	StartedAt time.Time `db:"started_at"`
	Silent    int64     `db:"silent"` // microseconds since it was last seen
}

// workerForgotten is after how many days without a sign a worker's row goes.
const workerForgotten = 1

// SeeWorker records a sign of life, and forgets workers that have given none for a day.
func (s *Store) SeeWorker(ctx context.Context, w Worker) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.exec(ctx, "see worker "+w.Name, `INSERT INTO workers (name, slots, express, draining, started_at, seen_at) VALUES ($1, $2, $3, $4, $5, `+tx.clock()+`)
			ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, express = excluded.express, draining = excluded.draining, started_at = excluded.started_at,
			seen_at = excluded.seen_at`, w.Name, w.Slots, w.Express, w.Draining, stored(w.StartedAt)); err != nil {
			return err
		}
		return tx.exec(ctx, "forget dead workers", `DELETE FROM workers WHERE seen_at < `+tx.clock()+` - $1`, workerForgotten*24*time.Hour.Microseconds())
	})
}

// CutSilent ends the connections of workers that have given no sign for so many seconds: one that was stopped may hold locks, and would hold them for ever. It returns
// how many there were. On SQLite a worker is alone.
func (s *Store) CutSilent(ctx context.Context, seconds int) (int64, error) {
	if s.dialect == SQLite {
		return 0, nil
	}
	var n int64
	err := s.get(ctx, "cut silent workers", &n, `SELECT count(*) FROM (SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
		JOIN workers w ON a.application_name = left('platen ' || w.name, 63) WHERE a.datname = current_database() AND w.seen_at < `+s.clock()+` - $1) AS cut`, int64(seconds)*1_000_000)
	return n, err
}

// ForgetWorker takes a worker that ends off the list.
func (s *Store) ForgetWorker(ctx context.Context, name string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		return tx.exec(ctx, "forget worker "+name, `DELETE FROM workers WHERE name = $1`, name)
	})
}

// Workers lists the processes that carry jobs out, by name.
func (q Q) Workers(ctx context.Context) ([]Worker, error) {
	var all []Worker
	err := q.list(ctx, "workers", &all, `SELECT name, slots, express, draining, started_at, `+q.clock()+` - seen_at AS silent FROM workers ORDER BY name`)
	return all, err
}

// Buildable is a file that is being built or waits for it.
type Buildable struct {
	Number      int64     `db:"number"`
	Institution uuid.UUID `db:"institution_id"`
	SameDay     bool      `db:"same_day"`
	Planned     int64     `db:"planned"`
	Claimed     bool      `db:"claimed"` // some process holds it
	Worker      string    `db:"worker"`  // that has begun with it
	Due         bool      `db:"due"`     // nobody holds it, and it may be taken now
}

// Buildables lists the files that are to be built, by number.
func (q Q) Buildables(ctx context.Context) ([]Buildable, error) {
	var all []Buildable
	err := q.list(ctx, "files to build", &all, `SELECT number, institution_id, same_day, planned, worker, lease_until > `+q.clock()+` AS claimed,
		lease_until <= `+q.clock()+` AND retry_after <= `+q.clock()+` AND held = 0 AS due FROM files WHERE state IN (1, 2, 3) ORDER BY number`)
	return all, err
}

// LockClaims lets one process at a time decide which files it takes, until commit.
func (t *Tx) LockClaims(ctx context.Context) error {
	_, err := t.Counter(ctx, "claims")
	return err
}

// ClaimBuild raises the epoch of one file to build that nobody holds; false when somebody took it.
func (t *Tx) ClaimBuild(ctx context.Context, number int64, leaseSeconds int) (Due, bool, error) {
	var some []Due
	err := t.list(ctx, "claim a file to build", &some, `UPDATE files SET epoch = epoch + 1, worker = '', lease_until = `+t.clock()+` + $1
		WHERE number = $2 AND state IN (1, 2, 3) AND held = 0 AND lease_until <= `+t.clock()+` RETURNING number, epoch, state`, int64(leaseSeconds)*1_000_000, number)
	if err != nil || len(some) == 0 {
		return Due{}, false, err
	}
	return some[0], true, nil
}

// BeginFile is HoldFile by the process that begins to work on a claim.
func (s *Store) BeginFile(ctx context.Context, number, epoch int64, leaseSeconds int, worker string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		return tx.execClaimed(ctx, fmt.Sprintf("begin with file %d", number), `UPDATE files SET lease_until = `+tx.clock()+` + $1, worker = $2, rendered = 0
			WHERE number = $3 AND epoch = $4`, int64(leaseSeconds)*1_000_000, worker, number, epoch)
	})
}

// HoldRendering is HoldFile with how many lines were rendered so far.
func (s *Store) HoldRendering(ctx context.Context, number, epoch int64, leaseSeconds int, rendered int64) error {
	return s.InTx(ctx, func(tx *Tx) error {
		return tx.execClaimed(ctx, fmt.Sprintf("hold file %d", number), `UPDATE files SET lease_until = `+tx.clock()+` + $1, rendered = $2
			WHERE number = $3 AND epoch = $4`, int64(leaseSeconds)*1_000_000, rendered, number, epoch)
	})
}

// FreezeFile marks under its epoch that a file is about to be rendered: none of its lines can be taken out any more.
func (s *Store) FreezeFile(ctx context.Context, f *File) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		return tx.execClaimed(ctx, fmt.Sprintf("freeze file %d", f.Number), `UPDATE files SET frozen = TRUE WHERE number = $1 AND epoch = $2 AND state = $3`,
			f.Number, f.Epoch, card.FileBuilding)
	})
	if err == nil {
		f.Frozen = true
	}
	return err
}

// BusyFiles lists every institution's files that a process works on, by worker and number.
func (q Q) BusyFiles(ctx context.Context) ([]File, error) {
	var all []File
	err := q.list(ctx, "files that are worked on", &all, `SELECT `+fileColumns+` FROM files WHERE state < 6 AND lease_until > `+q.clock()+` AND worker <> '' ORDER BY worker, number`)
	return all, err
}

// WaitingWork counts what no process works on yet: files to build and their lines.
type WaitingWork struct {
	Files int64 `db:"files"`
	Lines int64 `db:"lines"`
	Held  int64 `db:"held"` // of these files, those that wait for a paused order
}

// Waiting counts the files to build that no process works on.
func (q Q) Waiting(ctx context.Context) (WaitingWork, error) {
	var w WaitingWork
	err := q.get(ctx, "count waiting files", &w, `SELECT count(*) AS files, CAST(coalesce(sum(planned), 0) AS BIGINT) AS lines,
		coalesce(sum(CASE WHEN held > 0 THEN 1 ELSE 0 END), 0) AS held FROM files WHERE state IN (1, 2, 3) AND (lease_until <= `+q.clock()+` OR worker = '')`)
	return w, err
}
