package enfuce

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/records"
	"platen/sql/store"
)

// The statuses of a card, as the service's document names them.
const (
	cardOK         = "Card OK"
	cardBlocked    = "Card Blocked"
	suspectedFraud = "Suspected Fraud"
	noRenewal      = "Card No Renewal"
	closedForFraud = "Card Closed Due To Fraud"
	cardLost       = "Card Lost"
	cardStolen     = "Card Stolen"
	cardClosed     = "Card Closed"
)

// endings are what cards are closed for.
var endings = map[string]card.Reason{closedForFraud: card.Compromised, cardLost: card.Lost, cardStolen: card.Stolen, cardClosed: card.Request}

// newStatus asks for a card's next status, or for that of the PIN of its next plastic.
type newStatus struct {
	PINStatus string `json:"pinStatus,omitempty" enum:"D,W,S"`
	Status    string `json:"status,omitempty" enum:"Card OK,Card Blocked,Suspected Fraud,Card No Renewal,Card Closed Due To Fraud,Card Lost,Card Stolen,Card Closed"`
}

// find reads a card of the caller's institution that is of the path's type, where it has one, and hangs on an account.
func (s *service) find(ctx context.Context, c *api.Call) (batch.Story, error) {
	story, err := s.plant.ExplainCard(ctx, c.Institution, c.PathValue("id"))
	if err != nil {
		return story, err
	}
	account, err := s.customers.OfCard(ctx, c.Institution, story.Card)
	if err == nil && account == nil {
		err = fmt.Errorf("card without an account: %w", store.ErrNotFound)
	}
	if kind := c.PathValue("type"); err == nil && kind != "" && c.Dialect.Products[kind] != story.Product {
		err = fmt.Errorf("card of another type: %w", store.ErrNotFound)
	}
	return story, err
}

func by(c *api.Call) records.By { return records.By{Institution: c.Institution, Actor: c.Actor} }

func act(c *api.Call, story *batch.Story) cards.Act {
	return cards.Act{Institution: c.Institution, Card: story.Token, Actor: c.Actor}
}

// done answers what was done to a card.
func done(what string, story *batch.Story) api.Reply {
	return api.Reply{Status: http.StatusOK, Body: Resource{Description: what, ID: story.Token}}
}

func (s *service) setStatus(ctx context.Context, c *api.Call, body newStatus) (api.Reply, error) {
	if (body.Status == "") == (body.PINStatus == "") {
		return api.Reply{}, api.Invalid("body.status", "give a status or a pinStatus, and one of them")
	}
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	switch ending, ends := endings[body.Status]; {
	case body.PINStatus != "":
		err = s.setPINStatus(ctx, c, &story, body.PINStatus)
	case ends:
		err = s.cards.Close(ctx, act(c, &story), ending, body.Status)
	case body.Status == cardOK:
		err = s.cards.Unblock(ctx, act(c, &story), body.Status)
	case body.Status == noRenewal:
		err = impossible("no_renewal", "no card is left out of renewal here")
	default:
		err = s.cards.Block(ctx, act(c, &story), body.Status)
	}
	return done("Card updated", &story), err
}

// reissue orders the next version of a card, with the same number: it was damaged.
func (s *service) reissue(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	reference, err := orderName()
	if err != nil {
		return api.Reply{}, err
	}
	row := formats.Row{Line: 2, Card: story.Token, Reason: card.Damaged.String()}
	_, err = s.plant.Submit(ctx, batch.Submission{Institution: c.Institution, Actor: c.Actor, Reference: reference, Single: true,
		Body: bytes.NewReader([]byte(story.Token)),
		Rows: func(io.Reader) (batch.Rows, error) { return batch.OneRow(formats.ActionOrder, row), nil }})
	return done("Card reissued", &story), err
}

func (s *service) resetPINAttempt(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err == nil {
		_, err = s.pins.Unblock(ctx, act(c, &story), "RESET_PIN_ATTEMPT")
	}
	return done("PIN attempts reset", &story), err
}

func plasticID(story *batch.Story, issue int) string { return fmt.Sprintf("%s-%d", story.Token, issue) }

// activatePlastic puts a card's newest plastic into use; the one before works until then.
func (s *service) activatePlastic(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	switch id := c.PathValue("plasticId"); {
	case id == plasticID(&story, story.Card.NewestIssue):
		err = s.cards.Activate(ctx, act(c, &story))
	case story.Card.NewestIssue > 1 && strings.HasPrefix(id, story.Token+"-"):
		err = impossible("old_plastic", "a later plastic was ordered: that one is activated")
	default:
		err = fmt.Errorf("plastic: %w", store.ErrNotFound)
	}
	return done("Plastic activated", &story), err
}
