package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"platen/card"
)

// Horizon is the beginning of a month: what lies before it is old enough to be purged.
type Horizon struct{ month time.Time }

// HorizonOf is the beginning of the month of a time.
func HorizonOf(at time.Time) Horizon { return Horizon{monthOf(at)} }

// Month is when it begins.
func (h Horizon) Month() time.Time { return h.month }

func (h Horizon) order() int64 { return firstOrder(h.month) }

// purgeable are the files before a horizon ($1 its time, $2 its first order): made before it, carrying a card that was ordered before it, or the PIN mailer of such a
// card. What a file was made of goes with the orders, so it goes with the oldest of them.
const purgeable = `WITH old AS (SELECT f.number FROM files f WHERE f.purpose = 1 AND (f.created_at < $1
		OR EXISTS (SELECT 1 FROM file_slices s WHERE s.file_number = f.number AND s.kind IN (1, 2, 5) AND s.source < $2)
		OR EXISTS (SELECT 1 FROM file_slices s JOIN issues i ON i.file_number = s.file_number AND i.line BETWEEN s.first_line AND s.first_line + s.quantity - 1
			WHERE s.file_number = f.number AND s.kind = 3 AND i.order_number < $2)))
	SELECT %s FROM files WHERE purged_at IS NULL AND (created_at < $1 OR number IN (SELECT number FROM old)
		OR number IN (SELECT s.file_number FROM file_slices s WHERE s.kind = 4 AND s.source IN (SELECT number FROM old)))`

// FilesToPurge lists the files before a horizon that were not purged yet, of all institutions, by number.
func (q Q) FilesToPurge(ctx context.Context, h Horizon) ([]File, error) {
	var all []File
	err := q.list(ctx, "files to purge", &all, fmt.Sprintf(purgeable, fileColumns)+` ORDER BY number`, stored(h.month), h.order())
	return all, err
}

// PurgedFiles lists the files that were purged before, by number.
func (q Q) PurgedFiles(ctx context.Context) ([]File, error) {
	var all []File
	err := q.list(ctx, "purged files", &all, `SELECT `+fileColumns+` FROM files WHERE purged_at IS NOT NULL ORDER BY number`)
	return all, err
}

// OrdersToPurge lists the orders before a horizon that were not purged yet, of all institutions, by number.
func (q Q) OrdersToPurge(ctx context.Context, h Horizon) ([]Order, error) {
	var all []Order
	err := q.list(ctx, "orders to purge", &all, `SELECT `+q.orderColumns()+` FROM orders WHERE number < $1 AND purged_at IS NULL ORDER BY number`, h.order())
	return all, err
}

// ReturnsToPurge lists the return files that were found before a horizon and not purged yet, of all institutions, by number.
func (q Q) ReturnsToPurge(ctx context.Context, h Horizon) ([]ReturnFile, error) {
	var all []ReturnFile
	err := q.list(ctx, "return files to purge", &all, `SELECT `+returnColumns+` FROM return_files WHERE created_at < $1 AND purged_at IS NULL ORDER BY number`, stored(h.month))
	return all, err
}

// MadeAgain counts issues and PIN mailers that wait for a file and need what an order before a horizon says.
func (q Q) MadeAgain(ctx context.Context, h Horizon) (int64, error) {
	var n int64
	err := q.get(ctx, "what is made again", &n, `SELECT (SELECT count(*) FROM issues i WHERE i.file_number IS NULL AND i.state <> $2 AND i.order_number < $1 AND NOT `+virtualIssue+`)
		+ (SELECT count(*) FROM pin_mailers m JOIN issues i ON i.card_id = m.card_id AND i.issue = m.issue WHERE m.file_number IS NULL AND m.state <> $2 AND i.order_number < $1)
		+ (SELECT count(*) FROM file_slices WHERE mailer_due <> '' AND source < $1)`,
		h.order(), int64(card.IssueCancelled))
	return n, err
}

// unusedPIN holds for an issue whose PIN no later card takes over: the card is closed or expired, or has a later issue with a PIN of its own.
const unusedPIN = `pin IS NOT NULL AND EXISTS (SELECT 1 FROM cards c WHERE c.id = issues.card_id AND (c.status IN (4, 5) OR c.newest_issue > issues.issue))`

