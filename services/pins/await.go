package pins

import (
	"context"
	"errors"

	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// ErrNotAwaited says that the next plastic of a card does not wait for a PIN.
var ErrNotAwaited = errors.New("the card's next plastic does not wait for a PIN")

// Await keeps the next plastic of a card out of files until a PIN is set for the card, or Release lets it go: that of a card which was made when it was ordered, or of a reissue. One that
// waits already goes on. It fails with batch.ErrNoPlastic where none is ordered, ErrProduced where a file has it, and batch.ErrNoPIN for a product without PINs.
func (s *Service) Await(ctx context.Context, a cards.Act, reason string) error {
	return s.onNext(ctx, a, reason, func(tx *store.Tx, id card.ID) error {
		l, err := tx.LineForCard(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			err = batch.ErrNoPlastic
		}
		if err != nil {
			return err
		}
		// A plan that runs at the same time has the order: it takes the line, or comes after.
		if _, err := tx.LockOrder(ctx, l.Order); err != nil {
			return err
		}
		return s.AwaitWithin(ctx, tx, a, id, reason)
	})
}

// AwaitWithin is Await in the transaction of the caller's that orders the plastic, or that has locked its order.
func (s *Service) AwaitWithin(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, reason string) error {
	c, _, tries, err := s.lock(ctx, tx, a, id)
	if err != nil {
		return err
	}
	if err := choosable(c, tries); err != nil {
		return err
	}
	l, _, err := s.Plant.NextPlastic(ctx, tx.Q, a.Institution, c)
	if err != nil || l.PINHeldAt != nil {
		return err
	}
	err = tx.HoldForPIN(ctx, l, s.Plant.Now())
	if errors.Is(err, store.ErrStale) {
		err = ErrProduced
	}
	if err != nil {
		return err
	}
	return s.record(ctx, tx, a, id, "pin_awaited", map[string]any{"issue": nextIssue(l, c), "reason": reason})
}

// AwaitOrdered is AwaitWithin of the card that an order of one plastic is for, in the transaction that takes the order in.
func (s *Service) AwaitOrdered(ctx context.Context, tx *store.Tx, a cards.Act, o store.Order) error {
	lines, err := tx.Lines(ctx, o.Number, 0, 1)
	if err == nil && (len(lines) != 1 || lines[0].Card == nil) {
		err = batch.ErrNoPlastic
	}
	if err != nil {
		return err
	}
	return s.AwaitWithin(ctx, tx, a, *lines[0].Card, "ordered so")
}

// Release lets the next plastic of a card be made that waits for a PIN, with the PIN that it has by the rules of its product. It fails with ErrNotAwaited.
func (s *Service) Release(ctx context.Context, a cards.Act, reason string) error {
	return s.onNext(ctx, a, reason, func(tx *store.Tx, id card.ID) error {
		c, _, _, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		l, err := awaited(ctx, tx.Q, id)
		if err != nil {
			return err
		}
		if err := endHold(ctx, tx, l, nil); err != nil {
			return err
		}
		return s.record(ctx, tx, a, id, "pin_released", map[string]any{"issue": nextIssue(l, c), "reason": reason})
	})
}

// onNext does something to the order line of a card's next plastic.
func (s *Service) onNext(ctx context.Context, a cards.Act, reason string, do func(*store.Tx, card.ID) error) error {
	if err := batch.CheckReason(reason); err != nil {
		return err
	}
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return do(tx, id) })
}

// awaited is the line of a card whose plastic waits for a PIN. It fails with ErrNotAwaited.
func awaited(ctx context.Context, q store.Q, id card.ID) (store.OrderLine, error) {
	l, err := q.LineForCard(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && l.PINHeldAt == nil {
		err = ErrNotAwaited
	}
	return l, err
}

func endHold(ctx context.Context, tx *store.Tx, l store.OrderLine, pin []byte) error {
	err := tx.EndPINHold(ctx, l, pin)
	if errors.Is(err, store.ErrStale) {
		err = ErrNotAwaited
	}
	return err
}

// nextIssue is the number of the issue that a line's plastic is of.
func nextIssue(l store.OrderLine, c store.Card) int {
	if l.Instant() {
		return c.NewestIssue
	}
	return c.NewestIssue + 1
}

// meet lets the plastic of a card be made that waits for the PIN which the card gets: with that PIN. rows are as they are stored for the card's issues.
func (s *Service) meet(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, rows []store.ChosenPIN) error {
	l, err := awaited(ctx, tx.Q, id)
	if errors.Is(err, ErrNotAwaited) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := tx.Card(ctx, id)
	if err != nil {
		return err
	}
	_, takesOver, err := s.Plant.NextPlastic(ctx, tx.Q, a.Institution, c)
	if err != nil {
		return err
	}
	var beside []byte
	if !l.Instant() && !takesOver {
		beside = rows[0].PIN
	}
	if err := endHold(ctx, tx, l, beside); err != nil || !l.Instant() {
		return err
	}
	return printWith(ctx, tx, rows)
}

// printWith lets plastics that no file has be made with a PIN. It fails with ErrProduced.
func printWith(ctx context.Context, tx *store.Tx, rows []store.ChosenPIN) error {
	for _, row := range rows {
		err := tx.SetWaitingPIN(ctx, row)
		if errors.Is(err, store.ErrStale) {
			err = ErrProduced
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setNext gives the next issue of a card, which waits for it, a PIN of its own. The PIN of the issue in use stays.
func (s *Service) setNext(ctx context.Context, a cards.Act, id card.ID, p Presented, reason string) (State, error) {
	zone, err := s.zone(ctx, a, p.Zone, p.Block)
	if err != nil {
		return State{}, err
	}
	c, err := s.Plant.Store.Card(ctx, id)
	if err != nil {
		return State{}, err
	}
	had, err := s.Plant.CardPIN(ctx, s.Plant.Store.Q, a.Institution, c)
	if err != nil {
		return State{}, err
	}
	rows, err := s.chosen(ctx, zone, had, p.Block)
	if err != nil {
		return State{}, err
	}
	var after State
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, pin, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if err := choosable(c, tries); err != nil {
			return err
		}
		l, err := awaited(ctx, tx.Q, id)
		if err == nil {
			err = endHold(ctx, tx, l, rows[0].PIN)
		}
		if errors.Is(err, ErrNotAwaited) {
			err = ErrMoved
		}
		if err != nil {
			return err
		}
		after = stateOf(&tries, &pin)
		return s.record(ctx, tx, a, id, "pin_set", map[string]any{"issue": nextIssue(l, c), "reason": reason})
	})
	return after, err
}
