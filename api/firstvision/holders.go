package firstvision

import (
	"context"
	"net/http"

	"platen/api"
	"platen/batch"
	"platen/services/customers"
)

// customerActivation gives an anonymous card to somebody who is declared with it.
type customerActivation struct {
	NewCustomer
	CardNumber string `json:"cardNumber" pattern:"^[0-9A-Z]{19}$"`
}

func (b customerActivation) on() (Org, string) { return b.Org, b.CardNumber }

// activateCustomer declares a customer and an account of the card's logo, and links the card to them: all of it, or nothing.
func (s *service) activateCustomer(ctx context.Context, c *api.Call, story *batch.Story, body customerActivation) (api.Reply, error) {
	product, err := s.plant.Product(ctx, c.Institution, story.Product)
	if err != nil {
		return api.Reply{}, err
	}
	customer, account := body.CustomerNumber, drawn(c, "account")
	if customer == "" {
		customer = drawn(c, "customer")
	}
	if body.AccountNumber != "" {
		account = body.AccountNumber
	}
	person := body.person()
	terms := (&newAccount{Organization: body.Organization, Logo: logoOf(c, body.Organization, story.Product), Customer: customer}).terms(product)
	err = s.customers.LinkNew(ctx, act(c, story), customers.Opening{Customer: body.reference(customer), Person: &person, Account: body.reference(account), Terms: &terms})
	return done(http.StatusCreated, map[string]string{"organizationNumber": body.Organization, "customerNumber": pad(customer), "accountNumber": pad(account), "cardNumber": story.Token}), err
}

// reverseLink takes a card that was linked, and was not in use since, from its account.
func (s *service) reverseLink(ctx context.Context, c *api.Call, story *batch.Story, _ OnCard) (api.Reply, error) {
	return named(story), s.customers.Unlink(ctx, act(c, story))
}
