package finhub

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"platen/api"
	"platen/card"
)

// CardType is what the service calls a card BIN: a card type of the institution, under the number that it declares.
type CardType struct {
	ID                  json.Number `json:"cardTypeId"`
	Organization        string      `json:"organization"`
	Country             string      `json:"country"`
	Mode                string      `json:"mode"`
	BIN                 string      `json:"bankCardBin"`
	Type                string      `json:"type"`
	Category            string      `json:"category"`
	Name                string      `json:"cardName"`
	Price               string      `json:"cardPrice"`
	PriceCurrency       string      `json:"cardPriceCurrency"`
	Support             []string    `json:"support"`
	Risk                []string    `json:"risk"`
	NeedHolder          bool        `json:"needCardHolder"`
	Regions             []string    `json:"supportHolderRegin"` // as the service spells it
	AreaCodes           []string    `json:"supportHolderAreaCode"`
	NeedDeposit         bool        `json:"needDepositForActiveCard"`
	OpeningMin          string      `json:"depositAmountMinQuotaForActiveCard"`
	OpeningMax          string      `json:"depositAmountMaxQuotaForActiveCard"`
	Currency            string      `json:"fiatCurrency"`
	Retained            string      `json:"balanceRetentionQuota"`
	Status              string      `json:"status"`
	DepositMin          string      `json:"rechargeMinQuota"`
	DepositMax          string      `json:"rechargeMaxQuota"`
	FeeRate             string      `json:"rechargeFeeRate"` // percent
	FeeFixed            string      `json:"rechargeFixedFee"`
	Digits              int         `json:"rechargeDigital"`
	EnableActivate      bool        `json:"enableActiveCard"`
	EnableDeposit       bool        `json:"enableDeposit"`
	EnableWithdraw      bool        `json:"enableWithdraw"`
	EnableFreeze        bool        `json:"enableFreeze"`
	EnableUnfreeze      bool        `json:"enableUnFreeze"`
	Metadata            Metadata    `json:"metadata"`
	SupportHolderRegion []string    `json:"supportHolderRegion"` // the same, as one would
}

// Metadata is what else is known of a card type.
type Metadata struct {
	MaxCards      int      `json:"cardHolderMaxCardLimit"`
	HolderModel   string   `json:"cardHolderModel,omitempty"`
	NoPINPayment  bool     `json:"supportSettingNoPinPaymentAmount"`
	NoPINDefault  int      `json:"defaultNoPinPaymentAmount"`
	NoPINMin      int      `json:"minNoPinPaymentAmount"`
	NoPINMax      int      `json:"maxNoPinPaymentAmount"`
	Spending      []string `json:"spendingControls"`
	SupportSetMCC bool     `json:"supportSettingMcc"`
}

// What a client may set up to which amount no PIN is asked for.
const (
	noPINDefault = 500
	noPINMax     = 2000
)

// asked narrows the catalogue.
type catalogue struct {
	Mode     string `json:"mode,omitempty" enum:"PREPAID_CARD,BUDGET_CARD"`
	Type     string `json:"type,omitempty" enum:"Virtual,Physical"`
	Category string `json:"category,omitempty" enum:"GIFT,PURCHASE,SUBSCRIPTION,PHYSICAL"`
}

func (s *service) cardTypes(ctx context.Context, c *api.Call, body catalogue) (api.Reply, error) {
	all := []CardType{}
	for _, id := range slices.Sorted(maps.Keys(c.Dialect.Products)) {
		p, _, err := s.plant.CardType(ctx, c.Institution, c.Dialect.Products[id])
		if err != nil {
			return api.Reply{}, fmt.Errorf("card type %s: %w", id, err)
		}
		t, err := s.cardType(ctx, c, id, p)
		if err != nil {
			return api.Reply{}, err
		}
		if (body.Mode == "" || body.Mode == t.Mode) && (body.Type == "" || body.Type == t.Type) && (body.Category == "" || body.Category == t.Category) {
			all = append(all, t)
		}
	}
	return done(all), nil
}

const (
	virtualType  = "Virtual"
	physicalType = "Physical"
)

func typeOf(p *card.Product) string {
	if p.Technology == card.Virtual {
		return virtualType
	}
	return physicalType
}

func (s *service) cardType(ctx context.Context, c *api.Call, id string, p *card.Product) (CardType, error) {
	terms, err := p.Terms()
	if err != nil {
		return CardType{}, fmt.Errorf("card type %s: %w", id, err)
	}
	prefix, err := s.plant.Prefix(ctx, c.Institution, p.Range)
	if err != nil {
		return CardType{}, err
	}
	amount := func(minor int64) string { return card.FormatMinor(minor, terms.Currency.Exponent()) }
	t := &p.Prepaid
	plastic := p.Technology != card.Virtual
	v := CardType{ID: json.Number(id), Organization: map[string]string{"visa": "Visa", "mastercard": "MasterCard"}[p.Scheme], Mode: t.Mode.String(), BIN: prefix, Type: typeOf(p),
		Category: t.Category.String(), Name: p.Name, Price: amount(terms.Price), PriceCurrency: terms.Currency.String(), Support: []string{}, Risk: []string{}, NeedHolder: t.Holder != 0,
		Regions: append([]string{}, t.Regions...), SupportHolderRegion: append([]string{}, t.Regions...), AreaCodes: []string{}, NeedDeposit: terms.OpeningMin > 0, OpeningMin: amount(terms.OpeningMin),
		OpeningMax: amount(terms.OpeningMax), Currency: terms.Currency.String(), Retained: amount(terms.Retained), Status: "online", DepositMin: amount(terms.DepositMin),
		DepositMax: amount(terms.DepositMax), FeeRate: card.FormatMinor(int64(t.FeeRate), 2), FeeFixed: amount(terms.FeeFixed), Digits: terms.Currency.Exponent(), EnableActivate: plastic,
		EnableDeposit: t.Allows(card.CanDeposit), EnableWithdraw: t.Allows(card.CanWithdraw), EnableFreeze: t.Allows(card.CanFreeze), EnableUnfreeze: t.Allows(card.CanFreeze),
		Metadata: Metadata{MaxCards: t.HolderCards, NoPINPayment: plastic, NoPINDefault: noPINDefault, NoPINMax: noPINMax, Spending: intervals(), SupportSetMCC: true}}
	if t.Offline {
		v.Status = "offline"
	}
	if t.Holder != 0 {
		v.Metadata.HolderModel = t.Holder.String()
	}
	return v, nil
}

// productOf is the product of a card type's number.
func productOf(c *api.Call, id int) (string, error) {
	product, ok := c.Dialect.Products[strconv.Itoa(id)]
	if !ok {
		return "", invalid("cardTypeId", "there is no such card type")
	}
	return product, nil
}

// typeIDOf is the number of a product's card type; empty for a product that has none any more.
func typeIDOf(c *api.Call, product string) json.Number {
	for _, id := range slices.Sorted(maps.Keys(c.Dialect.Products)) {
		if c.Dialect.Products[id] == product {
			return json.Number(id)
		}
	}
	return "0"
}
