package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Holder is who holds prepaid cards of a product, as handed in for an audit.
type Holder struct {
	Number      int64            `db:"number"`
	ID          uuid.UUID        `db:"id"`
	Institution uuid.UUID        `db:"institution_id"`
	Reference   string           `db:"reference"`
	Fingerprint []byte           `db:"fingerprint"` // of what was handed in first
	Product     int64            `db:"product_number"`
	Model       card.HolderModel `db:"model"`
	State       card.HolderState `db:"state"`
	Email       string           `db:"email"`
	Document    *string          `db:"document"` // kind and number of what identifies a person
	Body        string           `db:"body"`     // JSON
	Reason      string           `db:"reason"`   // why it was rejected
	CreatedAt   time.Time        `db:"created_at"`
	ChangedAt   time.Time        `db:"changed_at"`
	PurgedAt    *time.Time       `db:"purged_at"` // nothing is known of the person any more
}

const holderColumns = `number, id, institution_id, reference, fingerprint, product_number, model, state, email, document, body, reason, created_at, changed_at, purged_at`

// InsertHolder stores what was handed in unless its institution has something of its reference; false tells that it has. ErrConflict: the product has a holder of this address or document.
func (t *Tx) InsertHolder(ctx context.Context, h *Holder) (bool, error) {
	err := t.get(ctx, "store a holder", &h.Number, `INSERT INTO holders (id, institution_id, reference, fingerprint, product_number, model, state, email, document, body, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) ON CONFLICT (institution_id, reference) DO NOTHING RETURNING number`,
		h.ID, h.Institution, h.Reference, h.Fingerprint, h.Product, h.Model, h.State, h.Email, nullable(h.Document), h.Body, stored(h.CreatedAt))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// LockHolder reads a holder and keeps it locked until commit.
func (t *Tx) LockHolder(ctx context.Context, institution, id uuid.UUID) (Holder, error) {
	var h Holder
	err := t.get(ctx, "lock a holder", &h, `SELECT `+holderColumns+` FROM holders WHERE institution_id = $1 AND id = $2`+t.forUpdate(), institution, id)
	return h, err
}

// MoveHolder takes a holder to its next state, with what it says by then. ErrConflict as with InsertHolder.
func (t *Tx) MoveHolder(ctx context.Context, h *Holder, next card.HolderState) error {
	if err := h.State.To(next); err != nil {
		return fmt.Errorf("move a holder: %w", err)
	}
	err := t.execOne(ctx, "move a holder", `UPDATE holders SET state = $1, model = $2, email = $3, document = $4, body = $5, reason = $6, changed_at = $7 WHERE institution_id = $8 AND number = $9 AND state = $10`,
		next, h.Model, h.Email, nullable(h.Document), h.Body, h.Reason, stored(h.ChangedAt), h.Institution, h.Number, h.State)
	if err == nil {
		h.State = next
	}
	return err
}

// Holder finds a holder by its id.
func (q Q) Holder(ctx context.Context, institution, id uuid.UUID) (Holder, error) {
	var h Holder
	err := q.get(ctx, "holder", &h, `SELECT `+holderColumns+` FROM holders WHERE institution_id = $1 AND id = $2`, institution, id)
	return h, err
}

// HolderByNumber finds a holder by its number.
func (q Q) HolderByNumber(ctx context.Context, institution uuid.UUID, number int64) (Holder, error) {
	var h Holder
	err := q.get(ctx, "holder", &h, `SELECT `+holderColumns+` FROM holders WHERE institution_id = $1 AND number = $2`, institution, number)
	return h, err
}

// HolderByReference finds a holder by the client's own number.
func (q Q) HolderByReference(ctx context.Context, institution uuid.UUID, reference string) (Holder, error) {
	var h Holder
	err := q.get(ctx, "holder", &h, `SELECT `+holderColumns+` FROM holders WHERE institution_id = $1 AND reference = $2`, institution, reference)
	return h, err
}

// Holders lists an institution's holders, newest first, before a number when it is not 0.
func (q Q) Holders(ctx context.Context, institution uuid.UUID, before int64, limit int) ([]Holder, error) {
	var all []Holder
	err := q.list(ctx, "holders", &all, `SELECT `+holderColumns+` FROM holders WHERE institution_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3`, institution, below(before), limit)
	return all, err
}

// CardsOfHolder counts the accounts of cards that a holder has.
func (q Q) CardsOfHolder(ctx context.Context, holder int64) (int, error) {
	var n int
	err := q.get(ctx, "count cards of a holder", &n, `SELECT count(*) FROM ledger_accounts WHERE holder_number = $1`, holder)
	return n, err
}

// purgeableHolders are those that were audited before a horizon ($1) and have no card that has not ended.
const purgeableHolders = `purged_at IS NULL AND state IN (3, 4) AND changed_at < $1 AND NOT EXISTS (SELECT 1 FROM ledger_accounts a JOIN cards c ON c.id = a.card_id
	WHERE a.holder_number = holders.number AND c.status NOT IN (4, 5))`

// PurgeHolders forgets who holders were that were audited before a horizon and have no card that has not ended. That they were there stays; what was handed in of them can be neither
// handed in again nor used.
func (t *Tx) PurgeHolders(ctx context.Context, h Horizon, now time.Time) error {
	return t.exec(ctx, "purge holders", `UPDATE holders SET body = '{}', email = 'purged ' || number, document = NULL, fingerprint = $3, purged_at = $2 WHERE `+purgeableHolders, stored(h.month), stored(now), []byte{0})
}
