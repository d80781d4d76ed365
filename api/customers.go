package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/services/customers"
	"platen/services/records"
)

const (
	customersPath = "/v1/customers"
	accountsPath  = "/v1/accounts"
)

// Person is what is declared of a customer.
type Person struct {
	Title          string            `json:"title,omitempty" maxLength:"10"`
	FirstName      string            `json:"first_name,omitempty" maxLength:"40"`
	LastName       string            `json:"last_name,omitempty" maxLength:"40"`
	Organization   string            `json:"organization,omitempty" maxLength:"60"`
	BirthDate      string            `json:"birth_date,omitempty" maxLength:"10" doc:"YYYY-MM-DD"`
	Identification string            `json:"identification,omitempty" maxLength:"25" doc:"Number of a document"`
	Email          string            `json:"email,omitempty" maxLength:"254"`
	Phone          string            `json:"phone,omitempty" maxLength:"20"`
	Language       string            `json:"language,omitempty" maxLength:"2"`
	Address1       string            `json:"address1,omitempty" maxLength:"40"`
	Address2       string            `json:"address2,omitempty" maxLength:"40"`
	Address3       string            `json:"address3,omitempty" maxLength:"40"`
	City           string            `json:"city,omitempty" maxLength:"30"`
	Region         string            `json:"region,omitempty" maxLength:"30"`
	Postcode       string            `json:"postcode,omitempty" maxLength:"12"`
	Country        string            `json:"country,omitempty" maxLength:"2" doc:"ISO 3166-1"`
	Attributes     map[string]string `json:"attributes,omitempty" doc:"Data of the institution's own: 30 at most, names of 36 characters, values of 200"`
}

// Customer is who cards are for.
type Customer struct {
	ID        string `json:"id" format:"uuid"`
	Reference string `json:"reference"`
	Version   int    `json:"version" doc:"1 when it was declared, one more with each change"`
	Person
	ChangedBy string            `json:"changed_by"`
	ChangedAt time.Time         `json:"changed_at"`
	Links     map[string]string `json:"links"`
}

func showCustomer(c customers.Customer) Customer {
	self := customersPath + "/" + c.Reference
	return Customer{ID: c.ID.String(), Reference: c.Reference, Version: c.Version, Person: Person(c.Person), ChangedBy: c.RecordedBy, ChangedAt: c.RecordedAt.UTC(),
		Links: map[string]string{"self": self, "accounts": self + "/accounts"}}
}

// NewReference names what is declared.
type NewReference struct {
	Reference string `json:"reference" minLength:"1" maxLength:"64" doc:"The institution's own name for it, for ever: letters, digits, dots, dashes, underscores"`
}

// ChangedVersion says what a change was made from.
type ChangedVersion struct {
	Version int `json:"version,omitempty" minimum:"1" doc:"The version that is changed: refused when there is a later one. Without it, whichever is current"`
}

// NewCustomerInput declares a customer.
type NewCustomerInput struct {
	Body struct {
		NewReference
		Person
	}
}

// CustomerInput names a customer.
type CustomerInput struct {
	Reference string `path:"reference" maxLength:"64" doc:"The customer's reference"`
}

// ChangedCustomerInput declares a customer anew.
type ChangedCustomerInput struct {
	CustomerInput
	Body struct {
		ChangedVersion
		Person
	}
}

// CustomerPageInput asks for a page of what belongs to a customer.
type CustomerPageInput struct {
	CustomerInput
	PageInput
}

func (s *service) routeCustomers(api huma.API) {
	const tag, one = "customers", customersPath + "/{reference}"
	read(s, api, operation("list-customers", customersPath, tag, "Customers, newest first"), s.listCustomers)
	read(s, api, operation("get-customer", one, tag, "One customer"), s.getCustomer)
	read(s, api, operation("list-customer-accounts", one+"/accounts", tag, "Accounts of a customer, newest first"), s.listCustomerAccounts)
	op := change("add-customer", http.MethodPost, customersPath, tag, "Declare a customer", http.StatusCreated)
	op.Description = "The same reference with the same content finds what it declared."
	once(s, api, op, func(ctx context.Context, c caller, in *NewCustomerInput) (made[Customer], error) {
		v, repeated, err := s.customers.CreateCustomer(ctx, by(c), in.Body.Reference, customers.Person(in.Body.Person))
		return made[Customer]{showCustomer(v), customersPath + "/" + v.Reference, repeated}, err
	})
	op = change("change-customer", http.MethodPut, one, tag, "Declare the next version of a customer", http.StatusOK)
	op.Description = "All of it, not what differs. Content that is the current one changes nothing."
	read(s, api, op, func(ctx context.Context, c caller, in *ChangedCustomerInput) (Customer, error) {
		v, err := s.customers.ChangeCustomer(ctx, by(c), in.Reference, in.Body.Version, customers.Person(in.Body.Person))
		return showCustomer(v), err
	})
}

func by(c caller) records.By { return records.By{Institution: c.institution, Actor: c.actor()} }

func (s *service) getCustomer(ctx context.Context, c caller, in *CustomerInput) (Customer, error) {
	v, err := s.customers.Customer(ctx, c.institution, in.Reference)
	return showCustomer(v), err
}

func (s *service) listCustomers(ctx context.Context, c caller, in *PageInput) (Page[Customer], error) {
	const list = "customers"
	before, err := in.position(list)
	if err != nil {
		return Page[Customer]{}, err
	}
	rows, err := s.customers.Customers(ctx, c.institution, before, in.Limit+1)
	return pageOf(*in, list, rows, func(v customers.Customer) int64 { return v.Number }, showCustomer), err
}

func (s *service) listCustomerAccounts(ctx context.Context, c caller, in *CustomerPageInput) (Page[Account], error) {
	owner, err := s.customers.Customer(ctx, c.institution, in.Reference)
	if err != nil {
		return Page[Account]{}, err
	}
	list := "accounts of " + owner.ID.String()[24:]
	before, err := in.position(list)
	if err != nil {
		return Page[Account]{}, err
	}
	rows, err := s.customers.AccountsOf(ctx, owner, before, in.Limit+1)
	return pageOf(in.PageInput, list, rows, func(a customers.Account) int64 { return a.Number }, showAccount), err
}
