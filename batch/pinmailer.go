package batch

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/programs"
	"platen/sql/store"
)

// Errors of asking for a PIN mailer that a client decides on.
var (
	ErrNoMailer    = errors.New("the product mails no PINs")
	ErrMailerWaits = errors.New("a PIN mailer of the card is on its way into a file")
)

// DrawPIN makes a random PIN in the place of a card's, and what is stored of it, as ChoosePIN does. draw tells draws for one card apart.
func (p *Plant) DrawPIN(ctx context.Context, pin CardPIN, draw int) ([]store.ChosenPIN, error) {
	pvk, err := p.newestPVK(ctx, pin)
	if err != nil {
		return nil, err
	}
	press, pan, err := p.pinPress(ctx, &programs.Zone{}, pin.card, pin.today.value, pvk)
	if err != nil {
		return nil, err
	}
	// Objects of issues count from 1 up.
	objects := []uint64{pinObject(pin.card, 63-draw%32)}
	pins, pvvs, offsets := make([]hsm.PIN, 1), make([]hsm.PVV, 1), make([]hsm.Offset, 1)
	if err := press.DrawPINs(ctx, []card.PAN{pan}, objects, pins, pvvs, offsets); err != nil {
		return nil, err
	}
	return p.chosen(pin, pvk, pins[0].Bytes(), pvvs[0], offsets[0])
}

// Mailers is how many PIN mailers a card has had. It fails with ErrNoMailer where its product mails no PINs, and with ErrMailerWaits as long as one is on its way into a file.
func (p *Plant) Mailers(ctx context.Context, q store.Q, i store.Institution, pin CardPIN) (int, error) {
	if !pin.today.value.PIN.Mailer {
		return 0, ErrNoMailer
	}
	all, err := q.MailersOf(ctx, pin.card)
	if err != nil {
		return 0, err
	}
	own := false
	for _, m := range all {
		if m.File == nil && m.State != card.IssueCancelled {
			return 0, ErrMailerWaits
		}
		own = own || m.Issue == pin.Issue
	}
	if own {
		return len(all), nil
	}
	comes, err := p.mailerComes(ctx, q, i, pin)
	if err == nil && comes {
		err = ErrMailerWaits
	}
	return len(all), err
}

// mailerComes tells whether the mailer of an issue that has none follows its card file.
func (p *Plant) mailerComes(ctx context.Context, q store.Q, i store.Institution, pin CardPIN) (bool, error) {
	issue, err := q.Issue(ctx, pin.card, pin.Issue)
	if err != nil {
		return false, err
	}
	if issue.File == nil {
		l, err := q.LineOf(ctx, issue.Order, issue.OrderUnit)
		if errors.Is(err, store.ErrNotFound) { // it is purged
			return false, nil
		}
		return l.State == store.LineOpen || l.State == store.LinePlanned, err
	}
	made, _, err := p.madeWith(ctx, q, i, issue, pin.today.value)
	if err != nil {
		return false, err
	}
	action, _ := made.Action(issue.Reason)
	return action.Mailer && made.PIN.Mailer, nil
}

// AskForMailer lets a mailer of a PIN of a card wait for a file, in a transaction that has locked the card. rows are those of a new PIN, and nil for the PIN that the card has; that
// fails with ErrNoPIN where it is purged.
func (p *Plant) AskForMailer(ctx context.Context, tx *store.Tx, i store.Institution, pin CardPIN, rows []store.ChosenPIN) (store.Mailer, error) {
	if _, err := p.Mailers(ctx, tx.Q, i, pin); err != nil {
		return store.Mailer{}, err
	}
	m := store.Mailer{Card: pin.card, Issue: pin.Issue, Attempt: 1, State: card.IssueFollowsFile, Reason: card.PINReprint}
	block := pin.check.pin
	if rows != nil {
		m.Reason, block = card.PINNew, rows[0].PIN
	}
	if len(block) == 0 {
		return m, ErrNoPIN
	}
	all, err := tx.MailersOf(ctx, pin.card)
	if err != nil {
		return m, err
	}
	for _, had := range all {
		if had.Issue == m.Issue {
			m.Attempt = max(m.Attempt, had.Attempt+1)
		}
	}
	if err := tx.InsertMailer(ctx, m, block); err != nil {
		return m, fmt.Errorf("ask for a PIN mailer: %w", err)
	}
	return m, nil
}
