package firstvision

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/records"
)

// Org names the organization of a request.
type Org struct {
	Organization string `json:"organizationNumber" pattern:"^[0-9]{3}$"`
}

// known refuses an organization that the institution does not declare.
func (o Org) known(c *api.Call) error {
	for kind := range c.Dialect.Products {
		if strings.HasPrefix(kind, o.Organization+"/") {
			return nil
		}
	}
	return api.Invalid("body.organizationNumber", "there is no such organization")
}

// reference is what a number of an organization is called in the core: without leading zeros.
func (o Org) reference(number string) string {
	trimmed := strings.TrimLeft(number, "0")
	if trimmed == "" {
		trimmed = "0"
	}
	return o.prefix() + trimmed
}

// prefix begins the references of an organization's customers and accounts.
func (o Org) prefix() string { return "fv." + o.Organization + "." }

func pad(number string) string { return fmt.Sprintf("%019s", number) }

// drawn is a number for what a request makes without giving one. It has eleven digits: what has so few is no card number.
func drawn(c *api.Call, kind string) string {
	name := requestName(c)
	sum := fnv.New64a()
	_, _ = sum.Write(append(name[:], kind...)) // a hash takes everything
	return pad(fmt.Sprintf("%d", 10_000_000_000+sum.Sum64()%90_000_000_000))
}

// NewCustomer declares a customer.
type NewCustomer struct {
	Org
	CustomerNumber string `json:"customerNumber,omitempty" pattern:"^[0-9A-Z]{1,19}$"`
	AccountNumber  string `json:"accountNumber,omitempty" pattern:"^[0-9A-Z]{1,19}$"`
	CoOwner        string `json:"coOwnerIndicator,omitempty" enum:"1,2"`
	Name1          string `json:"nameLine1,omitempty" maxLength:"40"`
	Name2          string `json:"nameLine2,omitempty" maxLength:"40"`
	Name3          string `json:"nameLine3,omitempty" maxLength:"40"`
	Address1       string `json:"houseAddress1,omitempty" maxLength:"40"`
	Address2       string `json:"houseAddress2,omitempty" maxLength:"40"`
	Address3       string `json:"houseAddress3,omitempty" maxLength:"40"`
	Address4       string `json:"houseAddress4,omitempty" maxLength:"40"`
	City           string `json:"city,omitempty" maxLength:"30"`
	State          string `json:"state,omitempty" maxLength:"3"`
	PostalCode     string `json:"postalCode" minLength:"1" maxLength:"10"`
	Country        string `json:"countryCode,omitempty" pattern:"^[A-Z]{2}$"`
	Email          string `json:"email,omitempty" maxLength:"60"`
	Phone          string `json:"mobilePhone,omitempty" maxLength:"20"`
	BirthDate      string `json:"dateOfBirth,omitempty" maxLength:"10"`
	Identification string `json:"identificationNumber,omitempty" maxLength:"25"`
}

// names splits a name line: what stands before its last blank is the first name.
func names(line string) (first, last string) {
	line = strings.Join(strings.Fields(line), " ")
	if at := strings.LastIndexByte(line, ' '); at > 0 {
		return line[:at], line[at+1:]
	}
	return "", line
}

func by(c *api.Call) records.By {
	return records.By{Institution: c.Institution, Actor: c.Actor}
}

// attributes are the members that are kept as they came.
func attributes(all map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range all {
		if value != "" {
			kept[name] = value
		}
	}
	return kept
}

func (s *service) addCustomer(ctx context.Context, c *api.Call, body NewCustomer) (api.Reply, error) {
	if err := body.known(c); err != nil {
		return api.Reply{}, err
	}
	number := body.CustomerNumber
	if number == "" {
		number = drawn(c, "customer")
	}
	_, _, err := s.customers.CreateCustomer(ctx, by(c), body.reference(number), body.person())
	if err != nil {
		return api.Reply{}, err
	}
	return done(http.StatusCreated, map[string]string{"organizationNumber": body.Organization, "customerNumber": pad(number)}), nil
}

// person is what the core keeps of a customer.
func (b *NewCustomer) person() customers.Person {
	first, last := names(b.Name1)
	return customers.Person{FirstName: first, LastName: last, BirthDate: b.BirthDate, Identification: b.Identification,
		Email: b.Email, Phone: b.Phone, Address1: b.Address1, Address2: b.Address2, Address3: b.Address3, City: b.City, Region: b.State, Postcode: b.PostalCode,
		Country: b.Country, Attributes: attributes(map[string]string{"coOwnerIndicator": b.CoOwner, "nameLine2": b.Name2, "nameLine3": b.Name3,
			"houseAddress4": b.Address4, "accountNumber": b.AccountNumber})}
}

