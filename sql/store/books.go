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
	WHERE s.source = $1 AND s.kind IN (1, 2, 5) AND i.order_number = $1`

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

// FatesOf tells the fates of an order's cards: of an ended order as they were counted when it ended, of one in work from what its files have counted. Only lines that
// failed, and files that several orders share, are looked at one by one.
func (q Q) FatesOf(ctx context.Context, o Order) (Fates, error) {
	f := Fates{Order: o.Number, Requested: o.Requested}
	if o.State.Ended() {
		f.Fulfilled, f.Rejected, f.Cancelled, f.Remade = o.Fulfilled, o.Rejected, o.Withdrawn, o.Remade
		return f, nil
	}
	f.Cancelled = o.Cancelled
	var files []struct {
		Number   int64          `db:"number"`
		State    card.FileState `db:"state"`
		Whole    bool           `db:"whole"` // all its lines are the order's
		Produced int64          `db:"produced"`
		Failed   int64          `db:"failed"`
	}
	err := q.list(ctx, "files with evidence of an order", &files, `SELECT f.number, f.state, sum(s.quantity) = f.planned AS whole, f.produced, f.rejected + f.spoiled AS failed
		FROM file_slices s JOIN files f ON f.number = s.file_number WHERE s.source = $1 AND s.kind IN (1, 2, 5)
		GROUP BY f.number, f.state, f.planned, f.produced, f.rejected, f.spoiled ORDER BY f.number`, o.Number)
	for _, file := range files {
		if err != nil {
			return f, err
		}
		switch cancelled := file.State == card.FileCancelled; {
		case file.Produced+file.Failed == 0 && !cancelled:
		case file.Whole && !cancelled:
			f.Fulfilled += file.Produced
			if file.Failed > 0 {
				err = q.addFates(ctx, &f, ` AND i.file_number = $2 AND i.state IN (10, 11)`, o.Number, file.Number)
			}
		default:
			err = q.addFates(ctx, &f, ` AND i.file_number = $2`, o.Number, file.Number)
		}
	}
	return f, err
}

// RecountFates counts the cards of one order from their issues, whatever its files have counted.
func (q Q) RecountFates(ctx context.Context, o Order) (Fates, error) {
	f := Fates{Order: o.Number, Requested: o.Requested, Cancelled: o.Cancelled}
	return f, q.addFates(ctx, &f, "", o.Number)
}

func (q Q) addFates(ctx context.Context, f *Fates, where string, args ...any) error {
	var some Fates
	err := q.get(ctx, "fates of an order", &some, `SELECT `+countStates(fate, card.IssueState.Fulfilled)+` AS fulfilled, `+
		countStates(fate, is(card.IssueRejected))+` AS rejected, `+countStates(fate, is(card.IssueCancelled))+` AS cancelled `+orderIssues+where+newestOnly, args...)
	if err != nil {
		return err
	}
	var remade int64
	if err := q.get(ctx, "remakes of an order", &remade, `SELECT count(*) `+orderIssues+where+` AND n.reason = `+strconv.Itoa(int(card.Remake)), args...); err != nil {
		return err
	}
	f.Fulfilled += some.Fulfilled
	f.Rejected += some.Rejected
	f.Cancelled += some.Cancelled
	f.Remade += remade
	return nil
}

// SettleFates keeps the fates of an order that ends.
func (t *Tx) SettleFates(ctx context.Context, o *Order, f Fates) error {
	err := t.execOne(ctx, "keep the fates of order "+o.Reference, `UPDATE orders SET fulfilled = $1, rejected = $2, withdrawn = $3, remade = $4
		WHERE institution_id = $5 AND number = $6`, f.Fulfilled, f.Rejected, f.Cancelled, f.Remade, o.Institution, o.Number)
	o.Fulfilled, o.Rejected, o.Withdrawn, o.Remade = f.Fulfilled, f.Rejected, f.Cancelled, f.Remade
	return err
}

// Progress is how far the cards of an order have come towards their bureaus, by the files that carry them.
type Progress struct {
	Files       int64 `db:"files"`
	FilesSealed int64 `db:"files_sealed"`
	FilesHeld   int64 `db:"files_held"` // some process works on them
	Planned     int64 `db:"planned"`
	Minted      int64 `db:"minted"`
	Rendered    int64 `db:"rendered"` // in sealed files and in the ones that are being rendered
	Sealed      int64 `db:"sealed"`
	Sent        int64 `db:"sent"`
	PINHeld     int64 `db:"pin_held"` // in no file: they wait for their PINs
}

// reached is how many lines of a slice lie within a file's first so many lines.
func reached(column string) string {
	return `CASE WHEN f.` + column + ` < s.first_line THEN 0 WHEN f.` + column + ` >= s.first_line + s.quantity THEN s.quantity ELSE f.` + column + ` - s.first_line + 1 END`
}

// ProgressOf tells how far an order has come. It reads slices, files and open lines, no cards.
func (q Q) ProgressOf(ctx context.Context, order int64) (Progress, error) {
	sum := func(what string) string { return `CAST(coalesce(sum(` + what + `), 0) AS BIGINT)` }
	var p Progress
	err := q.get(ctx, "progress of an order", &p, `SELECT count(DISTINCT f.number) AS files, count(DISTINCT CASE WHEN f.state >= 3 THEN f.number END) AS files_sealed,
		count(DISTINCT CASE WHEN f.state < 3 AND f.lease_until > `+q.clock()+` AND f.worker <> '' THEN f.number END) AS files_held,
		`+sum(`s.quantity`)+` AS planned, `+sum(reached(`minted`))+` AS minted,
		`+sum(`CASE WHEN f.state >= 3 THEN s.quantity ELSE `+reached(`rendered`)+` END`)+` AS rendered,
		`+sum(`CASE WHEN f.state >= 3 THEN s.quantity ELSE 0 END`)+` AS sealed,
		`+sum(`CASE WHEN f.state >= 6 AND f.state <> 7 THEN s.quantity ELSE 0 END`)+` AS sent,
		(SELECT count(*) FROM order_lines l WHERE l.order_number = $1 AND l.state = 1 AND l.pin_held_at IS NOT NULL) AS pin_held
		FROM file_slices s JOIN files f ON f.number = s.file_number WHERE s.source = $1 AND s.kind IN (1, 2, 5) AND f.state <> 14`, order)
	return p, err
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

// virtualIssue holds for an issue of a card without plastic, which no file ever carries: it is prepared, and its order is fulfilled.
var virtualIssue = `(i.state = ` + strconv.Itoa(int(card.IssuePrepared)) + ` AND EXISTS (SELECT 1 FROM orders o WHERE o.number = i.order_number AND o.state = ` + strconv.Itoa(int(card.OrderFulfilled)) + `))`

// WaitingCount counts issues and PIN mailers of an institution that no file carries yet, over its PAN ranges. Those of closed cards, and of cards without plastic, whose
// orders are fulfilled, wait for nothing.
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
		if err := q.get(ctx, "waiting issues", &n, `SELECT (SELECT count(*) FROM issues i WHERE i.file_number IS NULL AND i.state <> $3 AND i.card_id BETWEEN $1 AND $2
				AND NOT `+virtualIssue+`)
			+ (SELECT count(*) FROM pin_mailers WHERE file_number IS NULL AND state <> $3 AND card_id BETWEEN $1 AND $2)`, first, last, card.IssueCancelled); err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// WaitingOfOrder counts issues of an order that no file carries yet, and their PIN mailers.
func (q Q) WaitingOfOrder(ctx context.Context, order int64) (int64, error) {
	var n int64
	err := q.get(ctx, "waiting issues of an order", &n, `SELECT (SELECT count(*) FROM issues i WHERE i.file_number IS NULL AND i.state <> $2 AND i.order_number = $1 AND NOT `+virtualIssue+`)
		+ (SELECT count(*) FROM pin_mailers m JOIN issues i ON i.card_id = m.card_id AND i.issue = m.issue WHERE m.file_number IS NULL AND m.state <> $2 AND i.order_number = $1)`,
		order, card.IssueCancelled)
	return n, err
}

// FilesOfOrder lists the files that carry cards of an order, remakes among them, by number.
func (q Q) FilesOfOrder(ctx context.Context, order int64) ([]int64, error) {
	var all []int64
	err := q.list(ctx, "files of an order", &all, `SELECT file_number FROM file_slices WHERE source = $1 AND kind IN (1, 2, 5)
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
