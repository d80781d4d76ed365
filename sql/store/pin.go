package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// PINTries is how the PIN of a card was tried. Tries are numbered from 1; a card that was never asked about has none.
type PINTries struct {
	Card     card.ID    `db:"card_id"`
	Tried    int64      `db:"tried"`    // number of the last try
	Forgiven int64      `db:"forgiven"` // tries up to this one count no longer
	Blocked  bool       `db:"blocked"`  // by somebody, however many tries are left
	Told     bool       `db:"told"`     // that no try is left
	LastTry  *time.Time `db:"last_try_at"`
}

// Used is how many tries count.
func (s *PINTries) Used() int { return int(s.Tried - s.Forgiven) }

// Forgive lets no try up to a number count any more; those after it go on counting.
func (s *PINTries) Forgive(try int64) {
	if try > s.Forgiven {
		s.Forgiven, s.Told = try, false
	}
}

// PINTries reads how the PIN of a card was tried. In a transaction that writes them, the card is locked.
func (q Q) PINTries(ctx context.Context, id card.ID) (PINTries, error) {
	s := PINTries{Card: id}
	err := q.get(ctx, "PIN tries", &s, `SELECT card_id, tried, forgiven, blocked, told, last_try_at FROM pin_tries WHERE card_id = $1`, id)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return s, err
}

// PutPINTries stores how the PIN of a card was tried.
func (t *Tx) PutPINTries(ctx context.Context, s PINTries) error {
	var last any
	if s.LastTry != nil {
		last = stored(*s.LastTry)
	}
	return t.exec(ctx, "store PIN tries", `INSERT INTO pin_tries (card_id, tried, forgiven, blocked, told, last_try_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (card_id) DO UPDATE SET tried = excluded.tried, forgiven = excluded.forgiven, blocked = excluded.blocked, told = excluded.told, last_try_at = excluded.last_try_at`,
		s.Card, s.Tried, s.Forgiven, s.Blocked, s.Told, last)
}

// ChosenPIN is a PIN that the holder of a card chose, or that a card got which was made when it was ordered: that of an issue from then on. Versions are those of the product and of the key by which it is
// verified. The zero Issue is none.
type ChosenPIN struct {
	Card           card.ID   `db:"card_id"`
	Issue          int       `db:"issue"`
	ProductVersion int       `db:"product_version"`
	PVKVersion     int       `db:"pvk_version"`
	PVV            *int      `db:"pvv"`
	Offset         *string   `db:"pin_offset"`
	PIN            []byte    `db:"pin"`
	ChosenAt       time.Time `db:"chosen_at"`
}

// ChosenPINs lists the PINs that the holder of a card chose, by issue.
func (q Q) ChosenPINs(ctx context.Context, id card.ID) ([]ChosenPIN, error) {
	var all []ChosenPIN
	err := q.list(ctx, "chosen PINs", &all, `SELECT card_id, issue, product_version, pvk_version, pvv, pin_offset, pin, chosen_at FROM card_pins WHERE card_id = $1 ORDER BY issue`, id)
	return all, err
}

// PutChosenPIN stores the PIN of an issue in place of the one before.
func (t *Tx) PutChosenPIN(ctx context.Context, p ChosenPIN) error {
	return t.exec(ctx, "store a chosen PIN", `INSERT INTO card_pins (card_id, issue, product_version, pvk_version, pvv, pin_offset, pin, chosen_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (card_id, issue) DO UPDATE SET product_version = excluded.product_version, pvk_version = excluded.pvk_version, pvv = excluded.pvv, pin_offset = excluded.pin_offset,
		pin = excluded.pin, chosen_at = excluded.chosen_at`, p.Card, p.Issue, p.ProductVersion, p.PVKVersion, nullable(p.PVV), nullable(p.Offset), p.PIN, stored(p.ChosenAt))
}

// RepeatChosenPIN lets the issue after one have its chosen PIN too, if it has any.
func (t *Tx) RepeatChosenPIN(ctx context.Context, id card.ID, issue int) error {
	return t.exec(ctx, "repeat a chosen PIN", `INSERT INTO card_pins (card_id, issue, product_version, pvk_version, pvv, pin_offset, pin, chosen_at)
		SELECT card_id, issue + 1, product_version, pvk_version, pvv, pin_offset, pin, chosen_at FROM card_pins WHERE card_id = $1 AND issue = $2`, id, issue)
}

// ChoiceVersions are versions by which chosen PINs are verified: those of a product, and of the key that it names there.
type ChoiceVersions struct {
	Product        int64 `db:"product_number"`
	ProductVersion int   `db:"product_version"`
	PVKVersion     int   `db:"pvk_version"`
}

// ChoicesInUse lists by which versions the chosen PINs of an institution's living cards are verified.
func (q Q) ChoicesInUse(ctx context.Context, institution uuid.UUID) ([]ChoiceVersions, error) {
	var all []ChoiceVersions
	err := q.list(ctx, "versions of chosen PINs", &all, `SELECT DISTINCT c.product_number, p.product_version, p.pvk_version FROM card_pins p JOIN cards c ON c.id = p.card_id
		JOIN programs g ON g.number = c.product_number WHERE g.institution_id = $1 AND c.status NOT IN ($2, $3) ORDER BY 1, 2, 3`, institution, card.CardClosed, card.CardExpired)
	return all, err
}
