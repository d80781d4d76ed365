package prepaid

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/ledger"
	"platen/sql/store"
)

// NewCard asks for a card of a card type.
type NewCard struct {
	CardType string
	Amount   string    // what it is loaded with, as decimal text; empty or 0 = nothing
	Account  uuid.UUID // the pool that it shares, or the wallet that it is filled from; uuid.Nil = the institution's oldest wallet
	Holder   uuid.UUID // uuid.Nil = nobody
	Number   card.PAN  // what is printed on a card from stock; the zero PAN for one that is made now
}

// errRepeated ends an order of a card whose operation was carried out before.
var errRepeated = errors.New("the operation was carried out before")

// Open opens a card with its account. One without plastic is made now, and is in use; one with plastic is found by its number, and awaits its activation code, which subscribers to events
// are told.
func (s *Service) Open(ctx context.Context, a ledger.Act, n NewCard) (ledger.Done, error) {
	if err := a.Check(); err != nil {
		return ledger.Done{}, err
	}
	product, number, err := s.Plant.CardType(ctx, a.Institution, n.CardType)
	if err != nil {
		return ledger.Done{}, err
	}
	var printed card.ID
	switch plastic := product.Technology != card.Virtual; {
	case plastic && n.Number == (card.PAN{}):
		return ledger.Done{}, ErrNumberNeeded
	case !plastic && n.Number != (card.PAN{}):
		return ledger.Done{}, ErrNumber
	case plastic:
		printed, err = s.Plant.FindNumber(ctx, a.Institution, n.Number)
		if errors.Is(err, store.ErrNotFound) {
			err = ErrNotOurs
		}
		if err != nil {
			return ledger.Done{}, err
		}
	}
	content := []any{number, n.Amount, n.Account, n.Holder, strconv.FormatInt(int64(printed), 10)}
	if _, err := s.ledger.Operation(ctx, a.Institution, a.Reference); err == nil {
		return s.ledger.CarryOut(ctx, a, card.OpenCard, content, func(*store.Tx, *store.Operation) error { return errors.New("an operation that was there is gone") })
	} else if !errors.Is(err, store.ErrNotFound) {
		return ledger.Done{}, err
	}
	open := s.makeNow
	if printed != 0 {
		open = s.bind
	}
	d, err := open(ctx, a, n, product, number, printed, content)
	if failed := new(ledger.FailedError); errors.As(err, &failed) {
		return s.ledger.Fail(ctx, a, card.OpenCard, content, failed.Failure)
	}
	return d, err
}

// makeNow orders a card without plastic, which is made at once, opens its account and puts it into use: all of it in the transaction that makes the order stand.
func (s *Service) makeNow(ctx context.Context, a ledger.Act, n NewCard, product *card.Product, _ int64, _ card.ID, content any) (ledger.Done, error) {
	kind, row, err := s.row(ctx, a.Institution, n, product)
	if err != nil {
		return ledger.Done{}, err
	}
	asked, err := json.Marshal(content)
	if err != nil {
		return ledger.Done{}, fmt.Errorf("order of a card: %w", err)
	}
	var d ledger.Done
	_, err = s.Plant.Submit(ctx, batch.Submission{Institution: a.Institution, Actor: a.Actor, Reference: uuid.NewSHA1(a.Institution.ID, []byte("prepaid card "+a.Reference)).String(),
		Single: true, Instant: true, Body: bytes.NewReader(asked), Rows: func(io.Reader) (batch.Rows, error) { return batch.OneRow(kind, row), nil },
		Also: func(ctx context.Context, tx *store.Tx, o store.Order) error {
			lines, err := tx.Lines(ctx, o.Number, 0, 1)
			if err != nil {
				return err
			}
			if len(lines) != 1 || lines[0].Card == nil {
				return errors.New("no card was made")
			}
			d, err = s.ledger.Within(ctx, tx, a, card.OpenCard, content, func(tx *store.Tx, op *store.Operation) error {
				if err := s.open(ctx, tx, a, op, n, *lines[0].Card, nil); err != nil {
					return err
				}
				return s.cards.ActivateWithin(ctx, tx, cards.Act{Institution: a.Institution, Actor: a.Actor}, *lines[0].Card)
			})
			if err == nil && d.Replay {
				err = errRepeated
			}
			return err
		}})
	switch {
	case errors.Is(err, errRepeated):
		return d, nil
	case errors.Is(err, batch.ErrReference):
		return ledger.Done{}, ledger.ErrReference
	case err == nil && d.Number == 0: // the order was there: somebody has asked for the same a moment ago
		d.Replay = true
		d.Operation, err = s.ledger.Operation(ctx, a.Institution, a.Reference)
	}
	return d, err
}

