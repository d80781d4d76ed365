package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// Webhook is a subscriber to an institution's events.
type Webhook struct {
	ID          uuid.UUID `db:"id"`
	Institution uuid.UUID `db:"institution_id"`
	URL         string    `db:"url"`
	Secret      []byte    `db:"secret"` // sealed
	Form        string    `db:"form"`   // of messages; empty = Platen's own
	Paused      bool      `db:"paused"`
	CreatedAt   time.Time `db:"created_at"`
	CreatedBy   string    `db:"created_by"`
}

// MessageState is where a message to a subscriber stands.
type MessageState int

// The states of a message.
const (
	MessageDue       MessageState = 1
	MessageDelivered MessageState = 2
	MessageDead      MessageState = 3 // no longer tried; a replay sends it again
)

// Message is one event for one subscriber.
type Message struct {
	Number     int64        `db:"number"`
	Webhook    uuid.UUID    `db:"webhook_id"`
	ObjectKind string       `db:"object_kind"`
	Object     int64        `db:"object_number"`
	Kind       string       `db:"kind"`
	HappenedAt time.Time    `db:"happened_at"`
	Repeats    *int64       `db:"repeats"` // the message that it replays
	State      MessageState `db:"state"`
	Attempts   int          `db:"attempts"`
	Failure    string       `db:"failure"`
	TriedAt    *time.Time   `db:"tried_at"`
}

// Original is the number that the subscriber knows the message by.
func (m Message) Original() int64 {
	if m.Repeats != nil {
		return *m.Repeats
	}
	return m.Number
}

const (
	webhookColumns = `id, institution_id, url, secret, form, paused, created_at, created_by`
	messageColumns = `number, webhook_id, object_kind, object_number, kind, happened_at, repeats, state, attempts, failure, tried_at`
)

