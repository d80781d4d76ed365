package pins

import (
	"context"
	"errors"
	"fmt"

	"platen/batch"
	"platen/card"
	"platen/fault"
	"platen/hsm"
	"platen/programs"
	"platen/services/cards"
	"platen/sql/store"
)

// Presented is a PIN block as a client sends it.
type Presented struct {
	Zone  string // code
	Block []byte
}

// Verify asks the security module whether a PIN block holds the PIN of a card. Each call is a try: it is counted and committed before the module is asked, and only a right PIN
// takes it, and those before it, back. A block that the module cannot read fails with hsm.ErrPINBlock, is a try too, and tells nothing else. Cards that are blocked or
// have ended are refused without a try.
func (s *Service) Verify(ctx context.Context, a cards.Act, p Presented) (State, error) {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return State{}, err
	}
	zone, err := s.zone(ctx, a, p.Zone, p.Block)
	if err != nil {
		return State{}, err
	}
	state, _, err := s.try(ctx, a, id, zone, p.Block)
	return state, err
}

// try is one try at the PIN of a card, and the PIN that was tried.
func (s *Service) try(ctx context.Context, a cards.Act, id card.ID, zone *programs.Zone, block []byte) (State, batch.CardPIN, error) {
	try, pin, err := s.begin(ctx, a, id)
	if err != nil {
		return State{}, pin, err
	}
	// The try stands: a client that goes away does not stop what is to be written of it.
	ctx = context.WithoutCancel(ctx)
	fault.Point("PIN try: committed")
	right, refusal := s.Plant.VerifyPIN(ctx, zone, pin, block)
	fault.Point("PIN try: answered")
	if refusal != nil && !errors.Is(refusal, hsm.ErrPINBlock) {
		return State{}, pin, fmt.Errorf("verify PIN: %w", refusal)
	}
	after, err := s.settle(ctx, a, id, try, right)
	if err != nil {
		return State{}, pin, err
	}
	return after, pin, refusal
}

// zone finds the zone of blocks, and refuses those that cannot be of it before they cost a try. The module must answer.
func (s *Service) zone(ctx context.Context, a cards.Act, code string, blocks ...[]byte) (*programs.Zone, error) {
	z, err := s.Plant.Zone(ctx, a.Institution, code)
	if errors.Is(err, store.ErrNotFound) || err == nil && z.Key == "" {
		return nil, ErrZone
	}
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if len(b) != z.BlockSize() {
			return nil, hsm.ErrPINBlock
		}
	}
	if err := s.Plant.Module.Ready(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	if _, _, err := s.Plant.Module.KeyVersion(ctx, card.KeyRef{Label: z.Key}); err != nil {
		return nil, fmt.Errorf("zone %s: %w", z.Code, err)
	}
	return z, nil
}

// alive tells whether a card's PIN may be tried or chosen.
func alive(c store.Card) bool { return c.Status == card.CardInactive || c.Status == card.CardActive }

// begin counts a try.
func (s *Service) begin(ctx context.Context, a cards.Act, id card.ID) (try int64, pin batch.CardPIN, err error) {
	var refusal error
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, found, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		pin = found
		switch {
		case !alive(c):
			return fmt.Errorf("the card is %s: %w", c.Status, cards.ErrStatus)
		case tries.Blocked:
			return ErrBlocked
		case tries.Used() >= pin.Tries:
			// Whoever made the last try may have died before it was told.
			refusal = ErrLocked
			return s.tell(ctx, tx, a, &tries, pin)
		}
		now := s.Plant.Now()
		tries.Tried++
		tries.LastTry = &now
		try = tries.Tried
		return tx.PutPINTries(ctx, tries)
	})
	if err == nil {
		err = refusal
	}
	return try, pin, err
}

// settle writes down what came of a try.
func (s *Service) settle(ctx context.Context, a cards.Act, id card.ID, try int64, right bool) (State, error) {
	var after State
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		_, pin, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		what := "pin_refused"
		if right {
			what = "pin_verified"
			tries.Forgive(try)
		}
		after = stateOf(&tries, &pin)
		after.Verified = right
		if err := s.record(ctx, tx, a, id, what, map[string]any{"issue": pin.Issue, "attempts_left": after.TryLeft}); err != nil {
			return err
		}
		if !right && tries.Used() >= pin.Tries {
			return s.tell(ctx, tx, a, &tries, pin)
		}
		return tx.PutPINTries(ctx, tries)
	})
	return after, err
}

// tell records once that no try is left.
func (s *Service) tell(ctx context.Context, tx *store.Tx, a cards.Act, tries *store.PINTries, pin batch.CardPIN) error {
	if tries.Told {
		return nil
	}
	tries.Told = true
	if err := tx.PutPINTries(ctx, *tries); err != nil {
		return err
	}
	return s.record(ctx, tx, a, tries.Card, "pin_locked", map[string]any{"issue": pin.Issue, "tries": pin.Tries})
}
