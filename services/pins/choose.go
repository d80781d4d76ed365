package pins

import (
	"context"
	"errors"
	"fmt"

	"platen/batch"
	"platen/card"
	"platen/hsm"
	"platen/programs"
	"platen/services/cards"
	"platen/sql/store"
)

// ErrMoved says that a card got another PIN, or another issue, while a new PIN was on its way.
var ErrMoved = errors.New("the card has another PIN by now")

// Chosen is the PIN that a holder chose, as a client sends it.
type Chosen struct {
	Zone     string // code
	Old, New []byte // blocks
}

// Change gives a card the PIN that its holder chose, if the old one is right: that is a try like any other. State.Verified tells whether it was, and so whether the PIN was
// changed. A new PIN that is easy to guess fails with hsm.ErrWeakPIN. The new PIN is that of the issue in use from then on, and of those that take its PIN over.
func (s *Service) Change(ctx context.Context, a cards.Act, c Chosen) (State, error) {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return State{}, err
	}
	zone, err := s.zone(ctx, a, c.Zone, c.Old, c.New)
	if err != nil {
		return State{}, err
	}
	state, pin, err := s.try(ctx, a, id, zone, c.Old)
	if err != nil || !state.Verified {
		return state, err
	}
	state, err = s.choose(ctx, a, zone, id, pin, c.New, func(tx *store.Tx, _ *store.PINTries, _ []store.ChosenPIN) error {
		return s.record(ctx, tx, a, id, "pin_changed", map[string]any{"issue": pin.Issue})
	})
	state.Verified = true
	return state, err
}

// Set gives a card the PIN that its holder chose without the old one, and all tries: whoever calls it has made sure by other means that it is the holder who asks.
func (s *Service) Set(ctx context.Context, a cards.Act, p Presented, reason string) (State, error) {
	return s.set(ctx, a, p, reason, setting{
		may:  func(*store.Tx, batch.CardPIN) error { return nil },
		also: func(*store.Tx, []store.ChosenPIN) error { return nil },
	})
}

// setting is what is asked before a PIN is set, and what is stored beside it.
type setting struct {
	may  func(*store.Tx, batch.CardPIN) error
	also func(*store.Tx, []store.ChosenPIN) error
}

func (s *Service) set(ctx context.Context, a cards.Act, p Presented, reason string, how setting) (State, error) {
	if err := batch.CheckReason(reason); err != nil {
		return State{}, err
	}
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return State{}, err
	}
	zone, err := s.zone(ctx, a, p.Zone, p.Block)
	if err != nil {
		return State{}, err
	}
	var pin batch.CardPIN
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, found, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		pin = found
		return errors.Join(choosable(c, tries), how.may(tx, pin))
	})
	if err != nil {
		return State{}, err
	}
	return s.choose(ctx, a, zone, id, pin, p.Block, func(tx *store.Tx, tries *store.PINTries, rows []store.ChosenPIN) error {
		if err := how.also(tx, rows); err != nil {
			return err
		}
		return s.forgive(ctx, tx, a, id, Taken{had: pin}, tries, reason)
	})
}

// choosable refuses a card whose PIN can be neither chosen nor told now.
func choosable(c store.Card, tries store.PINTries) error {
	switch {
	case !alive(c):
		return fmt.Errorf("the card is %s: %w", c.Status, cards.ErrStatus)
	case tries.Blocked:
		return ErrBlocked
	}
	return nil
}

// choose asks the security module for what is stored of a chosen PIN, and stores it if the card still has the PIN that it had.
func (s *Service) choose(ctx context.Context, a cards.Act, zone *programs.Zone, id card.ID, had batch.CardPIN, block []byte, also func(*store.Tx, *store.PINTries, []store.ChosenPIN) error) (State, error) {
	rows, err := s.chosen(ctx, zone, had, block)
	if err != nil {
		return State{}, err
	}
	return s.replace(ctx, a, id, had, rows, func(tx *store.Tx, tries *store.PINTries, _ batch.CardPIN) error {
		if err := also(tx, tries, rows); err != nil {
			return err
		}
		return s.meet(ctx, tx, a, id, rows)
	})
}

// chosen asks the security module for what is stored of a chosen PIN.
func (s *Service) chosen(ctx context.Context, zone *programs.Zone, had batch.CardPIN, block []byte) ([]store.ChosenPIN, error) {
	rows, err := s.Plant.ChoosePIN(ctx, zone, had, block)
	if err != nil && !errors.Is(err, hsm.ErrPINBlock) && !errors.Is(err, hsm.ErrWeakPIN) {
		err = fmt.Errorf("choose PIN: %w", err)
	}
	return rows, err
}

// replace stores a PIN in the place of the one that a card had, if it still has that.
func (s *Service) replace(ctx context.Context, a cards.Act, id card.ID, had batch.CardPIN, rows []store.ChosenPIN, also func(*store.Tx, *store.PINTries, batch.CardPIN) error) (State, error) {
	var after State
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		after, err = s.keep(ctx, tx, a, id, Taken{had, rows}, also)
		return err
	})
	return after, err
}

// keep stores a chosen PIN if the card still has the PIN that it had.
func (s *Service) keep(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, t Taken, also func(*store.Tx, *store.PINTries, batch.CardPIN) error) (State, error) {
	c, pin, tries, err := s.lock(ctx, tx, a, id)
	if err != nil {
		return State{}, err
	}
	if err := choosable(c, tries); err != nil {
		return State{}, err
	}
	if !pin.Same(&t.had) {
		return State{}, ErrMoved
	}
	for _, row := range t.rows {
		if err := tx.PutChosenPIN(ctx, row); err != nil {
			return State{}, err
		}
	}
	if err := also(tx, &tries, pin); err != nil {
		return State{}, err
	}
	return stateOf(&tries, &pin), tx.PutPINTries(ctx, tries)
}

// Taken is a PIN that a holder chose and the security module has taken, on its way to a card.
type Taken struct {
	had  batch.CardPIN
	rows []store.ChosenPIN
}

// Take hands a PIN that a holder chose for a card to the security module as its digits, and stores nothing yet: see Keep. It fails with hsm.ErrWeakPIN, hsm.ErrClearPIN, or an
// hsm.InputError for what is no PIN of the product's length.
func (s *Service) Take(ctx context.Context, a cards.Act, id card.ID, digits card.Secret) (Taken, error) {
	c, err := s.Plant.Store.Card(ctx, id)
	if err != nil {
		return Taken{}, err
	}
	had, err := s.Plant.CardPIN(ctx, s.Plant.Store.Q, a.Institution, c)
	if err != nil {
		return Taken{}, err
	}
	rows, err := s.Plant.TakePIN(ctx, had, digits)
	if err != nil {
		return Taken{}, fmt.Errorf("take PIN: %w", err)
	}
	return Taken{had, rows}, nil
}

// Keep gives a card a PIN that was taken, and all tries, in a transaction of the caller's, who has made sure that it is the holder who asks.
func (s *Service) Keep(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, t Taken, reason string) error {
	_, err := s.keep(ctx, tx, a, id, t, func(tx *store.Tx, tries *store.PINTries, _ batch.CardPIN) error {
		if err := s.forgive(ctx, tx, a, id, t, tries, reason); err != nil {
			return err
		}
		return s.meet(ctx, tx, a, id, t.rows)
	})
	return err
}

// forgive gives a PIN that was set all its tries, and records it.
func (s *Service) forgive(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, t Taken, tries *store.PINTries, reason string) error {
	tries.Forgive(tries.Tried)
	return s.record(ctx, tx, a, id, "pin_set", map[string]any{"issue": t.had.Issue, "reason": reason})
}
