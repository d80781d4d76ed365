package customers

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"platen/batch"
	"platen/services/records"
	"platen/sql/store"
)

// Terms are what an institution says of an account. Limits are kept as data: nothing is authorised here.
type Terms struct {
	Customer    string            `json:"customer"`               // reference; never changes
	Product     string            `json:"product,omitempty"`      // code of the only product whose cards may hang on it
	Currency    string            `json:"currency,omitempty"`     // ISO 4217, three digits
	CreditLimit int64             `json:"credit_limit,omitempty"` // minor units of the currency
	Limits      []Limit           `json:"limits,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

// Limit bounds one kind of use, in minor units of the account's currency; 0 = it does not.
type Limit struct {
	Name   string `json:"name"`
	Amount int64  `json:"amount,omitempty"`
	Count  int64  `json:"count,omitempty"`
	Single int64  `json:"single,omitempty"` // amount of one use
}

// maxLimits is how many limits an account has at most.
const maxLimits = 20

func (t Terms) check() error {
	var c records.Checker
	c.Currency("currency", t.Currency)
	if t.CreditLimit < 0 {
		c.Fault("credit_limit", "negative", "0 or more")
	}
	if len(t.Limits) > maxLimits {
		c.Fault("limits", records.FaultTooMany, "20 at most")
	}
	seen := map[string]bool{}
	for _, l := range t.Limits {
		switch {
		case !records.IsName(l.Name, records.MaxName):
			c.Fault("limits", records.FaultName, "names are 1 to 36 letters, digits, dots, dashes or underscores")
		case seen[l.Name]:
			c.Fault("limits", "twice", "a limit stands once")
		case l.Amount < 0 || l.Count < 0 || l.Single < 0:
			c.Fault("limits", "negative", "0 or more")
		}
		seen[l.Name] = true
	}
	c.Attributes(t.Attributes)
	return c.Err()
}

// checkProduct refuses a product that is not declared.
func checkProduct(ctx context.Context, q store.Q, i store.Institution, code string) error {
	if code == "" {
		return nil
	}
	products, err := q.Programs(ctx, i.ID, store.ProductProgram)
	if err != nil {
		return err
	}
	for _, p := range products {
		if p.Code == code {
			return nil
		}
	}
	c := records.Checker{}
	c.Fault("product", "unknown_product", "use one of the declared product codes")
	return c.Err()
}

// Account is what cards hang on.
type Account struct {
	store.Record
	Terms
}

func accountOf(r store.Record, err error) (Account, error) {
	if err != nil {
		return Account{Record: r}, err
	}
	t, err := records.Content[Terms](r)
	return Account{r, t}, err
}

// CreateAccount declares an account of a customer. It is safe to repeat: see the second result. ErrCustomer: there is no such customer.
func (s *Service) CreateAccount(ctx context.Context, by records.By, reference string, t Terms) (Account, bool, error) {
	if err := errors.Join(t.check(), checkProduct(ctx, s.Plant.Store.Q, by.Institution, t.Product)); err != nil {
		return Account{}, false, err
	}
	r, repeated, err := s.keeps(store.AccountRecord).Create(ctx, by, reference, t, ownedBy(ctx, by, t.Customer))
	a, err := accountOf(r, err)
	return a, repeated, err
}

// ownedBy lets an account be of a customer.
func ownedBy(ctx context.Context, by records.By, customer string) func(*store.Tx, *store.Record) error {
	return func(tx *store.Tx, r *store.Record) error {
		if records.CheckReference(customer) != nil {
			return ErrCustomer
		}
		owner, err := tx.RecordNamed(ctx, store.CustomerRecord, by.Institution.ID, customer)
		r.Owner = owner.Number
		return missing(err, ErrCustomer)
	}
}

// missing says in a client's words what was not found.
func missing(err, as error) error {
	if batch.IsNotFound(err) {
		return as
	}
	return err
}

// ChangeAccount declares an account's next version: all of it, but for its customer. version is the one that is changed; 0 = the current one.
func (s *Service) ChangeAccount(ctx context.Context, by records.By, reference string, version int, t Terms) (Account, error) {
	return accountOf(s.keeps(store.AccountRecord).Change(ctx, by, reference, version, func(tx *store.Tx, r store.Record) (any, func(store.Record) error, error) {
		was, err := records.Content[Terms](r)
		t.Customer = was.Customer
		return t, nil, errors.Join(err, t.check(), checkProduct(ctx, tx.Q, by.Institution, t.Product))
	}))
}

// Account finds an account of an institution; another's is store.ErrNotFound.
func (s *Service) Account(ctx context.Context, i store.Institution, reference string) (Account, error) {
	return accountOf(s.keeps(store.AccountRecord).Find(ctx, i, reference))
}

// AccountByID is Account by its public id.
func (s *Service) AccountByID(ctx context.Context, i store.Institution, id uuid.UUID) (Account, error) {
	return accountOf(s.Plant.Store.RecordByID(ctx, store.AccountRecord, i.ID, id))
}

// Accounts pages through an institution's accounts, newest first, from those below number before (0 = from the newest).
func (s *Service) Accounts(ctx context.Context, i store.Institution, before int64, limit int) ([]Account, error) {
	return all(accountOf)(s.Plant.Store.Records(ctx, store.AccountRecord, i.ID, before, limit))
}

// AccountsOf is Accounts for those of one customer.
func (s *Service) AccountsOf(ctx context.Context, c Customer, before int64, limit int) ([]Account, error) {
	return all(accountOf)(s.Plant.Store.AccountsOf(ctx, c.Record, before, limit))
}

// lock finds an account for a card of a product, and keeps it locked until commit.
func (s *Service) lock(ctx context.Context, tx *store.Tx, i store.Institution, reference, product string) (Account, error) {
	if records.CheckReference(reference) != nil {
		return Account{}, ErrAccount
	}
	a, err := accountOf(tx.LockRecord(ctx, store.AccountRecord, i.ID, reference))
	if err != nil {
		return a, missing(err, ErrAccount)
	}
	if a.Product != "" && a.Product != product {
		return a, fmt.Errorf("a card of product %s: %w", product, ErrProduct)
	}
	return a, nil
}
