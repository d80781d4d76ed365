package cards

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// Errors that a client decides on.
var (
	ErrStatus  = errors.New("the card's status does not allow it")
	ErrBusy    = errors.New("an order for the card is open")
	ErrNotMade = errors.New("the card's newest issue has not left for its bureau, or nothing came of it")

	ErrReplaced = errors.New("another card took the card's place already")
)

// Service works on single cards of a plant.
type Service struct{ Plant *batch.Plant }

// Act is who does something to a card, named by its token or ORDER-REFERENCE#UNIT.
type Act struct {
	Institution store.Institution
	Card        string
	Actor       string
}

// Activate puts a card's newest issue into use: an inactive card becomes active, and an issue that was in use until now is superseded. It must have left for its bureau, unless it
// was made when it was ordered.
// A card whose newest issue is in use stays as it is.
func (s *Service) Activate(ctx context.Context, a Act) error {
	return s.change(ctx, a, s.activation(ctx))
}

// ActivateWithin is Activate of a card in a transaction of the caller's.
func (s *Service) ActivateWithin(ctx context.Context, tx *store.Tx, a Act, id card.ID) error {
	return s.changeWithin(ctx, tx, a, id, s.activation(ctx))
}

func (s *Service) activation(ctx context.Context) change {
	return func(tx *store.Tx, c *store.Card) (string, map[string]any, error) {
		if c.Status != card.CardInactive && c.Status != card.CardActive {
			return "", nil, fmt.Errorf("the card is %s: %w", c.Status, ErrStatus)
		}
		newest, err := tx.Issue(ctx, c.ID, c.NewestIssue)
		if err != nil {
			return "", nil, err
		}
		if newest.Use == card.UseCurrent {
			return "", nil, nil
		}
		out, err := mayBeUsed(ctx, tx, newest)
		if err != nil {
			return "", nil, err
		}
		if !out {
			return "", nil, ErrNotMade
		}
		if err := tx.UseIssue(ctx, c.ID, newest.Issue); err != nil {
			return "", nil, err
		}
		return "activated", map[string]any{"issue": newest.Issue}, s.move(ctx, tx, c, card.CardActive)
	}
}

// mayBeUsed tells whether an issue may be put into use: it has left the house, or its card was made when it was ordered.
func mayBeUsed(ctx context.Context, tx *store.Tx, i store.Issue) (bool, error) {
	out, err := hasLeft(ctx, tx, i)
	if out || err != nil || i.State != card.IssueFollowsFile && i.State != card.IssuePrepared {
		return out, err
	}
	l, err := tx.LineOfCard(ctx, i.Card)
	return l.Instant(), err
}

// hasLeft tells whether an issue is out of the house: its bureau has it, or had it and made it.
func hasLeft(ctx context.Context, tx *store.Tx, i store.Issue) (bool, error) {
	if i.State != card.IssueFollowsFile {
		return i.State.Passed(card.IssueAccepted), nil
	}
	f, err := tx.FileByNumber(ctx, *i.File)
	if err != nil {
		return false, err
	}
	return f.SentAt != nil && f.State != card.FileCancelled && f.State != card.FileRefused, nil
}

// Block stops a card until it is unblocked. A blocked card stays as it is.
func (s *Service) Block(ctx context.Context, a Act, reason string) error {
	if err := batch.CheckReason(reason); err != nil {
		return err
	}
	return s.change(ctx, a, s.blocking(ctx, reason))
}

// BlockWithin is Block of a card in a transaction of the caller's.
func (s *Service) BlockWithin(ctx context.Context, tx *store.Tx, a Act, id card.ID, reason string) error {
	return s.changeWithin(ctx, tx, a, id, s.blocking(ctx, reason))
}

func (s *Service) blocking(ctx context.Context, reason string) change {
	return func(tx *store.Tx, c *store.Card) (string, map[string]any, error) {
		if c.Status == card.CardBlocked {
			return "", nil, nil
		}
		return "blocked", map[string]any{"reason": reason}, s.move(ctx, tx, c, card.CardBlocked)
	}
}

// Unblock lets a blocked card go on: active when an issue of it was in use, inactive otherwise. A card that is neither blocked nor ended stays as it is. While an action on the card
// is open it stays blocked, for it may have been reported lost by it: cancel that first. The order that made it at once is none.
func (s *Service) Unblock(ctx context.Context, a Act, reason string) error {
	if err := batch.CheckReason(reason); err != nil {
		return err
	}
	return s.change(ctx, a, s.unblocking(ctx, reason))
}

// UnblockWithin is Unblock of a card in a transaction of the caller's.
func (s *Service) UnblockWithin(ctx context.Context, tx *store.Tx, a Act, id card.ID, reason string) error {
	return s.changeWithin(ctx, tx, a, id, s.unblocking(ctx, reason))
}

