package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// Opening is a card of a card type that is opened with its account. Amount is what it is loaded with, as decimal text; empty or 0 = nothing. Source is the wallet or pool that it is
// filled from; uuid.Nil = the oldest wallet in the currency of the card type.
type Opening struct {
	Card   card.ID
	Amount string
	Source uuid.UUID
	Holder uuid.UUID // uuid.Nil = nobody
}

// FailedError is an operation that cannot be done and leaves nothing but its failure: see Fail.
type FailedError struct{ Failure string }

// Error implements error.
func (e *FailedError) Error() string { return "the operation fails: " + e.Failure }

// Fail records an operation that could not be done.
func (s *Service) Fail(ctx context.Context, a Act, kind card.OperationKind, content any, failure string) (Done, error) {
	return s.CarryOut(ctx, a, kind, content, func(_ *store.Tx, o *store.Operation) error {
		o.Failure = failure
		return nil
	})
}

// OpenOnTerms opens the account of a card on the terms of its card type and loads it, for do of Within: what the operation takes from the source is the load and the price of the card. What
// the source does not hold fails with a *FailedError.
func (s *Service) OpenOnTerms(ctx context.Context, tx *store.Tx, i store.Institution, o *store.Operation, n Opening) (store.LedgerAccount, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return store.LedgerAccount{}, fmt.Errorf("make an id: %w", err)
	}
	product, terms, err := s.termsOf(ctx, tx, i, n.Card)
	if err != nil {
		return store.LedgerAccount{}, err
	}
	load, err := terms.opening(n.Amount)
	if err != nil {
		return store.LedgerAccount{}, err
	}
	source, err := s.source(ctx, tx, i, product, terms, n.Source)
	if err != nil {
		return store.LedgerAccount{}, err
	}
	account := store.LedgerAccount{ID: id, Institution: i.ID, Kind: card.CardAccount, Currency: source.Currency, Exponent: source.Exponent, Card: &n.Card, Source: &source.Number, CreatedAt: o.CreatedAt}
	if err := s.openOnTerms(ctx, tx, i, n.Holder, &source, &account); err != nil {
		return account, err
	}
	err = tx.InsertLedgerAccount(ctx, &account)
	if errors.Is(err, store.ErrConflict) {
		return account, ErrTaken
	}
	if err != nil {
		return account, err
	}
	o.From, o.To, o.CardAccount = &source.Number, &account.Number, &account.Number
	o.Currency, o.Exponent, o.Amount, o.Fee = source.Currency, source.Exponent, load+terms.Price, terms.Price
	if err := s.post(ctx, tx, i, o, 0); err != nil {
		return account, err
	}
	if o.Failure != "" {
		return account, &FailedError{o.Failure}
	}
	return account, nil
}

// openingTerms are the terms that a card is opened on.
type openingTerms struct{ card.Terms }

func (s *Service) termsOf(ctx context.Context, tx *store.Tx, i store.Institution, id card.ID) (*card.Product, openingTerms, error) {
	_, product, err := s.productOf(ctx, tx, i, id)
	if err != nil {
		return nil, openingTerms{}, err
	}
	terms, err := product.Terms()
	if err != nil {
		return nil, openingTerms{}, fmt.Errorf("terms of %s: %w", product.Code, err)
	}
	return product, openingTerms{terms}, nil
}

// opening reads what a card is loaded with when it is opened, in minor units.
func (t openingTerms) opening(text string) (int64, error) {
	amount, err := card.ParseAmount(text, t.Currency)
	if text == "" || errors.Is(err, card.ErrAmount) && card.IsZeroAmount(text) {
		amount, err = card.Amount{}, nil
	}
	switch {
	case err != nil:
		return 0, err
	case amount.Minor < t.OpeningMin, t.OpeningMax > 0 && amount.Minor > t.OpeningMax:
		return 0, ErrLimits
	}
	return amount.Minor, nil
}

// source is the account that a card is filled from.
func (s *Service) source(ctx context.Context, tx *store.Tx, i store.Institution, product *card.Product, terms openingTerms, id uuid.UUID) (store.LedgerAccount, error) {
	if id != uuid.Nil {
		found, err := tx.LedgerAccount(ctx, i.ID, id)
		if err == nil && found.Kind.House() {
			err = store.ErrNotFound
		}
		return found, err
	}
	if product.Prepaid.Mode == card.SharedMoney {
		return store.LedgerAccount{}, ErrSource
	}
	found, err := tx.FirstLedgerAccount(ctx, i.ID, card.Wallet, terms.Currency.String())
	if errors.Is(err, store.ErrNotFound) {
		err = ErrSource
	}
	return found, err
}

// Empty gives all that a card holds back to where it came from, for do of Within: whatever its terms are, for the card has ended. A card that holds nothing gives nothing.
func (s *Service) Empty(ctx context.Context, tx *store.Tx, i store.Institution, o *store.Operation, account store.LedgerAccount) error {
	locked, err := tx.LockLedgerAccounts(ctx, i.ID, account.Number, *account.Source)
	if err != nil {
		return err
	}
	held := locked[account.Number]
	if held == nil {
		return fmt.Errorf("account of a card: %w", store.ErrNotFound)
	}
	o.From, o.To, o.CardAccount = &account.Number, account.Source, &account.Number
	o.Currency, o.Exponent, o.Amount = account.Currency, account.Exponent, held.Balance
	return s.post(ctx, tx, i, o, 0)
}
