package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// ErrOverdrawn says that an account does not hold what is to be taken from it.
var ErrOverdrawn = errors.New("the account does not hold as much")

// MaxBalance bounds what an account holds or owes, in minor units.
const MaxBalance int64 = 1e18

// LedgerAccount is an account of the ledger: what it holds is what its entries brought less what they took.
type LedgerAccount struct {
	Number      int64            `db:"number"`
	ID          uuid.UUID        `db:"id"`
	Institution uuid.UUID        `db:"institution_id"`
	Kind        card.AccountKind `db:"kind"`
	Currency    string           `db:"currency"`
	Exponent    int              `db:"exponent"`
	Name        string           `db:"name"`
	Card        *card.ID         `db:"card_id"`       // whose account it is
	Source      *int64           `db:"source_number"` // the account that a card's is filled from
	Holder      *int64           `db:"holder_number"` // who was audited for the card
	Retained    int64            `db:"retained"`      // what a withdrawal leaves
	Balance     int64            `db:"balance"`       // minor units
	CreatedAt   time.Time        `db:"created_at"`
}

// LedgerEntry takes an amount from one account and gives it to another.
type LedgerEntry struct {
	Number      int64     `db:"number"`
	Operation   int64     `db:"operation_number"`
	OperationID uuid.UUID `db:"operation_id"` // read only
	Part        int       `db:"part"`         // of the operation, from 1
	Institution uuid.UUID `db:"institution_id"`
	Currency    string    `db:"currency"`
	From        int64     `db:"from_number"`
	To          int64     `db:"to_number"`
	Amount      int64     `db:"amount"`
	FromBalance int64     `db:"from_balance"` // after it
	ToBalance   int64     `db:"to_balance"`   // after it
	RecordedAt  time.Time `db:"recorded_at"`
}

const (
	accountColumns = `number, id, institution_id, kind, currency, exponent, name, card_id, source_number, holder_number, retained, balance, created_at`
	entryColumns   = `number, operation_number, part, institution_id, currency, from_number, to_number, amount, from_balance, to_balance, recorded_at`
)

// InsertLedgerAccount adds an empty account and gives it its number. A second account of a card is ErrConflict.
func (t *Tx) InsertLedgerAccount(ctx context.Context, a *LedgerAccount) error {
	return t.get(ctx, "store an account", &a.Number, `INSERT INTO ledger_accounts (id, institution_id, kind, currency, exponent, name, card_id, source_number, holder_number, retained, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING number`,
		a.ID, a.Institution, a.Kind, a.Currency, a.Exponent, a.Name, nullable(a.Card), nullable(a.Source), nullable(a.Holder), a.Retained, stored(a.CreatedAt))
}

// HouseAccount returns the number of the house's account of a kind and currency, which it opens with the given id when there is none.
func (t *Tx) HouseAccount(ctx context.Context, a LedgerAccount) (int64, error) {
	err := t.exec(ctx, "open an account of the house", `INSERT INTO ledger_accounts (id, institution_id, kind, currency, exponent, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (institution_id, kind, currency) WHERE kind > 3 DO NOTHING`, a.ID, a.Institution, a.Kind, a.Currency, a.Exponent, stored(a.CreatedAt))
	if err != nil {
		return 0, err
	}
	var number int64
	err = t.get(ctx, "account of the house", &number, `SELECT number FROM ledger_accounts WHERE institution_id = $1 AND kind = $2 AND currency = $3`, a.Institution, a.Kind, a.Currency)
	return number, err
}

// LedgerAccount finds an account by its id.
func (q Q) LedgerAccount(ctx context.Context, institution, id uuid.UUID) (LedgerAccount, error) {
	var a LedgerAccount
	err := q.get(ctx, "account", &a, `SELECT `+accountColumns+` FROM ledger_accounts WHERE institution_id = $1 AND id = $2`, institution, id)
	return a, err
}

// LedgerAccountByNumber finds an account by its number.
func (q Q) LedgerAccountByNumber(ctx context.Context, institution uuid.UUID, number int64) (LedgerAccount, error) {
	var a LedgerAccount
	err := q.get(ctx, "account", &a, `SELECT `+accountColumns+` FROM ledger_accounts WHERE institution_id = $1 AND number = $2`, institution, number)
	return a, err
}

// LedgerAccountOfCard finds the account of a card.
func (q Q) LedgerAccountOfCard(ctx context.Context, institution uuid.UUID, id card.ID) (LedgerAccount, error) {
	var a LedgerAccount
	err := q.get(ctx, "account of a card", &a, `SELECT `+accountColumns+` FROM ledger_accounts WHERE institution_id = $1 AND card_id = $2`, institution, id)
	return a, err
}

