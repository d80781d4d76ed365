package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// LineForCard returns the line of a card that is not carried out yet: of an action on it, or that of the order which made it at once.
func (q Q) LineForCard(ctx context.Context, id card.ID) (OrderLine, error) {
	var l OrderLine
	err := q.get(ctx, "open order line of a card", &l, `SELECT `+waitColumns+` FROM order_lines WHERE card_id = $1 AND state < 3 ORDER BY order_number, unit LIMIT 1`, id)
	return l, err
}

// HoldForPIN keeps an open line out of files until the PIN of its card is set, and forgets one that was set for it. A line that waits already goes on. ErrStale: a plan has it.
func (t *Tx) HoldForPIN(ctx context.Context, l OrderLine, now time.Time) error {
	return t.execOne(ctx, "let an order line wait for a PIN", `UPDATE order_lines SET pin_held_at = coalesce(pin_held_at, $1), pin = NULL WHERE order_number = $2 AND unit = $3 AND state = 1`,
		stored(now), l.Order, l.Unit)
}

// EndPINHold lets the next plan take a line that waited for a PIN; pin is that of the card's next issue, nil where the issue that it is for exists or takes over what the card has.
// ErrStale: it does not wait.
func (t *Tx) EndPINHold(ctx context.Context, l OrderLine, pin []byte) error {
	return t.execOne(ctx, "let an order line go on", `UPDATE order_lines SET pin_held_at = NULL, pin = $1 WHERE order_number = $2 AND unit = $3 AND pin_held_at IS NOT NULL`, pin, l.Order, l.Unit)
}

// PINHolds are lines of an institution that wait for the PINs of their cards.
type PINHolds struct {
	Lines  int64      `db:"lines"`
	Oldest *time.Time `db:"-"`
	Card   card.ID    `db:"-"` // of the oldest
	Order  string     `db:"-"` // reference of its order
}

// PINHolds counts an institution's lines that wait for a PIN since a time or longer.
func (q Q) PINHolds(ctx context.Context, institution uuid.UUID, since time.Time) (PINHolds, error) {
	var h PINHolds
	err := q.get(ctx, "order lines that wait for PINs", &h, `SELECT count(*) AS lines FROM order_lines l JOIN orders o ON o.number = l.order_number
		WHERE l.pin_held_at <= $2 AND o.institution_id = $1`, institution, stored(since))
	if err != nil || h.Lines == 0 {
		return h, err
	}
	var first struct {
		At        time.Time `db:"pin_held_at"`
		Card      card.ID   `db:"card_id"`
		Reference string    `db:"reference"`
	}
	err = q.get(ctx, "order line that waits longest for a PIN", &first, `SELECT l.pin_held_at, l.card_id, o.reference FROM order_lines l JOIN orders o ON o.number = l.order_number
		WHERE l.pin_held_at <= $2 AND o.institution_id = $1 ORDER BY l.pin_held_at, l.card_id LIMIT 1`, institution, stored(since))
	h.Oldest, h.Card, h.Order = &first.At, first.Card, first.Reference
	return h, err
}
