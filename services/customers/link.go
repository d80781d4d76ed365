package customers

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/records"
	"platen/sql/store"
)

// Errors of linking that a client decides on.
var (
	ErrProduct   = errors.New("the account is for cards of another product")
	ErrAlone     = errors.New("the account has a card of the product already")
	ErrLinked    = errors.New("the card hangs on an account already")
	ErrNotLinked = errors.New("the card was not linked to an account")
	ErrActivated = errors.New("the card was put into use before it had a holder")
	ErrNamed     = errors.New("the card was made for somebody by name")
)

// Hang lets the card of an order of one row hang on an account: for Submission.Also.
func (s *Service) Hang(i store.Institution, account, product string) func(context.Context, *store.Tx, store.Order) error {
	return func(ctx context.Context, tx *store.Tx, o store.Order) error {
		a, err := s.lock(ctx, tx, i, account, product)
		if err != nil {
			return err
		}
		return tx.HangOrder(ctx, a.Number, o.Number)
	}
}

// HangAlone is Hang where an account has one card of a product at most: ErrAlone when one hangs on it that has not ended, or was ordered and may still be made.
func (s *Service) HangAlone(i store.Institution, account, product string) func(context.Context, *store.Tx, store.Order) error {
	return func(ctx context.Context, tx *store.Tx, o store.Order) error {
		a, err := s.lock(ctx, tx, i, account, product)
		if err != nil {
			return err
		}
		// Whoever hangs something on the account waits for its lock, so that nothing joins what is listed.
		for after := int64(0); ; {
			page, err := s.Cards(ctx, i, a, after, cardsPage)
			if err != nil {
				return err
			}
			for _, succession := range page {
				newest := succession[len(succession)-1]
				if after = newest.Position; newest.living(product) {
					return ErrAlone
				}
			}
			if len(page) < cardsPage {
				return tx.HangOrder(ctx, a.Number, o.Number)
			}
		}
	}
}

const cardsPage = 100

// living tells whether a card of a product is one that has not ended. What was ordered and is not made counts whatever its product is.
func (h Held) living(product string) bool {
	if h.Card == nil {
		return !h.Order.State.Ended()
	}
	return h.Product == product && h.Card.Status != card.CardClosed && h.Card.Status != card.CardExpired
}

// Link lets an anonymous card that never was in use hang on an account. One that hangs on this account stays as it is; on another, it fails with ErrLinked.
func (s *Service) Link(ctx context.Context, act cards.Act, account string) (Account, error) {
	id, err := s.Plant.FindCard(ctx, act.Institution, act.Card)
	if err != nil {
		return Account{}, err
	}
	var a Account
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		a, err = s.linkWithin(ctx, tx, act, id, account)
		return err
	})
	return a, err
}

// LinkNew is Link to an account that is declared with its customer: all of it stands, or nothing. A name that was used fails with records.ErrTaken.
func (s *Service) LinkNew(ctx context.Context, act cards.Act, o Opening) error {
	id, err := s.Plant.FindCard(ctx, act.Institution, act.Card)
	if err != nil {
		return err
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := s.openWithin(ctx, tx, records.By{Institution: act.Institution, Actor: act.Actor}, o); err != nil {
			return err
		}
		_, err := s.linkWithin(ctx, tx, act, id, o.Account)
		return err
	})
}

func (s *Service) linkWithin(ctx context.Context, tx *store.Tx, act cards.Act, id card.ID, account string) (Account, error) {
	c, err := tx.LockCard(ctx, id)
	if err != nil {
		return Account{}, err
	}
	product, err := s.productOf(ctx, tx, act.Institution, c)
	if err != nil {
		return Account{}, err
	}
	a, err := s.lock(ctx, tx, act.Institution, account, product)
	if err != nil {
		return a, err
	}
	switch on, err := tx.AccountOf(ctx, act.Institution.ID, c); {
	case err == nil && on.Number == a.Number:
		return a, nil
	case err == nil:
		return a, ErrLinked
	case !errors.Is(err, store.ErrNotFound):
		return a, err
	}
	if err := Linkable(ctx, tx, c); err != nil {
		return a, err
	}
	if err := tx.HangCard(ctx, a.Number, id); err != nil {
		return a, err
	}
	data := map[string]any{"account": a.ID.String(), "by": act.Actor}
	return a, tx.Record(ctx, act.Institution.ID, "card", int64(id), "linked", data, s.Plant.Now())
}

