package store

import (
	"context"
	"errors"
	"time"

	"platen/card"
)

// PINTries is how the PIN of a card was tried. Tries are numbered from 1; a card that was never asked about has none.
type PINTries struct {
	Card     card.ID    `db:"card_id"`
	Tried    int64      `db:"tried"`    // number of the last try
	Forgiven int64      `db:"forgiven"` // tries up to this one count no longer
	Blocked  bool       `db:"blocked"`  // by somebody, however many tries are left
	Told     bool       `db:"told"`     // that no try is left
	LastTry  *time.Time `db:"last_try_at"`
}

// Used is how many tries count.
func (s *PINTries) Used() int { return int(s.Tried - s.Forgiven) }

// Forgive lets no try up to a number count any more; those after it go on counting.
func (s *PINTries) Forgive(try int64) {
	if try > s.Forgiven {
		s.Forgiven, s.Told = try, false
	}
}

// PINTries reads how the PIN of a card was tried. In a transaction that writes them, the card is locked.
func (q Q) PINTries(ctx context.Context, id card.ID) (PINTries, error) {
	s := PINTries{Card: id}
	err := q.get(ctx, "PIN tries", &s, `SELECT card_id, tried, forgiven, blocked, told, last_try_at FROM pin_tries WHERE card_id = $1`, id)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return s, err
}

// PutPINTries stores how the PIN of a card was tried.
func (t *Tx) PutPINTries(ctx context.Context, s PINTries) error {
	var last any
	if s.LastTry != nil {
		last = stored(*s.LastTry)
	}
	return t.exec(ctx, "store PIN tries", `INSERT INTO pin_tries (card_id, tried, forgiven, blocked, told, last_try_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (card_id) DO UPDATE SET tried = excluded.tried, forgiven = excluded.forgiven, blocked = excluded.blocked, told = excluded.told, last_try_at = excluded.last_try_at`,
		s.Card, s.Tried, s.Forgiven, s.Blocked, s.Told, last)
}
