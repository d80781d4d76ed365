package batch

import (
	"context"
	"time"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// CloseCard closes one card with its event; data says who and why. Orders that waited for it are looked at again: it is never made again. The card is locked.
func (p *Plant) CloseCard(ctx context.Context, tx *store.Tx, institution uuid.UUID, c store.Closing, data map[string]any) error {
	if err := p.closeCards(ctx, tx, []store.Closing{c}); err != nil {
		return err
	}
	data["reason"] = c.Reason.String()
	if err := tx.Record(ctx, institution, "card", int64(c.Card), "closed", data, p.Now()); err != nil {
		return err
	}
	return p.settleOrdersOf(ctx, tx, []card.ID{c.Card})
}

// closeCards closes cards. What was scheduled for one counts for the card that takes its place.
func (p *Plant) closeCards(ctx context.Context, tx *store.Tx, list []store.Closing) error {
	if len(list) == 0 {
		return nil
	}
	if err := tx.CloseCards(ctx, list); err != nil {
		return err
	}
	moved, err := tx.EndClosings(ctx, list)
	if err != nil {
		return err
	}
	for _, c := range moved {
		if err := p.ClosingScheduled(ctx, tx, c); err != nil {
			return err
		}
	}
	return nil
}

// ClosingScheduled records that a card is to be closed at a time.
func (p *Plant) ClosingScheduled(ctx context.Context, tx *store.Tx, c store.ScheduledClosing) error {
	data := map[string]any{"by": c.By, "why": c.Why, "reason": c.For.String(), "at": c.At.UTC().Format(time.RFC3339)}
	return tx.Record(ctx, c.Institution, "card", int64(c.Card), "closing_scheduled", data, p.Now())
}

// blockReplaced stops cards that an order replaces because nobody may use them any more, in the transaction that ends its intake. Minting closes them.
func (in *intake) blockReplaced(ctx context.Context, tx *store.Tx, o store.Order) error {
	lines, err := tx.Lines(ctx, o.Number, 0, 1)
	if err != nil {
		return err
	}
	for _, l := range lines {
		action, ok := in.byNumber[l.Product].value.Action(l.Reason)
		if !ok || action.OldCard != card.OldClosed {
			continue
		}
		c, err := tx.LockCard(ctx, *l.Card)
		if err != nil {
			return err
		}
		if c.Status == card.CardBlocked {
			continue
		}
		if err := c.Status.To(card.CardBlocked); err != nil {
			return err
		}
		if err := tx.SetStatus(ctx, c, card.CardBlocked); err != nil {
			return err
		}
		data := map[string]any{"by": o.SubmittedBy, "reason": l.Reason.String(), "order": o.ID.String()}
		if err := tx.Record(ctx, o.Institution, "card", int64(c.ID), "blocked", data, in.plant.Now()); err != nil {
			return err
		}
	}
	return nil
}
