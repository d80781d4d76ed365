// Package instant makes cards that are ready at once: customer, account and card are declared and made in one transaction, and the card may be in use before its plastic is made.
package instant

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"strings"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/pins"
	"platen/services/records"
	"platen/sql/store"
)

// Service makes cards of a plant's institutions.
type Service struct {
	Plant     *batch.Plant
	Customers *customers.Service
	Cards     *cards.Service
	PINs      *pins.Service
}

// New is the service over a plant.
func New(plant *batch.Plant) *Service {
	return &Service{Plant: plant, Customers: &customers.Service{Plant: plant}, Cards: &cards.Service{Plant: plant}, PINs: &pins.Service{Plant: plant}}
}

// Request asks for a card.
type Request struct {
	customers.Opening
	Product        string
	Row            formats.Row // what the card shows and where it goes; a row without a name is of an anonymous card
	Reference      string      // of its order
	IdempotencyKey string
	Content        []byte // what was asked for, as it came: it tells a repetition
	Active         bool   // in use at once
	Delay          batch.Delay
	Number         *card.PAN // an institution's own; nil = one is drawn
	AwaitPIN       bool      // its plastic waits until a PIN is set
}

// Made is a card that was made.
type Made struct {
	Receipt batch.Receipt
	Card    batch.Instant
}

// Make makes a card at once, with what it hangs on. It is safe to repeat: the same reference and content find what was made.
func (s *Service) Make(ctx context.Context, by records.By, r Request) (Made, error) {
	product, err := s.Plant.Product(ctx, by.Institution, r.Product)
	if err != nil && !batch.IsNotFound(err) {
		return Made{}, err
	}
	kind := r.shape(product != nil && product.Technology == card.Virtual)
	return s.MakeRow(ctx, by, r, kind, s.Customers.Open(by, r.Opening, r.Product))
}

// MakeRow is Make of a row of a kind as it stands; what the request opens is not looked at, and also does what there is to do in its transaction.
func (s *Service) MakeRow(ctx context.Context, by records.By, r Request, kind formats.OrderKind, also func(context.Context, *store.Tx, store.Order) error) (Made, error) {
	if r.AwaitPIN {
		also = s.awaiting(by, also)
	}
	receipt, err := s.Plant.Submit(ctx, batch.Submission{Institution: by.Institution, Actor: by.Actor, Reference: r.Reference, IdempotencyKey: r.IdempotencyKey, Single: true, Instant: true,
		Delay: r.Delay, Number: r.Number, Body: bytes.NewReader(r.Content), Rows: func(io.Reader) (batch.Rows, error) { return batch.OneRow(kind, r.Row), nil }, Also: also})
	if err != nil {
		return Made{}, err
	}
	made, err := s.Plant.InstantCard(ctx, receipt.Order)
	if err == nil && made == nil {
		err = store.ErrNotFound // what was ordered is purged
	}
	if err != nil {
		return Made{Receipt: receipt}, errors.Join(errors.New("find the card that was made"), err)
	}
	if r.Active {
		// Whoever repeats the request finds it in use, also where the first one died before this.
		err = s.Cards.Activate(ctx, cards.Act{Institution: by.Institution, Card: made.Token, Actor: by.Actor})
	}
	return Made{Receipt: receipt, Card: *made}, err
}

// awaiting lets the plastic of the card that was made wait for its PIN, behind what else there is to do.
func (s *Service) awaiting(by records.By, also func(context.Context, *store.Tx, store.Order) error) func(context.Context, *store.Tx, store.Order) error {
	return func(ctx context.Context, tx *store.Tx, o store.Order) error {
		if err := also(ctx, tx, o); err != nil {
			return err
		}
		return s.PINs.AwaitOrdered(ctx, tx, cards.Act{Institution: by.Institution, Actor: by.Actor}, o)
	}
}

// cardOf is the card that was made when an order of one was taken in.
func cardOf(ctx context.Context, tx *store.Tx, o store.Order) (card.ID, error) {
	lines, err := tx.Lines(ctx, o.Number, 0, 1)
	if err == nil && (len(lines) != 1 || lines[0].Card == nil) {
		err = errors.New("no card was made when it was ordered")
	}
	if err != nil {
		return 0, err
	}
	return *lines[0].Card, nil
}

// shape makes the row one of a card with a holder, or of an anonymous one: that of which no name is known, and one without plastic that would go nowhere.
func (r *Request) shape(virtual bool) formats.OrderKind {
	row := &r.Row
	row.Product = r.Product
	switch {
	case row.FirstName == "" && row.LastName == "":
		row.Title, row.Language, row.CustomerReference = "", "", ""
	case virtual && (row.FirstName == "" || row.LastName == "" || row.Address1 == "" || row.City == "" || row.Country == ""):
		name := cmp.Or(row.EmbossName, strings.TrimSpace(row.FirstName+" "+row.LastName))
		*row = formats.Row{Line: row.Line, Product: row.Product, EmbossName: name, Expiry: row.Expiry}
	default:
		return formats.BulkOrder
	}
	row.Quantity = "1"
	return formats.MassOrder
}