func (s *Service) unblocking(ctx context.Context, reason string) change {
	return func(tx *store.Tx, c *store.Card) (string, map[string]any, error) {
		if c.Status == card.CardInactive || c.Status == card.CardActive {
			return "", nil, nil
		}
		if busy, err := tx.CardAwaitsChange(ctx, c.ID); err != nil || busy && c.Status == card.CardBlocked {
			return "", nil, cmp.Or(err, ErrBusy)
		}
		issues, err := tx.Issues(ctx, c.ID)
		if err != nil {
			return "", nil, err
		}
		next := card.CardInactive
		for _, i := range issues {
			if i.Use == card.UseCurrent {
				next = card.CardActive
			}
		}
		return "unblocked", map[string]any{"reason": reason, "status": next.String()}, s.move(ctx, tx, c, next)
	}
}

// Close ends a card for good, for a reason that takes no other card's place: REQUEST, LOST, STOLEN or COMPROMISED. A closed card stays as it is. While an order for the card is
// open it is not closed: cancel that first.
func (s *Service) Close(ctx context.Context, a Act, because card.Reason, reason string) error {
	if err := batch.CheckReason(reason); err != nil {
		return err
	}
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return s.CloseWithin(ctx, tx, a, id, because, reason) })
	s.Plant.Wake()
	return err
}

// CloseWithin is Close of a card in a transaction of the caller's, who wakes the plant behind it.
func (s *Service) CloseWithin(ctx context.Context, tx *store.Tx, a Act, id card.ID, because card.Reason, reason string) error {
	_, err := s.closeWithin(ctx, tx, a, store.Closing{Card: id, Reason: because}, map[string]any{"why": reason})
	return err
}

// closeWithin closes a card that is not closed; it tells whether it did.
func (s *Service) closeWithin(ctx context.Context, tx *store.Tx, a Act, closing store.Closing, data map[string]any) (bool, error) {
	c, err := tx.LockCard(ctx, closing.Card)
	if err != nil || c.Status == card.CardClosed {
		return false, err
	}
	if c.Status.To(card.CardClosed) != nil {
		return false, fmt.Errorf("the card is %s: %w", c.Status, ErrStatus)
	}
	busy, err := tx.CardAwaitsAction(ctx, closing.Card)
	if err != nil {
		return false, err
	}
	if busy {
		return false, ErrBusy
	}
	data["by"] = a.Actor
	return true, s.Plant.CloseCard(ctx, tx, a.Institution.ID, closing, data)
}

// ReplaceWithin closes a card whose place another takes, in a transaction of the caller's, and links them. One that is closed already keeps what it was closed for. ErrReplaced: another took
// its place before.
func (s *Service) ReplaceWithin(ctx context.Context, tx *store.Tx, a Act, id, by card.ID, because card.Reason, reason string) error {
	closed, err := s.closeWithin(ctx, tx, a, store.Closing{Card: id, Reason: because, By: by}, map[string]any{"why": reason})
	if err == nil && !closed {
		err = tx.LinkReplaced(ctx, id, by)
	}
	if errors.Is(err, store.ErrStale) {
		return ErrReplaced
	}
	if err != nil {
		return err
	}
	token, err := s.Plant.Token(ctx, by)
	if err != nil {
		return err
	}
	return tx.Record(ctx, a.Institution.ID, "card", int64(id), "replaced", map[string]any{"by": a.Actor, "why": reason, "replaced_by": token}, s.Plant.Now())
}

// change is something that is done to a card which is locked; what tells the event, or is empty when there was nothing to do.
type change func(*store.Tx, *store.Card) (what string, data map[string]any, err error)

// change locks a card and does something to it.
func (s *Service) change(ctx context.Context, a Act, do change) error {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return s.changeWithin(ctx, tx, a, id, do) })
}

func (s *Service) changeWithin(ctx context.Context, tx *store.Tx, a Act, id card.ID, do change) error {
	c, err := tx.LockCard(ctx, id)
	if err != nil {
		return err
	}
	what, data, err := do(tx, &c)
	if err != nil || what == "" {
		return err
	}
	data["by"] = a.Actor
	return tx.Record(ctx, a.Institution.ID, "card", int64(id), what, data, s.Plant.Now())
}

func (s *Service) move(ctx context.Context, tx *store.Tx, c *store.Card, next card.Status) error {
	if c.Status == next {
		return nil
	}
	if err := c.Status.To(next); err != nil {
		return fmt.Errorf("the card is %s: %w", c.Status, ErrStatus)
	}
	return tx.SetStatus(ctx, *c, next)
}
