package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// Fund brings money from outside into a wallet: somebody has paid it in.
func (s *Service) Fund(ctx context.Context, a Act, wallet uuid.UUID, sum Sum) (Done, error) {
	account, err := s.find(ctx, a, wallet, card.Wallet)
	if err != nil {
		return Done{}, err
	}
	return s.move(ctx, a, card.Fund, movement{to: account, sum: sum})
}

// PayOut takes money out of a wallet: somebody is paid.
func (s *Service) PayOut(ctx context.Context, a Act, wallet uuid.UUID, sum Sum) (Done, error) {
	account, err := s.find(ctx, a, wallet, card.Wallet)
	if err != nil {
		return Done{}, err
	}
	return s.move(ctx, a, card.PayOut, movement{from: account, sum: sum})
}

// Transfer moves money between wallets and pools of one institution and currency.
func (s *Service) Transfer(ctx context.Context, a Act, from, to uuid.UUID, sum Sum) (Done, error) {
	if from == to {
		return Done{}, ErrSame
	}
	source, err := s.find(ctx, a, from, card.Wallet, card.Margin)
	if err != nil {
		return Done{}, err
	}
	target, err := s.find(ctx, a, to, card.Wallet, card.Margin)
	if err != nil {
		return Done{}, err
	}
	return s.move(ctx, a, card.Transfer, movement{from: source, to: target, sum: sum})
}

// Deposit loads a card from the wallet or pool that it belongs to. For a card of a pool that is an allocation.
func (s *Service) Deposit(ctx context.Context, a Act, name string, sum Sum) (Done, error) {
	account, source, err := s.ofCard(ctx, a, name)
	if err != nil {
		return Done{}, err
	}
	return s.move(ctx, a, card.Deposit, movement{from: source, to: account, card: &account.Number, sum: sum, check: func(tx *store.Tx, o *store.Operation) error {
		o.Fee, err = s.depositOnTerms(ctx, tx, a.Institution, *account.Card, o.Amount)
		return err
	}})
}

// Withdraw gives money of a card back to the wallet or pool that it belongs to, and leaves on it what its account retains.
func (s *Service) Withdraw(ctx context.Context, a Act, name string, sum Sum) (Done, error) {
	account, source, err := s.ofCard(ctx, a, name)
	if err != nil {
		return Done{}, err
	}
	return s.move(ctx, a, card.Withdraw, movement{from: account, to: source, card: &account.Number, leave: account.Retained, sum: sum, check: func(tx *store.Tx, _ *store.Operation) error {
		return s.withdrawOnTerms(ctx, tx, a.Institution, *account.Card)
	}})
}

// find returns an account of an institution if it is of one of some kinds. What clients can name are never the house's accounts.
func (s *Service) find(ctx context.Context, a Act, id uuid.UUID, kinds ...card.AccountKind) (*store.LedgerAccount, error) {
	found, err := s.Plant.Store.LedgerAccount(ctx, a.Institution.ID, id)
	if err != nil {
		return nil, err
	}
	if found.Kind.House() {
		return nil, store.ErrNotFound
	}
	for _, k := range kinds {
		if found.Kind == k {
			return &found, nil
		}
	}
	return nil, ErrKind
}

// ofCard returns the account of a card and the one that it is filled from.
func (s *Service) ofCard(ctx context.Context, a Act, name string) (account, source *store.LedgerAccount, err error) {
	id, err := s.Plant.FindCard(ctx, a.Institution, name)
	if err != nil {
		return nil, nil, err
	}
	own, err := s.Plant.Store.LedgerAccountOfCard(ctx, a.Institution.ID, id)
	if err != nil {
		return nil, nil, err
	}
	from, err := s.Plant.Store.LedgerAccountByNumber(ctx, a.Institution.ID, *own.Source)
	return &own, &from, err
}

// movement is money on its way; nil is outside.
type movement struct {
	from, to *store.LedgerAccount
	card     *int64 // the account of the card that it is about; nil = none
	leave    int64  // what must stay on from
	sum      Sum
	check    func(*store.Tx, *store.Operation) error // what else must hold; it may set a fee. nil = nothing
}

