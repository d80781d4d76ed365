package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"platen/card"
)

// Fates counts an order's cards by the fate of their newest issue.
type Fates struct {
	Order     int64
	Requested int64
	Fulfilled int64 `db:"fulfilled"`
	Rejected  int64 `db:"rejected"`
	Cancelled int64 `db:"cancelled"`
	Minted    int64 `db:"minted"` // cards and actions that have an issue
	Remade    int64 // issues that repeat a spoiled one
}

// InWork is what is neither fulfilled nor rejected nor cancelled.
func (f Fates) InWork() int64 { return f.Requested - f.Fulfilled - f.Rejected - f.Cancelled }

// The issues that an order asked for are found by the slices that planned them; a remake repeats the issue before it for the same
// order, so the newest issue of that card and order decides. Only unique keys are used.
const orderIssues = `FROM file_slices s
	JOIN issues i ON i.file_number = s.file_number AND i.line >= s.first_line AND i.line < s.first_line + s.quantity
	JOIN issues n ON n.card_id = i.card_id AND n.issue >= i.issue AND n.order_number = i.order_number
	JOIN cards c ON c.id = n.card_id
	WHERE s.source = $1 AND s.kind IN (1, 2) AND i.order_number = $1`

const newestOnly = ` AND NOT EXISTS (SELECT 1 FROM issues later WHERE later.card_id = n.card_id AND later.issue > n.issue AND later.order_number = n.order_number)`

// countStates is a column that counts rows whose state satisfies a rule of package card.
func countStates(column string, rule func(card.IssueState) bool) string {
	return `coalesce(sum(CASE WHEN ` + stateIn(column, rule) + ` THEN 1 ELSE 0 END), 0)`
}

// stateIn is the condition that a column's state satisfies a rule of package card.
func stateIn(column string, rule func(card.IssueState) bool) string {
	var list []string
	for s := card.IssueFollowsFile; s <= card.IssueCancelled; s++ {
		if rule(s) {
			list = append(list, strconv.Itoa(int(s)))
		}
	}
	return column + ` IN (` + strings.Join(list, ", ") + `)`
}

func is(state card.IssueState) func(card.IssueState) bool {
	return func(s card.IssueState) bool { return s == state }
}

// fate is the state that decides: a spoiled issue of a card that was closed, or that went on to a later issue, is never made again.
const fate = `(CASE WHEN n.state = 11 AND (c.status IN (4, 5) OR c.newest_issue > n.issue) THEN 15 ELSE n.state END)`

// FatesOf counts the cards of one order.
func (q Q) FatesOf(ctx context.Context, o Order) (Fates, error) {
	f := Fates{Order: o.Number, Requested: o.Requested}
	query := `SELECT count(*) AS minted, ` + countStates(fate, card.IssueState.Fulfilled) + ` AS fulfilled, ` +
		countStates(fate, is(card.IssueRejected)) + ` AS rejected, ` + countStates(fate, is(card.IssueCancelled)) + ` AS cancelled ` + orderIssues + newestOnly
	if err := q.get(ctx, "fates of an order", &f, query, o.Number); err != nil {
		return f, err
	}
	f.Cancelled += o.Cancelled
	err := q.get(ctx, "remakes of an order", &f.Remade, `SELECT count(*) `+orderIssues+` AND n.reason = $2`, o.Number, card.Remake)
	return f, err
}

// LineCounts counts a file's lines by the state of their issues or mailers: the column of the books that is recounted, not carried.
type LineCounts struct {
	Lines    int64 `db:"lines"`
	Produced int64 `db:"produced"`
	Rejected int64 `db:"rejected"`
	Spoiled  int64 `db:"spoiled"`
}

// Count adds one line in a state.
func (c *LineCounts) Count(s card.IssueState) {
	switch {
	case s.Fulfilled():
		c.Produced++
	case s == card.IssueRejected:
		c.Rejected++
	case s == card.IssueSpoiled:
		c.Spoiled++
	}
}

