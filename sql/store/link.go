package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Link is how conversations with one bureau go.
type Link struct {
	Bureau       int64      `db:"bureau_number"`
	Code         string     `db:"bureau_code"`
	Failures     int        `db:"failures"` // in a row; 0 = it was reached last time
	FailureCode  string     `db:"code"`
	Detail       string     `db:"detail"`
	FailingSince *time.Time `db:"failing_since"`
	ReachedAt    *time.Time `db:"reached_at"`
	Pause        int64      `db:"pause"` // microseconds until the next try; 0 or less = at once
}

// Links lists the bureaus of an institution that were ever spoken to, by code.
func (q Q) Links(ctx context.Context, institution uuid.UUID) ([]Link, error) {
	var all []Link
	err := q.list(ctx, "bureau links", &all, `SELECT l.bureau_number, p.code AS bureau_code, l.failures, l.code, l.detail, l.failing_since, l.reached_at, l.retry_after - `+q.clock()+` AS pause
		FROM bureau_links l JOIN programs p ON p.number = l.bureau_number WHERE p.institution_id = $1 ORDER BY p.code`, institution)
	return all, err
}

// ClaimLook takes the next look into a bureau's outbox, unless one began less than distance ago or the bureau is paused.
func (t *Tx) ClaimLook(ctx context.Context, bureau int64, version int, distance time.Duration) (bool, error) {
	err := t.execOne(ctx, "claim a look into an outbox", `INSERT INTO bureau_links (bureau_number, bureau_version, look_after) VALUES ($1, $2, `+t.clock()+` + $3)
		ON CONFLICT (bureau_number) DO UPDATE SET look_after = excluded.look_after
		WHERE bureau_links.look_after <= `+t.clock()+` AND (bureau_links.retry_after <= `+t.clock()+` OR bureau_links.bureau_version <> $2)`,
		bureau, version, distance.Microseconds())
	if errors.Is(err, ErrStale) {
		return false, nil
	}
	return err == nil, err
}

// LinkReached ends a row of failures.
func (t *Tx) LinkReached(ctx context.Context, bureau int64, version int, now time.Time) error {
	return t.exec(ctx, "record that a bureau was reached", `INSERT INTO bureau_links (bureau_number, bureau_version, reached_at) VALUES ($1, $2, $3)
		ON CONFLICT (bureau_number) DO UPDATE SET bureau_version = $2, reached_at = $3, failures = 0, code = '', detail = '', failing_since = NULL, retry_after = 0`,
		bureau, version, stored(now))
}

// LinkFailed records that a bureau let nobody in, and for how long nobody tries again. pause is told how many failures came before in a row.
func (t *Tx) LinkFailed(ctx context.Context, bureau int64, version int, code, detail string, pause func(failures int) time.Duration, now time.Time) error {
	var before []int
	err := t.list(ctx, "read a bureau's failures", &before, `SELECT failures FROM bureau_links WHERE bureau_number = $1 AND bureau_version = $2 AND code = $3`+t.forUpdate(), bureau, version, code)
	if err != nil {
		return err
	}
	failures := 0
	if len(before) > 0 {
		failures = before[0]
	}
	return t.exec(ctx, "record that a bureau was not reached", `INSERT INTO bureau_links (bureau_number, bureau_version, failures, code, detail, failing_since, retry_after)
		VALUES ($1, $2, $3, $4, $5, $6, `+t.clock()+` + $7)
		ON CONFLICT (bureau_number) DO UPDATE SET bureau_version = $2, failures = $3, code = $4, detail = $5,
		failing_since = coalesce(bureau_links.failing_since, excluded.failing_since), retry_after = excluded.retry_after`,
		bureau, version, failures+1, code, detail, stored(now), pause(failures).Microseconds())
}

// RetryLink ends a bureau's pause: the next try is made at once.
func (t *Tx) RetryLink(ctx context.Context, bureau int64) error {
	if err := t.exec(ctx, "end a bureau's pause", `UPDATE bureau_links SET retry_after = 0, look_after = 0, failures = 0 WHERE bureau_number = $1`, bureau); err != nil {
		return err
	}
	return t.exec(ctx, "end a bureau's pause", `UPDATE files SET retry_after = 0 WHERE bureau_number = $1 AND state IN ($2, $3)`, bureau, card.FileReleased, card.FileSending)
}

// Sendable is a released file that may leave now, or one that somebody is sending.
type Sendable struct {
	Number      int64     `db:"number"`
	Institution uuid.UUID `db:"institution_id"`
	Bureau      string    `db:"bureau_code"`
	Sequence    int64     `db:"sequence"`
	Held        bool      `db:"held"`
}

// Sendables lists what may leave now and what is on its way, by bureau and sequence. Files of bureaus that are paused are left out.
func (q Q) Sendables(ctx context.Context) ([]Sendable, error) {
	var all []Sendable
	err := q.list(ctx, "files to send", &all, `SELECT f.number, f.institution_id, f.bureau_code, f.sequence, f.lease_until > `+q.clock()+` AS held
		FROM files f JOIN programs p ON p.number = f.bureau_number LEFT JOIN bureau_links l ON l.bureau_number = p.number AND l.bureau_version = p.version
		WHERE f.state IN (4, 5) AND (f.lease_until > `+q.clock()+` OR (f.retry_after <= `+q.clock()+` AND coalesce(l.retry_after, 0) <= `+q.clock()+`))
		ORDER BY f.bureau_number, f.sequence`)
	return all, err
}

// ClaimFile raises the epoch of a file that nobody holds, whatever its state: a person works on it. False when somebody does already.
func (t *Tx) ClaimFile(ctx context.Context, number int64, leaseSeconds int) (epoch int64, claimed bool, err error) {
	var some []int64
	err = t.list(ctx, "claim a file", &some, `UPDATE files SET epoch = epoch + 1, lease_until = `+t.clock()+` + $1
		WHERE number = $2 AND lease_until <= `+t.clock()+` RETURNING epoch`, int64(leaseSeconds)*1_000_000, number)
	if err != nil || len(some) == 0 {
		return 0, false, err
	}
	return some[0], true, nil
}

// ClaimSend raises the epoch of one file that may leave and that nobody holds; false when somebody took it.
func (t *Tx) ClaimSend(ctx context.Context, number int64, leaseSeconds int) (Due, bool, error) {
	var some []Due
	err := t.list(ctx, "claim a file to send", &some, `UPDATE files SET epoch = epoch + 1, lease_until = `+t.clock()+` + $1
		WHERE number = $2 AND state IN (4, 5) AND lease_until <= `+t.clock()+` RETURNING number, epoch, state`, int64(leaseSeconds)*1_000_000, number)
	if err != nil || len(some) == 0 {
		return Due{}, false, err
	}
	return some[0], true, nil
}
