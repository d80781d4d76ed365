package store

import (
	"context"
	"time"
)

// Attempt is the evidence of one try to send a file. It is written before the first byte leaves.
type Attempt struct {
	File            int64      `db:"file_number"`
	Attempt         int        `db:"attempt"`
	Epoch           int64      `db:"epoch"`
	State           string     `db:"state"` // STARTED, RENAMING, DELIVERED, FAILED, IN_DOUBT
	Copy            int        `db:"copy"`  // 0 = the file itself; n = its n-th duplicate, which a person asked for; -n = its n-th sidecar
	FinalName       string     `db:"final_name"`
	TempName        string     `db:"temp_name"`
	CiphertextSHA   []byte     `db:"ciphertext_sha256"`
	CiphertextBytes int64      `db:"ciphertext_bytes"`
	Code            string     `db:"code"`
	Detail          string     `db:"detail"`
	StartedAt       time.Time  `db:"started_at"`
	FinishedAt      *time.Time `db:"finished_at"`
}

// The states of an attempt.
const (
	AttemptStarted   = "STARTED"
	AttemptRenaming  = "RENAMING"
	AttemptDelivered = "DELIVERED"
	AttemptFailed    = "FAILED"
	AttemptInDoubt   = "IN_DOUBT"
)

// Attempts lists a file's attempts, oldest first.
func (q Q) Attempts(ctx context.Context, file int64) ([]Attempt, error) {
	var all []Attempt
	err := q.list(ctx, "delivery attempts", &all, `SELECT file_number, attempt, epoch, state, copy, final_name, temp_name, ciphertext_sha256, ciphertext_bytes, code, detail,
		started_at, finished_at FROM delivery_attempts WHERE file_number = $1 ORDER BY attempt`, file)
	return all, err
}

// InsertAttempt stores an attempt in state STARTED, numbered after the ones before.
func (t *Tx) InsertAttempt(ctx context.Context, a Attempt) (Attempt, error) {
	err := t.get(ctx, "store delivery attempt", &a.Attempt, `INSERT INTO delivery_attempts (file_number, attempt, epoch, state, copy, final_name, temp_name, ciphertext_sha256, ciphertext_bytes, started_at)
		SELECT $1, coalesce(max(attempt), 0) + 1, $2, 'STARTED', $3, $4, $5, $6, $7, $8 FROM delivery_attempts WHERE file_number = $1 RETURNING attempt`,
		a.File, a.Epoch, a.Copy, a.FinalName, a.TempName, a.CiphertextSHA, a.CiphertextBytes, stored(a.StartedAt))
	a.State = AttemptStarted
	return a, err
}

// MoveAttempt changes an attempt's state; the file's epoch must still be the attempt's. Only an open attempt moves.
func (t *Tx) MoveAttempt(ctx context.Context, a *Attempt, state, code, detail string, now time.Time) error {
	var finished any
	if state != AttemptRenaming {
		finished = stored(now)
	}
	err := t.execClaimed(ctx, "move delivery attempt", `UPDATE delivery_attempts SET state = $1, code = $2, detail = $3, finished_at = $4
		WHERE file_number = $5 AND attempt = $6 AND state IN ('STARTED', 'RENAMING', 'IN_DOUBT')
		AND EXISTS (SELECT 1 FROM files WHERE number = $5 AND epoch = $7)`, state, code, detail, finished, a.File, a.Attempt, a.Epoch)
	if err == nil {
		a.State = state
	}
	return err
}

// AdoptAttempts lets the file's present claim settle attempts that an earlier claim left open.
func (t *Tx) AdoptAttempts(ctx context.Context, file, epoch int64) error {
	return t.exec(ctx, "adopt delivery attempts", `UPDATE delivery_attempts SET epoch = $1 WHERE file_number = $2 AND state IN ('STARTED', 'RENAMING')
		AND EXISTS (SELECT 1 FROM files WHERE number = $2 AND epoch = $1)`, epoch, file)
}