// countedStates are the columns of LineCounts.
var countedStates = `count(*) AS lines, ` + countStates("state", card.IssueState.Fulfilled) + ` AS produced, ` +
	countStates("state", is(card.IssueRejected)) + ` AS rejected, ` + countStates("state", is(card.IssueSpoiled)) + ` AS spoiled`

// linesTable is where the lines of a file of this purpose stand.
func (f *File) linesTable() string {
	if f.Purpose == MailerPurpose {
		return "pin_mailers"
	}
	return "issues"
}

// RecountLines counts a file's lines from the rows themselves.
func (q Q) RecountLines(ctx context.Context, f File) (LineCounts, error) {
	var c LineCounts
	err := q.get(ctx, "recount a file", &c, `SELECT `+countedStates+` FROM `+f.linesTable()+` WHERE file_number = $1`, f.Number)
	return c, err
}

// WaitingCount counts issues and PIN mailers of an institution that no file carries yet, over its PAN ranges. Those of closed cards wait for nothing.
func (q Q) WaitingCount(ctx context.Context, ranges []PANRange) (int64, error) {
	var sum int64
	for _, r := range ranges {
		first, err := card.NewID(r.Number, 0)
		if err != nil {
			return 0, err
		}
		last, err := card.NewID(r.Number, card.MaxSequence)
		if err != nil {
			return 0, err
		}
		var n int64
		if err := q.get(ctx, "waiting issues", &n, `SELECT (SELECT count(*) FROM issues WHERE file_number IS NULL AND state <> $3 AND card_id BETWEEN $1 AND $2)
			+ (SELECT count(*) FROM pin_mailers WHERE file_number IS NULL AND state <> $3 AND card_id BETWEEN $1 AND $2)`, first, last, card.IssueCancelled); err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// FilesOfOrder lists the files that carry cards of an order, remakes among them, by number.
func (q Q) FilesOfOrder(ctx context.Context, order int64) ([]int64, error) {
	var all []int64
	err := q.list(ctx, "files of an order", &all, `SELECT file_number FROM file_slices WHERE source = $1 AND kind IN (1, 2)
		UNION SELECT n.file_number `+orderIssues+` AND n.file_number IS NOT NULL ORDER BY 1`, order)
	return all, err
}

// AppliedLines calls each for everything that was said of a file's lines and applied, in the order in which it came, with the lines that it spoke of: in return files
// that came no later than a moment.
func (q Q) AppliedLines(ctx context.Context, f File, at time.Time, each func(status string, first, last int64)) error {
	var all []struct {
		Status string `db:"status"`
		First  int64  `db:"first_line"`
		Last   int64  `db:"last_line"`
	}
	err := q.list(ctx, "applied lines of a file", &all, `SELECT x.status, x.first_line, x.last_line FROM (
			SELECT return_number, line, status, file_line AS first_line, coalesce(last_line, file_line) AS last_line FROM return_lines
				WHERE file_number = $1 AND file_line IS NOT NULL AND outcome = $2
			UNION ALL SELECT l.return_number, l.line, l.status, r.first_line, r.last_line FROM shipment_runs r
				JOIN return_lines l ON l.shipment = r.shipment AND l.file_line IS NULL AND l.outcome = $2 WHERE r.file_number = $1
		) x JOIN return_files r ON r.number = x.return_number WHERE r.bureau_number = $3 AND r.created_at <= $4 ORDER BY x.return_number, x.line`,
		f.Number, int64(LineApplied), f.Bureau, stored(at))
	for _, l := range all {
		each(l.Status, l.First, l.Last)
	}
	return err
}

// IssuesOfOrderIn calls each for every issue of an order that a card file carries.
func (q Q) IssuesOfOrderIn(ctx context.Context, file, order int64, each func(Issue)) error {
	var all []Issue
	err := q.list(ctx, "issues of an order in a file", &all, `SELECT `+issueColumns+` FROM issues WHERE file_number = $1 AND order_number = $2 ORDER BY line`, file, order)
	for _, i := range all {
		each(i)
	}
	return err
}