// row is the order of a card that is made now: with the names of its holder where cards of the product show one.
func (s *Service) row(ctx context.Context, i store.Institution, n NewCard, product *card.Product) (formats.OrderKind, formats.Row, error) {
	if product.Anonymous || n.Holder == uuid.Nil {
		return formats.MassOrder, formats.Row{Line: 2, Product: product.Code, Quantity: "1"}, nil
	}
	h, err := s.holders.Holder(ctx, i, n.Holder)
	if errors.Is(err, store.ErrNotFound) {
		err = ledger.ErrHolder
	}
	return formats.BulkOrder, formats.Row{Line: 2, Product: product.Code, FirstName: h.FirstName, LastName: h.LastName, Address1: h.Address, City: h.Town, Postcode: h.Postcode, Country: h.Country}, err
}

// open opens the account of a card that is locked or made in this transaction. code makes what activates it; nil = nothing is awaited.
func (s *Service) open(ctx context.Context, tx *store.Tx, a ledger.Act, o *store.Operation, n NewCard, id card.ID, code func(store.LedgerAccount) ([]byte, error)) error {
	account, err := s.ledger.OpenOnTerms(ctx, tx, a.Institution, o, ledger.Opening{Card: id, Amount: n.Amount, Source: n.Account, Holder: n.Holder})
	if err != nil {
		return err
	}
	known := store.PrepaidCard{Account: account.Number, Institution: a.Institution.ID, Attributes: "{}"}
	if code != nil {
		if known.Code, err = code(account); err != nil {
			return err
		}
	}
	return tx.InsertPrepaidCard(ctx, known)
}

// bind opens the account of a card from printed stock, and makes the code that activates it.
func (s *Service) bind(ctx context.Context, a ledger.Act, n NewCard, _ *card.Product, number int64, id card.ID, content any) (ledger.Done, error) {
	d, err := s.ledger.CarryOut(ctx, a, card.OpenCard, content, func(tx *store.Tx, o *store.Operation) error {
		c, err := tx.LockCard(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNotProduced // its number is reserved, and it is not made
		}
		if err != nil {
			return err
		}
		if c.Product != number {
			return ErrOtherType
		}
		if err := s.bindable(ctx, tx, a.Institution, c); err != nil {
			return err
		}
		err = s.open(ctx, tx, a, o, n, id, func(account store.LedgerAccount) ([]byte, error) { return s.newCode(id, account.ID) })
		if errors.Is(err, ledger.ErrTaken) {
			err = ErrBound
		}
		if err != nil {
			return err
		}
		for _, what := range []string{"bound", CodeEvent} {
			if err := tx.Record(ctx, a.Institution.ID, "card", int64(id), what, map[string]any{"by": a.Actor}, o.CreatedAt); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && !d.Replay {
		s.Plant.Wake()
	}
	return d, err
}

// bindable refuses a card that has a holder, was in use, or is not in anybody's hands yet.
func (s *Service) bindable(ctx context.Context, tx *store.Tx, i store.Institution, c store.Card) error {
	if _, err := tx.LedgerAccountOfCard(ctx, i.ID, c.ID); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = ErrBound
		}
		return err
	}
	if _, err := tx.AccountOf(ctx, i.ID, c); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = ErrBound
		}
		return err
	}
	if c.Status != card.CardInactive {
		return fmt.Errorf("the card is %s: %w", c.Status, cards.ErrStatus)
	}
	if err := customers.Linkable(ctx, tx, c); err != nil {
		return err
	}
	issue, err := tx.Issue(ctx, c.ID, c.NewestIssue)
	if err != nil {
		return err
	}
	made := issue.State.Fulfilled()
	if issue.State == card.IssueFollowsFile && issue.File != nil {
		f, err := tx.FileByNumber(ctx, *issue.File)
		if err != nil {
			return err
		}
		made = f.State == card.FileBalanced || f.State == card.FileClosed || f.State == card.FilePurged
	}
	if !made {
		return ErrNotProduced
	}
	return nil
}