// newAccount declares an account. The service has some 290 members here; these are the ones that mean something to cards, and those that are kept as they came.
type newAccount struct {
	Organization  string `json:"organization" pattern:"^[0-9]{3}$"`
	Logo          string `json:"logo" pattern:"^[0-9]{3}$"`
	Customer      string `json:"customerNumber" pattern:"^[0-9A-Z]{1,19}$"`
	Account       string `json:"accountNumber,omitempty" pattern:"^[0-9A-Z]{1,19}$"`
	CreditLimit   int64  `json:"creditLimit,omitempty" minimum:"0" maximum:"99999999999999999"`
	BillingCycle  string `json:"billingCycle,omitempty" pattern:"^[0-9]{2}$"`
	ShortName     string `json:"shortName,omitempty" maxLength:"20"`
	Numbering     string `json:"cardNumberingScheme,omitempty" enum:"3"`
	Technology    string `json:"cardTechnology,omitempty" enum:"0,1"`
	Qualification string `json:"qualification,omitempty" pattern:"^[A-Z]$"`
}

// terms are what the core keeps of an account.
func (a *newAccount) terms(p *card.Product) customers.Terms {
	return customers.Terms{Customer: Org{a.Organization}.reference(a.Customer), Currency: p.Currency, CreditLimit: a.CreditLimit, Attributes: attributes(map[string]string{
		logoAttribute: a.Logo, "billingCycle": a.BillingCycle, "shortName": a.ShortName, "cardTechnology": a.Technology, "qualification": a.Qualification})}
}

func (s *service) addAccount(ctx context.Context, c *api.Call, body newAccount) (api.Reply, error) {
	org := Org{body.Organization}
	product, err := productOf(c, body.Organization, body.Logo, false)
	if err != nil {
		return api.Reply{}, err
	}
	p, err := s.plant.Product(ctx, c.Institution, product)
	if err != nil {
		return api.Reply{}, err
	}
	number := body.Account
	if number == "" {
		number = drawn(c, "account")
	}
	_, _, err = s.customers.CreateAccount(ctx, by(c), org.reference(number), body.terms(p))
	if err != nil {
		return api.Reply{}, err
	}
	return done(http.StatusCreated, map[string]string{"organization": body.Organization, "accountNumber": pad(number)}), nil
}

// logoAttribute is what the logo of an account is kept as: it says of which product its cards are.
const logoAttribute = "logo"

// productOf is the product of an organization's logo.
func productOf(c *api.Call, organization, logo string, digital bool) (string, error) {
	kind := organization + "/" + logo
	if digital {
		kind += digitalCards
	}
	product, ok := c.Dialect.Products[kind]
	if !ok {
		return "", api.Refusal(http.StatusUnprocessableEntity, "unknown_product", "the organization has no such logo for cards of this kind")
	}
	return product, nil
}

// account finds an account of an organization by its number.
func (s *service) account(ctx context.Context, c *api.Call, org Org, number string) (customers.Account, error) {
	if err := org.known(c); err != nil {
		return customers.Account{}, err
	}
	return s.customers.Account(ctx, c.Institution, org.reference(number))
}

// linkCodes are the numbers of moving an anonymous card to an account (VPL5SPS).
var linkCodes = vpl5{
	{cards.ErrStatus, "VPL5SPS12S", "the card has ended, or is not made"},
	{customers.ErrProduct, "VPL5SPS07E", "card and account are not of the same organization and logo"},
	{customers.ErrActivated, "VPL5SPS13E", "the card must not be activated"},
	{customers.ErrNamed, "VPL5SPS16E", "the card does not hang on a generic account"},
	{customers.ErrLinked, "VPL5SPS20S", "the card hangs on an account already"},
}

type cardToAccount struct {
	Org
	AccountNumber string `json:"accountNumber" pattern:"^[0-9A-Z]{1,19}$"`
	CardNumber    string `json:"cardNumber" pattern:"^[0-9A-Z]{19}$"`
	Primary       *bool  `json:"isPrimaryCard"`
}

func (b cardToAccount) on() (Org, string) { return b.Org, b.CardNumber }

// link moves an anonymous card to the account of somebody.
func (s *service) link(ctx context.Context, c *api.Call, story *batch.Story, body cardToAccount) (api.Reply, error) {
	account, err := s.account(ctx, c, body.Org, body.AccountNumber)
	if err != nil {
		return api.Reply{}, err
	}
	if logo := account.Attributes[logoAttribute]; logo != "" && c.Dialect.Products[body.Organization+"/"+logo] != story.Product {
		return api.Reply{}, customers.ErrProduct
	}
	_, err = s.customers.Link(ctx, act(c, story), account.Reference)
	return api.Reply{Status: http.StatusNoContent}, err
}
