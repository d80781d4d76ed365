package store

import "context"

// NoteOrder keeps what a client said with an order beside what Platen makes of it.
func (t *Tx) NoteOrder(ctx context.Context, order int64, body string) error {
	return t.exec(ctx, "note an order", `INSERT INTO order_notes (order_number, body) VALUES ($1, $2)`, order, body)
}

// OrderNote is what was said with an order; ErrNotFound when nothing was, or when it is purged.
func (q Q) OrderNote(ctx context.Context, order int64) (string, error) {
	var body string
	err := q.get(ctx, "note of an order", &body, `SELECT body FROM order_notes WHERE order_number = $1`, order)
	return body, err
}
