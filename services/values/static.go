package values

import (
	"context"
	"errors"

	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// DisableDynamic makes the printed CVV2 of a card in use valid again, and no other, until the next dynamic one is asked for. It fails with ErrNoDynamic.
func (s *Service) DisableDynamic(ctx context.Context, a cards.Act) error {
	c, err := s.inUse(ctx, a)
	if err != nil {
		return err
	}
	has, err := s.Plant.HasDynamicCVV2(ctx, a.Institution, c)
	if err == nil && !has {
		err = ErrNoDynamic
	}
	if err != nil {
		return err
	}
	return s.turn(ctx, a, c, (*store.Tx).UseStaticCVV2, "dynamic_cvv2_disabled")
}

// dynamic finds a card that is in use and lets its CVV2 change with time, if it was told not to.
func (s *Service) dynamic(ctx context.Context, a cards.Act) (store.Card, error) {
	c, err := s.inUse(ctx, a)
	if err != nil {
		return c, err
	}
	static, err := s.Plant.Store.HasStaticCVV2(ctx, c.ID)
	if err != nil || !static {
		return c, err
	}
	return c, s.turn(ctx, a, c, (*store.Tx).UseDynamicCVV2, "dynamic_cvv2_enabled")
}

// turn changes which CVV2 of a card is valid, in one transaction with its event; what is so already stays so.
func (s *Service) turn(ctx context.Context, a cards.Act, c store.Card, to func(*store.Tx, context.Context, card.ID) error, what string) error {
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := to(tx, ctx, c.ID); err != nil {
			return err
		}
		return tx.Record(ctx, a.Institution.ID, "card", int64(c.ID), what, map[string]any{"by": a.Actor}, s.Plant.Now())
	})
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}

// inUse finds a card that is in use.
func (s *Service) inUse(ctx context.Context, a cards.Act) (store.Card, error) {
	c, err := s.find(ctx, a)
	if errors.Is(err, cards.ErrStatus) || err == nil && c.Status != card.CardActive {
		err = ErrNoDynamic
	}
	return c, err
}
