package prepaid

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/services/ledger"
	"platen/sql/store"
)

// Why cards are stopped and closed, for their history: one that was frozen is unfrozen again, one that somebody else stopped is not.
const (
	frozenReason    = "frozen"
	unfrozenReason  = "unfrozen"
	cancelledReason = "cancelled"
)

// frozen tells whether a blocked card was blocked by Freeze.
func (s *Service) frozen(ctx context.Context, q store.Q, i store.Institution, c store.Card) (bool, error) {
	if c.Status != card.CardBlocked {
		return false, nil
	}
	events, err := q.Events(ctx, i.ID, "card", int64(c.ID))
	if err != nil {
		return false, err
	}
	for _, e := range slices.Backward(events) {
		if e.Kind == "blocked" {
			var said struct{ Reason string }
			err := json.Unmarshal([]byte(e.Data), &said)
			return said.Reason == frozenReason, err
		}
	}
	return false, nil
}

// allowed refuses what a card type does not have.
func allowed(c Card, f card.Feature) error {
	if !c.Product.Prepaid.Allows(f) {
		return ledger.ErrFeature
	}
	return nil
}

func wrongStatus(c Card) error {
	return fmt.Errorf("the card is %s: %w", c.Card.Status, cards.ErrStatus)
}

// Freeze stops a card that is in use, until it is unfrozen.
func (s *Service) Freeze(ctx context.Context, a Act) (ledger.Done, error) {
	return s.on(ctx, a, card.FreezeCard, nil, func(tx *store.Tx, _ *store.Operation, c Card) error {
		if err := allowed(c, card.CanFreeze); err != nil {
			return err
		}
		if c.Card.Status != card.CardActive {
			return wrongStatus(c)
		}
		return s.cards.BlockWithin(ctx, tx, a.card(), c.Card.ID, frozenReason)
	})
}

// Unfreeze lets a frozen card go on.
func (s *Service) Unfreeze(ctx context.Context, a Act) (ledger.Done, error) {
	return s.on(ctx, a, card.UnfreezeCard, nil, func(tx *store.Tx, _ *store.Operation, c Card) error {
		if err := allowed(c, card.CanFreeze); err != nil {
			return err
		}
		if !c.Frozen {
			return wrongStatus(c)
		}
		return s.cards.UnblockWithin(ctx, tx, a.card(), c.Card.ID, unfrozenReason)
	})
}

// Cancel ends a card for good. What it holds goes back to the account that it was filled from.
func (s *Service) Cancel(ctx context.Context, a Act) (ledger.Done, error) {
	d, err := s.on(ctx, a, card.CancelCard, nil, func(tx *store.Tx, o *store.Operation, c Card) error {
		if c.Card.Status == card.CardClosed || c.Card.Status == card.CardExpired {
			return wrongStatus(c)
		}
		if err := s.cards.CloseWithin(ctx, tx, a.card(), c.Card.ID, card.Request, cancelledReason); err != nil {
			return err
		}
		c.Code = nil
		if err := put(ctx, tx, c); err != nil {
			return err
		}
		return s.ledger.Empty(ctx, tx, a.Institution, o, c.Account)
	})
	s.Plant.Wake()
	return d, err
}

// ChangePIN gives a card that is in use the PIN that its holder chose, as digits. What is repeated under the same number is answered as the first time, whatever its PIN.
func (s *Service) ChangePIN(ctx context.Context, a Act, digits card.Secret) (ledger.Done, error) {
	c, err := s.Find(ctx, a.Institution, a.Card)
	if err != nil {
		return ledger.Done{}, err
	}
	if c.Product.Technology == card.Virtual {
		return ledger.Done{}, batch.ErrNoPIN
	}
	taken, err := s.take(ctx, a, c, digits)
	if err != nil {
		return ledger.Done{}, err
	}
	return s.on(ctx, a, card.ChangePIN, nil, func(tx *store.Tx, _ *store.Operation, c Card) error {
		if c.Card.Status != card.CardActive {
			return wrongStatus(c)
		}
		return s.pins.Keep(ctx, tx, a.card(), c.Card.ID, taken, "chosen by the holder")
	})
}

// ChangeAttributes replaces those of a card that are given.
func (s *Service) ChangeAttributes(ctx context.Context, a Act, n Attributes) (ledger.Done, error) {
	return s.on(ctx, a, card.ChangeAttributes, n, func(tx *store.Tx, _ *store.Operation, c Card) error {
		if c.Card.Status == card.CardClosed || c.Card.Status == card.CardExpired {
			return wrongStatus(c)
		}
		if n.NoPINPayment != nil {
			c.Attributes.NoPINPayment = n.NoPINPayment
		}
		if n.AllowedMCC != nil {
			c.Attributes.AllowedMCC = n.AllowedMCC
		}
		if n.BlockedMCC != nil {
			c.Attributes.BlockedMCC = n.BlockedMCC
		}
		if n.Spending != nil {
			c.Attributes.Spending = n.Spending
		}
		return put(ctx, tx, c)
	})
}

// Note keeps a note with a card instead of the one that was there.
func (s *Service) Note(ctx context.Context, i store.Institution, actor, token, note string) error {
	if err := ledger.CheckRemark(note); err != nil {
		return err
	}
	c, err := s.Find(ctx, i, token)
	if err != nil {
		return err
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockCard(ctx, c.Card.ID); err != nil { // what else is done to the card waits
			return err
		}
		known, err := tx.LockPrepaidCard(ctx, i.ID, c.PrepaidCard.Account)
		if err != nil || known.Note == note {
			return err
		}
		known.Note = note
		if err := tx.PutPrepaidCard(ctx, known); err != nil {
			return err
		}
		return tx.Record(ctx, i.ID, "card", int64(c.Card.ID), "noted", map[string]any{"by": actor}, s.Plant.Now())
	})
}
