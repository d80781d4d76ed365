package pins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// Errors that a client decides on.
var (
	ErrZone         = errors.New("no zone of this code is declared")
	ErrOnlyIncoming = errors.New("PINs come in from this zone and are not told to it")
	ErrLocked       = errors.New("no try is left")
	ErrBlocked      = errors.New("the PIN is blocked")
	ErrModule       = errors.New("the security module does not answer")
)

// Service works on the PINs of a plant's cards.
type Service struct{ Plant *batch.Plant }

// Status says whether a PIN may be tried.
type Status string

// The statuses.
const (
	Open    Status = "OPEN"
	Locked  Status = "LOCKED"  // no try is left
	Blocked Status = "BLOCKED" // by somebody
)

// State is how the PIN of a card stands.
type State struct {
	Status   Status
	Issue    int // whose PIN it is
	Tries    int // that the product allows in a row
	TryLeft  int
	LastTry  *time.Time
	Verified bool // by the try that was just made
}

func stateOf(t *store.PINTries, pin *batch.CardPIN) State {
	s := State{Status: Open, Issue: pin.Issue, Tries: pin.Tries, TryLeft: max(0, pin.Tries-t.Used()), LastTry: t.LastTry}
	switch {
	case t.Blocked:
		s.Status = Blocked
	case s.TryLeft == 0:
		s.Status = Locked
	}
	return s
}

// Look tells how the PIN of a card stands.
func (s *Service) Look(ctx context.Context, a cards.Act) (State, error) {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return State{}, err
	}
	c, err := s.Plant.Store.Card(ctx, id)
	if err != nil {
		return State{}, err
	}
	return s.look(ctx, s.Plant.Store.Q, a, c)
}

func (s *Service) look(ctx context.Context, q store.Q, a cards.Act, c store.Card) (State, error) {
	pin, err := s.Plant.CardPIN(ctx, q, a.Institution, c)
	if err != nil {
		return State{}, err
	}
	tries, err := q.PINTries(ctx, c.ID)
	return stateOf(&tries, &pin), err
}

// Block stops a PIN until it is unblocked, whatever tries are left. A blocked one stays as it is.
func (s *Service) Block(ctx context.Context, a cards.Act, reason string) (State, error) {
	return s.change(ctx, a, "pin_blocked", reason, func(t *store.PINTries) bool {
		was := t.Blocked
		t.Blocked = true
		return !was
	})
}

// Unblock gives a PIN all its tries again and lets a blocked one go on. One that has all its tries stays as it is.
func (s *Service) Unblock(ctx context.Context, a cards.Act, reason string) (State, error) {
	return s.change(ctx, a, "pin_unblocked", reason, func(t *store.PINTries) bool {
		was := t.Blocked || t.Used() > 0
		t.Blocked = false
		t.Forgive(t.Tried)
		return was
	})
}

// change does something to the tries of a card's PIN, in one transaction with its event; do tells whether there was anything to do.
func (s *Service) change(ctx context.Context, a cards.Act, what, reason string, do func(*store.PINTries) bool) (State, error) {
	if err := batch.CheckReason(reason); err != nil {
		return State{}, err
	}
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return State{}, err
	}
	var after State
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, pin, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if c.Status == card.CardClosed || c.Status == card.CardExpired {
			return fmt.Errorf("the card is %s: %w", c.Status, cards.ErrStatus)
		}
		if do(&tries) {
			if err := tx.PutPINTries(ctx, tries); err != nil {
				return err
			}
			if err := s.record(ctx, tx, a, id, what, map[string]any{"reason": reason}); err != nil {
				return err
			}
		}
		after = stateOf(&tries, &pin)
		return nil
	})
	return after, err
}

// lock reads a card, its PIN and its tries, and keeps the card locked until commit.
func (s *Service) lock(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID) (store.Card, batch.CardPIN, store.PINTries, error) {
	c, err := tx.LockCard(ctx, id)
	if err != nil {
		return c, batch.CardPIN{}, store.PINTries{}, err
	}
	pin, err := s.Plant.CardPIN(ctx, tx.Q, a.Institution, c)
	if err != nil {
		return c, pin, store.PINTries{}, err
	}
	tries, err := tx.PINTries(ctx, id)
	return c, pin, tries, err
}

func (s *Service) record(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, what string, data map[string]any) error {
	data["by"] = a.Actor
	return tx.Record(ctx, a.Institution.ID, "card", int64(id), what, data, s.Plant.Now())
}
