package pins

import (
	"context"
	"fmt"

	"platen/batch"
	"platen/services/cards"
	"platen/sql/store"
)

// Told is the PIN of an issue as a block under a zone's key.
type Told struct {
	Card  string // token, where a control names the card
	Issue int
	Block []byte
}

// Export tells the PIN of a card as a block under a zone's key. It is recorded before it is told. A PIN that is blocked, and that of a card that is blocked or has ended, is not told.
func (s *Service) Export(ctx context.Context, a cards.Act, code, reason string) (Told, error) {
	if err := batch.CheckReason(reason); err != nil {
		return Told{}, err
	}
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return Told{}, err
	}
	zone, err := s.zone(ctx, a, code)
	if err != nil {
		return Told{}, err
	}
	if err := tells(zone); err != nil {
		return Told{}, err
	}
	var pin batch.CardPIN
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, found, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if err := choosable(c, tries); err != nil {
			return err
		}
		pin = found
		return s.record(ctx, tx, a, id, "pin_told", map[string]any{"issue": pin.Issue, "zone": zone.Code, "reason": reason})
	})
	if err != nil {
		return Told{}, err
	}
	block, err := s.Plant.ExportPIN(ctx, zone, pin)
	if err != nil {
		return Told{}, fmt.Errorf("export PIN: %w", err)
	}
	return Told{Issue: pin.Issue, Block: block}, nil
}
