package offblocks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/simulate"
	"platen/sql/store"
)

// newCard asks for a card.
type newCard struct {
	Type            string   `json:"type" enum:"virtual,physical"`
	BillingAddress  Address  `json:"billingAddress"`
	ShippingAddress *Address `json:"shippingAddress,omitempty"`
}

// create orders a card that is made at once. The order carries the request's key, so that whoever repeats the request finds the card that it made.
func (s *service) create(ctx context.Context, c *api.Call, body newCard) (api.Reply, error) {
	account, err := s.account(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	product, ok := c.Dialect.Products[body.Type]
	if !ok {
		return api.Reply{}, api.Invalid("body.type", "no card of this type is issued")
	}
	if err := body.check(); err != nil {
		return api.Reply{}, err
	}
	kind, row, err := s.row(ctx, c, account, body)
	if err != nil {
		return api.Reply{}, err
	}
	row.Product = product
	said, err := json.Marshal(note{Billing: &body.BillingAddress, Shipping: body.ShippingAddress})
	if err != nil {
		return api.Reply{}, fmt.Errorf("note of a card: %w", err)
	}
	hang := s.customers.HangAlone(c.Institution, account.Reference, product)
	receipt, err := s.plant.Submit(ctx, batch.Submission{Institution: c.Institution, Actor: c.Actor, Reference: "offblocks-" + c.Key, Single: true, Instant: true,
		Body: io.MultiReader(strings.NewReader(account.Reference+"\n"), bytes.NewReader(c.Content)),
		Rows: func(io.Reader) (batch.Rows, error) { return batch.OneRow(kind, row), nil },
		Also: func(ctx context.Context, tx *store.Tx, o store.Order) error {
			return errors.Join(hang(ctx, tx, o), tx.NoteOrder(ctx, o.Number, string(said)))
		}})
	if err != nil {
		return api.Reply{}, err
	}
	made, err := s.plant.InstantCard(ctx, receipt.Order)
	if err != nil || made == nil {
		return api.Reply{}, errors.Join(err, errors.New("no card was made"))
	}
	return s.answer(ctx, c, http.StatusCreated, made.Token)
}

// account finds the account of the path.
func (s *service) account(ctx context.Context, c *api.Call) (customers.Account, error) {
	id, err := uuid.Parse(c.PathValue("accountId"))
	if err != nil || id.String() != c.PathValue("accountId") {
		return customers.Account{}, store.ErrNotFound
	}
	return s.customers.AccountByID(ctx, c.Institution, id)
}

// check holds the addresses to what an order of a card takes.
func (n *newCard) check() error {
	switch {
	case n.Type == physical && n.ShippingAddress == nil:
		return api.Invalid("body.shippingAddress", "is needed for a physical card")
	case n.Type == virtual && n.ShippingAddress != nil:
		return api.Invalid("body.shippingAddress", "a virtual card is sent nowhere")
	}
	if err := n.BillingAddress.check("body.billingAddress"); err != nil || n.ShippingAddress == nil {
		return err
	}
	return n.ShippingAddress.check("body.shippingAddress")
}

// members are the members of an address by the columns that they become.
var members = map[string]string{"address1": "firstLine", "address2": "secondLine", "city": "city", "region": "state", "postcode": "postCode", "country": "country"}

func (a *Address) check(location string) error {
	row := formats.Row{}
	a.fill(&row)
	for _, f := range formats.CheckRow(formats.BulkOrder, &row) {
		if member, ok := members[f.Field]; ok {
			return api.Invalid(location+"."+member, f.Hint)
		}
	}
	for _, v := range []string{a.FirstLine, a.SecondLine, a.City, a.State, a.PostCode} {
		if batch.HoldsCardNumber(v) {
			return api.Invalid(location, "a card number must not stand in an address")
		}
	}
	return nil
}

func (a *Address) fill(row *formats.Row) {
	row.Address1, row.Address2, row.Address3, row.City, row.Region, row.Postcode, row.Country = a.FirstLine, a.SecondLine, "", a.City, a.State, a.PostCode, a.Country
}

// row is the order of the card, for who holds the account. One whose name is not known gets an anonymous card.
func (s *service) row(ctx context.Context, c *api.Call, account customers.Account, body newCard) (formats.OrderKind, formats.Row, error) {
	row := formats.Row{Line: 2, Quantity: "1"}
	holder, err := s.customers.Customer(ctx, c.Institution, account.Customer)
	if err != nil {
		return 0, row, err
	}
	kind := formats.MassOrder
	if holder.FirstName != "" || holder.LastName != "" {
		kind, row = formats.BulkOrder, holder.Row()
	}
	switch {
	case body.ShippingAddress != nil && kind == formats.BulkOrder:
		body.ShippingAddress.fill(&row)
	case body.ShippingAddress != nil:
		return 0, row, api.Refusal(http.StatusConflict, "customer_without_name", "the account's customer has no name that a physical card could show")
	case kind == formats.BulkOrder:
		body.BillingAddress.fill(&row)
	}
	return kind, row, nil
}

// answer shows a card as it is now.
func (s *service) answer(ctx context.Context, c *api.Call, status int, token string) (api.Reply, error) {
	story, err := s.plant.ExplainCard(ctx, c.Institution, token)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := s.show(ctx, c, &story)
	return api.Reply{Status: status, Body: v}, err
}

func (s *service) retrieve(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := s.show(ctx, c, &story)
	return api.Reply{Status: http.StatusOK, Body: v}, err
}

// listPage is how many of an account's cards are read at a time.
const listPage = 100

func (s *service) list(ctx context.Context, c *api.Call) (api.Reply, error) {
	account, err := s.account(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	all := []Card{}
	for after := int64(0); ; {
		page, err := s.customers.Cards(ctx, c.Institution, account, after, listPage)
		if err != nil {
			return api.Reply{}, err
		}
		for _, succession := range page {
			for _, h := range succession {
				after = h.Position
				if h.Card == nil {
					continue
				}
				story, err := s.plant.ExplainCard(ctx, c.Institution, h.Token)
				if err != nil {
					return api.Reply{}, err
				}
				v, err := s.show(ctx, c, &story)
				if err != nil {
					return api.Reply{}, err
				}
				all = append(all, v)
			}
		}
		if len(page) < listPage {
			return api.Reply{Status: http.StatusOK, Body: all}, nil
		}
	}
}

// change does something to a card that is in one of some states, and nothing to one that is where it leads to.
func (s *service) change(ctx context.Context, c *api.Call, to string, do map[string]func(context.Context, cards.Act) error) (batch.Story, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return story, err
	}
	if _, err := s.show(ctx, c, &story); err != nil { // it is not the service's
		return story, err
	}
	status := statusOf(&story)
	if status == to {
		return story, nil
	}
	move, ok := do[status]
	if !ok {
		return story, fmt.Errorf("the card is %s: %w", status, cards.ErrStatus)
	}
	return story, move(ctx, cards.Act{Institution: c.Institution, Card: story.Token, Actor: c.Actor})
}

func (s *service) activate(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.change(ctx, c, active, map[string]func(context.Context, cards.Act) error{
		issuing:  s.cards.Activate,
		inactive: s.cards.Reactivate,
	})
	if err != nil {
		return api.Reply{}, err
	}
	return s.answer(ctx, c, http.StatusOK, story.Token)
}

func (s *service) deactivate(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.change(ctx, c, inactive, map[string]func(context.Context, cards.Act) error{
		active: s.cards.Deactivate,
	})
	if err != nil {
		return api.Reply{}, err
	}
	return s.answer(ctx, c, http.StatusOK, story.Token)
}

func (s *service) terminate(ctx context.Context, c *api.Call) (api.Reply, error) {
	end := func(ctx context.Context, a cards.Act) error {
		return s.cards.Close(ctx, a, card.Request, terminatedReason)
	}
	_, err := s.change(ctx, c, terminated, map[string]func(context.Context, cards.Act) error{issuing: end, active: end, inactive: end, suspended: end})
	return api.Reply{Status: http.StatusNoContent}, err
}

// simulated takes a step of the simulator.
func (s *service) simulated(step func(*simulate.Service, context.Context, cards.Act) error) api.Handler {
	return func(ctx context.Context, c *api.Call) (api.Reply, error) {
		story, err := s.find(ctx, c)
		if err == nil {
			_, err = s.show(ctx, c, &story)
		}
		if err == nil {
			err = step(s.simulate, ctx, cards.Act{Institution: c.Institution, Card: story.Token, Actor: c.Actor})
		}
		return api.Reply{Status: http.StatusAccepted}, err
	}
}
