package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/card"
	"platen/services/cards"
)

// Closing is how a card is to be closed.
type Closing struct {
	At     time.Time `json:"at"`
	For    string    `json:"for" doc:"What ends it"`
	Reason string    `json:"reason"`
}

func (s *service) routeClosings(api huma.API) {
	const closing = cardPath + "/{token}/closing"
	op := change("schedule-closing", http.MethodPut, closing, "cards", "Let a card be closed at a time", http.StatusOK)
	op.Description = "In place of the time that was given before. It counts for the card that takes this one's place, too. A card for which an order is open then is closed when that is carried out."
	read(s, api, op, s.scheduleClosing)
	read(s, api, change("cancel-closing", http.MethodPost, closing+"/cancel", "cards", "Let a card live on that was to be closed", http.StatusOK), s.cancelClosing)
}

// ClosingInput names a card, when it ends, what ends it, and why.
type ClosingInput struct {
	CardInput
	Body struct {
		Because
		At  time.Time `json:"at" doc:"Lies in the future"`
		For string    `json:"for,omitempty" enum:"REQUEST,LOST,STOLEN,COMPROMISED" default:"REQUEST" doc:"What ends it; no other card takes its place"`
	}
}

func (s *service) scheduleClosing(ctx context.Context, c caller, in *ClosingInput) (Card, error) {
	because, err := card.ParseReason(in.Body.For)
	if err != nil {
		return Card{}, err
	}
	if err := s.cards.ScheduleClosing(ctx, act(c, in.Token), cards.Closing{At: in.Body.At, For: because, Why: in.Body.Reason}); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}

func (s *service) cancelClosing(ctx context.Context, c caller, in *ReasonInput) (Card, error) {
	if err := s.cards.CancelClosing(ctx, act(c, in.Token), in.Body.Reason); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}
