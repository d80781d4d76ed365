package cards

import (
	"context"
	"errors"
	"fmt"
	"time"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// Errors of scheduled closings.
var (
	ErrClosingTime = errors.New("a card is closed at a time that lies in the future")
	ErrNoClosing   = errors.New("no closing of the card is scheduled")
)

// closeAtOnce is how many cards one call of CloseDue looks at.
const closeAtOnce = 500

// Closing is how a card is to be closed: at a time, for a reason that takes no other card's place.
type Closing struct {
	At  time.Time
	For card.Reason
	Why string // in the words of its history
}

// ScheduleClosing lets a card be closed at a time, in place of the time that was given before. It counts for the card that takes this one's place, too. The same closing may be
// scheduled again. It fails with ErrClosingTime, and with ErrStatus for a card that has ended.
func (s *Service) ScheduleClosing(ctx context.Context, a Act, c Closing) error {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return s.ScheduleClosingWithin(ctx, tx, a, id, c) })
}

// ScheduleClosingWithin is ScheduleClosing of a card in a transaction of the caller's.
func (s *Service) ScheduleClosingWithin(ctx context.Context, tx *store.Tx, a Act, id card.ID, c Closing) error {
	if err := batch.CheckReason(c.Why); err != nil {
		return err
	}
	at := c.At.UTC().Truncate(time.Second)
	if !at.After(s.Plant.Now()) {
		return ErrClosingTime
	}
	found, err := tx.LockCard(ctx, id)
	if err != nil {
		return err
	}
	if found.Status.To(card.CardClosed) != nil {
		return fmt.Errorf("the card is %s: %w", found.Status, ErrStatus)
	}
	before, err := tx.ScheduledClosing(ctx, id)
	if err == nil && before.At.Equal(at) && before.For == c.For && before.Why == c.Why {
		return nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	next := store.ScheduledClosing{Card: id, Institution: a.Institution.ID, At: at, For: c.For, By: a.Actor, Why: c.Why}
	if err := tx.ScheduleClosing(ctx, next); err != nil {
		return err
	}
	return s.Plant.ClosingScheduled(ctx, tx, next)
}

// CancelClosing lets a card live on that was to be closed. It fails with ErrNoClosing.
func (s *Service) CancelClosing(ctx context.Context, a Act, reason string) error {
	if err := batch.CheckReason(reason); err != nil {
		return err
	}
	return s.change(ctx, a, func(tx *store.Tx, c *store.Card) (string, map[string]any, error) {
		err := tx.DropClosing(ctx, c.ID)
		if errors.Is(err, store.ErrStale) {
			err = ErrNoClosing
		}
		return "closing_cancelled", map[string]any{"reason": reason}, err
	})
}

// CloseDue closes the cards whose time has come, each in a transaction of its own, and tells how many it worked on. A card for which an order is open is left until that is carried
// out or cancelled; meanwhile the inbox names it.
func (s *Service) CloseDue(ctx context.Context) (int, error) {
	due, err := s.Plant.Store.DueClosings(ctx, s.Plant.Now(), closeAtOnce)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	done := 0
	var faults []error
	for _, c := range due {
		err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return s.closeAtTime(ctx, tx, c) })
		switch {
		case err == nil:
			done++
		case !errors.Is(err, ErrBusy): // an order came in between
			faults = append(faults, fmt.Errorf("close a card at its time: %w", err))
		}
	}
	s.Plant.Wake()
	return done, errors.Join(faults...)
}

// closeAtTime closes a card if it is still to be closed as it was found.
func (s *Service) closeAtTime(ctx context.Context, tx *store.Tx, found store.ScheduledClosing) error {
	c, err := tx.LockCard(ctx, found.Card)
	if err != nil {
		return err
	}
	now, err := tx.ScheduledClosing(ctx, found.Card)
	if errors.Is(err, store.ErrNotFound) || err == nil && !now.At.Equal(found.At) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.Status == card.CardExpired {
		return tx.DropClosing(ctx, c.ID) // it has ended
	}
	a := Act{Institution: store.Institution{ID: now.Institution}, Actor: now.By}
	_, err = s.closeWithin(ctx, tx, a, store.Closing{Card: c.ID, Reason: now.For}, map[string]any{"why": now.Why, "scheduled_for": now.At.UTC().Format(time.RFC3339)})
	return err
}
