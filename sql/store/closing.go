package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// ScheduledClosing is a card that is to be closed at a time. It stands as long as the card lives.
type ScheduledClosing struct {
	Card        card.ID     `db:"card_id"`
	Institution uuid.UUID   `db:"institution_id"`
	At          time.Time   `db:"closes_at"`
	For         card.Reason `db:"closed_for"`
	By          string      `db:"asked_by"`
	Why         string      `db:"why"`
}

const closingColumns = `card_id, institution_id, closes_at, closed_for, asked_by, why`

// cardIsBusy holds for a scheduled closing s while an order line for its card is open.
const cardIsBusy = `EXISTS (SELECT 1 FROM order_lines l WHERE l.card_id = s.card_id AND l.state < 3)`

// ScheduleClosing lets a card be closed at a time, in place of the time before.
func (t *Tx) ScheduleClosing(ctx context.Context, c ScheduledClosing) error {
	return t.exec(ctx, "schedule a closing", `INSERT INTO scheduled_closings (`+closingColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (card_id) DO UPDATE SET closes_at = excluded.closes_at, closed_for = excluded.closed_for, asked_by = excluded.asked_by, why = excluded.why`,
		c.Card, c.Institution, stored(c.At), c.For, c.By, c.Why)
}

// ScheduledClosing tells when a card is to be closed. ErrNotFound: never.
func (q Q) ScheduledClosing(ctx context.Context, id card.ID) (ScheduledClosing, error) {
	var c ScheduledClosing
	err := q.get(ctx, "scheduled closing", &c, `SELECT `+closingColumns+` FROM scheduled_closings WHERE card_id = $1`, id)
	return c, err
}

// DropClosing lets a card live on. ErrStale: no closing is scheduled.
func (t *Tx) DropClosing(ctx context.Context, id card.ID) error {
	return t.execOne(ctx, "drop a closing", `DELETE FROM scheduled_closings WHERE card_id = $1`, id)
}

// DueClosings lists closings whose time has come, of cards for which no order is open, oldest first.
func (q Q) DueClosings(ctx context.Context, now time.Time, limit int) ([]ScheduledClosing, error) {
	var all []ScheduledClosing
	err := q.list(ctx, "closings that are due", &all, `SELECT `+prefixed("s.", closingColumns)+` FROM scheduled_closings s WHERE s.closes_at <= $1 AND NOT `+cardIsBusy+`
		ORDER BY s.closes_at, s.card_id LIMIT $2`, stored(now), limit)
	return all, err
}

// LateClosings are an institution's cards that should be closed and are not.
type LateClosings struct {
	Cards int64   `db:"cards"`
	Busy  int64   `db:"busy"` // of them, for which an order is open
	First card.ID `db:"first_card"`
	Order string  `db:"order_reference"` // that is open for First; empty = none is
}

// LateClosings counts closings that an open order holds up, and others whose time was before patience. First is one of them, of those that an order holds up if there are any.
func (q Q) LateClosings(ctx context.Context, institution uuid.UUID, now, patience time.Time) (LateClosings, error) {
	var l LateClosings
	err := q.get(ctx, "closings that are late", &l, `SELECT count(*) AS cards, coalesce(sum(d.busy), 0) AS busy,
		coalesce(min(CASE WHEN d.busy = 1 THEN d.card_id END), min(d.card_id), 0) AS first_card, '' AS order_reference FROM (SELECT s.card_id, s.closes_at, CASE WHEN `+cardIsBusy+` THEN 1 ELSE 0 END AS busy FROM scheduled_closings s WHERE s.institution_id = $1 AND s.closes_at <= $2) d
		WHERE d.busy = 1 OR d.closes_at <= $3`, institution, stored(now), stored(patience))
	if err != nil || l.Busy == 0 {
		return l, err
	}
	var open []string
	err = q.list(ctx, "order that holds up a closing", &open, `SELECT o.reference FROM order_lines l JOIN orders o ON o.number = l.order_number WHERE l.card_id = $1 AND l.state < 3`, l.First)
	if len(open) > 0 {
		l.Order = open[0]
	}
	return l, err
}

// EndClosings settles what is scheduled for cards that are closed now: it moves on to the card that takes a card's place, and is gone where none does. It returns what moved on.
func (t *Tx) EndClosings(ctx context.Context, list []Closing) ([]ScheduledClosing, error) {
	const what = "settle scheduled closings"
	ids, rows := make([]card.ID, len(list)), make([][2]int64, 0, len(list))
	for i, c := range list {
		ids[i] = c.Card
		if c.By != 0 {
			rows = append(rows, [2]int64{int64(c.Card), int64(c.By)})
		}
	}
	var moved []ScheduledClosing
	if len(rows) > 0 {
		body, err := json.Marshal(rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		values := `(SELECT CAST(e->>0 AS BIGINT) AS id, CAST(e->>1 AS BIGINT) AS successor FROM json_array_elements(CAST($1 AS json)) e) v`
		if t.dialect == SQLite {
			values = `(SELECT value->>0 AS id, value->>1 AS successor FROM json_each($1)) v`
		}
		if err := t.list(ctx, what, &moved, `UPDATE scheduled_closings SET card_id = v.successor FROM `+values+` WHERE scheduled_closings.card_id = v.id RETURNING `+closingColumns, string(body)); err != nil {
			return nil, err
		}
	}
	where, listed, err := among(t.Q, "card_id", 1, ids)
	if err != nil {
		return nil, err
	}
	return moved, t.exec(ctx, what, `DELETE FROM scheduled_closings WHERE `+where, listed)
}
