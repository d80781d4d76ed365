package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/sql/store"
)

// PINWait is a plastic that waits for its PIN.
type PINWait struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason" doc:"What the plastic is made for"`
}

func (s *service) routePINWaits(api huma.API) {
	const pin = cardPath + "/{token}/pin"
	op := change("await-pin", http.MethodPost, pin+"/await", "cards", "Let a card's next plastic wait until a PIN is set for it", http.StatusOK)
	op.Description = "No cut-off takes the plastic before: that of a card which was made when it was ordered, or of a reissue with the same number. A PIN that is set lets it go on, and is the plastic's."
	read(s, api, op, s.awaitPIN)
	op = change("release-pin", http.MethodPost, pin+"/release", "cards", "Let a card's next plastic be made without waiting for a PIN", http.StatusOK)
	op.Description = "It is made with the PIN that it has by the product's rules."
	read(s, api, op, s.releasePIN)
}

func (s *service) awaitPIN(ctx context.Context, c caller, in *ReasonInput) (Card, error) {
	if err := s.pins.Await(ctx, act(c, in.Token), in.Body.Reason); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}

func (s *service) releasePIN(ctx context.Context, c caller, in *ReasonInput) (Card, error) {
	if err := s.pins.Release(ctx, act(c, in.Token), in.Body.Reason); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}

// awaitingPIN lets the plastic of an order of one wait for its PIN, behind what else is done with the order; nil = nothing.
func (s *service) awaitingPIN(c caller, also func(context.Context, *store.Tx, store.Order) error) func(context.Context, *store.Tx, store.Order) error {
	return func(ctx context.Context, tx *store.Tx, o store.Order) error {
		if also != nil {
			if err := also(ctx, tx, o); err != nil {
				return err
			}
		}
		return s.pins.AwaitOrdered(ctx, tx, act(c, ""), o)
	}
}
