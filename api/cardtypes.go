package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"platen/card"
)

const cardTypesPath = "/v1/card-types"

// CardType is a product whose cards are opened one at a time and loaded with money. Amounts are decimal text in its currency.
type CardType struct {
	Code        string   `json:"code"`
	Name        string   `json:"name"`
	Scheme      string   `json:"scheme"`
	Mode        string   `json:"mode" enum:"PREPAID_CARD,BUDGET_CARD" doc:"PREPAID_CARD is filled from a wallet, BUDGET_CARD from a pool"`
	Type        string   `json:"type" enum:"VIRTUAL,PHYSICAL"`
	Category    string   `json:"category" enum:"GIFT,PURCHASE,SUBSCRIPTION,PHYSICAL"`
	Currency    string   `json:"currency" doc:"ISO 4217"`
	Price       string   `json:"price" doc:"Of a card"`
	HolderModel string   `json:"holder_model,omitempty" enum:"B2B,B2C" doc:"Which holders must have passed the audit; absent where none is needed"`
	HolderCards int      `json:"holder_cards,omitempty" doc:"Cards that one holder may have"`
	Regions     []string `json:"regions" nullable:"false" doc:"Countries of holders; empty where all are"`
	Opening     Bounds   `json:"opening" doc:"What a card is opened with"`
	Deposit     Bounds   `json:"deposit" doc:"What a card is loaded with at once"`
	FeeRate     string   `json:"fee_rate" doc:"Of a deposit, in percent"`
	FeeFixed    string   `json:"fee_fixed" doc:"Of a deposit"`
	Retained    string   `json:"retained" doc:"What a withdrawal leaves on a card"`
	Enabled     []string `json:"enabled" nullable:"false" enum:"DEPOSIT,WITHDRAW,FREEZE"`
	Online      bool     `json:"online" doc:"Whether cards are opened now"`
}

// Bounds are what one amount may be; a bound that is absent is none.
type Bounds struct {
	Min string `json:"min,omitempty"`
	Max string `json:"max,omitempty"`
}

func showCardType(p *card.Product) (CardType, error) {
	terms, err := p.Terms()
	if err != nil {
		return CardType{}, &internalError{err}
	}
	amount := func(minor int64) string { return card.FormatMinor(minor, terms.Currency.Exponent()) }
	bound := func(low, high int64) (b Bounds) {
		if low > 0 {
			b.Min = amount(low)
		}
		if high > 0 {
			b.Max = amount(high)
		}
		return b
	}
	t := p.Prepaid
	v := CardType{Code: p.Code, Name: p.Name, Scheme: p.Scheme, Mode: t.Mode.String(), Type: "PHYSICAL", Category: t.Category.String(), Currency: terms.Currency.String(), Price: amount(terms.Price),
		HolderCards: t.HolderCards, Regions: append([]string{}, t.Regions...), Opening: bound(terms.OpeningMin, terms.OpeningMax), Deposit: bound(terms.DepositMin, terms.DepositMax),
		FeeRate: card.FormatMinor(int64(t.FeeRate), 2), FeeFixed: amount(terms.FeeFixed), Retained: amount(terms.Retained), Enabled: []string{}, Online: !t.Offline}
	if p.Technology == card.Virtual {
		v.Type = "VIRTUAL"
	}
	if t.Holder != 0 {
		v.HolderModel = t.Holder.String()
	}
	for _, f := range card.Features() {
		if t.Allows(f) {
			v.Enabled = append(v.Enabled, string(f))
		}
	}
	return v, nil
}

func (s *service) routeCardTypes(api huma.API) {
	read(s, api, operation("list-card-types", cardTypesPath, "card types", "Products whose cards are opened one at a time and loaded with money"), s.listCardTypes)
	read(s, api, operation("get-card-type", cardTypesPath+"/{code}", "card types", "One card type"), s.getCardType)
}

// CardTypes is the catalogue of an institution.
type CardTypes struct {
	CardTypes []CardType `json:"card_types" nullable:"false"`
}

func (s *service) listCardTypes(ctx context.Context, c caller, _ *struct{}) (CardTypes, error) {
	v := CardTypes{CardTypes: []CardType{}}
	all, err := s.Plant.CardTypes(ctx, c.institution)
	if err != nil {
		return v, err
	}
	for _, p := range all {
		t, err := showCardType(p)
		if err != nil {
			return v, err
		}
		v.CardTypes = append(v.CardTypes, t)
	}
	return v, nil
}

// CardTypeInput names a card type.
type CardTypeInput struct {
	Code string `path:"code" maxLength:"32"`
}

func (s *service) getCardType(ctx context.Context, c caller, in *CardTypeInput) (CardType, error) {
	p, _, err := s.Plant.CardType(ctx, c.institution, in.Code)
	if err != nil {
		return CardType{}, err
	}
	return showCardType(p)
}
