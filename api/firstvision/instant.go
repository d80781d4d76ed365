package firstvision

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"platen/api"
	"platen/batch"
	"platen/services/customers"
	"platen/services/instant"
	"platen/services/records"
)

// instantCard asks for an account and a card that is ready to be used.
type instantCard struct {
	Org
	Logo          string         `json:"logo" pattern:"^[0-9]{3}$"`
	Customer      string         `json:"customerNumber" pattern:"^[0-9A-Z]{1,19}$"`
	FirstPurchase string         `json:"firstPurchaseFlag" enum:"Y,N"`
	CreateAccount string         `json:"accountCreateFlag" enum:"Y,N"`
	SameDay       string         `json:"sameDayProcessingType" enum:"0,1"`
	CardAction    string         `json:"cardActionFlag" enum:"0,1"`
	Account       instantAccount `json:"accountData"`
	Embosser      EmbosserData   `json:"embosserData"`
}

type instantAccount struct {
	Account      string `json:"accountNumber,omitempty" pattern:"^[0-9A-Z]{0,19}$"`
	BillingCycle string `json:"billingCycle" pattern:"^[0-9]{2}$"`
	CreditLimit  int64  `json:"creditLimit,omitempty" minimum:"0" maximum:"99999999999999999"`
	ShortName    string `json:"shortName,omitempty" maxLength:"20"`
}

// Refusals of the instant card service.
var (
	errNoName       = errors.New("the card has no name to show")
	errAccountGiven = errors.New("an account that is created has no number yet")
	errNoVirtual    = errors.New("the logo has no cards without plastic")
)

// instantCodes are the numbers of the instant card service (VPL5SIC).
var instantCodes = vpl5{
	{errNoName, "VPL5SIC21S", "give a name, to the customer or in embosserData"},
	{errAccountGiven, "VPL5SIC22S", "accountNumber must be blank when the account is created"},
	{errNoVirtual, "VPL5SIC24S", "virtual cards of the logo are switched off"},
	{records.ErrTaken, "VPL5SIC22S", "an account of this number exists"},
}

// check holds what the schema cannot against the service's edits.
func (b *instantCard) check(c *api.Call) error {
	_, virtual := c.Dialect.Products[b.Organization+"/"+b.Logo+digitalCards]
	switch {
	case b.Embosser.Digital == "":
		return api.Invalid("body.embosserData.digitalCardFlag", "0 or 1 is needed")
	case b.Embosser.digital() == (b.CardAction == "1"):
		return api.Invalid("body.cardActionFlag", "1 for a card with plastic, 0 for a digital one")
	case b.CreateAccount == "Y" && b.Account.Account != "":
		return errAccountGiven
	case b.CreateAccount == "N" && b.Account.Account == "":
		return api.Invalid("body.accountData.accountNumber", "is needed of an account that exists")
	case b.Embosser.digital() && !virtual:
		return errNoVirtual
	}
	return nil
}

// instantCard makes a card for a customer at once, with the account that it hangs on. A digital one, and one for a first purchase, is in use at once.
func (s *service) instantCard(ctx context.Context, c *api.Call, body instantCard) (api.Reply, error) {
	if err := errors.Join(body.known(c), body.check(c)); err != nil {
		return api.Reply{}, err
	}
	product, err := productOf(c, body.Organization, body.Logo, body.Embosser.digital())
	if err != nil {
		return api.Reply{}, err
	}
	holder, err := s.customers.Customer(ctx, c.Institution, body.reference(body.Customer))
	if err != nil {
		return api.Reply{}, err
	}
	if holder.FirstName+holder.LastName+body.Embosser.Name+body.Embosser.Embossed == "" {
		return api.Reply{}, errNoName
	}
	number, opening, err := s.opening(ctx, c, &body)
	if err != nil {
		return api.Reply{}, err
	}
	made, err := s.instant.Make(ctx, by(c), instant.Request{Opening: opening, Product: product, Row: body.Embosser.row(holder.Person, body.SameDay == "1"), Reference: orderName(c), Content: c.Content,
		Active: body.Embosser.digital() || body.FirstPurchase == "Y", Delay: batch.Delay{Card: body.Embosser.Delay, Mailer: body.Embosser.PINDelay}})
	if err != nil {
		return api.Reply{}, err
	}
	limit := body.Account.CreditLimit
	if opening.Terms == nil {
		account, err := s.customers.Account(ctx, c.Institution, opening.Account)
		if err != nil {
			return api.Reply{}, err
		}
		limit = account.CreditLimit
	}
	return done(http.StatusCreated, map[string]any{"accountNumber": pad(number), "cardNumber": made.Card.Token, "cardSequenceNumber": "0001", "creditLimit": limit,
		"cardExpiryDate": fmt.Sprintf("%04d-%02d", made.Card.Expiry.Year, made.Card.Expiry.Month)}), nil
}

// opening is the account that the card hangs on: one that is created, or one of the customer's.
func (s *service) opening(ctx context.Context, c *api.Call, body *instantCard) (string, customers.Opening, error) {
	o := customers.Opening{Customer: body.reference(body.Customer)}
	number := body.Account.Account
	if body.CreateAccount == "Y" {
		plastic, err := productOf(c, body.Organization, body.Logo, false)
		if err != nil {
			return "", o, err
		}
		p, err := s.plant.Product(ctx, c.Institution, plastic)
		if err != nil {
			return "", o, err
		}
		number = drawn(c, "account")
		terms := (&newAccount{Organization: body.Organization, Logo: body.Logo, Customer: body.Customer, CreditLimit: body.Account.CreditLimit, BillingCycle: body.Account.BillingCycle,
			ShortName: body.Account.ShortName}).terms(p)
		o.Terms = &terms
	} else {
		account, err := s.account(ctx, c, body.Org, number)
		if err != nil {
			return "", o, err
		}
		if account.Customer != o.Customer || account.Attributes[logoAttribute] != body.Logo {
			return "", o, api.Invalid("body.accountData.accountNumber", "the account is another customer's, or of another logo")
		}
	}
	o.Account = body.reference(number)
	return number, o, nil
}
