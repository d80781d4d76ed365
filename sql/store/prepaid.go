package store

import (
	"context"

	"github.com/google/uuid"
)

// PrepaidCard is what is known of a card that was opened with its account.
type PrepaidCard struct {
	Account     int64     `db:"account_number"`
	Institution uuid.UUID `db:"institution_id"`
	Code        []byte    `db:"code"`  // sealed; what activates the card, nil where nothing is awaited
	Wrong       int       `db:"wrong"` // codes that were given
	Note        string    `db:"note"`
	Attributes  string    `db:"attributes"` // JSON
}

const prepaidColumns = `account_number, institution_id, code, wrong, note, attributes`

// InsertPrepaidCard stores what is known of a card that is opened.
func (t *Tx) InsertPrepaidCard(ctx context.Context, p PrepaidCard) error {
	return t.exec(ctx, "store a prepaid card", `INSERT INTO prepaid_cards (account_number, institution_id, code, attributes) VALUES ($1, $2, $3, $4)`,
		p.Account, p.Institution, nullBytes(p.Code), p.Attributes)
}

// PrepaidCard is what is known of the card of an account; ErrNotFound for one that was not opened with it.
func (q Q) PrepaidCard(ctx context.Context, institution uuid.UUID, account int64) (PrepaidCard, error) {
	var p PrepaidCard
	err := q.get(ctx, "prepaid card", &p, `SELECT `+prepaidColumns+` FROM prepaid_cards WHERE institution_id = $1 AND account_number = $2`, institution, account)
	return p, err
}

// PrepaidCards lists an institution's cards that were opened with their accounts, newest first, before an account's number when it is not 0.
func (q Q) PrepaidCards(ctx context.Context, institution uuid.UUID, before int64, limit int) ([]PrepaidCard, error) {
	var all []PrepaidCard
	err := q.list(ctx, "prepaid cards", &all, `SELECT `+prepaidColumns+` FROM prepaid_cards WHERE institution_id = $1 AND account_number < $2 ORDER BY account_number DESC LIMIT $3`,
		institution, below(before), limit)
	return all, err
}

// LockPrepaidCard reads what is known of the card of an account and keeps it locked until commit.
func (t *Tx) LockPrepaidCard(ctx context.Context, institution uuid.UUID, account int64) (PrepaidCard, error) {
	var p PrepaidCard
	err := t.get(ctx, "lock a prepaid card", &p, `SELECT `+prepaidColumns+` FROM prepaid_cards WHERE institution_id = $1 AND account_number = $2`+t.forUpdate(), institution, account)
	return p, err
}

// PutPrepaidCard stores what is known of a card by now.
func (t *Tx) PutPrepaidCard(ctx context.Context, p PrepaidCard) error {
	return t.execOne(ctx, "store a prepaid card", `UPDATE prepaid_cards SET code = $1, wrong = $2, note = $3, attributes = $4 WHERE institution_id = $5 AND account_number = $6`,
		nullBytes(p.Code), p.Wrong, p.Note, p.Attributes, p.Institution, p.Account)
}
