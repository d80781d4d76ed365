package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Operation is what a client asked for with money, once for each reference of an institution.
type Operation struct {
	Number      int64               `db:"number"`
	ID          uuid.UUID           `db:"id"`
	Institution uuid.UUID           `db:"institution_id"`
	Reference   string              `db:"reference"` // the client's own number
	Kind        card.OperationKind  `db:"kind"`
	State       card.OperationState `db:"state"`
	Fingerprint []byte              `db:"fingerprint"`  // of what was asked for
	From        *int64              `db:"from_number"`  // account
	To          *int64              `db:"to_number"`    // account
	CardAccount *int64              `db:"card_account"` // of the card that something is done to
	Currency    string              `db:"currency"`
	Exponent    int                 `db:"exponent"`
	Amount      int64               `db:"amount"`  // minor units
	Fee         int64               `db:"fee"`     // the part of Amount that does not arrive
	Failure     string              `db:"failure"` // stable code of why it failed
	Remark      string              `db:"remark"`
	RequestedBy string              `db:"requested_by"`
	CreatedAt   time.Time           `db:"created_at"`
	EndedAt     *time.Time          `db:"ended_at"`
}

const operationColumns = `number, id, institution_id, reference, kind, state, fingerprint, from_number, to_number, card_account, currency, exponent, amount, fee, failure, remark, requested_by, created_at, ended_at`

// InsertOperation stores an operation unless its institution has one of its reference; false tells that it has. It waits for whoever is about to store one.
func (t *Tx) InsertOperation(ctx context.Context, o *Operation) (bool, error) {
	err := t.get(ctx, "store an operation", &o.Number, `INSERT INTO operations (id, institution_id, reference, kind, state, fingerprint, requested_by, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (institution_id, reference) DO NOTHING RETURNING number`,
		o.ID, o.Institution, o.Reference, o.Kind, o.State, o.Fingerprint, o.RequestedBy, stored(o.CreatedAt))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// MoveOperation takes an operation to its next state, with all that is known of it by then.
func (t *Tx) MoveOperation(ctx context.Context, o *Operation, next card.OperationState) error {
	if err := o.State.To(next); err != nil {
		return fmt.Errorf("move an operation: %w", err)
	}
	var ended any
	if o.EndedAt != nil {
		ended = stored(*o.EndedAt)
	}
	err := t.execOne(ctx, "move an operation", `UPDATE operations SET state = $1, from_number = $2, to_number = $3, currency = $4, exponent = $5, amount = $6, fee = $7, failure = $8, remark = $9,
		ended_at = $10, card_account = $11 WHERE institution_id = $12 AND number = $13 AND state = $14`, next, nullable(o.From), nullable(o.To), o.Currency, o.Exponent, o.Amount, o.Fee, o.Failure,
		o.Remark, ended, nullable(o.CardAccount), o.Institution, o.Number, o.State)
	if err == nil {
		o.State = next
	}
	return err
}

// OperationByReference finds an operation by the client's own number.
func (q Q) OperationByReference(ctx context.Context, institution uuid.UUID, reference string) (Operation, error) {
	var o Operation
	err := q.get(ctx, "operation", &o, `SELECT `+operationColumns+` FROM operations WHERE institution_id = $1 AND reference = $2`, institution, reference)
	return o, err
}

// OperationByNumber finds an operation by its number.
func (q Q) OperationByNumber(ctx context.Context, institution uuid.UUID, number int64) (Operation, error) {
	var o Operation
	err := q.get(ctx, "operation", &o, `SELECT `+operationColumns+` FROM operations WHERE institution_id = $1 AND number = $2`, institution, number)
	return o, err
}

// Operations lists an institution's operations, newest first, before a number when it is not 0.
func (q Q) Operations(ctx context.Context, institution uuid.UUID, before int64, limit int) ([]Operation, error) {
	var all []Operation
	err := q.list(ctx, "operations", &all, `SELECT `+operationColumns+` FROM operations WHERE institution_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3`,
		institution, below(before), limit)
	return all, err
}

// OperationsOfCard lists what was done to the card of an account, newest first, before a number when it is not 0.
func (q Q) OperationsOfCard(ctx context.Context, institution uuid.UUID, account, before int64, limit int) ([]Operation, error) {
	var all []Operation
	err := q.list(ctx, "operations of a card", &all, `SELECT `+operationColumns+` FROM operations WHERE institution_id = $1 AND card_account = $2 AND number < $3 ORDER BY number DESC LIMIT $4`,
		institution, account, below(before), limit)
	return all, err
}
