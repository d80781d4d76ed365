package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// MassRun is what a cut-off made of one version of a request for cards in numbers.
type MassRun struct {
	MassIssue    int64     `db:"mass_issue_number"`
	Version      int       `db:"version"`
	BusinessDate string    `db:"business_date"`
	Cards        int64     `db:"cards"`
	Order        *int64    `db:"order_number"` // nil = it ordered none
	WhyNot       string    `db:"why_not"`
	RunAt        time.Time `db:"run_at"`
}

// PendingMassIssues lists an institution's requests whose current version was not carried out yet, oldest first.
func (q Q) PendingMassIssues(ctx context.Context, institution uuid.UUID) ([]Record, error) {
	var all []Record
	err := q.list(ctx, "pending mass issues", &all, MassIssueRecord.rows()+` WHERE r.institution_id = $1 AND r.carried_out < r.version ORDER BY r.number`, institution)
	return all, err
}

// MassIssueDone marks a version of a request as carried out, or as having nothing to carry out. ErrStale: it was, or there is a later one.
func (t *Tx) MassIssueDone(ctx context.Context, r Record) error {
	return t.execOne(ctx, "carry out a mass issue", `UPDATE mass_issues SET carried_out = version WHERE institution_id = $1 AND number = $2 AND version = $3 AND carried_out < version`,
		r.Institution, r.Number, r.Version)
}

// InsertMassRun keeps what became of a version of a request.
func (t *Tx) InsertMassRun(ctx context.Context, r MassRun) error {
	return t.exec(ctx, "store a run of a mass issue", `INSERT INTO mass_issue_runs (mass_issue_number, version, business_date, cards, order_number, why_not, run_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, r.MassIssue, r.Version, r.BusinessDate, r.Cards, nullable(r.Order), r.WhyNot, stored(r.RunAt))
}

// MassRuns lists what became of a request, oldest first.
func (q Q) MassRuns(ctx context.Context, number int64) ([]MassRun, error) {
	var all []MassRun
	err := q.list(ctx, "runs of a mass issue", &all, `SELECT mass_issue_number, version, business_date, cards, order_number, why_not, run_at FROM mass_issue_runs
		WHERE mass_issue_number = $1 ORDER BY version`, number)
	return all, err
}
