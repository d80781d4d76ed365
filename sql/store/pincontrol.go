package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// PINControl lets a client look at or set the PIN of one card, once. It is found by the SHA-256 of its name.
type PINControl struct {
	Institution uuid.UUID `db:"institution_id"`
	Hash        []byte    `db:"id_hash"`
	Card        card.ID   `db:"card_id"`
	Scope       string    `db:"scope"`
	Zone        string    `db:"zone"`
	Reason      string    `db:"reason"`
	Expires     time.Time `db:"expires_at"`
}

// controlsKept is how long controls are kept after their end.
const controlsKept = 24 * time.Hour

// AddPINControl stores a control, and forgets those of its institution that ended a day ago.
func (t *Tx) AddPINControl(ctx context.Context, c PINControl, now time.Time) error {
	if err := t.exec(ctx, "forget PIN controls", `DELETE FROM pin_controls WHERE institution_id = $1 AND expires_at < $2`, c.Institution, stored(now.Add(-controlsKept))); err != nil {
		return err
	}
	return t.exec(ctx, "store a PIN control", `INSERT INTO pin_controls (institution_id, id_hash, card_id, scope, zone, reason, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		c.Institution, c.Hash, c.Card, c.Scope, c.Zone, c.Reason, stored(c.Expires))
}

// UsePINControl uses a control up. ErrNotFound: there is none of this name and scope, or it was used, or its time is over.
func (t *Tx) UsePINControl(ctx context.Context, institution uuid.UUID, hash []byte, scope string, now time.Time) (PINControl, error) {
	var c PINControl
	err := t.get(ctx, "PIN control", &c, `UPDATE pin_controls SET used_at = $4 WHERE institution_id = $1 AND id_hash = $2 AND scope = $3 AND used_at IS NULL AND expires_at > $4
		RETURNING institution_id, id_hash, card_id, scope, zone, reason, expires_at`, institution, hash, scope, stored(now))
	return c, err
}

// SetWaitingPIN gives an issue that no file has yet another PIN. ErrStale: a file has it.
func (t *Tx) SetWaitingPIN(ctx context.Context, p ChosenPIN) error {
	return t.execOne(ctx, "set the PIN of an issue that waits", `UPDATE issues SET pvv = $3, pin_offset = $4, pin = $5 WHERE card_id = $1 AND issue = $2 AND file_number IS NULL`,
		p.Card, p.Issue, nullable(p.PVV), nullable(p.Offset), p.PIN)
}
