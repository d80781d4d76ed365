package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// Errors of the terms of card types.
var (
	ErrOffline     = errors.New("no card of this type is opened now")
	ErrSource      = errors.New("cards of this type are filled from an account of another kind")
	ErrHolder      = errors.New("cards of this type need a holder that has passed the audit")
	ErrHolderCards = errors.New("the holder has as many cards of this type as one may")
	ErrFeature     = errors.New("cards of this type do not do this")
	ErrLimits      = errors.New("the amount is outside of what the card type allows")
)

// openOnTerms fills in what a card type says of the account of a card. A card of any other product has no terms, and no holder.
func (s *Service) openOnTerms(ctx context.Context, tx *store.Tx, i store.Institution, holder uuid.UUID, source, account *store.LedgerAccount) error {
	c, product, err := s.productOf(ctx, tx, i, *account.Card)
	if err != nil {
		return err
	}
	terms, err := product.Terms()
	switch {
	case errors.Is(err, card.ErrNotPrepaid) && holder != uuid.Nil:
		return ErrHolder
	case errors.Is(err, card.ErrNotPrepaid):
		return nil
	case err != nil:
		return fmt.Errorf("terms of %s: %w", product.Code, err)
	case product.Prepaid.Offline:
		return ErrOffline
	case (product.Prepaid.Mode == card.SharedMoney) != (source.Kind == card.Margin):
		return ErrSource
	case terms.Currency.String() != source.Currency:
		return ErrCurrency
	}
	account.Retained = terms.Retained
	return s.hold(ctx, tx, i, c.Product, &product.Prepaid, holder, account)
}

// hold gives an account the holder that its card type needs: one who has passed the audit for it, and has not as many cards as one may.
func (s *Service) hold(ctx context.Context, tx *store.Tx, i store.Institution, product int64, t *card.Prepaid, id uuid.UUID, account *store.LedgerAccount) error {
	if t.Holder == 0 && id == uuid.Nil {
		return nil
	}
	h, err := tx.LockHolder(ctx, i.ID, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (h.Product != product || h.State != card.HolderPassed || h.PurgedAt != nil) {
		return ErrHolder
	}
	if err != nil {
		return err
	}
	n, err := tx.CardsOfHolder(ctx, h.Number)
	if err != nil {
		return err
	}
	if t.HolderCards > 0 && n >= t.HolderCards {
		return ErrHolderCards
	}
	account.Holder = &h.Number
	return nil
}

// productOf is a card that has not ended, and its product. It is locked until commit, so that it does not end while money moves to it.
func (s *Service) productOf(ctx context.Context, tx *store.Tx, i store.Institution, id card.ID) (store.Card, *card.Product, error) {
	c, err := tx.LockCard(ctx, id)
	if err != nil {
		return c, nil, err
	}
	if c.Status == card.CardClosed || c.Status == card.CardExpired {
		return c, nil, fmt.Errorf("the card is %s: %w", c.Status, cards.ErrStatus)
	}
	product, err := s.Plant.ProductByNumber(ctx, tx.Q, i, c.Product)
	return c, product, err
}

// depositOnTerms holds a deposit against the card type of its card, and tells what it costs.
func (s *Service) depositOnTerms(ctx context.Context, tx *store.Tx, i store.Institution, id card.ID, amount int64) (fee int64, err error) {
	_, product, err := s.productOf(ctx, tx, i, id)
	if err != nil {
		return 0, err
	}
	terms, err := product.Terms()
	if errors.Is(err, card.ErrNotPrepaid) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("terms of %s: %w", product.Code, err)
	}
	fee = product.Prepaid.DepositFee(terms, amount)
	switch {
	case !product.Prepaid.Allows(card.CanDeposit):
		return 0, ErrFeature
	case amount < terms.DepositMin, terms.DepositMax > 0 && amount > terms.DepositMax, fee >= amount:
		return 0, ErrLimits
	}
	return fee, nil
}

// withdrawOnTerms refuses a withdrawal that the card type of a card does not have. A card that has ended gives back what it holds.
func (s *Service) withdrawOnTerms(ctx context.Context, tx *store.Tx, i store.Institution, id card.ID) error {
	_, product, err := s.productOf(ctx, tx, i, id)
	if errors.Is(err, cards.ErrStatus) {
		return nil
	}
	if err == nil && product.IsPrepaid() && !product.Prepaid.Allows(card.CanWithdraw) {
		err = ErrFeature
	}
	return err
}
