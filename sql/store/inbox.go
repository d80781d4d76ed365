package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// FilesAtWork lists an institution's files that are neither balanced nor cancelled, by number.
func (q Q) FilesAtWork(ctx context.Context, institution uuid.UUID) ([]File, error) {
	var all []File
	err := q.list(ctx, "files at work", &all, `SELECT `+fileColumns+` FROM files WHERE institution_id = $1 AND state < $2 ORDER BY number`, institution, card.FileBalanced)
	return all, err
}

// Unarrived lists a bureau's files that were balanced between two times and still have lines in a state, or that are flagged as overdue: PRODUCED ones wait for
// their dispatch, DISPATCHED and IN_TRANSIT ones for their delivery.
func (q Q) Unarrived(ctx context.Context, bureau int64, from, to time.Time, states ...card.IssueState) ([]File, error) {
	var all []File
	for _, s := range states {
		var some []File
		err := q.list(ctx, "files on their way", &some, `SELECT `+fileColumns+` FROM files f WHERE bureau_number = $1 AND state = $2 AND balanced_at BETWEEN $3 AND $4
			AND (EXISTS (SELECT 1 FROM issues i WHERE i.file_number = f.number AND i.state = $5) OR EXISTS (SELECT 1 FROM pin_mailers m WHERE m.file_number = f.number AND m.state = $5))`,
			bureau, card.FileBalanced, stored(from), stored(to), int64(s))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// OverdueBalanced lists a bureau's balanced files that are flagged as overdue.
func (q Q) OverdueBalanced(ctx context.Context, institution uuid.UUID) ([]File, error) {
	var all []File
	err := q.list(ctx, "overdue files", &all, `SELECT `+fileColumns+` FROM files WHERE institution_id = $1 AND state = $2 AND overdue <> '' ORDER BY number`, institution, card.FileBalanced)
	return all, err
}

// FlagOverdue sets or clears the flag of a file, unless the file has moved on meanwhile.
func (t *Tx) FlagOverdue(ctx context.Context, f File, what string, since *time.Time) error {
	var at any
	if since != nil {
		at = stored(*since)
	}
	return t.execOne(ctx, "flag a file", `UPDATE files SET overdue = $1, overdue_since = $2 WHERE number = $3 AND state = $4 AND overdue = $5`, what, at, f.Number, f.State, f.Overdue)
}

// OverdueCounts counts files whose bureau owes an answer, by what it owes.
func (q Q) OverdueCounts(ctx context.Context) (map[string]int64, error) {
	var rows []struct {
		What string `db:"overdue"`
		N    int64  `db:"n"`
	}
	err := q.list(ctx, "count overdue files", &rows, `SELECT overdue, count(*) AS n FROM files WHERE overdue <> '' GROUP BY overdue`)
	counts := map[string]int64{}
	for _, r := range rows {
		counts[r.What] = r.N
	}
	return counts, err
}

// WaitingReturns lists an institution's return files of which something is in quarantine, or was refused and not settled since.
func (q Q) WaitingReturns(ctx context.Context, institution uuid.UUID) ([]ReturnFile, error) {
	var all []ReturnFile
	err := q.list(ctx, "return files in quarantine", &all, `SELECT `+returnColumns+` FROM return_files WHERE institution_id = $1
		AND (state = $2 OR state = $3 AND (quarantined > 0 OR rejected > 0 AND settled = FALSE)) ORDER BY number`, institution, card.ReturnQuarantined, card.ReturnPartlyApplied)
	return all, err
}

// WaitingRows is how many rows of an order wait for a correction.
type WaitingRows struct {
	Order     int64     `db:"number"`
	Reference string    `db:"reference"`
	Rows      int64     `db:"rows_waiting"`
	CreatedAt time.Time `db:"created_at"`
}

// WaitingRows lists an institution's orders with rows that wait for a correction, oldest first.
func (q Q) WaitingRows(ctx context.Context, institution uuid.UUID) ([]WaitingRows, error) {
	var all []WaitingRows
	err := q.list(ctx, "rows that wait", &all, `SELECT o.number, o.reference, o.created_at, e.n AS rows_waiting
		FROM (SELECT order_number, count(*) AS n FROM order_errors WHERE corrected = FALSE GROUP BY order_number) e
		JOIN orders o ON o.number = e.order_number WHERE o.institution_id = $1 AND o.state > 1 ORDER BY o.number`, institution)
	return all, err
}

// Unmade are the cards and PIN mailers of one file that its bureau spoiled or rejected and that nothing makes again.
type Unmade struct {
	File           int64      `db:"number"`
	BureauCode     string     `db:"bureau_code"`
	Spoiled        int64      `db:"spoiled"`
	Rejected       int64      `db:"rejected"`
	CreatedAt      time.Time  `db:"created_at"`
	AcknowledgedAt *time.Time `db:"acknowledged_at"`
}

// Unmade lists files with lines that failed for good: of cards that may still be used, not repeated, and not waiting among the rows of their order for a correction, as
// the rejected ones of bulk orders (kind 2) do.
func (q Q) Unmade(ctx context.Context, institution uuid.UUID) ([]Unmade, error) {
	var all []Unmade
	err := q.list(ctx, "cards that nobody makes again", &all, `SELECT f.number, f.bureau_code, f.created_at, f.acknowledged_at,
		sum(CASE WHEN bad.state = 11 THEN 1 ELSE 0 END) AS spoiled, sum(CASE WHEN bad.state = 10 THEN 1 ELSE 0 END) AS rejected
		FROM (SELECT i.file_number, i.state FROM issues i JOIN cards c ON c.id = i.card_id AND c.newest_issue = i.issue AND c.status NOT IN (4, 5)
				JOIN orders o ON o.number = i.order_number WHERE i.state IN (10, 11) AND (i.state = 11 OR o.kind <> 2)
			UNION ALL SELECT m.file_number, m.state FROM pin_mailers m JOIN cards c ON c.id = m.card_id AND c.status NOT IN (4, 5) WHERE m.state IN (10, 11)
				AND NOT EXISTS (SELECT 1 FROM pin_mailers n WHERE n.card_id = m.card_id AND (n.issue > m.issue OR n.issue = m.issue AND n.attempt > m.attempt))) bad
		JOIN files f ON f.number = bad.file_number WHERE f.institution_id = $1 GROUP BY f.number, f.bureau_code, f.created_at, f.acknowledged_at ORDER BY f.number`, institution)
	return all, err
}

// LatestBatches lists the newest batch of each of an institution's schedules.
func (q Q) LatestBatches(ctx context.Context, institution uuid.UUID) ([]Batch, error) {
	var all []Batch
	err := q.list(ctx, "latest batches", &all, `SELECT `+batchColumns+` FROM batches b WHERE institution_id = $1
		AND NOT EXISTS (SELECT 1 FROM batches n WHERE n.institution_id = $1 AND n.schedule_code = b.schedule_code AND n.number > b.number) ORDER BY schedule_code`, institution)
	return all, err
}

// BatchAtWork is a batch that has not ended, and how many of its files have not left yet.
type BatchAtWork struct {
	Batch
	Planned  int64 `db:"planned"` // not begun
	Building int64 `db:"building"`
	Ready    int64 `db:"ready"` // to be sent
	Held     int64 `db:"held"`  // of all of these, by a paused order
}

// Here is how many of the batch's files have not left.
func (b *BatchAtWork) Here() int64 { return b.Planned + b.Building + b.Ready }

// BatchesAtWork lists an institution's batches that have not ended, by number.
func (q Q) BatchesAtWork(ctx context.Context, institution uuid.UUID) ([]BatchAtWork, error) {
	var all []BatchAtWork
	err := q.list(ctx, "batches at work", &all, `SELECT `+prefixed("b.", batchColumns)+`,
		coalesce(sum(CASE WHEN f.state = 1 THEN 1 ELSE 0 END), 0) AS planned, coalesce(sum(CASE WHEN f.state = 2 THEN 1 ELSE 0 END), 0) AS building,
		coalesce(sum(CASE WHEN f.state IN (3, 4, 5) THEN 1 ELSE 0 END), 0) AS ready, coalesce(sum(CASE WHEN f.state < 6 AND f.held > 0 THEN 1 ELSE 0 END), 0) AS held
		FROM batches b LEFT JOIN files f ON f.batch_number = b.number WHERE b.institution_id = $1 AND b.state < 4 GROUP BY b.number ORDER BY b.number`, institution)
	return all, err
}

// SeenItem is what is remembered of something that needs a person.
type SeenItem struct {
	Item   string    `db:"item"`
	SeenAt time.Time `db:"seen_at"`
	Owner  string    `db:"owner"` // who has taken it on; empty for nobody
}

// SeenItems lists what is remembered of the items of an institution's inbox, by item.
func (q Q) SeenItems(ctx context.Context, institution uuid.UUID) (map[string]SeenItem, error) {
	var rows []SeenItem
	err := q.list(ctx, "items of the inbox", &rows, `SELECT item, seen_at, owner FROM inbox_items WHERE institution_id = $1`, institution)
	all := make(map[string]SeenItem, len(rows))
	for _, r := range rows {
		all[r.Item] = r
	}
	return all, err
}

// SeeItem remembers since when something needs a person.
func (t *Tx) SeeItem(ctx context.Context, institution uuid.UUID, item string, now time.Time) error {
	return t.exec(ctx, "see an item of the inbox", `INSERT INTO inbox_items (institution_id, item, seen_at) VALUES ($1, $2, $3) ON CONFLICT (institution_id, item) DO NOTHING`,
		institution, item, stored(now))
}

// ForgetItem forgets something that needs nobody any more, and who had taken it on.
func (t *Tx) ForgetItem(ctx context.Context, institution uuid.UUID, item string) error {
	return t.exec(ctx, "forget an item of the inbox", `DELETE FROM inbox_items WHERE institution_id = $1 AND item = $2`, institution, item)
}

// TakeItem makes somebody the owner of what needs a person.
func (t *Tx) TakeItem(ctx context.Context, institution uuid.UUID, item, owner string, now time.Time) error {
	return t.exec(ctx, "take an item of the inbox", `INSERT INTO inbox_items (institution_id, item, seen_at, owner, taken_at) VALUES ($1, $2, $3, $4, $3)
		ON CONFLICT (institution_id, item) DO UPDATE SET owner = excluded.owner, taken_at = excluded.taken_at`, institution, item, stored(now), owner)
}
