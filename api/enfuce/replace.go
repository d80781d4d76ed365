package enfuce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/services/instant"
	"platen/sql/store"
)

// orderName is a new name for an order.
func orderName() (string, error) {
	name, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("name an order: %w", err)
	}
	return "enfuce-" + name.String(), nil
}

// replace makes a card with a number of its own that takes a card's place, which is closed. It says of itself what the first one did.
func (s *service) replace(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	product, err := s.plant.Product(ctx, c.Institution, story.Product)
	if err != nil {
		return api.Reply{}, err
	}
	said, err := s.noteOf(ctx, &story)
	if err != nil {
		return api.Reply{}, err
	}
	reference, err := orderName()
	if err != nil {
		return api.Reply{}, err
	}
	because := card.Request
	if story.Card.Status == card.CardBlocked && story.Said("blocked")["reason"] == suspectedFraud {
		because = card.Compromised
	}
	made, err := s.instant.Replace(ctx, act(c, &story), instant.Replacement{Reason: because, Why: "REPLACE_CARD", Reference: reference, Content: []byte(story.Token),
		Active: product.Technology == card.Virtual, Also: func(ctx context.Context, tx *store.Tx, o store.Order) error { return keep(ctx, tx, o, said) }})
	if batch.IsNotFound(err) {
		err = impossible("card_purged", "what the card was ordered by is purged: create another")
	}
	return api.Reply{Status: http.StatusOK, Body: Resource{Description: "Card replaced", ID: made.Card.Token}}, err
}

// reorderPIN lets a mailer of the PIN that the card has wait for the next file.
func (s *service) reorderPIN(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err == nil {
		err = s.pins.Mail(ctx, act(c, &story), false, func(*store.Tx) error { return nil })
	}
	return done("PIN reordered", &story), err
}

// cancelPlastic takes a plastic back that waits for a file. The card stays as it is.
func (s *service) cancelPlastic(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	number, err := strconv.Atoi(strings.TrimPrefix(c.PathValue("plasticId"), story.Token+"-"))
	if err != nil || plasticID(&story, number) != c.PathValue("plasticId") {
		return api.Reply{}, fmt.Errorf("plastic: %w", store.ErrNotFound)
	}
	production := strconv.Itoa(number)
	if number == story.Card.NewestIssue+1 {
		production = batch.NextProduction
	}
	err = s.plant.CancelProduction(ctx, c.Institution, story.Token, production, "CANCEL", c.Actor)
	if inFile := new(batch.InFileError); errors.As(err, &inFile) || errors.Is(err, batch.ErrMade) {
		err = impossible("plastic_locked", "only a plastic that is INACTIVE and in no file is cancelled")
	}
	return done("Plastic cancelled", &story), err
}

// note is what a card was created with, and for whom.
type note struct {
	newCard
	CustomerID string `json:"customerId"`
	CardRole   string `json:"cardRole"`
}

// keep keeps a note with a card's order.
func keep(ctx context.Context, tx *store.Tx, o store.Order, n note) error {
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("note of a card: %w", err)
	}
	return tx.NoteOrder(ctx, o.Number, string(body))
}

// noteOf is what a card was created with; nothing where it was not created here, or is purged.
func (s *service) noteOf(ctx context.Context, story *batch.Story) (n note, err error) {
	body, err := s.plant.Store.OrderNote(ctx, story.Card.Order)
	if errors.Is(err, store.ErrNotFound) {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return n, fmt.Errorf("note of a card: %w", err)
	}
	return n, nil
}
