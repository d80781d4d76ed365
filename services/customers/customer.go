package customers

import (
	"context"
	"errors"

	"platen/batch"
	"platen/services/records"
	"platen/sql/store"
)

// Errors that a client decides on.
var (
	ErrCustomer = errors.New("the institution declares no customer of this reference")
	ErrAccount  = errors.New("the institution declares no account of this reference")
)

// Service keeps the customers and accounts of a plant's institutions.
type Service struct{ Plant *batch.Plant }

func (s *Service) keeps(k store.RecordKind) records.Keeper {
	return records.Keeper{Plant: s.Plant, Kind: k}
}

// Person is what an institution says of a customer. Nothing of it is needed: the customer that anonymous cards hang on has no name.
type Person struct {
	Title          string            `json:"title,omitempty"`
	FirstName      string            `json:"first_name,omitempty"`
	LastName       string            `json:"last_name,omitempty"`
	Organization   string            `json:"organization,omitempty"`
	BirthDate      string            `json:"birth_date,omitempty"` // YYYY-MM-DD
	Identification string            `json:"identification,omitempty"`
	Email          string            `json:"email,omitempty"`
	Phone          string            `json:"phone,omitempty"`
	Language       string            `json:"language,omitempty"` // ISO 639-1
	Address1       string            `json:"address1,omitempty"`
	Address2       string            `json:"address2,omitempty"`
	Address3       string            `json:"address3,omitempty"`
	City           string            `json:"city,omitempty"`
	Region         string            `json:"region,omitempty"`
	Postcode       string            `json:"postcode,omitempty"`
	Country        string            `json:"country,omitempty"` // ISO 3166-1, two letters
	Attributes     map[string]string `json:"attributes,omitempty"`
}

// Limits of what a person has beside the columns of order files.
const (
	maxOrganization   = 60
	maxIdentification = 25
	maxEmail          = 254
	maxPhone          = 20
)

func (p Person) check() error {
	var c records.Checker
	c.Row(p.Row())
	for field, v := range map[string]string{"title": p.Title, "first_name": p.FirstName, "last_name": p.LastName, "address1": p.Address1, "address2": p.Address2, "address3": p.Address3,
		"city": p.City, "region": p.Region, "postcode": p.Postcode} {
		c.Text(field, v, records.MaxText)
	}
	c.Text("organization", p.Organization, maxOrganization)
	c.Text("identification", p.Identification, maxIdentification)
	c.Text("email", p.Email, maxEmail)
	c.Text("phone", p.Phone, maxPhone)
	c.Date("birth_date", p.BirthDate)
	c.Attributes(p.Attributes)
	return c.Err()
}

// Customer is who cards are for.
type Customer struct {
	store.Record
	Person
}

func customerOf(r store.Record, err error) (Customer, error) {
	if err != nil {
		return Customer{Record: r}, err
	}
	p, err := records.Content[Person](r)
	return Customer{r, p}, err
}

// CreateCustomer declares a customer. It is safe to repeat: see the second result.
func (s *Service) CreateCustomer(ctx context.Context, by records.By, reference string, p Person) (Customer, bool, error) {
	if err := p.check(); err != nil {
		return Customer{}, false, err
	}
	r, repeated, err := s.keeps(store.CustomerRecord).Create(ctx, by, reference, p, func(*store.Tx, *store.Record) error { return nil })
	c, err := customerOf(r, err)
	return c, repeated, err
}

// ChangeCustomer declares a customer's next version: all of it, not what differs. version is the one that is changed; 0 = the current one.
func (s *Service) ChangeCustomer(ctx context.Context, by records.By, reference string, version int, p Person) (Customer, error) {
	return customerOf(s.keeps(store.CustomerRecord).Change(ctx, by, reference, version, func(*store.Tx, store.Record) (any, func(store.Record) error, error) { return p, nil, p.check() }))
}

// Customer finds a customer of an institution; another's is store.ErrNotFound.
func (s *Service) Customer(ctx context.Context, i store.Institution, reference string) (Customer, error) {
	return customerOf(s.keeps(store.CustomerRecord).Find(ctx, i, reference))
}

// Customers pages through an institution's customers, newest first, from those below number before (0 = from the newest).
func (s *Service) Customers(ctx context.Context, i store.Institution, before int64, limit int) ([]Customer, error) {
	return all(customerOf)(s.Plant.Store.Records(ctx, store.CustomerRecord, i.ID, before, limit))
}

// all applies a reader of one record to many.
func all[T any](of func(store.Record, error) (T, error)) func([]store.Record, error) ([]T, error) {
	return func(rows []store.Record, err error) ([]T, error) {
		list := make([]T, 0, len(rows))
		for _, r := range rows {
			v, bad := of(r, nil)
			err = errors.Join(err, bad)
			list = append(list, v)
		}
		return list, err
	}
}
