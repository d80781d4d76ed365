package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"platen/card"
)

const redemptionsPath = "/v1/redemptions"

// RedemptionInput is the code that stands behind the address where a gift card is redeemed.
type RedemptionInput struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"128"`
	}
}

// Redemption is the gift card of a code.
type Redemption struct {
	Card     string `json:"card" doc:"Token"`
	CardType string `json:"card_type"`
	Status   string `json:"status"`
	Balance  string `json:"balance"`
	Currency string `json:"currency" doc:"ISO 4217"`
}

func (s *service) routeRedemptions(api huma.API) {
	op := change("read-redemption", http.MethodPost, redemptionsPath, "card types", "The gift card of a code, for the page that redeems it", http.StatusOK)
	op.Description = "Whoever has the code has the card. It is in the body, so that no log of paths holds it."
	read(s, api, op, s.readRedemption)
}

func (s *service) readRedemption(ctx context.Context, c caller, in *RedemptionInput) (Redemption, error) {
	v, err := s.prepaid.Redeemed(ctx, c.institution, in.Body.Code)
	if err != nil {
		return Redemption{}, err
	}
	return Redemption{Card: v.Token, CardType: v.Product.Code, Status: v.Card.Status.String(), Balance: card.FormatMinor(v.Account.Balance, v.Account.Exponent), Currency: v.Account.Currency}, nil
}