// ClearPINs forgets the PINs of lines of a file that no later card takes over.
func (t *Tx) ClearPINs(ctx context.Context, file, first, last int64) error {
	what := fmt.Sprintf("clear PINs of file %d", file)
	if err := t.exec(ctx, what, `UPDATE card_pins SET pin = NULL WHERE pin IS NOT NULL AND (card_id, issue) IN (SELECT i.card_id, i.issue FROM issues i JOIN cards c ON c.id = i.card_id
		WHERE i.file_number = $1 AND i.line BETWEEN $2 AND $3 AND (c.status IN (4, 5) OR c.newest_issue > i.issue))`, file, first, last); err != nil {
		return err
	}
	return t.exec(ctx, what, `UPDATE issues SET pin = NULL WHERE file_number = $1 AND line BETWEEN $2 AND $3 AND `+unusedPIN, file, first, last)
}

// ClearMailerPINs forgets the PINs that mailers of a file told by themselves.
func (t *Tx) ClearMailerPINs(ctx context.Context, file int64) error {
	return t.exec(ctx, fmt.Sprintf("clear PINs of file %d", file), `UPDATE pin_mailers SET pin = NULL WHERE file_number = $1 AND pin IS NOT NULL`, file)
}

// FilePurged records that nothing is left of what a file was made of.
func (t *Tx) FilePurged(ctx context.Context, number int64, now time.Time) error {
	return t.execOne(ctx, fmt.Sprintf("purge file %d", number), `UPDATE files SET purged_at = $1, spool = '' WHERE number = $2 AND purged_at IS NULL`, stored(now), number)
}

// PurgeOrders drops the lines of all orders before a horizon, and the rows of them that were refused.
func (t *Tx) PurgeOrders(ctx context.Context, h Horizon, now time.Time) error {
	const what = "purge orders"
	var going int64
	if err := t.get(ctx, what, &going, `SELECT count(*) FROM orders WHERE number < $1 AND purged_at IS NULL AND state NOT IN (`+endedOrders()+`)`, h.order()); err != nil {
		return err
	}
	if going > 0 {
		return fmt.Errorf("%s: %d have been taken up again: %w", what, going, ErrStale)
	}
	for _, statement := range []string{`DELETE FROM order_errors WHERE order_number < $1`, `DELETE FROM order_corrections WHERE order_number < $1`, `DELETE FROM order_notes WHERE order_number < $1`,
		`UPDATE card_pins SET pin = NULL WHERE pin IS NOT NULL AND (card_id, issue) IN (SELECT i.card_id, i.issue FROM issues i JOIN cards c ON c.id = i.card_id
			WHERE i.file_number IS NULL AND i.order_number < $1 AND (c.status IN (4, 5) OR c.newest_issue > i.issue))`,
		`UPDATE issues SET pin = NULL WHERE file_number IS NULL AND order_number < $1 AND ` + unusedPIN} {
		if err := t.exec(ctx, what, statement, h.order()); err != nil {
			return err
		}
	}
	if err := t.exec(ctx, what, `UPDATE orders SET purged_at = $1 WHERE number < $2 AND purged_at IS NULL`, stored(now), h.order()); err != nil {
		return err
	}
	return t.dropMonths(ctx, "order_lines", h)
}

// endedOrders lists the states of orders that have come to an end.
func endedOrders() string {
	var list []string
	for _, s := range card.OrderStates() {
		if s.Ended() {
			list = append(list, strconv.Itoa(int(s)))
		}
	}
	return strings.Join(list, ", ")
}

// PurgeReturns drops the lines and the raw bytes of all return files before a horizon.
func (t *Tx) PurgeReturns(ctx context.Context, h Horizon, now time.Time) error {
	const what = "purge return files"
	if err := t.exec(ctx, what, `DELETE FROM return_chunks WHERE return_number IN (SELECT number FROM return_files WHERE created_at < $1 AND purged_at IS NULL)`, stored(h.month)); err != nil {
		return err
	}
	if err := t.exec(ctx, what, `UPDATE return_files SET purged_at = $1 WHERE created_at < $2 AND purged_at IS NULL`, stored(now), stored(h.month)); err != nil {
		return err
	}
	return t.dropMonths(ctx, "return_lines", h)
}

// PurgeEvents drops the events before a horizon, what subscribers were told of them, the ids of signed requests, whose signatures are too old to be accepted, and kept answers.
// Messages that are still due stay.
func (t *Tx) PurgeEvents(ctx context.Context, h Horizon) error {
	if err := t.exec(ctx, "purge messages", `DELETE FROM webhook_outbox WHERE happened_at < $1 AND state <> $2`, stored(h.month), MessageDue); err != nil {
		return err
	}
	if err := t.exec(ctx, "purge ids of requests", `DELETE FROM api_requests WHERE seen_at < $1`, stored(h.month)); err != nil {
		return err
	}
	if err := t.exec(ctx, "purge kept answers", `DELETE FROM idempotency_keys WHERE claimed_at < $1`, stored(h.month)); err != nil {
		return err
	}
	return t.dropMonths(ctx, "events", h)
}

