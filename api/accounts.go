package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/services/customers"
)

// Terms are what is declared of an account. Nothing is authorised by them.
type Terms struct {
	Product     string            `json:"product,omitempty" maxLength:"64" doc:"The only product whose cards may hang on it; without it, any"`
	Currency    string            `json:"currency,omitempty" maxLength:"3" doc:"ISO 4217, three digits"`
	CreditLimit int64             `json:"credit_limit,omitempty" minimum:"0" doc:"Minor units of the currency"`
	Limits      []Limit           `json:"limits,omitempty" nullable:"false" maxItems:"20"`
	Attributes  map[string]string `json:"attributes,omitempty" doc:"Data of the institution's own: 30 at most, names of 36 characters, values of 200"`
}

// Limit bounds one kind of use of an account.
type Limit struct {
	Name   string `json:"name" minLength:"1" maxLength:"36" example:"atm"`
	Amount int64  `json:"amount,omitempty" minimum:"0" doc:"Minor units of the account's currency"`
	Count  int64  `json:"count,omitempty" minimum:"0"`
	Single int64  `json:"single,omitempty" minimum:"0" doc:"Amount of one use"`
}

func (t Terms) terms(customer string) customers.Terms {
	v := customers.Terms{Customer: customer, Product: t.Product, Currency: t.Currency, CreditLimit: t.CreditLimit, Attributes: t.Attributes}
	for _, l := range t.Limits {
		v.Limits = append(v.Limits, customers.Limit(l))
	}
	return v
}

// Account is what cards hang on.
type Account struct {
	ID        string `json:"id" format:"uuid"`
	Reference string `json:"reference"`
	Customer  string `json:"customer" doc:"Reference of who holds it"`
	Version   int    `json:"version" doc:"1 when it was declared, one more with each change"`
	Terms
	ChangedBy string            `json:"changed_by"`
	ChangedAt time.Time         `json:"changed_at"`
	Links     map[string]string `json:"links"`
}

func showAccount(a customers.Account) Account {
	self := accountsPath + "/" + a.Reference
	v := Account{ID: a.ID.String(), Reference: a.Reference, Customer: a.Customer, Version: a.Version, ChangedBy: a.RecordedBy, ChangedAt: a.RecordedAt.UTC(),
		Terms: Terms{Product: a.Product, Currency: a.Currency, CreditLimit: a.CreditLimit, Attributes: a.Attributes},
		Links: map[string]string{"self": self, "cards": self + "/cards", "customer": customersPath + "/" + a.Customer}}
	for _, l := range a.Limits {
		v.Limits = append(v.Limits, Limit(l))
	}
	return v
}

// NewAccountInput declares an account.
type NewAccountInput struct {
	Body struct {
		NewReference
		Customer string `json:"customer" minLength:"1" maxLength:"64" doc:"Reference of who holds it"`
		Terms
	}
}

// AccountInput names an account.
type AccountInput struct {
	Reference string `path:"reference" maxLength:"64" doc:"The account's reference"`
}

// ChangedAccountInput declares an account anew.
type ChangedAccountInput struct {
	AccountInput
	Body struct {
		ChangedVersion
		Terms
	}
}

// AccountPageInput asks for a page of what hangs on an account.
type AccountPageInput struct {
	AccountInput
	PageInput
}

func (s *service) routeAccounts(api huma.API) {
	const tag, one = "accounts", accountsPath + "/{reference}"
	read(s, api, operation("list-accounts", accountsPath, tag, "Accounts, newest first"), s.listAccounts)
	read(s, api, operation("get-account", one, tag, "One account"), s.getAccount)
	read(s, api, operation("list-account-cards", one+"/cards", tag, "Cards of an account, in the order in which they came"), s.listAccountCards)
	op := change("add-account", http.MethodPost, accountsPath, tag, "Declare an account of a customer", http.StatusCreated)
	op.Description = "The same reference with the same content finds what it declared."
	once(s, api, op, func(ctx context.Context, c caller, in *NewAccountInput) (made[Account], error) {
		a, repeated, err := s.customers.CreateAccount(ctx, by(c), in.Body.Reference, in.Body.terms(in.Body.Customer))
		return made[Account]{showAccount(a), accountsPath + "/" + a.Reference, repeated}, err
	})
	op = change("change-account", http.MethodPut, one, tag, "Declare the next version of an account", http.StatusOK)
	op.Description = "All of it, not what differs, but for its customer, who stays. Content that is the current one changes nothing."
	read(s, api, op, func(ctx context.Context, c caller, in *ChangedAccountInput) (Account, error) {
		a, err := s.customers.ChangeAccount(ctx, by(c), in.Reference, in.Body.Version, in.Body.terms(""))
		return showAccount(a), err
	})
	op = change("link-card", http.MethodPost, cardPath+"/{token}/link", "cards", "Let an anonymous card that was never in use hang on an account", http.StatusOK)
	read(s, api, op, s.linkCard)
}

func (s *service) getAccount(ctx context.Context, c caller, in *AccountInput) (Account, error) {
	a, err := s.customers.Account(ctx, c.institution, in.Reference)
	return showAccount(a), err
}

func (s *service) listAccounts(ctx context.Context, c caller, in *PageInput) (Page[Account], error) {
	const list = "accounts"
	before, err := in.position(list)
	if err != nil {
		return Page[Account]{}, err
	}
	rows, err := s.customers.Accounts(ctx, c.institution, before, in.Limit+1)
	return pageOf(*in, list, rows, func(a customers.Account) int64 { return a.Number }, showAccount), err
}

// AccountCards are the cards that took each other's place on an account, the newest last.
type AccountCards struct {
	Order string       `json:"order,omitempty" doc:"Reference of an order whose card is not made"`
	State string       `json:"state,omitempty" doc:"Of that order"`
	Cards []HangingOne `json:"cards" nullable:"false"`
}

// HangingOne is a card of an account.
type HangingOne struct {
	Token   string            `json:"token"`
	Product string            `json:"product"`
	Status  string            `json:"status"`
	Links   map[string]string `json:"links"`
}

func showHeld(list []customers.Held) AccountCards {
	v := AccountCards{Cards: []HangingOne{}}
	for _, h := range list {
		if h.Card == nil {
			v.Order, v.State = h.Order.Reference, h.Order.State.String()
			continue
		}
		v.Cards = append(v.Cards, HangingOne{Token: h.Token, Product: h.Product, Status: h.Card.Status.String(), Links: map[string]string{"self": cardPath + "/" + h.Token}})
	}
	return v
}

func (s *service) listAccountCards(ctx context.Context, c caller, in *AccountPageInput) (Page[AccountCards], error) {
	a, err := s.customers.Account(ctx, c.institution, in.Reference)
	if err != nil {
		return Page[AccountCards]{}, err
	}
	list := "cards of " + a.ID.String()[24:]
	after, err := in.position(list)
	if err != nil {
		return Page[AccountCards]{}, err
	}
	rows, err := s.customers.Cards(ctx, c.institution, a, after, in.Limit+1)
	return pageOf(in.PageInput, list, rows, func(h []customers.Held) int64 { return h[0].Position }, showHeld), err
}

// LinkInput names a card and the account that it is to hang on.
type LinkInput struct {
	CardInput
	Body struct {
		Account string `json:"account" minLength:"1" maxLength:"64" doc:"Reference of the account"`
	}
}

func (s *service) linkCard(ctx context.Context, c caller, in *LinkInput) (Card, error) {
	if _, err := s.customers.Link(ctx, act(c, in.Token), in.Body.Account); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}
