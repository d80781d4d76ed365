package prepaid

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm/jwe"
	"platen/services/cards"
	"platen/services/values"
	"platen/sql/store"
)

// Revealed is what a client learns of a card: nothing but where it is redeemed, of a gift card; nothing but its masked number, of one that awaits its activation; and otherwise number,
// CVV2 and expiry, each encrypted to the client's key (see jwe.Key.EncryptField).
type Revealed struct {
	RedeemAt string
	Masked   string // first six and last four digits
	Number   string
	CVV2     string
	Expiry   string // MM/YYYY
}

// Reveal tells a client what it may know of a card. That it was told is recorded before it is. Cards that are stopped or have ended are refused.
func (s *Service) Reveal(ctx context.Context, a cards.Act, zone string) (Revealed, error) {
	c, err := s.Find(ctx, a.Institution, a.Card)
	if err != nil {
		return Revealed{}, err
	}
	switch {
	case c.Card.Status != card.CardActive && c.Card.Status != card.CardInactive:
		return Revealed{}, wrongStatus(c)
	case c.Product.Prepaid.Category == card.Gift:
		return s.redemption(ctx, a, c)
	case c.Card.Status == card.CardInactive:
		masked, err := s.Plant.MaskedNumber(ctx, c.Card.ID)
		return Revealed{Masked: masked}, err
	}
	z, err := s.Plant.Zone(ctx, a.Institution, zone)
	if errors.Is(err, store.ErrNotFound) || err == nil && z.PublicKey == "" {
		return Revealed{}, values.ErrZone
	}
	if err != nil {
		return Revealed{}, err
	}
	key, err := jwe.ParseKey(z.PublicKey)
	if err != nil {
		return Revealed{}, fmt.Errorf("zone %s: %w", z.Code, err)
	}
	v, err := s.Plant.SecurityValues(ctx, a.Institution, c.Card)
	if err != nil {
		return Revealed{}, fmt.Errorf("security values: %w", err)
	}
	defer v.Wipe()
	number, err := s.Plant.CardNumber(ctx, c.Card.ID)
	if err != nil {
		return Revealed{}, err
	}
	defer number.Wipe()
	var told Revealed
	for _, f := range []struct {
		to    *string
		value card.Secret
	}{{&told.Number, number}, {&told.CVV2, v.Printed()}, {&told.Expiry, card.NewSecret(fmt.Appendf(nil, "%02d/%04d", v.Expiry.Month, v.Expiry.Year))}} {
		if *f.to, err = key.EncryptField(f.value); err != nil {
			return Revealed{}, err
		}
	}
	return told, s.told(ctx, a, c, map[string]any{"issue": v.Issue, "zone": z.Code})
}

func (s *Service) told(ctx context.Context, a cards.Act, c Card, data map[string]any) error {
	data["by"] = a.Actor
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		return tx.Record(ctx, a.Institution.ID, "card", int64(c.Card.ID), "card_data_told", data, s.Plant.Now())
	})
}

func giftPurpose(i store.Institution) string { return "gift card of " + i.ID.String() }

// redemption is the address where a gift card is redeemed: that of its card type, and a code that only this installation can make and read. Each call gives another code; all of them are
// the card's.
func (s *Service) redemption(ctx context.Context, a cards.Act, c Card) (Revealed, error) {
	code, err := s.Plant.Vault.Seal(card.KeyRef{Label: s.Label}, giftPurpose(a.Institution), binary.BigEndian.AppendUint64(nil, uint64(c.Card.ID)))
	if err != nil {
		return Revealed{}, fmt.Errorf("code of a gift card: %w", err)
	}
	return Revealed{RedeemAt: c.Product.Prepaid.Redeem + base64.RawURLEncoding.EncodeToString(code)}, s.told(ctx, a, c, map[string]any{"redemption": true})
}

// Redeemed finds the gift card of a code that stood behind an address of redemption; anything else is store.ErrNotFound.
func (s *Service) Redeemed(ctx context.Context, i store.Institution, code string) (Card, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil {
		return Card{}, store.ErrNotFound
	}
	body, err := s.Plant.Vault.OpenSealed(s.Label, giftPurpose(i), sealed)
	if err != nil || len(body) != 8 {
		return Card{}, store.ErrNotFound
	}
	token, err := s.Plant.Token(ctx, card.ID(binary.BigEndian.Uint64(body)))
	if err != nil {
		return Card{}, err
	}
	return s.Find(ctx, i, token)
}