// Unlink takes a card that was linked to an account, and was not in use since, from it: it is anonymous again. One that was ordered for an account stays there, and fails with ErrNotLinked.
func (s *Service) Unlink(ctx context.Context, act cards.Act) error {
	id, err := s.Plant.FindCard(ctx, act.Institution, act.Card)
	if err != nil {
		return err
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, err := tx.LockCard(ctx, id)
		if err != nil {
			return err
		}
		if err := Linkable(ctx, tx, c); err != nil {
			return err
		}
		on, err := tx.AccountOf(ctx, act.Institution.ID, c)
		if err == nil {
			err = tx.UnhangCard(ctx, on.Number, id)
		}
		if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
			return ErrNotLinked
		}
		if err != nil {
			return err
		}
		data := map[string]any{"account": on.ID.String(), "by": act.Actor}
		return tx.Record(ctx, act.Institution.ID, "card", int64(id), "unlinked", data, s.Plant.Now())
	})
}

// Linkable refuses a card that has ended, was in use, or was made for somebody by name.
func Linkable(ctx context.Context, tx *store.Tx, c store.Card) error {
	if c.Status == card.CardClosed || c.Status == card.CardExpired {
		return fmt.Errorf("the card is %s: %w", c.Status, cards.ErrStatus)
	}
	issues, err := tx.Issues(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, i := range issues {
		if i.Use != card.UsePending && i.Use != card.UseClosed {
			return ErrActivated
		}
	}
	o, err := tx.OrderOf(ctx, c)
	if err != nil || formats.OrderKind(o.Kind) == formats.MassOrder {
		return err
	}
	l, err := tx.LineOfCard(ctx, c.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ErrNamed // what it was ordered by is purged, and was no mass order
	case err != nil:
		return err
	case l.FirstName != "" || l.LastName != "":
		return ErrNamed
	}
	return nil
}

func (s *Service) productOf(ctx context.Context, tx *store.Tx, i store.Institution, c store.Card) (string, error) {
	products, err := tx.Programs(ctx, i.ID, store.ProductProgram)
	if err != nil {
		return "", err
	}
	for _, p := range products {
		if p.Number == c.Product {
			return p.Code, nil
		}
	}
	return "", errors.New("the product of a card is not declared")
}

// OfCard finds the account that a card hangs on; nil when it hangs on none.
func (s *Service) OfCard(ctx context.Context, i store.Institution, c store.Card) (*Account, error) {
	r, err := s.Plant.Store.AccountOf(ctx, i.ID, c)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	a, err := accountOf(r, err)
	return &a, err
}

// Held is a card of an account, or an order for one that is not made.
type Held struct {
	Position int64
	Order    store.Order
	Card     *store.Card // nil = not made
	Token    string
	Product  string
}

// Cards pages through what hangs on an account, in the order in which it came, after a position: each card, and those that took its place one after another.
func (s *Service) Cards(ctx context.Context, i store.Institution, a Account, after int64, limit int) ([][]Held, error) {
	rows, err := s.Plant.Store.HangingOn(ctx, a.Number, after, limit)
	if err != nil {
		return nil, err
	}
	products, err := s.Plant.Store.Programs(ctx, i.ID, store.ProductProgram)
	if err != nil {
		return nil, err
	}
	codes := map[int64]string{}
	for _, p := range products {
		codes[p.Number] = p.Code
	}
	list := make([][]Held, len(rows))
	for n, h := range rows {
		if list[n], err = s.held(ctx, i, h, codes); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// held follows one card of an account through those that took its place.
func (s *Service) held(ctx context.Context, i store.Institution, h store.Hanging, products map[int64]string) ([]Held, error) {
	id := h.Card
	if h.Order != nil {
		o, err := s.Plant.Store.OrderByNumber(ctx, i.ID, *h.Order)
		if err != nil {
			return nil, err
		}
		made, err := s.Plant.FindCard(ctx, i, o.Reference+"#1")
		if err == nil {
			_, err = s.Plant.Store.Card(ctx, made)
		}
		if errors.Is(err, store.ErrNotFound) {
			return []Held{{Position: h.Position, Order: o}}, nil
		}
		if err != nil {
			return nil, err
		}
		id = &made
	}
	var all []Held
	for next := id; next != nil; next = all[len(all)-1].Card.ReplacedBy {
		c, err := s.Plant.Store.Card(ctx, *next)
		if err != nil {
			return nil, err
		}
		v := Held{Position: h.Position, Card: &c, Product: products[c.Product]}
		if v.Token, err = s.Plant.Token(ctx, c.ID); err != nil {
			return nil, err
		}
		if v.Order, err = s.Plant.Store.OrderOf(ctx, c); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
