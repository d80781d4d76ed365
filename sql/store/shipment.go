package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Shipment is what left a bureau together.
type Shipment struct {
	Bureau       int64           `db:"bureau_number"`
	Name         string          `db:"shipment"`
	Tracking     string          `db:"tracking"`
	Carrier      string          `db:"carrier"`
	Service      string          `db:"service"`
	Origin       string          `db:"origin"`
	Destination  string          `db:"destination"`
	Boxes        int64           `db:"boxes"`
	State        card.IssueState `db:"state"` // the courier's last word
	DispatchedAt time.Time       `db:"dispatched_at"`
	ChangedAt    time.Time       `db:"changed_at"`
}

const shipmentColumns = `bureau_number, shipment, tracking, carrier, service, origin, destination, boxes, state, dispatched_at, changed_at`

// Run is a run of a file's lines in a shipment.
type Run struct {
	Shipment string `db:"shipment"`
	File     int64  `db:"file_number"`
	First    int64  `db:"first_line"`
	Last     int64  `db:"last_line"`
	Box      int64  `db:"box"`
}

// PutShipment stores a shipment that was dispatched. Of one that is known only what it lacked is taken.
func (t *Tx) PutShipment(ctx context.Context, s Shipment) error {
	return t.exec(ctx, "store a shipment", `INSERT INTO shipments (`+shipmentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (bureau_number, shipment) DO UPDATE SET tracking = CASE WHEN shipments.tracking = '' THEN excluded.tracking ELSE shipments.tracking END`,
		s.Bureau, s.Name, s.Tracking, s.Carrier, s.Service, s.Origin, s.Destination, s.Boxes, int64(s.State), stored(s.DispatchedAt), stored(s.ChangedAt))
}

// PutRun adds a run of lines to a shipment; the same run again changes nothing.
func (t *Tx) PutRun(ctx context.Context, bureau int64, r Run) error {
	return t.exec(ctx, "store a run of a shipment", `INSERT INTO shipment_runs (bureau_number, shipment, file_number, first_line, last_line, box) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (file_number, first_line, bureau_number, shipment) DO NOTHING`, bureau, r.Shipment, r.File, r.First, r.Last, r.Box)
}

// RunsTracked lists the runs of a bureau's shipments under a tracking number, by file and line.
func (q Q) RunsTracked(ctx context.Context, bureau int64, tracking string) ([]Run, error) {
	var all []Run
	err := q.list(ctx, "runs of a shipment", &all, `SELECT r.shipment, r.file_number, r.first_line, r.last_line, r.box FROM shipments s
		JOIN shipment_runs r ON r.bureau_number = s.bureau_number AND r.shipment = s.shipment
		WHERE s.bureau_number = $1 AND s.tracking = $2 ORDER BY r.file_number, r.first_line`, bureau, tracking)
	return all, err
}

// RunsOf lists the runs of one shipment.
func (q Q) RunsOf(ctx context.Context, bureau int64, shipment string) ([]Run, error) {
	var all []Run
	err := q.list(ctx, "runs of a shipment", &all, `SELECT shipment, file_number, first_line, last_line, box FROM shipment_runs
		WHERE bureau_number = $1 AND shipment = $2 ORDER BY file_number, first_line`, bureau, shipment)
	return all, err
}

// MoveShipment records what the courier said of a shipment; older news change nothing.
func (t *Tx) MoveShipment(ctx context.Context, bureau int64, shipment string, next card.IssueState, at time.Time) error {
	return t.exec(ctx, "move a shipment", `UPDATE shipments SET state = $1, changed_at = $2 WHERE bureau_number = $3 AND shipment = $4 AND changed_at <= $2`,
		int64(next), stored(at), bureau, shipment)
}

// Shipments lists an institution's newest shipments.
func (q Q) Shipments(ctx context.Context, institution uuid.UUID, limit int) ([]Shipment, error) {
	var all []Shipment
	err := q.list(ctx, "shipments", &all, `SELECT `+prefixed("s.", shipmentColumns)+` FROM shipments s JOIN programs p ON p.number = s.bureau_number
		WHERE p.institution_id = $1 ORDER BY s.dispatched_at DESC, s.shipment LIMIT $2`, institution, limit)
	return all, err
}

// StockPosition is what a bureau said last of one kind of plastic at one of its sites.
type StockPosition struct {
	Bureau       int64     `db:"bureau_number"`
	Plastic      string    `db:"plastic"`
	Site         string    `db:"site"`
	Opening      int64     `db:"opening"`
	Closing      int64     `db:"closing"`
	Allocated    int64     `db:"allocated"`
	ReorderLevel int64     `db:"reorder_level"`
	Difference   int64     `db:"difference"` // by how much the report misses its own arithmetic
	Gap          int64     `db:"gap"`        // by how much it does not begin where the one before it ended
	ReportedAt   time.Time `db:"reported_at"`
	Return       int64     `db:"return_number"`
}

const stockColumns = `bureau_number, plastic, site, opening, closing, allocated, reorder_level, difference, gap, reported_at, return_number`

// StockAt reads one position; ok is false when there was no report.
func (t *Tx) StockAt(ctx context.Context, bureau int64, plastic, site string) (p StockPosition, ok bool, err error) {
	var some []StockPosition
	err = t.list(ctx, "stock", &some, `SELECT `+stockColumns+` FROM stock WHERE bureau_number = $1 AND plastic = $2 AND site = $3`+t.forUpdate(), bureau, plastic, site)
	if err != nil || len(some) == 0 {
		return p, false, err
	}
	return some[0], true, nil
}

// PutStock replaces a position.
func (t *Tx) PutStock(ctx context.Context, p StockPosition) error {
	return t.exec(ctx, "store stock", `INSERT INTO stock (`+stockColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (bureau_number, plastic, site) DO UPDATE SET opening = excluded.opening, closing = excluded.closing, allocated = excluded.allocated,
		reorder_level = excluded.reorder_level, difference = excluded.difference, gap = excluded.gap, reported_at = excluded.reported_at, return_number = excluded.return_number`,
		p.Bureau, p.Plastic, p.Site, p.Opening, p.Closing, p.Allocated, p.ReorderLevel, p.Difference, p.Gap, stored(p.ReportedAt), p.Return)
}

// Stock lists every position at an institution's bureaus.
func (q Q) Stock(ctx context.Context, institution uuid.UUID) ([]StockPosition, error) {
	var all []StockPosition
	err := q.list(ctx, "stock", &all, `SELECT `+prefixed("s.", stockColumns)+` FROM stock s JOIN programs p ON p.number = s.bureau_number
		WHERE p.institution_id = $1 ORDER BY p.code, s.plastic, s.site`, institution)
	return all, err
}
