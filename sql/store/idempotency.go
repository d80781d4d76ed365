package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// KeyedRequest is a request that its client gave an idempotency key. Fingerprint is of all that it asks for.
type KeyedRequest struct {
	Client      uuid.UUID
	Key         string
	Fingerprint []byte
}

// KeptAnswer is what a request was answered with. Status 0 = it is being carried out.
type KeptAnswer struct {
	Fingerprint []byte `db:"fingerprint"`
	Status      int    `db:"status"`
	Body        []byte `db:"answer"`
	Held        bool   `db:"held"` // by somebody whose claim has not run out
}

// ClaimRequest takes a request on for so many seconds of database time. It is mine where nobody had the key, or where who had it for the same request was silent for too long;
// otherwise known tells what became of the key.
func (t *Tx) ClaimRequest(ctx context.Context, r KeyedRequest, seconds int, now time.Time) (known KeptAnswer, mine bool, err error) {
	const what = "claim an idempotency key"
	lease := int64(seconds) * 1_000_000
	err = t.execOne(ctx, what, `INSERT INTO idempotency_keys (client_id, request_key, fingerprint, lease_until, claimed_at) VALUES ($1, $2, $3, `+t.clock()+` + $4, $5)
		ON CONFLICT (client_id, request_key) DO NOTHING`, r.Client, r.Key, r.Fingerprint, lease, stored(now))
	if !errors.Is(err, ErrStale) {
		return known, err == nil, err
	}
	if err := t.get(ctx, what, &known, `SELECT fingerprint, status, answer, (status = 0 AND lease_until > `+t.clock()+`) AS held FROM idempotency_keys
		WHERE client_id = $1 AND request_key = $2`+t.forUpdate(), r.Client, r.Key); err != nil {
		return known, false, err
	}
	if known.Status != 0 || known.Held || !bytes.Equal(known.Fingerprint, r.Fingerprint) {
		return known, false, nil
	}
	return known, true, t.execOne(ctx, what, `UPDATE idempotency_keys SET lease_until = `+t.clock()+` + $1 WHERE client_id = $2 AND request_key = $3`, lease, r.Client, r.Key)
}

// KeepAnswer keeps what a request was answered with. ErrStale: somebody else has answered it, or let it go.
func (t *Tx) KeepAnswer(ctx context.Context, r KeyedRequest, status int, body []byte) error {
	return t.execOne(ctx, "keep an answer", `UPDATE idempotency_keys SET status = $1, answer = $2 WHERE client_id = $3 AND request_key = $4 AND fingerprint = $5 AND status = 0`,
		status, body, r.Client, r.Key, r.Fingerprint)
}

// ReleaseRequest lets go of a request that was refused: nothing was changed, and its key may be used again.
func (t *Tx) ReleaseRequest(ctx context.Context, r KeyedRequest) error {
	return t.exec(ctx, "let go of an idempotency key", `DELETE FROM idempotency_keys WHERE client_id = $1 AND request_key = $2 AND fingerprint = $3 AND status = 0`, r.Client, r.Key, r.Fingerprint)
}
