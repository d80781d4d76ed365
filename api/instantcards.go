package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
	"platen/services/customers"
	"platen/services/instant"
)

// NewInstantCardInput asks for a card that is ready at once.
type NewInstantCardInput struct {
	SingleInput
	Body struct {
		Single
		Product     string  `json:"product" minLength:"1" maxLength:"200"`
		Customer    string  `json:"customer" minLength:"1" maxLength:"64" doc:"Reference of who holds the account"`
		Person      *Person `json:"person,omitempty" doc:"Declares the customer; without it, it is declared"`
		Account     string  `json:"account" minLength:"1" maxLength:"64" doc:"Reference of what the card hangs on"`
		Terms       *Terms  `json:"terms,omitempty" doc:"Declares the account; without it, it is declared"`
		EmbossName  string  `json:"emboss_name,omitempty" maxLength:"200" doc:"What the card shows; without it, by the product's rule"`
		Expiry      string  `json:"expiry,omitempty" maxLength:"7" doc:"Year and month; without it, by the product's rule"`
		SameDay     bool    `json:"same_day,omitempty" doc:"Its plastic is made by the same-day cycle"`
		CardDelay   int     `json:"card_delay,omitempty" minimum:"0" maximum:"30" doc:"Working days for which no cycle takes its plastic; 0 = by the product's rule"`
		MailerDelay int     `json:"mailer_delay,omitempty" minimum:"0" maximum:"30" doc:"Working days by which its PIN mailer follows; 0 = by the product's rule"`
		AwaitPIN    bool    `json:"await_pin,omitempty" doc:"Its plastic waits until a PIN is set"`
		Active      *bool   `json:"active,omitempty" default:"true" doc:"In use at once"`
	}
}

func (s *service) routeInstantCards(api huma.API) {
	op := change("make-instant-card", http.MethodPost, "/v1/instant-cards", "cards", "Make a card that is ready at once, with its customer and account", http.StatusCreated)
	op.Description = "Customer, account and card stand together, or not at all; the plastic, if it has one, is made by the next cycle. The same reference with the same content answers the first result."
	single(s, api, op, s.makeInstantCard, s.showOrderedCard)
}

func (s *service) makeInstantCard(ctx context.Context, c caller, in *NewInstantCardInput) (batch.Receipt, error) {
	b := &in.Body
	r := instant.Request{Opening: customers.Opening{Customer: b.Customer, Account: b.Account}, Product: b.Product, Reference: b.Reference, IdempotencyKey: in.IdempotencyKey, Content: in.RawBody,
		Active: b.Active == nil || *b.Active, AwaitPIN: b.AwaitPIN, Delay: batch.Delay{Card: b.CardDelay, Mailer: b.MailerDelay}}
	holder := customers.Person{}
	if b.Person != nil {
		holder = customers.Person(*b.Person)
		r.Person = &holder
	} else {
		known, err := s.customers.Customer(ctx, c.institution, b.Customer)
		if batch.IsNotFound(err) {
			err = customers.ErrCustomer
		}
		if err != nil {
			return batch.Receipt{}, err
		}
		holder = known.Person
	}
	if b.Terms != nil {
		terms := b.Terms.terms(b.Customer)
		r.Terms = &terms
	}
	r.Row = holder.Row()
	r.Row.EmbossName, r.Row.Expiry = b.EmbossName, b.Expiry
	if b.SameDay {
		r.Row.SameDay = strconv.FormatBool(true)
	}
	made, err := s.instant.Make(ctx, by(c), r)
	return made.Receipt, err
}
