package instant

import (
	"context"

	"platen/card"
	"platen/services/cards"
	"platen/services/records"
	"platen/sql/store"
)

// Replacement asks for a card that takes another's place, now.
type Replacement struct {
	Reason    card.Reason // what the other is closed for; one that is closed keeps its own
	Why       string      // in the words of its history
	Reference string      // of the order
	Content   []byte      // what was asked for: it tells a repetition
	SameDay   bool
	Active    bool // in use at once

	// Also does more in the transaction; nil = nothing.
	Also func(context.Context, *store.Tx, store.Order) error
}

// Replace makes a card like another one, for the same holder and with a number, an expiry and a PIN of its own, which takes that one's place: the other is closed and linked in the
// same transaction. It fails with cards.ErrReplaced where another took its place before, cards.ErrBusy where an order for it is open, and store.ErrNotFound where what it was ordered
// by is purged.
func (s *Service) Replace(ctx context.Context, a cards.Act, r Replacement) (Made, error) {
	story, err := s.Plant.ExplainCard(ctx, a.Institution, a.Card)
	if err != nil {
		return Made{}, err
	}
	if story.Card.ReplacedBy != nil {
		return Made{}, cards.ErrReplaced
	}
	kind, row, err := s.Plant.RowOfCard(ctx, &story)
	if err != nil {
		return Made{}, err
	}
	if r.SameDay {
		row.SameDay = "true"
	}
	request := Request{Product: story.Product, Row: row, Reference: r.Reference, Content: r.Content, Active: r.Active}
	return s.MakeRow(ctx, records.By{Institution: a.Institution, Actor: a.Actor}, request, kind, func(ctx context.Context, tx *store.Tx, o store.Order) error {
		id, err := cardOf(ctx, tx, o)
		if err != nil {
			return err
		}
		if err := s.Cards.ReplaceWithin(ctx, tx, a, story.Card.ID, id, r.Reason, r.Why); err != nil || r.Also == nil {
			return err
		}
		return r.Also(ctx, tx, o)
	})
}
