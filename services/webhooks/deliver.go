package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"platen/card"
	"platen/delivery/webhook"
	"platen/sql/store"
)

// lease is how many seconds a subscriber stays with a process that is silent: longer than one delivery may take.
const lease = 60

// Claim takes the subscribers that something is due for.
func (s *Service) Claim(ctx context.Context) ([]store.WebhookClaim, error) {
	var all []store.WebhookClaim
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		all, err = tx.ClaimWebhooks(ctx, lease, s.Plant.Now())
		return err
	})
	return all, err
}

// DeliverDue sends to every subscriber what is due now, one after the other, and returns to how many.
func (s *Service) DeliverDue(ctx context.Context) (int, error) {
	claims, err := s.Claim(ctx)
	if err != nil {
		return 0, err
	}
	var faults []error
	for _, c := range claims {
		if err := s.Deliver(ctx, c); err != nil && !errors.Is(err, store.ErrFenced) {
			faults = append(faults, err)
		}
	}
	return len(claims), errors.Join(faults...)
}

// Deliver sends what is due for one subscriber, in order, until nothing is or a message is not taken: that one is waited for. It fails with store.ErrFenced when
// another process has taken the subscriber over.
func (s *Service) Deliver(ctx context.Context, c store.WebhookClaim) error {
	w, err := s.Plant.Store.Webhook(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it was removed a moment ago
	}
	if err != nil {
		return err
	}
	signer, err := s.signer(w)
	if err != nil {
		return err
	}
	for {
		m, err := s.Plant.Store.DueMessage(ctx, w.ID)
		if errors.Is(err, store.ErrNotFound) {
			return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return tx.ReleaseWebhook(ctx, c) })
		}
		if err != nil {
			return err
		}
		goesOn, err := s.deliverOne(ctx, c, w, m, signer)
		if err != nil || !goesOn {
			return err
		}
	}
}

// deliverOne tries a message once and records how it went; it tells whether the next one may follow.
func (s *Service) deliverOne(ctx context.Context, c store.WebhookClaim, w store.Webhook, m store.Message, signer webhook.Signer) (bool, error) {
	message, err := s.render(ctx, w, m)
	gone := errors.Is(err, store.ErrNotFound)
	if err != nil && !gone {
		return false, err
	}
	sent := errGone
	if !gone {
		sent = s.Sender.Send(ctx, w.URL, signer, message)
	}
	if err := ctx.Err(); err != nil {
		return false, err // the process stops; that is no failure of the subscriber
	}
	state, failure, pause := store.MessageDelivered, "", time.Duration(0)
	if sent != nil {
		state, failure = store.MessageDead, shortened(sent.Error())
		if !gone && m.Attempts+1 < Tries {
			state, pause = store.MessageDue, pauses[m.Attempts]
		}
		s.Plant.Log.Warn().Stringer("webhook", w.ID).Int64("message", m.Number).Int("attempt", m.Attempts+1).Bool("dead", state == store.MessageDead).Str("failure", failure).
			Msg("a subscriber did not take a message")
	}
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		err := tx.MarkMessage(ctx, c, m.Number, state, failure, pause, lease, s.Plant.Now())
		if err == nil && pause > 0 {
			err = tx.ReleaseWebhook(ctx, c)
		}
		return err
	})
	return state != store.MessageDue, err
}

// errGone is why a message is dead whose object was purged before it could be told of.
var errGone = errors.New("what it tells of was purged")

// maxFailure bounds what is kept of what went wrong.
const maxFailure = 200

func shortened(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxFailure)], "")
}

// MessageID is what a subscriber knows a message by: that of the message that it replays, if it is a replay.
func MessageID(m store.Message) string { return "msg_" + strconv.FormatInt(m.Original(), 10) }

// MessageType tells what happened to what, in lower case, such as file.sent.
func MessageType(m store.Message) string { return m.ObjectKind + "." + strings.ToLower(m.Kind) }

// Body is what a subscriber gets. It holds ids and tokens; what they stand for is asked at the API.
type Body struct {
	Type        string    `json:"type"`        // see MessageType
	Timestamp   time.Time `json:"timestamp"`   // of the event
	Institution string    `json:"institution"` // its code
	Object      Object    `json:"object"`
}

// Object names what an event happened to, as the API does.
type Object struct {
	Kind      string `json:"kind"`
	ID        string `json:"id,omitempty"`        // of all but a card
	Reference string `json:"reference,omitempty"` // of an order, operation, customer, account, holder or mass issue
	Token     string `json:"token,omitempty"`     // of a card
}

// render makes a message in the form that its subscriber wants.
func (s *Service) render(ctx context.Context, w store.Webhook, m store.Message) (webhook.Message, error) {
	if w.Form == "" || m.ObjectKind == testObject {
		body, err := s.body(ctx, w, m)
		return webhook.Message{ID: MessageID(m), Body: body}, err
	}
	form, ok := s.Forms[w.Form]
	if !ok {
		return webhook.Message{}, fmt.Errorf("webhook %s: messages have no form %q", w.ID, w.Form)
	}
	i, err := s.Plant.Store.InstitutionByID(ctx, w.Institution)
	if err != nil {
		return webhook.Message{}, err
	}
	message, err := form.Render(ctx, i, m)
	if err != nil {
		return webhook.Message{}, fmt.Errorf("message %d: %w", m.Number, err)
	}
	return message, nil
}

// body renders a message. It is the same each time: what it holds never changes.
func (s *Service) body(ctx context.Context, w store.Webhook, m store.Message) ([]byte, error) {
	i, err := s.Plant.Store.InstitutionByID(ctx, w.Institution)
	if err != nil {
		return nil, err
	}
	o := Object{Kind: m.ObjectKind}
	switch m.ObjectKind {
	case "order":
		var found store.Order
		found, err = s.Plant.Store.OrderByNumber(ctx, w.Institution, m.Object)
		o.ID, o.Reference = found.ID.String(), found.Reference
	case "batch":
		var found store.Batch
		found, err = s.Plant.Store.BatchByNumber(ctx, m.Object)
		o.ID = found.ID.String()
	case "file":
		var found store.File
		found, err = s.Plant.Store.FileByNumber(ctx, m.Object)
		o.ID = found.ID.String()
	case "return":
		var found store.ReturnFile
		found, err = s.Plant.Store.ReturnByNumber(ctx, m.Object)
		o.ID = found.ID.String()
	case "card":
		o.Token, err = s.Plant.Token(ctx, card.ID(m.Object))
	case "operation":
		var found store.Operation
		found, err = s.Plant.Store.OperationByNumber(ctx, w.Institution, m.Object)
		o.ID, o.Reference = found.ID.String(), found.Reference
	case "customer", "account", "mass_issue":
		var found store.Record
		found, err = s.Plant.Store.RecordByNumber(ctx, store.RecordKind(m.ObjectKind), w.Institution, m.Object)
		o.ID, o.Reference = found.ID.String(), found.Reference
	case "holder":
		var found store.Holder
		found, err = s.Plant.Store.HolderByNumber(ctx, w.Institution, m.Object)
		o.ID, o.Reference = found.ID.String(), found.Reference
	case testObject:
		o.ID = w.ID.String()
	default:
		err = fmt.Errorf("messages know no %s", m.ObjectKind)
	}
	if err != nil {
		return nil, fmt.Errorf("message %d: %w", m.Number, err)
	}
	body, err := json.Marshal(Body{Type: MessageType(m), Timestamp: m.HappenedAt.UTC(), Institution: i.Code, Object: o})
	if err != nil {
		return nil, fmt.Errorf("write message %d: %w", m.Number, err)
	}
	return body, nil
}
