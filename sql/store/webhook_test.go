package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/sql/store"
)

func TestAPurgeLeavesMessagesThatAreDue(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		w := store.Webhook{ID: uuid.New(), Institution: i.ID, URL: "https://cards.example", Secret: []byte("sealed"), CreatedAt: noon, CreatedBy: "test"}
		client := store.Client{ID: uuid.New(), Institution: i.ID, Name: "desk", Method: store.BearerClient, KeySHA256: []byte("sum"), CreatedAt: noon}
		in(t, s, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.InsertWebhook(ctx, w, []string{"order"}); err != nil {
				return err
			}
			for range 3 {
				if _, err := tx.PublishTo(ctx, w.ID, "webhook", 0, "test", noon); err != nil {
					return err
				}
			}
			if err := tx.InsertClient(ctx, client); err != nil {
				return err
			}
			return tx.UseRequestID(ctx, client.ID, "once", noon)
		})
		due, err := s.DueMessage(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error {
			claims, err := tx.ClaimWebhooks(ctx, 60, time.Now())
			if err != nil {
				return err
			}
			return tx.MarkMessage(ctx, claims[0], due.Number, store.MessageDelivered, "", 0, 60, noon)
		})
		for _, c := range []struct {
			before         time.Time
			due, delivered int64
			requestIsKnown bool
		}{{noon, 2, 1, true}, {noon.AddDate(0, 1, 0), 2, 0, false}} {
			in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.PurgeEvents(ctx, store.HorizonOf(c.before)) })
			counts, err := s.MessageCounts(t.Context(), w.ID)
			if err != nil || counts[store.MessageDue] != c.due || counts[store.MessageDelivered] != c.delivered {
				t.Errorf("before %s: %v, %v", c.before, counts, err)
			}
			known := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.UseRequestID(ctx, client.ID, "once", noon) }) != nil
			if known != c.requestIsKnown {
				t.Errorf("before %s: the request is known: %t", c.before, known)
			}
		}
	})
}
