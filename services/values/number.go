package values

import (
	"context"
	"encoding/json"
	"errors"

	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// TellNumber encrypts the number of a card to the public key of a zone; an empty one is the only zone that has a public key. That it was told is recorded before it is.
func (s *Service) TellNumber(ctx context.Context, a cards.Act, zone string) (string, error) {
	id, err := s.made(ctx, a)
	if err != nil {
		return "", err
	}
	to, err := s.recipient(ctx, a.Institution, zone)
	if err != nil {
		return "", err
	}
	pan, err := s.Plant.CardNumber(ctx, id)
	if err != nil {
		return "", err
	}
	defer pan.Wipe()
	b, err := json.Marshal(map[string]any{"card_number": string(pan.Reveal()), "issued_at": s.Plant.Now().UTC()})
	if err != nil {
		return "", errors.New("a card number cannot be written")
	}
	payload := card.NewSecret(b)
	defer payload.Wipe()
	told, err := to.key.Encrypt(to.zone, payload)
	if err != nil {
		return "", err
	}
	return told, s.record(ctx, a, id, "number_told", map[string]any{"zone": to.zone})
}

// TokenOf finds the token that stands for the card of a number. A number that no card of the institution has is store.ErrNotFound.
func (s *Service) TokenOf(ctx context.Context, i store.Institution, actor string, pan card.PAN) (string, error) {
	id, err := s.Plant.FindNumber(ctx, i, pan)
	if err != nil {
		return "", err
	}
	token, err := s.Plant.Token(ctx, id)
	if err != nil {
		return "", err
	}
	a := cards.Act{Institution: i, Card: token, Actor: actor}
	if id, err = s.made(ctx, a); err != nil {
		return "", err
	}
	return token, s.record(ctx, a, id, "token_told", map[string]any{})
}

// made finds a card that was made, whatever became of it.
func (s *Service) made(ctx context.Context, a cards.Act) (card.ID, error) {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err == nil {
		_, err = s.Plant.Store.Card(ctx, id)
	}
	return id, err
}
