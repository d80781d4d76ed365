package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// RecordKind says what a record is. It names its tables and its counter.
type RecordKind string

// The kinds of records.
const (
	CustomerRecord  RecordKind = "customer"
	AccountRecord   RecordKind = "account"
	MassIssueRecord RecordKind = "mass_issue"
)

// Record is one version of what an institution declares over the API: a customer, an account, or a request for cards in numbers.
type Record struct {
	Number      int64     `db:"number"`
	ID          uuid.UUID `db:"id"`
	Institution uuid.UUID `db:"institution_id"`
	Owner       int64     `db:"owner_number"` // of an account: its customer; 0 of others
	Reference   string    `db:"reference"`
	CarriedOut  int       `db:"carried_out"` // of a request for cards in numbers: the version that has nothing left to carry out; 0 of others
	Version     int       `db:"version"`
	Body        string    `db:"body"` // JSON
	RecordedBy  string    `db:"recorded_by"`
	RecordedAt  time.Time `db:"recorded_at"`
}

// rows is a SELECT of records r with their current versions v.
func (k RecordKind) rows() string {
	owner, done := "0", "0"
	switch k {
	case AccountRecord:
		owner = "r.customer_number"
	case MassIssueRecord:
		done = "r.carried_out"
	}
	return `SELECT r.number, r.id, r.institution_id, ` + owner + ` AS owner_number, ` + done + ` AS carried_out, r.reference, v.version, v.body, v.recorded_by, v.recorded_at
		FROM ` + string(k) + `s r JOIN ` + string(k) + `_versions v ON v.` + string(k) + `_number = r.number AND v.version = r.version`
}

// InsertRecord stores a record's first version and returns it with its number. ErrConflict: the reference is taken.
func (t *Tx) InsertRecord(ctx context.Context, k RecordKind, r Record) (Record, error) {
	what := "store " + string(k)
	var err error
	if r.Number, err = t.Next(ctx, string(k)); err != nil {
		return r, err
	}
	r.Version = 1
	if k == AccountRecord {
		err = t.exec(ctx, what, `INSERT INTO accounts (number, id, institution_id, customer_number, reference, version) VALUES ($1, $2, $3, $4, $5, 1)`,
			r.Number, r.ID, r.Institution, r.Owner, r.Reference)
	} else {
		err = t.exec(ctx, what, `INSERT INTO `+string(k)+`s (number, id, institution_id, reference, version) VALUES ($1, $2, $3, $4, 1)`, r.Number, r.ID, r.Institution, r.Reference)
	}
	if err != nil {
		return r, err
	}
	return r, t.insertVersion(ctx, k, r)
}

func (t *Tx) insertVersion(ctx context.Context, k RecordKind, r Record) error {
	return t.exec(ctx, "store a version of "+string(k), `INSERT INTO `+string(k)+`_versions (`+string(k)+`_number, version, body, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5)`,
		r.Number, r.Version, r.Body, r.RecordedBy, stored(r.RecordedAt))
}

// PutVersion stores the version that follows a record's current one. ErrStale: somebody else's followed it.
func (t *Tx) PutVersion(ctx context.Context, k RecordKind, r Record) error {
	if err := t.execOne(ctx, "change "+string(k), `UPDATE `+string(k)+`s SET version = $1 WHERE institution_id = $2 AND number = $3 AND version = $4`,
		r.Version, r.Institution, r.Number, r.Version-1); err != nil {
		return err
	}
	return t.insertVersion(ctx, k, r)
}

// RecordNamed finds a record's current version by the institution's own name for it.
func (q Q) RecordNamed(ctx context.Context, k RecordKind, institution uuid.UUID, reference string) (Record, error) {
	var r Record
	err := q.get(ctx, string(k), &r, k.rows()+` WHERE r.institution_id = $1 AND r.reference = $2`, institution, reference)
	return r, err
}

// RecordByNumber finds a record's current version by its number.
func (q Q) RecordByNumber(ctx context.Context, k RecordKind, institution uuid.UUID, number int64) (Record, error) {
	var r Record
	err := q.get(ctx, string(k), &r, k.rows()+` WHERE r.institution_id = $1 AND r.number = $2`, institution, number)
	return r, err
}

// RecordByID finds a record's current version by its public id.
func (q Q) RecordByID(ctx context.Context, k RecordKind, institution, id uuid.UUID) (Record, error) {
	var r Record
	err := q.get(ctx, string(k), &r, k.rows()+` WHERE r.institution_id = $1 AND r.id = $2`, institution, id)
	return r, err
}

// LockRecord is RecordNamed, and keeps the record locked until commit.
func (t *Tx) LockRecord(ctx context.Context, k RecordKind, institution uuid.UUID, reference string) (Record, error) {
	var number int64
	err := t.get(ctx, "lock "+string(k), &number, `SELECT number FROM `+string(k)+`s WHERE institution_id = $1 AND reference = $2`+t.forUpdate(), institution, reference)
	if err != nil {
		return Record{}, err
	}
	return t.RecordByNumber(ctx, k, institution, number)
}

// RecordVersion is the content of one version of a record.
func (q Q) RecordVersion(ctx context.Context, k RecordKind, number int64, version int) (string, error) {
	var body string
	err := q.get(ctx, fmt.Sprintf("version %d of %s", version, k), &body, `SELECT body FROM `+string(k)+`_versions WHERE `+string(k)+`_number = $1 AND version = $2`, number, version)
	return body, err
}

// Records pages through an institution's records of a kind, newest first, from those below number before (0 = from the newest).
func (q Q) Records(ctx context.Context, k RecordKind, institution uuid.UUID, before int64, limit int) ([]Record, error) {
	var all []Record
	err := q.list(ctx, string(k)+"s", &all, k.rows()+` WHERE r.institution_id = $1 AND r.number < $2 ORDER BY r.number DESC LIMIT $3`, institution, below(before), limit)
	return all, err
}

// AccountsOf pages through a customer's accounts like Records.
func (q Q) AccountsOf(ctx context.Context, customer Record, before int64, limit int) ([]Record, error) {
	var all []Record
	err := q.list(ctx, "accounts of a customer", &all, AccountRecord.rows()+` WHERE r.institution_id = $1 AND r.customer_number = $2 AND r.number < $3 ORDER BY r.number DESC LIMIT $4`,
		customer.Institution, customer.Number, below(before), limit)
	return all, err
}
