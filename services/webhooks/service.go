package webhooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/delivery/webhook"
	"platen/sql/store"
)

// Errors that a client decides on.
var (
	ErrObject = errors.New("the kinds of objects are order, batch, file, return, card, operation, customer, account, holder and mass_issue, each at most once")
	ErrMany   = errors.New("an institution has 20 webhooks at most")
)

// maxWebhooks bounds what one event is multiplied by.
const maxWebhooks = 20

// Objects are the kinds of objects that have events.
func Objects() []string {
	return []string{"order", "batch", "file", "return", "card", "operation", "customer", "account", "holder", "mass_issue"}
}

// testObject is the kind of object of a test message.
const testObject = "webhook"

// Service manages subscribers and sends to them.
type Service struct {
	Plant  *batch.Plant
	Label  card.KeyLabel // of the key that secrets are sealed under
	Policy webhook.Policy
	Sender *webhook.Sender
	Forms  map[string]Form // of other services, by name
}

// Webhook is a subscriber as people see it.
type Webhook struct {
	store.Webhook
	Objects   []string
	PublicKey string // what its messages are verified with; empty where a secret is shared
	Counts    map[store.MessageState]int64
}

func purposeOf(id uuid.UUID) string { return "webhook " + id.String() }

// NewWebhook is who wants to be told: an address, of which kinds of objects (none = all), and in which form (empty = Platen's own).
type NewWebhook struct {
	URL     string
	Objects []string
	Form    string
}

// Add subscribes an address to events. The secret that messages of Platen's own form are signed with is told now and never again.
func (s *Service) Add(ctx context.Context, institution uuid.UUID, n NewWebhook, actor string) (Webhook, webhook.Secret, error) {
	var w Webhook
	if err := s.Policy.CheckURL(n.URL); err != nil {
		return w, webhook.Secret{}, err
	}
	objects, err := s.chosen(n)
	if err != nil {
		return w, webhook.Secret{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return w, webhook.Secret{}, fmt.Errorf("make an id: %w", err)
	}
	key, told, err := newSecret(n.Form)
	if err != nil {
		return w, webhook.Secret{}, err
	}
	sealed, err := s.Plant.Vault.Seal(card.KeyRef{Label: s.Label}, purposeOf(id), key)
	if err != nil {
		return w, webhook.Secret{}, fmt.Errorf("secret of a webhook: %w", err)
	}
	now := s.Plant.Now()
	w = Webhook{Webhook: store.Webhook{ID: id, Institution: institution, URL: n.URL, Secret: sealed, Form: n.Form, CreatedAt: now, CreatedBy: actor}, Objects: objects}
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		all, err := tx.Webhooks(ctx, institution)
		if err != nil {
			return err
		}
		if len(all) >= maxWebhooks {
			return ErrMany
		}
		if err := tx.InsertWebhook(ctx, w.Webhook, objects); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "webhook.add", id.String(), map[string]any{"url": n.URL, "objects": objects, "form": n.Form}, now)
	})
	if err == nil {
		w.PublicKey, err = s.publicKey(w.Webhook)
	}
	return w, told, err
}

// chosen are the kinds of objects that a subscriber is told of.
func (s *Service) chosen(n NewWebhook) ([]string, error) {
	all, objects := Objects(), n.Objects
	if n.Form != "" {
		form, ok := s.Forms[n.Form]
		if !ok {
			return nil, ErrForm
		}
		all = form.Objects()
	}
	if len(objects) == 0 {
		return all, nil
	}
	for i, kind := range objects {
		if !slices.Contains(all, kind) || slices.Contains(objects[:i], kind) {
			return nil, ErrObject
		}
	}
	return objects, nil
}

// List shows an institution's subscribers.
func (s *Service) List(ctx context.Context, institution uuid.UUID) ([]Webhook, error) {
	all, err := s.Plant.Store.Webhooks(ctx, institution)
	if err != nil {
		return nil, err
	}
	list := make([]Webhook, len(all))
	for i, w := range all {
		if list[i], err = s.show(ctx, w); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Find shows one subscriber of an institution; another's is store.ErrNotFound.
func (s *Service) Find(ctx context.Context, institution, id uuid.UUID) (Webhook, error) {
	w, err := s.Plant.Store.Webhook(ctx, id)
	if err != nil {
		return Webhook{}, err
	}
	if w.Institution != institution {
		return Webhook{}, store.ErrNotFound
	}
	return s.show(ctx, w)
}

func (s *Service) show(ctx context.Context, w store.Webhook) (Webhook, error) {
	objects, err := s.Plant.Store.WebhookObjects(ctx, w.ID)
	if err != nil {
		return Webhook{}, err
	}
	counts, err := s.Plant.Store.MessageCounts(ctx, w.ID)
	if err != nil {
		return Webhook{}, err
	}
	public, err := s.publicKey(w)
	return Webhook{Webhook: w, Objects: objects, PublicKey: public, Counts: counts}, err
}

// Remove ends a subscription.
func (s *Service) Remove(ctx context.Context, w Webhook, actor string) error {
	return s.change(ctx, w, actor, "webhook.remove", map[string]any{}, func(tx *store.Tx) error { return tx.RemoveWebhook(ctx, w.ID, s.Plant.Now()) })
}

// Pause stops sending to a subscriber, or goes on at once.
func (s *Service) Pause(ctx context.Context, w Webhook, paused bool, actor string) error {
	action := map[bool]string{true: "webhook.pause", false: "webhook.resume"}[paused]
	return s.change(ctx, w, actor, action, map[string]any{}, func(tx *store.Tx) error { return tx.PauseWebhook(ctx, w.ID, paused) })
}

// Test queues a message that speaks of nothing but the webhook.
func (s *Service) Test(ctx context.Context, w Webhook, actor string) error {
	return s.change(ctx, w, actor, "webhook.test", map[string]any{}, func(tx *store.Tx) error {
		_, err := tx.PublishTo(ctx, w.ID, testObject, 0, "test", s.Plant.Now())
		return err
	})
}

// Replay queues messages of a subscriber again that are in a state, first to last, with the ids that they had. It returns how many.
func (s *Service) Replay(ctx context.Context, w Webhook, first, last int64, state store.MessageState, actor string) (int64, error) {
	var n int64
	data := map[string]any{"first": first, "last": last, "state": state}
	err := s.change(ctx, w, actor, "webhook.replay", data, func(tx *store.Tx) (err error) {
		n, err = tx.Republish(ctx, w.ID, first, last, state)
		return err
	})
	return n, err
}

func (s *Service) change(ctx context.Context, w Webhook, actor, action string, data map[string]any, do func(*store.Tx) error) error {
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, action, w.ID.String(), data, s.Plant.Now())
	})
	if err == nil && s.Plant.Wake != nil {
		s.Plant.Wake()
	}
	return err
}

// Messages lists a subscriber's messages in a state, newest first.
func (s *Service) Messages(ctx context.Context, w Webhook, state store.MessageState, before int64, limit int) ([]store.Message, error) {
	return s.Plant.Store.Messages(ctx, w.ID, state, before, limit)
}

// pauses are how long a message waits after each try that failed; after the last it is dead.
var pauses = [...]time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 12 * time.Hour, 24 * time.Hour}

// Tries is how often a message is sent before it is dead.
const Tries = len(pauses) + 1
