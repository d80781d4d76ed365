package prepaid

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"platen/card"
	"platen/hsm"
	"platen/services/cards"
	"platen/services/ledger"
	"platen/services/pins"
	"platen/sql/store"
)

// CodeEvent is the event of a card that awaits its activation code: who is told of it may ask for the code.
const CodeEvent = "activation_code"

// codeDigits is how many an activation code has.
const codeDigits = 6

func codePurpose(account uuid.UUID) string { return "activation code " + account.String() }

// newCode draws the code that activates a card, and seals it.
func (s *Service) newCode(id card.ID, account uuid.UUID) ([]byte, error) {
	var drawn [8]byte // so many more than a code needs that each is as likely as any other
	if err := s.Plant.Entropy.Draw("activation code", uint64(id), drawn[:]); err != nil {
		return nil, err
	}
	code := fmt.Sprintf("%0*d", codeDigits, binary.BigEndian.Uint64(drawn[:])%1_000_000)
	sealed, err := s.Plant.Vault.Seal(card.KeyRef{Label: s.Label}, codePurpose(account), []byte(code))
	if err != nil {
		return nil, fmt.Errorf("activation code: %w", err)
	}
	return sealed, nil
}

// Code is the activation code that a card awaits; store.ErrNotFound when it awaits none any more.
func (s *Service) Code(c Card) (card.Secret, error) {
	if len(c.Code) == 0 {
		return card.Secret{}, store.ErrNotFound
	}
	code, err := s.Plant.Vault.OpenSealed(s.Label, codePurpose(c.Account.ID), c.Code)
	if err != nil {
		return card.Secret{}, fmt.Errorf("activation code: %w", err)
	}
	return card.NewSecret(code), nil
}

// Activation is what puts a card from stock into use: the code that its institution was told, and the PIN that its holder chose, as digits.
type Activation struct {
	Code         card.Secret
	PIN          card.Secret
	NoPINPayment *int
}

// Activate puts a card from stock into use. A wrong code is an operation that fails with FailureCode; MaxWrong of them lock the card, which fails with ErrCodeLocked from then on, whatever
// the code. What is repeated under the same number is answered as the first time, whatever its code and PIN.
func (s *Service) Activate(ctx context.Context, a Act, n Activation) (ledger.Done, error) {
	c, err := s.Find(ctx, a.Institution, a.Card)
	if err != nil {
		return ledger.Done{}, err
	}
	if c.Product.Technology == card.Virtual {
		return ledger.Done{}, ErrAutomatic
	}
	taken, err := s.take(ctx, a, c, n.PIN)
	if err != nil {
		return ledger.Done{}, err
	}
	return s.on(ctx, a, card.ActivateCard, n.NoPINPayment, func(tx *store.Tx, o *store.Operation, c Card) error {
		if c.Card.Status != card.CardInactive {
			return fmt.Errorf("the card is %s: %w", c.Card.Status, cards.ErrStatus)
		}
		if c.Wrong >= MaxWrong {
			return ErrCodeLocked
		}
		right, err := s.Code(c)
		if err != nil {
			return err
		}
		defer right.Wipe()
		if subtle.ConstantTimeCompare(right.Reveal(), n.Code.Reveal()) != 1 {
			o.Failure = FailureCode
			return s.miss(ctx, tx, a, c)
		}
		if err := s.pins.Keep(ctx, tx, a.card(), c.Card.ID, taken, "chosen at activation"); err != nil {
			return err
		}
		if err := s.cards.ActivateWithin(ctx, tx, a.card(), c.Card.ID); err != nil {
			return err
		}
		c.Code = nil
		if n.NoPINPayment != nil {
			c.Attributes.NoPINPayment = n.NoPINPayment
		}
		return put(ctx, tx, c)
	})
}

// take hands a chosen PIN to the security module, unless the operation was carried out before.
func (s *Service) take(ctx context.Context, a Act, c Card, digits card.Secret) (pins.Taken, error) {
	_, err := s.ledger.Operation(ctx, a.Institution, a.Reference)
	if !errors.Is(err, store.ErrNotFound) {
		return pins.Taken{}, err
	}
	taken, err := s.pins.Take(ctx, a.card(), c.Card.ID, digits)
	if form := new(hsm.InputError); errors.As(err, &form) && form.Field == "pin" {
		err = ErrPIN
	}
	return taken, err
}

// miss counts a wrong code.
func (s *Service) miss(ctx context.Context, tx *store.Tx, a Act, c Card) error {
	c.Wrong++
	if err := put(ctx, tx, c); err != nil || c.Wrong < MaxWrong {
		return err
	}
	return tx.Record(ctx, a.Institution.ID, "card", int64(c.Card.ID), "activation_locked", map[string]any{"by": a.Actor, "wrong": c.Wrong}, s.Plant.Now())
}

// put stores what is known of a card by now.
func put(ctx context.Context, tx *store.Tx, c Card) error {
	body, err := json.Marshal(c.Attributes)
	if err != nil {
		return fmt.Errorf("attributes of a card: %w", err)
	}
	c.PrepaidCard.Attributes = string(body)
	return tx.PutPrepaidCard(ctx, c.PrepaidCard)
}