// FirstLedgerAccount finds the oldest account of a kind and currency that an institution has.
func (q Q) FirstLedgerAccount(ctx context.Context, institution uuid.UUID, kind card.AccountKind, currency string) (LedgerAccount, error) {
	var a LedgerAccount
	err := q.get(ctx, "account", &a, `SELECT `+accountColumns+` FROM ledger_accounts WHERE institution_id = $1 AND kind = $2 AND currency = $3 ORDER BY number LIMIT 1`, institution, kind, currency)
	return a, err
}

// LedgerAccounts lists an institution's accounts by number, after one.
func (q Q) LedgerAccounts(ctx context.Context, institution uuid.UUID, after int64, limit int) ([]LedgerAccount, error) {
	var all []LedgerAccount
	err := q.list(ctx, "accounts", &all, `SELECT `+accountColumns+` FROM ledger_accounts WHERE institution_id = $1 AND number > $2 ORDER BY number LIMIT $3`, institution, after, limit)
	return all, err
}

// Allocated is what the cards hold that are filled from an account.
func (q Q) Allocated(ctx context.Context, institution uuid.UUID, source int64) (int64, error) {
	var sum int64
	err := q.get(ctx, "sum of cards", &sum, `SELECT CAST(coalesce(sum(balance), 0) AS BIGINT) FROM ledger_accounts WHERE institution_id = $1 AND source_number = $2`, institution, source)
	return sum, err
}

// LockLedgerAccounts reads accounts and keeps them locked until commit, always in one order, so that no two operations wait for each other.
func (t *Tx) LockLedgerAccounts(ctx context.Context, institution uuid.UUID, numbers ...int64) (map[int64]*LedgerAccount, error) {
	condition, list, err := among(t.Q, "number", 2, numbers)
	if err != nil {
		return nil, err
	}
	var rows []LedgerAccount
	err = t.list(ctx, "lock accounts", &rows, `SELECT `+accountColumns+` FROM ledger_accounts WHERE institution_id = $1 AND `+condition+` ORDER BY number`+t.forUpdate(), institution, list)
	all := make(map[int64]*LedgerAccount, len(rows))
	for i := range rows {
		all[rows[i].Number] = &rows[i]
	}
	return all, err
}

// Post moves money, whose accounts are locked. It fails with ErrOverdrawn rather than take from an account what it does not hold, whatever the caller believed.
func (t *Tx) Post(ctx context.Context, e *LedgerEntry) error {
	const change = `UPDATE ledger_accounts SET balance = balance + $1 WHERE institution_id = $2 AND currency = $3 AND number = $4 AND (kind > 3 OR balance + $1 >= 0) RETURNING balance`
	err := t.get(ctx, "take from an account", &e.FromBalance, change, -e.Amount, e.Institution, e.Currency, e.From)
	if errors.Is(err, ErrNotFound) {
		return ErrOverdrawn
	}
	if err != nil {
		return err
	}
	if err := t.get(ctx, "give to an account", &e.ToBalance, change, e.Amount, e.Institution, e.Currency, e.To); err != nil {
		return err
	}
	return t.get(ctx, "store an entry", &e.Number, `INSERT INTO ledger_entries (operation_number, part, institution_id, currency, from_number, to_number, amount, from_balance, to_balance, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING number`,
		e.Operation, e.Part, e.Institution, e.Currency, e.From, e.To, e.Amount, e.FromBalance, e.ToBalance, stored(e.RecordedAt))
}

// LedgerEntries lists what moved on an account, newest first, before a number when it is not 0.
func (q Q) LedgerEntries(ctx context.Context, institution uuid.UUID, account, before int64, limit int) ([]LedgerEntry, error) {
	var all []LedgerEntry
	err := q.list(ctx, "entries", &all, `SELECT `+prefixed("e.", entryColumns)+`, o.id AS operation_id FROM (SELECT * FROM (SELECT `+entryColumns+` FROM ledger_entries WHERE from_number = $2 AND number < $3 ORDER BY number DESC LIMIT $4) a
		UNION ALL SELECT * FROM (SELECT `+entryColumns+` FROM ledger_entries WHERE to_number = $2 AND number < $3 ORDER BY number DESC LIMIT $4) b) e
		JOIN operations o ON o.number = e.operation_number WHERE e.institution_id = $1 ORDER BY e.number DESC LIMIT $4`, institution, account, below(before), limit)
	return all, err
}
