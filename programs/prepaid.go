package programs

import (
	"errors"
	"net/url"
	"slices"

	"platen/card"
	"platen/formats"
)

// maxHolderCards bounds how many cards one holder may have.
const maxHolderCards = 1000

// checkPrepaid holds a card type against the rest of its product.
func (l *loader) checkPrepaid(p *card.Product, from source) {
	t := p.Prepaid
	if !p.IsPrepaid() {
		if from.has("prepaid") {
			l.at(from, "prepaid")("prepaid: mode: is missing")
		}
		return
	}
	at := func(path ...string) func(string, ...any) { return l.at(from, append([]string{"prepaid"}, path...)...) }
	terms, err := p.Terms()
	if wrong := new(card.TermError); errors.As(err, &wrong) {
		at(wrong.Path...)("prepaid: %v", wrong)
		return
	}
	virtual := p.Technology == card.Virtual
	switch {
	case t.Category == 0:
		at("category")("category: is missing")
	case (t.Category == card.Physical) == virtual:
		at("category")("category: a card with plastic is %s, and no other is", card.Physical)
	case t.Mode == card.SharedMoney && t.Category != card.Purchase:
		at("category")("category: a card that shares a pool is %s", card.Purchase)
	}
	if address, err := url.Parse(t.Redeem); (t.Category == card.Gift) != (t.Redeem != "") || err != nil || t.Redeem != "" && (address.Scheme != "https" || address.Host == "" || address.User != nil) {
		at("redeem")("redeem: a gift card has the https address of the page that redeems it, and no other has one")
	}
	if terms.OpeningMax > 0 && terms.OpeningMin > terms.OpeningMax {
		at("opening")("opening: min is above max")
	}
	if terms.DepositMax > 0 && terms.DepositMin > terms.DepositMax {
		at("deposit")("deposit: min is above max")
	}
	l.checkBounds(from, int64(t.FeeRate), 0, 9_999, "prepaid", "fee_rate")
	l.checkBounds(from, int64(t.HolderCards), 0, maxHolderCards, "prepaid", "holder_cards")
	if t.Holder == 0 && (t.HolderCards > 0 || len(t.Regions) > 0) {
		at("holder")("holder: holder_cards and regions are of card types that need a holder")
	}
	for _, country := range t.Regions {
		if !isCountry(country) {
			at("regions")("regions: %q is no country (ISO 3166-1, two letters)", country)
		}
	}
	for i, f := range t.Refuses {
		if !slices.Contains(card.Features(), f) || slices.Contains(t.Refuses[:i], f) {
			at("refuses")("refuses: %s, each once", oneOf([]string{string(card.CanDeposit), string(card.CanWithdraw), string(card.CanFreeze)}))
		}
	}
}

// isCountry asks the rules of order files.
func isCountry(code string) bool {
	for _, f := range formats.CheckRow(formats.BulkOrder, &formats.Row{Country: code}) {
		if f.Field == "country" && f.Code != formats.FaultRequired {
			return false
		}
	}
	return code != ""
}
