package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Event is something that happened to an object, recorded in the transaction that made it happen. Data holds counts, states and
// reasons, never card data.
type Event struct {
	Number      int64     `db:"number"`
	Institution uuid.UUID `db:"institution_id"`
	ObjectKind  string    `db:"object_kind"` // order, batch, file, return, card, operation, customer, account, holder, mass_issue
	Object      int64     `db:"object_number"`
	Kind        string    `db:"kind"`
	Data        string    `db:"data"` // JSON object
	RecordedAt  time.Time `db:"recorded_at"`
}

// Record appends an event and puts it into the outboxes of those who subscribed to it; data becomes a JSON object.
func (t *Tx) Record(ctx context.Context, institution uuid.UUID, objectKind string, object int64, kind string, data map[string]any, now time.Time) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("record %s of %s %d: %w", kind, objectKind, object, err)
	}
	err = t.exec(ctx, "record "+kind, `INSERT INTO events (institution_id, object_kind, object_number, kind, data, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, institution, objectKind, object, kind, string(body), stored(now))
	if err != nil {
		return err
	}
	return t.publish(ctx, institution, objectKind, object, kind, now)
}

// RecordAll is Record for many events of one kind of object of an institution, whose data are JSON already.
func (t *Tx) RecordAll(ctx context.Context, events []Event) error {
	b := t.bulk("events", []string{"institution_id", "object_kind", "object_number", "kind", "data", "recorded_at"}, len(events))
	for i := range events {
		e := &events[i]
		b.string(e.Institution.String())
		b.string(e.ObjectKind)
		b.int(e.Object)
		b.string(e.Kind)
		b.string(e.Data)
		b.time(e.RecordedAt)
		b.endRow()
	}
	if err := t.Insert(ctx, b); err != nil {
		return err
	}
	return t.publishAll(ctx, events)
}

// Events lists what happened to one object, oldest first.
func (q Q) Events(ctx context.Context, institution uuid.UUID, objectKind string, object int64) ([]Event, error) {
	var all []Event
	err := q.list(ctx, "events", &all, `SELECT number, institution_id, object_kind, object_number, kind, data, recorded_at FROM events
		WHERE institution_id = $1 AND object_kind = $2 AND object_number = $3 ORDER BY number`, institution, objectKind, object)
	return all, err
}

// Audit appends to the audit log: who did what to which object.
func (t *Tx) Audit(ctx context.Context, actor, action, object string, data map[string]any, now time.Time) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return t.exec(ctx, "audit "+action, `INSERT INTO audit_log (actor, action, object, data, recorded_at) VALUES ($1, $2, $3, $4, $5)`,
		actor, action, object, string(body), stored(now))
}