// dropMonths takes the rows before a horizon from a table: on PostgreSQL by dropping the partitions of its months. Whoever reads or writes the table meanwhile is waited for,
// and those behind wait in turn: so not for long.
func (t *Tx) dropMonths(ctx context.Context, table string, h Horizon) error {
	at := slices.IndexFunc(partitionedTables, func(p partitioned) bool { return p.table == table })
	what, bound := "purge "+table, h.boundOf(partitionedTables[at])
	if t.dialect == SQLite {
		return t.exec(ctx, what, `DELETE FROM `+table+` WHERE `+partitionedTables[at].key+` < $1`, bound)
	}
	if err := t.exec(ctx, what, `SET LOCAL lock_timeout = '5s'`); err != nil {
		return err
	}
	months, err := t.monthsBefore(ctx, table, h)
	if err != nil {
		return err
	}
	for _, name := range months {
		if err := t.exec(ctx, what, `DROP TABLE `+name); err != nil {
			return err
		}
	}
	return t.exec(ctx, what, `DELETE FROM `+table+`_default WHERE `+partitionedTables[at].key+` < $1`, bound)
}

// boundOf is the horizon as a value of a table's key.
func (h Horizon) boundOf(p partitioned) any {
	if p.table == "order_lines" {
		return h.order()
	}
	return stored(h.month)
}

// monthsBefore lists a table's partitions of the months before a horizon, by name.
func (q Q) monthsBefore(ctx context.Context, table string, h Horizon) ([]string, error) {
	var all []string
	err := q.list(ctx, "partitions of "+table, &all, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::regclass AND c.relname ~ ($2 || '_[0-9]{6}$') AND c.relname < $3 ORDER BY c.relname`, table, "^"+table, table+h.month.Format("_200601"))
	return all, err
}

// Left counts what is still there from before a horizon, and what is still there of what was purged.
type Left struct {
	Files       int64 `db:"files"`
	Orders      int64 `db:"orders"`
	Returns     int64 `db:"returns"`
	OrderLines  int64 `db:"order_lines"`
	RefusedRows int64 `db:"refused_rows"`
	ReturnLines int64 `db:"return_lines"`
	ReturnBytes int64 `db:"return_bytes"`
	Events      int64 `db:"events"`
	Holders     int64 `db:"holders"`
	PINs        int64 `db:"pins"` // of purged files, that no later card takes over
	PINsInUse   int64 `db:"pins_in_use"`
}

// Left looks at everything that a purge before a horizon takes away.
func (q Q) Left(ctx context.Context, h Horizon) (Left, error) {
	var l Left
	err := q.get(ctx, "what is left", &l, `SELECT (SELECT count(*) FROM (`+fmt.Sprintf(purgeable, "number")+`) f) AS files,
		(SELECT count(*) FROM orders WHERE number < $2 AND purged_at IS NULL) AS orders,
		(SELECT count(*) FROM return_files WHERE created_at < $1 AND purged_at IS NULL) AS returns,
		(SELECT count(*) FROM order_lines WHERE order_number < $2) AS order_lines,
		(SELECT count(*) FROM order_errors WHERE order_number < $2) + (SELECT count(*) FROM order_corrections WHERE order_number < $2) AS refused_rows,
		(SELECT count(*) FROM return_lines WHERE recorded_at < $1) AS return_lines,
		(SELECT coalesce(sum(c.bytes), 0) FROM return_chunks c JOIN return_files r ON r.number = c.return_number WHERE r.created_at < $1) AS return_bytes,
		(SELECT count(*) FROM events WHERE recorded_at < $1) AS events,
		(SELECT count(*) FROM holders WHERE `+purgeableHolders+`) AS holders,
		(SELECT count(*) FROM issues WHERE file_number IN (SELECT number FROM files WHERE purged_at IS NOT NULL) AND `+unusedPIN+`) AS pins,
		(SELECT count(*) FROM issues WHERE file_number IN (SELECT number FROM files WHERE purged_at IS NOT NULL) AND pin IS NOT NULL AND NOT (`+unusedPIN+`)) AS pins_in_use`,
		stored(h.month), h.order())
	return l, err
}
