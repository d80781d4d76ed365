// Package values tells clients the security values of single cards, encrypted to a key of theirs, and verifies a CVV2. No clear value is in an answer, and none is kept.
package values

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"platen/batch"
	"platen/card"
	"platen/hsm/jwe"
	"platen/programs"
	"platen/services/cards"
	"platen/sql/store"
)

// ErrZone says that an institution declares no zone with a public key of this code.
var ErrZone = errors.New("no zone of this code has a public key")

// Service tells of the security values of a plant's cards.
type Service struct{ Plant *batch.Plant }

// Told is what a client gets.
type Told struct {
	Issue     int
	JWE       string     // compact; its payload is a JSON object
	CVV2Until *time.Time // when a dynamic CVV2 is followed by the next
}

// Tell computes the security values of a card and encrypts them to the public key of a zone. That they were told is recorded before they are.
func (s *Service) Tell(ctx context.Context, a cards.Act, zone string) (Told, error) {
	c, err := s.find(ctx, a)
	if err != nil {
		return Told{}, err
	}
	to, err := s.recipient(ctx, a.Institution, zone)
	if err != nil {
		return Told{}, err
	}
	v, err := s.Plant.SecurityValues(ctx, a.Institution, c)
	if err != nil {
		return Told{}, fmt.Errorf("security values: %w", err)
	}
	defer v.Wipe()
	payload, err := payloadOf(&v, s.Plant.Now())
	if err != nil {
		return Told{}, err
	}
	defer payload.Wipe()
	told := Told{Issue: v.Issue, CVV2Until: v.CVV2Until}
	if told.JWE, err = to.key.Encrypt(to.zone, payload); err != nil {
		return Told{}, err
	}
	return told, s.record(ctx, a, c.ID, "security_values_told", map[string]any{"issue": v.Issue, "zone": to.zone})
}

// recipient is who reads what is told: the holder of a zone's private key.
type recipient struct {
	zone string
	key  jwe.Key
}

// recipient finds a zone with a public key; empty = the only one that there is.
func (s *Service) recipient(ctx context.Context, i store.Institution, zone string) (recipient, error) {
	all, err := s.Plant.Zones(ctx, i)
	if err != nil {
		return recipient{}, err
	}
	all = slices.DeleteFunc(all, func(z *programs.Zone) bool { return z.PublicKey == "" || zone != "" && z.Code != zone })
	if len(all) != 1 {
		return recipient{}, ErrZone
	}
	key, err := jwe.ParseKey(all[0].PublicKey)
	if err != nil {
		return recipient{}, fmt.Errorf("zone %s: %w", all[0].Code, err)
	}
	return recipient{all[0].Code, key}, nil
}

// payloadOf writes what a client reads. It is the one place where codes are written in the clear, on their way into a JWE.
func payloadOf(v *batch.SecurityValues, now time.Time) (card.Secret, error) {
	text := func(s card.Secret) string { return string(s.Reveal()) }
	b, err := json.Marshal(struct {
		Issue     int        `json:"issue"`
		Expiry    string     `json:"expiry"`
		CVV       string     `json:"cvv,omitempty"`
		CVV2      string     `json:"cvv2"` // what is printed, of every scheme
		CVV2Until *time.Time `json:"cvv2_expires_at,omitempty"`
		ICVV      string     `json:"icvv,omitempty"`
		CSC5      string     `json:"csc5,omitempty"`
		CSC4      string     `json:"csc4,omitempty"`
		CSC3      string     `json:"csc3,omitempty"`
		IssuedAt  time.Time  `json:"issued_at"`
	}{v.Issue, v.Expiry.String(), text(v.CVV), text(v.Printed()), v.CVV2Until, text(v.ICVV), text(v.CSC5), text(v.CSC4), text(v.CSC3), now.UTC()})
	if err != nil {
		return card.Secret{}, errors.New("security values cannot be written")
	}
	return card.NewSecret(b), nil
}

// VerifyCVV2 tells whether a value is the CVV2 of a card, or the code on the front of an American Express one.
func (s *Service) VerifyCVV2(ctx context.Context, a cards.Act, value card.Secret) (bool, error) {
	c, err := s.find(ctx, a)
	if err != nil {
		return false, err
	}
	right, err := s.Plant.VerifyCVV2(ctx, a.Institution, c, value)
	if err != nil {
		return false, fmt.Errorf("verify CVV2: %w", err)
	}
	what := "cvv2_refused"
	if right {
		what = "cvv2_verified"
	}
	return right, s.record(ctx, a, c.ID, what, map[string]any{})
}

// find finds a card that has not ended and is not blocked.
func (s *Service) find(ctx context.Context, a cards.Act) (store.Card, error) {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return store.Card{}, err
	}
	c, err := s.Plant.Store.Card(ctx, id)
	if err == nil && c.Status != card.CardInactive && c.Status != card.CardActive {
		err = fmt.Errorf("the card is %s: %w", c.Status, cards.ErrStatus)
	}
	return c, err
}

func (s *Service) record(ctx context.Context, a cards.Act, id card.ID, what string, data map[string]any) error {
	data["by"] = a.Actor
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		return tx.Record(ctx, a.Institution.ID, "card", int64(id), what, data, s.Plant.Now())
	})
}
