package store

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"platen/card"
)

// Hanging is what hangs on an account: an order of one card, or a card that was linked.
type Hanging struct {
	Position int64    `db:"position"` // on its account, from 1
	Order    *int64   `db:"order_number"`
	Card     *card.ID `db:"card_id"`
}

// HangOrder lets the card of an order of one row hang on an account, which is locked.
func (t *Tx) HangOrder(ctx context.Context, account, order int64) error {
	return t.hang(ctx, account, order, nil)
}

// HangCard lets a card hang on an account, which is locked. ErrConflict: it hangs on one.
func (t *Tx) HangCard(ctx context.Context, account int64, id card.ID) error {
	return t.hang(ctx, account, nil, int64(id))
}

// UnhangCard takes a card that was linked to an account from it. ErrStale: it was not.
func (t *Tx) UnhangCard(ctx context.Context, account int64, id card.ID) error {
	return t.execOne(ctx, "take from an account", `DELETE FROM account_cards WHERE account_number = $1 AND card_id = $2`, account, id)
}

func (t *Tx) hang(ctx context.Context, account int64, order, id any) error {
	return t.exec(ctx, "hang on an account", `INSERT INTO account_cards (account_number, position, order_number, card_id)
		SELECT CAST($1 AS BIGINT), coalesce(max(position), 0) + 1, CAST($2 AS BIGINT), CAST($3 AS BIGINT) FROM account_cards WHERE account_number = $1`, account, order, id)
}

// HangingOn pages through what hangs on an account, in the order in which it came, after a position.
func (q Q) HangingOn(ctx context.Context, account, after int64, limit int) ([]Hanging, error) {
	var all []Hanging
	err := q.list(ctx, "cards of an account", &all, `SELECT position, order_number, card_id FROM account_cards WHERE account_number = $1 AND position > $2 ORDER BY position LIMIT $3`,
		account, after, limit)
	return all, err
}

// maxSuccession bounds how many cards are followed that took each other's place.
const maxSuccession = 1000

// AccountOf finds the account that a card hangs on, or that the card hangs on whose place it took. ErrNotFound: on none.
func (q Q) AccountOf(ctx context.Context, institution uuid.UUID, c Card) (Record, error) {
	for range maxSuccession {
		r, err := q.accountOf(ctx, institution, c)
		if !errors.Is(err, ErrNotFound) {
			return r, err
		}
		if c, err = q.Replaced(ctx, c.ID); err != nil {
			return Record{}, err
		}
	}
	return Record{}, ErrNotFound
}

func (q Q) accountOf(ctx context.Context, institution uuid.UUID, c Card) (Record, error) {
	var r Record
	err := q.get(ctx, "account of a card", &r, AccountRecord.rows()+` WHERE r.institution_id = $1
		AND r.number = (SELECT account_number FROM account_cards WHERE card_id = $2 OR order_number = $3)`, institution, c.ID, c.Order)
	return r, err
}

// Replaced finds the card whose place a card took. ErrNotFound: it took none's.
func (q Q) Replaced(ctx context.Context, id card.ID) (Card, error) {
	var c Card
	err := q.get(ctx, "card that was replaced", &c, `SELECT `+cardColumns+` FROM cards WHERE replaced_by = $1`, id)
	return c, err
}
