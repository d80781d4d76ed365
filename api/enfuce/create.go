package enfuce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"platen/api"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/instant"
	"platen/sql/store"
)

// Roles of a card on its account.
const (
	mainRole          = "MAIN"
	supplementaryRole = "SUPPLEMENTARY"
)

// delivery are the ways of delivery that Platen has, by the service's names.
var delivery = map[string]string{"": "", "MAIL": "STANDARD", "COURIER": "COURIER"}

// create orders a card that is made at once. One without plastic is put into use with it, as the service's is.
func (s *service) create(ctx context.Context, c *api.Call, body newCard) (api.Reply, error) {
	if err := body.check(); err != nil {
		return api.Reply{}, err
	}
	product, err := s.product(ctx, c, &body)
	if err != nil {
		return api.Reply{}, err
	}
	account, holder, err := s.owners(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	if err := body.possible(product); err != nil {
		return api.Reply{}, err
	}
	reference, err := orderName()
	if err != nil {
		return api.Reply{}, err
	}
	kind, row := body.row(product, holder)
	hang := s.customers.Hang(c.Institution, account.Reference, product.Code)
	number, err := s.ownNumber(c, &body)
	if err != nil {
		return api.Reply{}, err
	}
	said := note{newCard: body, CustomerID: holder.Reference, CardRole: c.PathValue("cardRole")}
	made, err := s.instant.MakeRow(ctx, by(c), instant.Request{Reference: reference, Content: c.Content, Row: row, Number: number, Active: product.Technology == card.Virtual,
		AwaitPIN: body.PINStatus == pinAwaited}, kind,
		func(ctx context.Context, tx *store.Tx, o store.Order) error {
			return errors.Join(hang(ctx, tx, o), keep(ctx, tx, o, said), s.closeLater(ctx, tx, c, o, body.ScheduledClosing))
		})
	return api.Reply{Status: http.StatusCreated, Body: Resource{Description: "Card created", ID: made.Card.Token}}, err
}

// closeLater lets the card of an order be closed at its time; nil = at none.
func (s *service) closeLater(ctx context.Context, tx *store.Tx, c *api.Call, o store.Order, at *scheduledClosing) error {
	if at == nil {
		return nil
	}
	when, err := time.Parse(time.RFC3339, at.Time)
	if err != nil {
		return api.Invalid("body.scheduledClosing", "must have a type and a time in UTC")
	}
	lines, err := tx.Lines(ctx, o.Number, 0, 1)
	if err != nil {
		return err
	}
	if len(lines) != 1 || lines[0].Card == nil {
		return errors.New("no card was made that could be closed at a time")
	}
	act := cards.Act{Institution: c.Institution, Actor: c.Actor}
	return s.cards.ScheduleClosingWithin(ctx, tx, act, *lines[0].Card, cards.Closing{At: when, For: card.Request, Why: "scheduledClosing " + at.Type})
}

// product finds the product of the path's type, or of the body's productCode.
func (s *service) product(ctx context.Context, c *api.Call, body *newCard) (*card.Product, error) {
	ofType, ok := c.Dialect.Products[c.PathValue("type")]
	if !ok {
		return nil, store.ErrNotFound
	}
	first, err := s.plant.Product(ctx, c.Institution, ofType)
	if err != nil || body.ProductCode == "" {
		return first, err
	}
	code, ok := c.Dialect.Products[body.ProductCode]
	if !ok {
		return nil, impossible("unknown_product", "the institution has no product of this code")
	}
	chosen, err := s.plant.Product(ctx, c.Institution, code)
	if err == nil && (chosen.Technology == card.Virtual) != (first.Technology == card.Virtual) {
		err = impossible("other_product", "the product of this code is for another type of card")
	}
	return chosen, err
}

// owners finds the account and the customer of the path.
func (s *service) owners(ctx context.Context, c *api.Call) (account customers.Account, holder customers.Customer, err error) {
	for _, name := range []string{"customerId", "accountId"} {
		if v := c.PathValue(name); v == "" || len(v) > 64 || strings.Trim(v, "0123456789") != "" {
			return account, holder, api.Invalid("path."+name, "must be a number")
		}
	}
	role := c.PathValue("cardRole")
	if role != mainRole && role != supplementaryRole {
		return account, holder, api.Invalid("path.cardRole", "must be MAIN or SUPPLEMENTARY")
	}
	if holder, err = s.customers.Customer(ctx, c.Institution, c.PathValue("customerId")); err != nil {
		return account, holder, err
	}
	if account, err = s.customers.Account(ctx, c.Institution, c.PathValue("accountId")); err != nil {
		return account, holder, err
	}
	if role == mainRole && account.Customer != holder.Reference {
		err = impossible("other_customer", "the main card of an account is for the customer who holds it")
	}
	return account, holder, err
}

// possible refuses what the card cannot have.
func (n *newCard) possible(p *card.Product) error {
	virtual := p.Technology == card.Virtual
	_, delivered := delivery[n.CardDeliveryType]
	switch e := n.Embossing; {
	case n.PINStatus == pinSet:
		return impossible("pin_status", "no PIN was set yet")
	case n.PINStatus == pinAwaited && virtual:
		return impossible("pin_status", "a virtual card has no PIN that could be waited for")
	case virtual && e != nil && e.Physical != nil && *e.Physical:
		return impossible("virtual_card", "a virtual card has no plastic")
	case !virtual && e != nil && e.Physical != nil && !*e.Physical:
		return impossible("physical_card", "a card of this type is made of plastic")
	case virtual && n.CardDeliveryType != "":
		return impossible("virtual_card", "a virtual card is delivered nowhere")
	case !delivered:
		return impossible("card_delivery", "no way of delivery is agreed for this type")
	case e != nil && e.Manufacturer != "" && e.Manufacturer != manufacturer(p.Bureau):
		return impossible("unknown_manufacturer", "the product's cards are made by another manufacturer")
	}
	return nil
}

// manufacturer is what the service calls a bureau: its code in capitals.
func manufacturer(bureau string) string {
	return strings.ToUpper(strings.ReplaceAll(bureau, ".", "_"))
}

// row is the order of the card. It shows the names of the embossing block, or the customer's.
func (n *newCard) row(p *card.Product, holder customers.Customer) (formats.OrderKind, formats.Row) {
	first, last := holder.FirstName, holder.LastName
	if e := n.Embossing; e != nil && (e.FirstName != "" || e.LastName != "") {
		first, last = e.FirstName, e.LastName
	}
	kind, row := formats.BulkOrder, holder.Row()
	row.Title, row.FirstName, row.LastName = "", first, last
	if p.Technology == card.Virtual {
		kind, row = formats.MassOrder, formats.Row{Line: 2, Quantity: "1", EmbossName: strings.TrimSpace(first + " " + last)}
	}
	row.Product, row.Delivery = p.Code, delivery[n.CardDeliveryType]
	if extra := n.extra(); !extra.IsZero() {
		row.Extra = &extra
	}
	if n.Expiration != nil {
		row.Expiry = fmt.Sprintf("%04d-%02d", n.Expiration.Year, n.Expiration.Month)
	}
	return kind, row
}

// extra is what the card's file may show besides its holder. Neither key nor value of a pair can hold what stands between them.
func (n *newCard) extra() card.Extra {
	pairs := make([]string, len(n.AdditionalValues))
	for i, v := range n.AdditionalValues {
		pairs[i] = v.Key + "=" + v.Value
	}
	x := card.Extra{Segment: n.Segment, Wallet: n.DigitalLayoutCode, Values: strings.Join(pairs, ";")}
	if e := n.Embossing; e != nil {
		x.Line1, x.Line2, x.Line3, x.Line4, x.Line5 = e.AdditionalField1, e.AdditionalField2, e.AdditionalField3, e.AdditionalField4, e.AdditionalField5
		x.Name, x.Company, x.Layout = e.AdditionalEmbossingName, e.CompanyName, e.ExternalLayoutCode
	}
	return x
}