// InsertWebhook adds a subscriber to the events of some kinds of objects.
func (t *Tx) InsertWebhook(ctx context.Context, w Webhook, objects []string) error {
	err := t.exec(ctx, "store a webhook", `INSERT INTO webhooks (id, institution_id, url, secret, form, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		w.ID, w.Institution, w.URL, w.Secret, w.Form, stored(w.CreatedAt), w.CreatedBy)
	for _, kind := range objects {
		if err == nil {
			err = t.exec(ctx, "store a webhook's objects", `INSERT INTO webhook_objects (webhook_id, object_kind) VALUES ($1, $2)`, w.ID, kind)
		}
	}
	return err
}

// Webhooks lists an institution's subscribers, oldest first.
func (q Q) Webhooks(ctx context.Context, institution uuid.UUID) ([]Webhook, error) {
	var all []Webhook
	err := q.list(ctx, "webhooks", &all, `SELECT `+webhookColumns+` FROM webhooks WHERE institution_id = $1 AND removed_at IS NULL ORDER BY created_at, id`, institution)
	return all, err
}

// Webhook finds one subscriber.
func (q Q) Webhook(ctx context.Context, id uuid.UUID) (Webhook, error) {
	var w Webhook
	err := q.get(ctx, "webhook", &w, `SELECT `+webhookColumns+` FROM webhooks WHERE id = $1 AND removed_at IS NULL`, id)
	return w, err
}

// WebhookObjects lists the kinds of objects that a subscriber wants.
func (q Q) WebhookObjects(ctx context.Context, id uuid.UUID) ([]string, error) {
	var all []string
	err := q.list(ctx, "objects of a webhook", &all, `SELECT object_kind FROM webhook_objects WHERE webhook_id = $1 ORDER BY object_kind`, id)
	return all, err
}

// MessageCounts counts a subscriber's messages by state.
func (q Q) MessageCounts(ctx context.Context, id uuid.UUID) (map[MessageState]int64, error) {
	var rows []struct {
		State MessageState `db:"state"`
		N     int64        `db:"n"`
	}
	err := q.list(ctx, "count messages", &rows, `SELECT state, count(*) AS n FROM webhook_outbox WHERE webhook_id = $1 GROUP BY state`, id)
	counts := map[MessageState]int64{}
	for _, r := range rows {
		counts[r.State] = r.N
	}
	return counts, err
}

// PauseWebhook stops sending to a subscriber, or goes on; what happens meanwhile waits for it. It is tried at once when it goes on.
func (t *Tx) PauseWebhook(ctx context.Context, id uuid.UUID, paused bool) error {
	return t.onWebhook(ctx, "pause a webhook", `UPDATE webhooks SET paused = $1, retry_after = 0 WHERE id = $2 AND removed_at IS NULL`, paused, id)
}

// RemoveWebhook ends a subscription; what was not delivered is not sent any more.
func (t *Tx) RemoveWebhook(ctx context.Context, id uuid.UUID, now time.Time) error {
	return t.onWebhook(ctx, "remove a webhook", `UPDATE webhooks SET removed_at = $1 WHERE id = $2 AND removed_at IS NULL`, stored(now), id)
}

func (t *Tx) onWebhook(ctx context.Context, what, query string, args ...any) error {
	err := t.execOne(ctx, what, query, args...)
	if errors.Is(err, ErrStale) {
		return ErrNotFound
	}
	return err
}

// publish puts an event into the outbox of each subscriber of its institution that wants its kind of object.
func (t *Tx) publish(ctx context.Context, institution uuid.UUID, objectKind string, object int64, kind string, now time.Time) error {
	return t.exec(ctx, "publish "+kind, `INSERT INTO webhook_outbox (webhook_id, object_kind, object_number, kind, happened_at)
		SELECT w.id, o.object_kind, CAST($1 AS BIGINT), $2, $3 FROM webhooks w JOIN webhook_objects o ON o.webhook_id = w.id AND o.object_kind = $4
		WHERE w.institution_id = $5 AND w.removed_at IS NULL`, object, kind, stored(now), objectKind, institution)
}

// publishAll is publish for many events of one kind of object of an institution.
func (t *Tx) publishAll(ctx context.Context, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	var subscribers []uuid.UUID
	err := t.list(ctx, "find subscribers", &subscribers, `SELECT w.id FROM webhooks w JOIN webhook_objects o ON o.webhook_id = w.id
		WHERE o.object_kind = $1 AND w.institution_id = $2 AND w.removed_at IS NULL`, events[0].ObjectKind, events[0].Institution)
	if err != nil {
		return err
	}
	for _, id := range subscribers {
		b := t.bulk("webhook_outbox", []string{"webhook_id", "object_kind", "object_number", "kind", "happened_at"}, len(events))
		for i := range events {
			e := &events[i]
			b.string(id.String())
			b.string(e.ObjectKind)
			b.int(e.Object)
			b.string(e.Kind)
			b.time(e.RecordedAt)
			b.endRow()
		}
		if err := t.Insert(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// PublishTo puts a message into one subscriber's outbox and returns its number.
func (t *Tx) PublishTo(ctx context.Context, id uuid.UUID, objectKind string, object int64, kind string, now time.Time) (int64, error) {
	var n int64
	err := t.get(ctx, "publish "+kind, &n, `INSERT INTO webhook_outbox (webhook_id, object_kind, object_number, kind, happened_at) VALUES ($1, $2, $3, $4, $5) RETURNING number`,
		id, objectKind, object, kind, stored(now))
	return n, err
}

// Republish puts messages of a subscriber, first to last of those in a state, into its outbox again, behind what waits there. It returns how many they were.
func (t *Tx) Republish(ctx context.Context, id uuid.UUID, first, last int64, state MessageState) (int64, error) {
	var numbers []int64
	err := t.list(ctx, "replay messages", &numbers, `INSERT INTO webhook_outbox (webhook_id, object_kind, object_number, kind, happened_at, repeats)
		SELECT webhook_id, object_kind, object_number, kind, happened_at, coalesce(repeats, number) FROM webhook_outbox
		WHERE webhook_id = $1 AND number BETWEEN $2 AND $3 AND state = $4 ORDER BY number RETURNING number`, id, first, last, state)
	return int64(len(numbers)), err
}

// ClaimWebhooks raises the epoch of the subscribers that something is due for, that nobody holds and that are not waited for.
func (t *Tx) ClaimWebhooks(ctx context.Context, leaseSeconds int, now time.Time) ([]WebhookClaim, error) {
	var all []WebhookClaim
	err := t.list(ctx, "claim webhooks", &all, `UPDATE webhooks SET epoch = epoch + 1, lease_until = `+t.clock()+` + $1
		WHERE removed_at IS NULL AND NOT paused AND lease_until <= `+t.clock()+` AND retry_after <= $3
		AND EXISTS (SELECT 1 FROM webhook_outbox o WHERE o.webhook_id = webhooks.id AND o.state = $2) RETURNING id, epoch`, int64(leaseSeconds)*1_000_000, MessageDue, now.UnixMicro())
	return all, err
}

// WebhookClaim is a subscriber that this process may send to while its epoch is in force.
type WebhookClaim struct {
	ID    uuid.UUID `db:"id"`
	Epoch int64     `db:"epoch"`
}

// DueMessage is the next message of a subscriber, ErrNotFound when there is none.
func (q Q) DueMessage(ctx context.Context, id uuid.UUID) (Message, error) {
	var m Message
	err := q.get(ctx, "next message", &m, `SELECT `+messageColumns+` FROM webhook_outbox WHERE webhook_id = $1 AND state = $2 ORDER BY number LIMIT 1`, id, MessageDue)
	return m, err
}

// Messages lists a subscriber's messages in a state, newest first, before a number when it is not 0.
func (q Q) Messages(ctx context.Context, id uuid.UUID, state MessageState, before int64, limit int) ([]Message, error) {
	var all []Message
	err := q.list(ctx, "messages", &all, `SELECT `+messageColumns+` FROM webhook_outbox WHERE webhook_id = $1 AND state = $2 AND number < $3 ORDER BY number DESC LIMIT $4`,
		id, state, below(before), limit)
	return all, err
}

// MarkMessage records how one try went; the claim goes on for a lease. A message that stays due is not tried again before pause is over.
func (t *Tx) MarkMessage(ctx context.Context, c WebhookClaim, number int64, state MessageState, failure string, pause time.Duration, leaseSeconds int, now time.Time) error {
	err := t.execClaimed(ctx, "hold a webhook", `UPDATE webhooks SET lease_until = `+t.clock()+` + $1, retry_after = $2 WHERE id = $3 AND epoch = $4`,
		int64(leaseSeconds)*1_000_000, now.Add(pause).UnixMicro(), c.ID, c.Epoch)
	if err != nil {
		return err
	}
	return t.execOne(ctx, "mark a message", `UPDATE webhook_outbox SET state = $1, attempts = attempts + 1, failure = $2, tried_at = $3 WHERE number = $4 AND state = $5`,
		state, failure, stored(now), number, MessageDue)
}

// ReleaseWebhook ends a claim before its lease does.
func (t *Tx) ReleaseWebhook(ctx context.Context, c WebhookClaim) error {
	return t.execClaimed(ctx, "release a webhook", `UPDATE webhooks SET lease_until = 0 WHERE id = $1 AND epoch = $2`, c.ID, c.Epoch)
}
