package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// Account is an account with what the cards hold that are filled from it.
type Account struct {
	store.LedgerAccount
	Allocated int64  // minor units
	Token     string // of the card whose account it is
}

// NewAccount is what an account is opened with: a wallet or a pool in a currency.
type NewAccount struct {
	Kind     card.AccountKind
	Currency string // letters or number of ISO 4217
	Name     string
}

// maxName bounds the name of an account.
const maxName = 64

// Open opens an empty wallet or pool.
func (s *Service) Open(ctx context.Context, a Act, n NewAccount) (Account, bool, error) {
	currency, err := card.ParseCurrency(n.Currency)
	if err != nil {
		return Account{}, false, err
	}
	if n.Kind != card.Wallet && n.Kind != card.Margin {
		return Account{}, false, ErrKind
	}
	if len(n.Name) > maxName || !printable(n.Name, ' ') || batch.HoldsCardNumber(n.Name) {
		return Account{}, false, ErrRemark
	}
	return s.open(ctx, a, []any{n.Kind.String(), currency.String(), n.Name}, func(_ *store.Tx, account *store.LedgerAccount) error {
		account.Kind, account.Currency, account.Exponent, account.Name = n.Kind, currency.String(), currency.Exponent(), n.Name
		return nil
	})
}

// NewCardAccount is what the account of a card is opened with. Source is the wallet or pool that it is filled from, Holder who was audited for it; uuid.Nil = nobody.
type NewCardAccount struct {
	Card   string // token or ORDER-REFERENCE#UNIT
	Source uuid.UUID
	Holder uuid.UUID
}

// OpenCard opens the empty account of a card, on the terms of its card type where its product is one.
func (s *Service) OpenCard(ctx context.Context, a Act, n NewCardAccount) (Account, bool, error) {
	id, err := s.Plant.FindCard(ctx, a.Institution, n.Card)
	if err != nil {
		return Account{}, false, err
	}
	source, err := s.Plant.Store.LedgerAccount(ctx, a.Institution.ID, n.Source)
	if err != nil {
		return Account{}, false, err
	}
	if source.Kind != card.Wallet && source.Kind != card.Margin {
		return Account{}, false, ErrKind
	}
	return s.open(ctx, a, []any{"CARD", int64(id), n.Source, n.Holder}, func(tx *store.Tx, account *store.LedgerAccount) error {
		if _, err := tx.LedgerAccountOfCard(ctx, a.Institution.ID, id); !errors.Is(err, store.ErrNotFound) {
			if err == nil {
				err = ErrTaken
			}
			return err
		}
		account.Kind, account.Currency, account.Exponent = card.CardAccount, source.Currency, source.Exponent
		account.Card, account.Source = &id, &source.Number
		return s.openOnTerms(ctx, tx, a.Institution, n.Holder, &source, account)
	})
}

// open carries out the opening of an account; it tells whether it was opened before.
func (s *Service) open(ctx context.Context, a Act, content any, fill func(*store.Tx, *store.LedgerAccount) error) (Account, bool, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Account{}, false, fmt.Errorf("make an id: %w", err)
	}
	d, err := s.CarryOut(ctx, a, card.OpenAccount, content, func(tx *store.Tx, o *store.Operation) error {
		account := store.LedgerAccount{ID: id, Institution: a.Institution.ID, CreatedAt: s.Plant.Now()}
		if err := fill(tx, &account); err != nil {
			return err
		}
		if err := tx.InsertLedgerAccount(ctx, &account); err != nil {
			return err
		}
		o.To, o.Currency, o.Exponent = &account.Number, account.Currency, account.Exponent
		if account.Card != nil {
			o.CardAccount = &account.Number
		}
		return nil
	})
	if errors.Is(err, store.ErrConflict) {
		err = ErrTaken // by another operation, a moment ago
	}
	if err != nil {
		return Account{}, false, err
	}
	account, err := s.account(ctx, a.Institution, *d.To)
	return account, d.Replay, err
}

// account shows an account by its number.
func (s *Service) account(ctx context.Context, i store.Institution, number int64) (Account, error) {
	found, err := s.Plant.Store.LedgerAccountByNumber(ctx, i.ID, number)
	if err != nil {
		return Account{}, err
	}
	return s.show(ctx, i, found)
}

// Account shows one account of an institution, one of the house's too.
func (s *Service) Account(ctx context.Context, i store.Institution, id uuid.UUID) (Account, error) {
	found, err := s.Plant.Store.LedgerAccount(ctx, i.ID, id)
	if err != nil {
		return Account{}, err
	}
	return s.show(ctx, i, found)
}

// CardAccount shows the account of a card.
func (s *Service) CardAccount(ctx context.Context, i store.Institution, name string) (Account, error) {
	id, err := s.Plant.FindCard(ctx, i, name)
	if err != nil {
		return Account{}, err
	}
	found, err := s.Plant.Store.LedgerAccountOfCard(ctx, i.ID, id)
	if err != nil {
		return Account{}, err
	}
	return s.show(ctx, i, found)
}

// Accounts shows an institution's accounts by number, after one.
func (s *Service) Accounts(ctx context.Context, i store.Institution, after int64, limit int) ([]Account, error) {
	rows, err := s.Plant.Store.LedgerAccounts(ctx, i.ID, after, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Account, len(rows))
	for n, row := range rows {
		if all[n], err = s.show(ctx, i, row); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Service) show(ctx context.Context, i store.Institution, found store.LedgerAccount) (Account, error) {
	a := Account{LedgerAccount: found}
	var err error
	if found.Card != nil {
		a.Token, err = s.Plant.Token(ctx, *found.Card)
	} else if !found.Kind.House() {
		a.Allocated, err = s.Plant.Store.Allocated(ctx, i.ID, found.Number)
	}
	return a, err
}
