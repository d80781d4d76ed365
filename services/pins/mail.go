package pins

import (
	"context"
	"fmt"

	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// Mail lets a mailer of a card's PIN wait for the next file: of the PIN that it has, or of a new one, which it has from then on, with all tries. It fails with batch.ErrNoMailer,
// batch.ErrMailerWaits and batch.ErrNoPIN. also does more in its transaction.
func (s *Service) Mail(ctx context.Context, a cards.Act, fresh bool, also func(*store.Tx) error) error {
	id, err := s.Plant.FindCard(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	if fresh {
		return s.mailNew(ctx, a, id, also)
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := s.MailWithin(ctx, tx, a, id); err != nil {
			return err
		}
		return also(tx)
	})
}

// MailWithin is Mail of the PIN that a card has in a transaction of the caller's.
func (s *Service) MailWithin(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID) error {
	c, pin, tries, err := s.lock(ctx, tx, a, id)
	if err != nil {
		return err
	}
	if err := choosable(c, tries); err != nil {
		return err
	}
	return s.ask(ctx, tx, a, id, pin, nil)
}

func (s *Service) mailNew(ctx context.Context, a cards.Act, id card.ID, also func(*store.Tx) error) error {
	var had batch.CardPIN
	draw := 0
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		c, pin, tries, err := s.lock(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if err := choosable(c, tries); err != nil {
			return err
		}
		had = pin
		draw, err = s.Plant.Mailers(ctx, tx.Q, a.Institution, pin)
		return err
	})
	if err != nil {
		return err
	}
	rows, err := s.Plant.DrawPIN(ctx, had, draw)
	if err != nil {
		return fmt.Errorf("draw PIN: %w", err)
	}
	_, err = s.replace(ctx, a, id, had, rows, func(tx *store.Tx, tries *store.PINTries, pin batch.CardPIN) error {
		tries.Forgive(tries.Tried)
		if err := s.ask(ctx, tx, a, id, pin, rows); err != nil {
			return err
		}
		return also(tx)
	})
	return err
}

func (s *Service) ask(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, pin batch.CardPIN, rows []store.ChosenPIN) error {
	m, err := s.Plant.AskForMailer(ctx, tx, a.Institution, pin, rows)
	if err != nil {
		return err
	}
	return s.record(ctx, tx, a, id, "pin_mailer_ordered", map[string]any{"issue": m.Issue, "reason": m.Reason.String(), "production": fmt.Sprintf("%d.%d", m.Issue, m.Attempt)})
}
