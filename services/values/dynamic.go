package values

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"platen/card"
	"platen/services/cards"
)

// ErrNoDynamic says that a card has no CVV2 that changes, or is not in use.
var ErrNoDynamic = errors.New("the card has no dynamic CVV2, or is not in use")

// TellDynamic computes the CVV2 that a card in use has now, where it changes with time, and encrypts it to the public key of a zone. What is printed on the card is not valid then. It
// fails with ErrNoDynamic. That it was told is recorded before it is.
func (s *Service) TellDynamic(ctx context.Context, a cards.Act, zone string) (Told, error) {
	c, err := s.dynamic(ctx, a)
	if err != nil {
		return Told{}, err
	}
	to, err := s.recipient(ctx, a.Institution, zone)
	if err != nil {
		return Told{}, err
	}
	v, err := s.Plant.SecurityValues(ctx, a.Institution, c)
	if err != nil {
		return Told{}, fmt.Errorf("dynamic CVV2: %w", err)
	}
	defer v.Wipe()
	if v.CVV2Until == nil {
		return Told{}, ErrNoDynamic
	}
	b, err := json.Marshal(struct {
		Issue     int        `json:"issue"`
		CVV2      string     `json:"cvv2"`
		CVV2Until *time.Time `json:"cvv2_expires_at"`
		IssuedAt  time.Time  `json:"issued_at"`
	}{v.Issue, string(v.Printed().Reveal()), v.CVV2Until, s.Plant.Now().UTC()})
	if err != nil {
		return Told{}, errors.New("a dynamic CVV2 cannot be written")
	}
	payload := card.NewSecret(b)
	defer payload.Wipe()
	told := Told{Issue: v.Issue, CVV2Until: v.CVV2Until}
	if told.JWE, err = to.key.Encrypt(to.zone, payload); err != nil {
		return Told{}, err
	}
	return told, s.record(ctx, a, c.ID, "dynamic_cvv2_told", map[string]any{"issue": v.Issue, "zone": to.zone})
}
