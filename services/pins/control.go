package pins

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/batch"
	"platen/hsm"
	"platen/programs"
	"platen/services/cards"
	"platen/sql/store"
)

// ControlLife is how long a control may be used.
const ControlLife = 30 * time.Second

// Scope is what a control lets its holder do, once.
type Scope string

// The scopes.
const (
	ViewPIN Scope = "VIEW_PIN" // the PIN is told, under the key of the control's zone
	SetPIN  Scope = "SET_PIN"  // a PIN is set for a card whose plastic is in no file yet
)

// Errors of controls.
var (
	ErrControl  = errors.New("there is no such control, or it was used, or its time is over")
	ErrProduced = errors.New("the card's plastic is in a file, with the PIN that it had")
)

// Asked is what a control is asked for.
type Asked struct {
	Scope  Scope
	Zone   string // code: whose key the PIN goes or comes under
	Reason string
}

// Control is a right to look at or set one PIN, once. Its ID is the right itself, and is nowhere kept.
type Control struct {
	ID      string
	Expires time.Time
}

// controlSize is the length of a control's name in bytes.
const controlSize = 32

func controlHash(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:]
}

// NewControl makes a control for a card. What could not be done with it is refused now: ErrProduced, ErrOnlyIncoming, ErrZone, ErrBlocked.
func (s *Service) NewControl(ctx context.Context, a cards.Act, asked Asked) (Control, error) {
	if err := batch.CheckReason(asked.Reason); err != nil {
		return Control{}, err
	}
	if asked.Scope != ViewPIN && asked.Scope != SetPIN {
		return Control{}, &hsm.InputError{Field: "scope", Reason: "must be VIEW_PIN or SET_PIN"}
	}
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return Control{}, err
	}
	zone, err := s.zone(ctx, a, asked.Zone)
	if err == nil && asked.Scope == ViewPIN {
		err = tells(zone)
	}
	if err != nil {
		return Control{}, err
	}
	var name [controlSize]byte
	// Of a seeded run each control is another, too: it is a function of a new id.
	fresh, err := uuid.NewV7()
	if err == nil {
		err = s.Plant.Entropy.Draw("PIN control "+fresh.String(), uint64(id), name[:])
	}
	if err != nil {
		return Control{}, fmt.Errorf("PIN control: %w", err)
	}
	out := Control{ID: base64.RawURLEncoding.EncodeToString(name[:]), Expires: s.Plant.Now().Add(ControlLife)}
	kept := store.PINControl{Institution: a.Institution.ID, Hash: controlHash(out.ID), Card: id, Scope: string(asked.Scope), Zone: zone.Code, Reason: asked.Reason, Expires: out.Expires}
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, pin, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if err := choosable(c, tries); err != nil {
			return err
		}
		if asked.Scope == SetPIN {
			if err := unprinted(ctx, tx, pin); err != nil {
				return err
			}
		}
		if err := tx.AddPINControl(ctx, kept, s.Plant.Now()); err != nil {
			return err
		}
		return s.record(ctx, tx, a, id, "pin_control_made", map[string]any{"scope": asked.Scope, "zone": zone.Code, "reason": asked.Reason})
	})
	return out, err
}

// tells refuses a zone that PINs only come in from.
func tells(zone *programs.Zone) error {
	if zone.PINFormat != int(hsm.ISO0) && zone.PINFormat != int(hsm.ISO4) {
		return ErrOnlyIncoming
	}
	return nil
}

// unprinted refuses a PIN whose issue is in a file, and no later one waits for a PIN.
func unprinted(ctx context.Context, tx *store.Tx, pin batch.CardPIN) error {
	if _, err := awaited(ctx, tx.Q, pin.Card()); !errors.Is(err, ErrNotAwaited) {
		return err
	}
	issues, err := tx.Issues(ctx, pin.Card())
	if err != nil {
		return err
	}
	if newest := issues[len(issues)-1]; newest.Issue != pin.Issue || newest.File != nil {
		return ErrProduced
	}
	return nil
}

// use uses a control up, which is committed before anything is done with it: whatever dies or is run twice, nothing is done twice.
func (s *Service) use(ctx context.Context, i store.Institution, actor, id string, scope Scope) (store.PINControl, cards.Act, error) {
	var c store.PINControl
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.UsePINControl(ctx, i.ID, controlHash(id), string(scope), s.Plant.Now())
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = ErrControl
	}
	if err != nil {
		return c, cards.Act{}, err
	}
	token, err := s.Plant.Token(ctx, c.Card)
	return c, cards.Act{Institution: i, Card: token, Actor: actor}, err
}

// View tells the PIN of a control's card under the key of the control's zone, and to nobody else. It fails with ErrControl. Told.Card is the card's token.
func (s *Service) View(ctx context.Context, i store.Institution, actor, id string) (Told, error) {
	c, a, err := s.use(ctx, i, actor, id, ViewPIN)
	if err != nil {
		return Told{}, err
	}
	told, err := s.Export(ctx, a, c.Zone, c.Reason)
	told.Card = a.Card
	return told, err
}

// SetByControl gives a control's card the PIN of a block under the key of the control's zone, as SetUnprinted does. It fails with ErrControl. The token of the card is
// beside the state.
func (s *Service) SetByControl(ctx context.Context, i store.Institution, actor, id string, block []byte) (State, string, error) {
	c, a, err := s.use(ctx, i, actor, id, SetPIN)
	if err != nil {
		return State{}, "", err
	}
	state, err := s.SetUnprinted(ctx, a, Presented{Zone: c.Zone, Block: block}, c.Reason)
	return state, a.Card, err
}

// SetUnprinted is Set for a card whose plastic is in no file yet: the plastic is made with the PIN. Where a reissue waits for its PIN, that is for it alone, and the PIN in use stays. It
// fails with ErrProduced.
func (s *Service) SetUnprinted(ctx context.Context, a cards.Act, p Presented, reason string) (State, error) {
	if err := batch.CheckReason(reason); err != nil {
		return State{}, err
	}
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return State{}, err
	}
	l, err := awaited(ctx, s.Plant.Store.Q, id)
	if err == nil && !l.Instant() {
		return s.setNext(ctx, a, id, p, reason)
	}
	if err != nil && !errors.Is(err, ErrNotAwaited) {
		return State{}, err
	}
	return s.set(ctx, a, p, reason, setting{
		may:  func(tx *store.Tx, pin batch.CardPIN) error { return unprinted(ctx, tx, pin) },
		also: func(tx *store.Tx, rows []store.ChosenPIN) error { return printWith(ctx, tx, rows) },
	})
}
