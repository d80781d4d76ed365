package customers

import (
	"context"
	"errors"

	"platen/formats"
	"platen/services/records"
	"platen/sql/store"
)

// Opening is what a card is made for: an account, which may be declared with it, and so may who holds that.
type Opening struct {
	Customer string
	Person   *Person // of a customer who is declared with the card; nil = is declared
	Account  string
	Terms    *Terms // of an account that is declared with the card; nil = is declared
}

// Open declares what an opening has to be declared, and lets the card of an order of one row hang on its account: for Submission.Also. Either all of it stands, or nothing. A name that
// was used fails with records.ErrTaken.
func (s *Service) Open(by records.By, o Opening, product string) func(context.Context, *store.Tx, store.Order) error {
	hang := s.Hang(by.Institution, o.Account, product)
	return func(ctx context.Context, tx *store.Tx, order store.Order) error {
		if err := s.openWithin(ctx, tx, by, o); err != nil {
			return err
		}
		return hang(ctx, tx, order)
	}
}

// openWithin declares what an opening has to be declared.
func (s *Service) openWithin(ctx context.Context, tx *store.Tx, by records.By, o Opening) error {
	if o.Person != nil {
		err := o.Person.check()
		if err == nil {
			err = s.keeps(store.CustomerRecord).CreateIn(ctx, tx, by, o.Customer, *o.Person, func(*store.Tx, *store.Record) error { return nil })
		}
		if err != nil {
			return err
		}
	}
	if o.Terms == nil {
		return nil
	}
	t := *o.Terms
	t.Customer = o.Customer
	if err := errors.Join(t.check(), checkProduct(ctx, tx.Q, by.Institution, t.Product)); err != nil {
		return err
	}
	return s.keeps(store.AccountRecord).CreateIn(ctx, tx, by, o.Account, t, ownedBy(ctx, by, o.Customer))
}

// Row is the row that orders a card for somebody.
func (p *Person) Row() formats.Row {
	return formats.Row{Line: 2, Title: p.Title, FirstName: p.FirstName, LastName: p.LastName, Language: p.Language, Address1: p.Address1, Address2: p.Address2, Address3: p.Address3,
		City: p.City, Region: p.Region, Postcode: p.Postcode, Country: p.Country}
}