// move carries out a movement. What it depends on that can change is looked at under the locks of both accounts.
func (s *Service) move(ctx context.Context, a Act, kind card.OperationKind, m movement) (Done, error) {
	amount, err := m.amount()
	if err != nil {
		return Done{}, err
	}
	if err := CheckRemark(m.sum.Remark); err != nil {
		return Done{}, err
	}
	content := []any{idOf(m.from), idOf(m.to), amount.Minor, amount.Currency.String(), m.sum.Remark}
	return s.CarryOut(ctx, a, kind, content, func(tx *store.Tx, o *store.Operation) error {
		o.Amount, o.Currency, o.Exponent, o.Remark, o.CardAccount = amount.Minor, amount.Currency.String(), amount.Currency.Exponent(), m.sum.Remark, m.card
		if m.check != nil {
			if err := m.check(tx, o); err != nil {
				return err
			}
		}
		from, err := s.numberOf(ctx, tx, m.from, a.Institution, amount.Currency)
		if err != nil {
			return err
		}
		to, err := s.numberOf(ctx, tx, m.to, a.Institution, amount.Currency)
		if err != nil {
			return err
		}
		o.From, o.To = &from, &to
		return s.post(ctx, tx, a.Institution, o, m.leave)
	})
}

// post moves what an operation says, under the locks of its accounts, or leaves its failure there.
func (s *Service) post(ctx context.Context, tx *store.Tx, i store.Institution, o *store.Operation, leave int64) error {
	numbers := []int64{*o.From, *o.To}
	if o.Fee > 0 {
		currency, err := card.ParseCurrency(o.Currency)
		if err != nil {
			return err
		}
		fees, err := s.house(ctx, tx, i, card.Fees, currency)
		if err != nil {
			return err
		}
		numbers = append(numbers, fees)
	}
	locked, err := tx.LockLedgerAccounts(ctx, i.ID, numbers...)
	if err != nil {
		return err
	}
	if len(locked) != len(numbers) {
		return fmt.Errorf("%d of %d accounts are there: %w", len(locked), len(numbers), store.ErrNotFound)
	}
	if o.Failure = refusal(locked[*o.From], locked[*o.To], leave, o.Amount); o.Failure != "" {
		return nil
	}
	for part, amount := range []int64{o.Amount - o.Fee, o.Fee}[:len(numbers)-1] {
		if amount == 0 {
			continue
		}
		err := tx.Post(ctx, &store.LedgerEntry{Operation: o.Number, Part: part + 1, Institution: o.Institution, Currency: o.Currency, From: *o.From, To: numbers[part+1], Amount: amount, RecordedAt: o.CreatedAt})
		if err != nil {
			return err
		}
	}
	return nil
}

// refusal is why an amount cannot move between two accounts, empty if it can.
func refusal(from, to *store.LedgerAccount, leave, amount int64) string {
	switch {
	case !from.Kind.House() && from.Balance < amount:
		return FailureFunds
	case !from.Kind.House() && from.Balance-leave < amount:
		return FailureRetained
	case from.Balance-amount < -store.MaxBalance, to.Balance+amount > store.MaxBalance:
		return FailureBalance
	}
	return ""
}

// amount reads what is to be moved, in the currency of both accounts.
func (m *movement) amount() (card.Amount, error) {
	known := m.from
	if known == nil {
		known = m.to
	}
	if m.from != nil && m.to != nil && m.from.Currency != m.to.Currency {
		return card.Amount{}, ErrCurrency
	}
	currency, err := card.ParseCurrency(known.Currency)
	if err != nil {
		return card.Amount{}, err
	}
	if m.sum.Currency != "" {
		asked, err := card.ParseCurrency(m.sum.Currency)
		if err != nil {
			return card.Amount{}, err
		}
		if asked != currency {
			return card.Amount{}, ErrCurrency
		}
	}
	return card.ParseAmount(m.sum.Amount, currency)
}

// idOf names an account; outside is nothing.
func idOf(a *store.LedgerAccount) string {
	if a == nil {
		return ""
	}
	return a.ID.String()
}

// numberOf is the number of an account, and for nil that of the house's account for what is outside.
func (s *Service) numberOf(ctx context.Context, tx *store.Tx, a *store.LedgerAccount, i store.Institution, currency card.Currency) (int64, error) {
	if a != nil {
		return a.Number, nil
	}
	return s.house(ctx, tx, i, card.Outside, currency)
}

// house returns the number of the house's account of a kind, which it opens if need be.
func (s *Service) house(ctx context.Context, tx *store.Tx, i store.Institution, kind card.AccountKind, currency card.Currency) (int64, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return 0, fmt.Errorf("make an id: %w", err)
	}
	return tx.HouseAccount(ctx, store.LedgerAccount{ID: id, Institution: i.ID, Kind: kind, Currency: currency.String(), Exponent: currency.Exponent(), CreatedAt: s.Plant.Now()})
}
