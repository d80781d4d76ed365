package store

import (
	"context"
	"errors"
)

// Correction is one submission of corrected rows for an order.
type Correction struct {
	Order       int64  `db:"order_number"`
	Fingerprint []byte `db:"fingerprint"`
	Accepted    int64  `db:"accepted"`
	Refused     int64  `db:"refused"`
}

// Correction finds an earlier submission of the same corrected rows.
func (q Q) Correction(ctx context.Context, order int64, fingerprint []byte) (Correction, bool, error) {
	var c Correction
	err := q.get(ctx, "correction", &c, `SELECT order_number, fingerprint, accepted, refused FROM order_corrections
		WHERE order_number = $1 AND fingerprint = $2`, order, fingerprint)
	if errors.Is(err, ErrNotFound) {
		return Correction{}, false, nil
	}
	return c, err == nil, err
}

// InsertCorrection remembers a submission of corrected rows.
func (t *Tx) InsertCorrection(ctx context.Context, c Correction) error {
	return t.exec(ctx, "store correction", `INSERT INTO order_corrections (order_number, fingerprint, accepted, refused) VALUES ($1, $2, $3, $4)`,
		c.Order, c.Fingerprint, c.Accepted, c.Refused)
}

// MarkCorrected takes a refused row out of the waiting list. ErrStale: it was not waiting.
func (t *Tx) MarkCorrected(ctx context.Context, order, sourceLine int64) error {
	return t.execOne(ctx, "mark a row corrected", `UPDATE order_errors SET corrected = TRUE WHERE order_number = $1 AND source_line = $2 AND corrected = FALSE`, order, sourceLine)
}

// ChangeFaults replaces the row and faults of a refused row after a correction that was refused too.
func (t *Tx) ChangeFaults(ctx context.Context, r RefusedRow) error {
	return t.execOne(ctx, "store new faults of a row", `UPDATE order_errors SET source_row = $1, faults = $2 WHERE order_number = $3 AND source_line = $4 AND corrected = FALSE`,
		r.Row, r.Faults, r.Order, r.SourceLine)
}

// AddRequested moves an order's counts after a correction.
func (t *Tx) AddRequested(ctx context.Context, o *Order, cards, rows int64) error {
	if err := t.execOne(ctx, "count corrected rows", `UPDATE orders SET requested = requested + $1, refused_rows = refused_rows - $2
		WHERE institution_id = $3 AND number = $4`, cards, rows, o.Institution, o.Number); err != nil {
		return err
	}
	o.Requested += cards
	o.RefusedRows -= rows
	return nil
}

// LockOrder reads an order and keeps it locked until commit.
func (t *Tx) LockOrder(ctx context.Context, number int64) (Order, error) {
	var o Order
	err := t.get(ctx, "lock order", &o, `SELECT `+t.orderColumns()+` FROM orders WHERE number = $1`+t.forUpdate(), number)
	return o, err
}
