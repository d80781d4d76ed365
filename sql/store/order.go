package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Order is what an issuer submitted. Requested counts cards, refused rows count rows that wait for a correction.
type Order struct {
	Number         int64           `db:"number"`
	ID             uuid.UUID       `db:"id"`
	Institution    uuid.UUID       `db:"institution_id"`
	Reference      string          `db:"reference"`
	IdempotencyKey *string         `db:"idempotency_key"`
	Kind           int             `db:"kind"`
	State          card.OrderState `db:"state"`
	Fingerprint    []byte          `db:"fingerprint"`
	IntakeEpoch    int64           `db:"intake_epoch"`
	Requested      int64           `db:"requested"`
	RefusedRows    int64           `db:"refused_rows"`
	Cancelled      int64           `db:"cancelled"` // cards taken back before their file was frozen
	Held           string          `db:"held"`      // why it is paused; empty = it is not
	Fulfilled      int64           `db:"fulfilled"` // this and the next three: fates of its cards when it last ended, which FatesOf tells
	Rejected       int64           `db:"rejected"`
	Withdrawn      int64           `db:"withdrawn"`
	Remade         int64           `db:"remade"`
	SubmittedBy    string          `db:"submitted_by"`
	CreatedAt      time.Time       `db:"created_at"`
	PurgedAt       *time.Time      `db:"purged_at"` // when its lines were purged
	InFlight       bool            `db:"in_flight"` // its intake holds a lease that has not run out
}

// WasCancelled tells whether cards of the order were taken back: nothing joins it any more.
func (o *Order) WasCancelled() bool { return o.State == card.OrderCancelled || o.Cancelled > 0 }

func (q Q) orderColumns() string {
	return `number, id, institution_id, reference, idempotency_key, kind, state, fingerprint, intake_epoch, requested, refused_rows,
		cancelled, held, fulfilled, rejected, withdrawn, remade, submitted_by, created_at, purged_at, (state = 1 AND intake_lease > ` + q.clock() + `) AS in_flight`
}

// LineState is where an order line stands.
type LineState uint8

// The states of an order line. What becomes of its cards afterwards is told by their issues.
const (
	LineOpen LineState = iota + 1
	LinePlanned
	LineCancelled
	LineMade    // the issue that was asked for exists: of a card action, or of a corrected row whose card a bureau had refused to make
	LineVirtual // the card exists and has no plastic: no plan takes it
)

// OrderLine is one accepted row: for which product, why, how many, and the frozen copy of names and address. Unit is the number of
// its first card within the order.
type OrderLine struct {
	Order             int64       `db:"order_number"`
	Unit              int64       `db:"unit"`
	Quantity          int64       `db:"quantity"`
	SourceLine        int64       `db:"source_line"`
	State             LineState   `db:"state"`
	Product           int64       `db:"product_number"`
	Reason            card.Reason `db:"reason"`
	SameDay           bool        `db:"same_day"`
	Card              *card.ID    `db:"card_id"`
	Expiry            int         `db:"expiry"` // YYMM, 0 = by the product's rule
	Title             string      `db:"title"`
	FirstName         string      `db:"first_name"`
	LastName          string      `db:"last_name"`
	EmbossName        string      `db:"emboss_name"`
	EmbossName2       string      `db:"emboss_name2"` // second line
	PrintName         string      `db:"print_name"`   // where the card is printed with another form than it is embossed with
	GivenName         string      `db:"given_name"`   // emboss_name as the row gave it, where the card shows another form
	CustomerReference string      `db:"customer_reference"`
	Recipient         string      `db:"recipient"`
	Address1          string      `db:"address1"`
	Address2          string      `db:"address2"`
	Address3          string      `db:"address3"`
	City              string      `db:"city"`
	Region            string      `db:"region"`
	Postcode          string      `db:"postcode"`
	Country           string      `db:"country"`
	Delivery          string      `db:"delivery"`
	Branch            string      `db:"branch"`
	Language          string      `db:"language"`
	BlockCode         string      `db:"block_code"`   // of an institution: its cards are made blocked; empty = they are not
	NotBefore         string      `db:"not_before"`   // business date before which no cycle takes it; empty = the next does
	MailerDelay       int         `db:"mailer_delay"` // business days from its card file to its PIN mailer; 0 = by the product's rule
	Extra             Extra       `db:"extra"`
	PINHeldAt         *time.Time  `db:"pin_held_at"` // since when it waits for the PIN of its card; nil = it does not, or it was not looked at
}

const lineColumns = `order_number, unit, quantity, source_line, state, product_number, reason, same_day, card_id, expiry, title, first_name,
	last_name, emboss_name, emboss_name2, print_name, given_name, customer_reference, recipient, address1, address2, address3, city, region, postcode, country, delivery, branch, language, block_code, not_before, mailer_delay, extra`

// waitColumns are those of lines of one card, with what they wait for.
const waitColumns = lineColumns + `, pin_held_at`

// Instant tells whether the line's card was made when it was ordered.
func (l *OrderLine) Instant() bool { return l.Reason == card.New && l.Card != nil }

// RefusedRow is a row that intake refused, as it came (JSON), with its faults (JSON).
type RefusedRow struct {
	Order      int64  `db:"order_number"`
	SourceLine int64  `db:"source_line"`
	Row        string `db:"source_row"`
	Faults     string `db:"faults"`
	Corrected  bool   `db:"corrected"`
}

// InsertOrder stores a new order in state RECEIVED with an intake lease. ErrConflict: the reference or key is taken.
func (t *Tx) InsertOrder(ctx context.Context, o Order, leaseSeconds int) (Order, error) {
	var err error
	if o.Number, err = t.NextFrom(ctx, "order", firstOrder(o.CreatedAt)); err != nil {
		return o, err
	}
	o.State, o.IntakeEpoch = card.OrderReceived, 1
	return o, t.exec(ctx, "store order", `INSERT INTO orders (number, id, institution_id, reference, idempotency_key, kind, state, intake_lease,
		submitted_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, `+t.clock()+` + $8, $9, $10)`,
		o.Number, o.ID, o.Institution, o.Reference, o.IdempotencyKey, o.Kind, o.State, int64(leaseSeconds)*1_000_000, o.SubmittedBy, stored(o.CreatedAt))
}

// TakeOverIntake restarts the intake of an order whose first one died: the epoch moves on and what it had stored goes.
func (t *Tx) TakeOverIntake(ctx context.Context, o Order, leaseSeconds int) (Order, error) {
	what := "take over the intake of order " + o.Reference
	if err := t.execClaimed(ctx, what, `UPDATE orders SET intake_epoch = intake_epoch + 1, kind = $1, intake_lease = `+t.clock()+` + $2
		WHERE institution_id = $3 AND number = $4 AND intake_epoch = $5 AND state = 1 AND intake_lease <= `+t.clock(),
		o.Kind, int64(leaseSeconds)*1_000_000, o.Institution, o.Number, o.IntakeEpoch); err != nil {
		return o, err
	}
	o.IntakeEpoch++
	return o, t.dropIntake(ctx, o)
}

// AbandonIntake removes an order that was never answered, with all that its intake stored.
func (t *Tx) AbandonIntake(ctx context.Context, o Order) error {
	if err := t.dropIntake(ctx, o); err != nil {
		return err
	}
	return t.execClaimed(ctx, "abandon order "+o.Reference, `DELETE FROM orders WHERE institution_id = $1 AND number = $2 AND intake_epoch = $3 AND state = 1`,
		o.Institution, o.Number, o.IntakeEpoch)
}

func (t *Tx) dropIntake(ctx context.Context, o Order) error {
	for _, table := range []string{"order_lines", "order_errors"} {
		if err := t.exec(ctx, "drop an unfinished intake", `DELETE FROM `+table+` WHERE order_number = $1`, o.Number); err != nil {
			return err
		}
	}
	return nil
}

// ExtendIntake proves that this intake still owns the order and renews its lease.
func (t *Tx) ExtendIntake(ctx context.Context, o Order, leaseSeconds int) error {
	return t.execClaimed(ctx, "continue the intake of order "+o.Reference, `UPDATE orders SET intake_lease = `+t.clock()+` + $1
		WHERE institution_id = $2 AND number = $3 AND intake_epoch = $4 AND state = 1`, int64(leaseSeconds)*1_000_000, o.Institution, o.Number, o.IntakeEpoch)
}

// FinishIntake ends an intake: state, counts and the fingerprint of what was submitted.
func (t *Tx) FinishIntake(ctx context.Context, o Order) error {
	return t.execClaimed(ctx, "finish the intake of order "+o.Reference, `UPDATE orders SET state = $1, requested = $2, refused_rows = $3, fingerprint = $4,
		intake_lease = 0 WHERE institution_id = $5 AND number = $6 AND intake_epoch = $7 AND state = 1`,
		o.State, o.Requested, o.RefusedRows, o.Fingerprint, o.Institution, o.Number, o.IntakeEpoch)
}

// InsertLines stores accepted lines.
func (t *Tx) InsertLines(ctx context.Context, lines []OrderLine) error {
	b := t.bulk("order_lines", []string{"order_number", "unit", "quantity", "source_line", "state", "product_number", "reason", "same_day", "card_id", "expiry",
		"title", "first_name", "last_name", "emboss_name", "emboss_name2", "print_name", "given_name", "customer_reference", "recipient", "address1", "address2", "address3", "city", "region",
		"postcode", "country", "delivery", "branch", "language", "block_code", "not_before", "mailer_delay", "extra"}, len(lines))
	for i := range lines {
		l := &lines[i]
		for _, v := range [...]int64{l.Order, l.Unit, l.Quantity, l.SourceLine, int64(l.State), l.Product, int64(l.Reason)} {
			b.int(v)
		}
		b.bool(l.SameDay)
		pointed(b, l.Card, func(id card.ID) { b.int(int64(id)) })
		b.int(int64(l.Expiry))
		for _, v := range [...]string{l.Title, l.FirstName, l.LastName, l.EmbossName, l.EmbossName2, l.PrintName, l.GivenName, l.CustomerReference, l.Recipient, l.Address1, l.Address2, l.Address3,
			l.City, l.Region, l.Postcode, l.Country, l.Delivery, l.Branch, l.Language, l.BlockCode, l.NotBefore} {
			b.string(v)
		}
		b.int(int64(l.MailerDelay))
		extra, err := l.Extra.stored()
		if err != nil {
			return err
		}
		b.string(extra)
		b.endRow()
	}
	return t.Insert(ctx, b)
}

// InsertRefused stores refused rows.
func (t *Tx) InsertRefused(ctx context.Context, rows []RefusedRow) error {
	b := t.bulk("order_errors", []string{"order_number", "source_line", "source_row", "faults", "corrected"}, len(rows))
	for i := range rows {
		r := &rows[i]
		b.int(r.Order)
		b.int(r.SourceLine)
		b.string(r.Row)
		b.string(r.Faults)
		b.bool(r.Corrected)
		b.endRow()
	}
	return t.Insert(ctx, b)
}

// OfferRow lets a row wait for a correction that had been accepted before, or waits again.
func (t *Tx) OfferRow(ctx context.Context, r RefusedRow) error {
	return t.exec(ctx, "offer a row for correction", `INSERT INTO order_errors (order_number, source_line, source_row, faults, corrected) VALUES ($1, $2, $3, $4, FALSE)
		ON CONFLICT (order_number, source_line) DO UPDATE SET source_row = excluded.source_row, faults = excluded.faults, corrected = FALSE`, r.Order, r.SourceLine, r.Row, r.Faults)
}

// RefusedRow reads one row that waits for a correction.
func (q Q) RefusedRow(ctx context.Context, order, sourceLine int64) (RefusedRow, error) {
	var r RefusedRow
	err := q.get(ctx, "refused row", &r, `SELECT order_number, source_line, source_row, faults, corrected FROM order_errors
		WHERE order_number = $1 AND source_line = $2 AND corrected = FALSE`, order, sourceLine)
	return r, err
}

// Order finds an order by its public id.
func (q Q) Order(ctx context.Context, institution, id uuid.UUID) (Order, error) {
	var o Order
	err := q.get(ctx, "order "+id.String(), &o, `SELECT `+q.orderColumns()+` FROM orders WHERE institution_id = $1 AND id = $2`, institution, id)
	return o, err
}

// OrderByReference finds an order by the client's reference.
func (q Q) OrderByReference(ctx context.Context, institution uuid.UUID, reference string) (Order, error) {
	var o Order
	err := q.get(ctx, "order "+reference, &o, `SELECT `+q.orderColumns()+` FROM orders WHERE institution_id = $1 AND reference = $2`, institution, reference)
	return o, err
}

// OrderByKey finds an order by the idempotency key that it came with.
func (q Q) OrderByKey(ctx context.Context, institution uuid.UUID, key string) (Order, error) {
	var o Order
	err := q.get(ctx, "order by key", &o, `SELECT `+q.orderColumns()+` FROM orders WHERE institution_id = $1 AND idempotency_key = $2`, institution, key)
	return o, err
}

// OrderByNumber finds an order by its number.
func (q Q) OrderByNumber(ctx context.Context, institution uuid.UUID, number int64) (Order, error) {
	var o Order
	err := q.get(ctx, "order", &o, `SELECT `+q.orderColumns()+` FROM orders WHERE institution_id = $1 AND number = $2`, institution, number)
	return o, err
}

// OrderOf finds the order that a card was made for.
func (q Q) OrderOf(ctx context.Context, c Card) (Order, error) {
	var o Order
	err := q.get(ctx, "order of a card", &o, `SELECT `+q.orderColumns()+` FROM orders WHERE number = $1`, c.Order)
	return o, err
}

// Orders pages through an institution's orders, newest first, from those below number before (0 = from the newest).
func (q Q) Orders(ctx context.Context, institution uuid.UUID, before int64, limit int) ([]Order, error) {
	var all []Order
	err := q.list(ctx, "orders", &all, `SELECT `+q.orderColumns()+` FROM orders WHERE institution_id = $1 AND number < $2
		ORDER BY number DESC LIMIT $3`, institution, below(before), limit)
	return all, err
}

// OpenOrders lists the numbers of orders that have lines to plan: open ones that wait for no PIN.
func (t *Tx) OpenOrders(ctx context.Context, institution uuid.UUID) ([]int64, error) {
	var all []int64
	err := t.list(ctx, "open orders", &all, `SELECT number FROM orders o WHERE institution_id = $1 AND state IN (5, 6, 7, 9) AND held = ''
		AND EXISTS (SELECT 1 FROM order_lines l WHERE l.order_number = o.number AND l.state = 1 AND l.pin_held_at IS NULL) ORDER BY number`, institution)
	return all, err
}

// OpenLines pages through an order's open lines that wait for no PIN, after a unit.
func (t *Tx) OpenLines(ctx context.Context, order, after int64, limit int) ([]OrderLine, error) {
	var all []OrderLine
	err := t.list(ctx, "open lines", &all, `SELECT `+lineColumns+` FROM order_lines WHERE order_number = $1 AND unit > $2 AND state = 1 AND pin_held_at IS NULL
		ORDER BY unit LIMIT $3`, order, after, limit)
	return all, err
}

// Lines pages through an order's lines after a unit.
func (q Q) Lines(ctx context.Context, order, after int64, limit int) ([]OrderLine, error) {
	var all []OrderLine
	err := q.list(ctx, "order lines", &all, `SELECT `+lineColumns+` FROM order_lines WHERE order_number = $1 AND unit > $2 ORDER BY unit LIMIT $3`, order, after, limit)
	return all, err
}

// RemadeUnits is where the units begin under which corrected rows of cards that a bureau refused to make are kept: they ask for no further card.
const RemadeUnits = 1 << 40

// NextRemadeUnit is the unit that the next such row of an order gets; the order is locked.
func (t *Tx) NextRemadeUnit(ctx context.Context, order int64) (int64, error) {
	var n int64
	err := t.get(ctx, "number a corrected row", &n, `SELECT coalesce(max(unit), 0) + 1 FROM order_lines WHERE order_number = $1`, order)
	return max(n, RemadeUnits), err
}

// CountLines counts an order's accepted rows.
func (q Q) CountLines(ctx context.Context, order int64) (int64, error) {
	var n int64
	err := q.get(ctx, "count order lines", &n, `SELECT count(*) FROM order_lines WHERE order_number = $1 AND unit < $2`, order, int64(RemadeUnits))
	return n, err
}

// LinesBetween lists an order's lines with first <= unit <= last.
func (q Q) LinesBetween(ctx context.Context, order, first, last int64) ([]OrderLine, error) {
	var all []OrderLine
	err := q.list(ctx, "order lines", &all, `SELECT `+lineColumns+` FROM order_lines WHERE order_number = $1 AND unit BETWEEN $2 AND $3 ORDER BY unit`, order, first, last)
	return all, err
}

// LineOf returns the line that holds a unit of an order.
func (q Q) LineOf(ctx context.Context, order, unit int64) (OrderLine, error) {
	var l OrderLine
	err := q.get(ctx, "order line", &l, `SELECT `+waitColumns+` FROM order_lines WHERE order_number = $1 AND unit <= $2 AND unit + quantity > $2
		ORDER BY unit DESC LIMIT 1`, order, unit)
	return l, err
}

// LineOfCard returns the line whose data the card's newest issue carries.
func (q Q) LineOfCard(ctx context.Context, id card.ID) (OrderLine, error) {
	var l OrderLine
	err := q.get(ctx, "order line of a card", &l, `SELECT `+prefixed("l.", lineColumns)+` FROM cards c
		JOIN issues i ON i.card_id = c.id AND i.issue = c.newest_issue
		JOIN order_lines l ON l.order_number = i.order_number AND l.unit = i.order_unit WHERE c.id = $1`, id)
	return l, err
}

// LineOfIssue returns the line whose data an issue carries, with the reference of its order.
func (q Q) LineOfIssue(ctx context.Context, id card.ID, issue int) (OrderLine, string, error) {
	var row struct {
		OrderLine
		Reference string `db:"reference"`
	}
	err := q.get(ctx, "order line of an issue", &row, `SELECT o.reference AS reference, `+prefixed("l.", lineColumns)+` FROM issues i
		JOIN order_lines l ON l.order_number = i.order_number AND l.unit = i.order_unit JOIN orders o ON o.number = i.order_number
		WHERE i.card_id = $1 AND i.issue = $2`, id, issue)
	return row.OrderLine, row.Reference, err
}

// CardAwaitsAction tells whether a line that was not carried out yet already asks for something of this card.
func (q Q) CardAwaitsAction(ctx context.Context, id card.ID) (bool, error) {
	var n int
	err := q.get(ctx, "open actions of a card", &n, `SELECT count(*) FROM order_lines WHERE card_id = $1 AND state < 3`, id)
	return n > 0, err
}

// CardAwaitsChange is CardAwaitsAction without the order that a card was made by at once, whose line waits for its file.
func (q Q) CardAwaitsChange(ctx context.Context, id card.ID) (bool, error) {
	var n int
	err := q.get(ctx, "open changes of a card", &n, `SELECT count(*) FROM order_lines WHERE card_id = $1 AND state < 3 AND reason <> $2`, id, card.New)
	return n > 0, err
}

// ChangeOf returns the line of an action on a card that is not carried out yet.
func (q Q) ChangeOf(ctx context.Context, id card.ID) (OrderLine, error) {
	var l OrderLine
	err := q.get(ctx, "open change of a card", &l, `SELECT `+waitColumns+` FROM order_lines WHERE card_id = $1 AND state < 3 AND reason <> $2`, id, card.New)
	return l, err
}

// PlanLines moves a run of open lines to PLANNED; all of quantity lines must still be open.
func (t *Tx) PlanLines(ctx context.Context, order, first, last int64, quantity int64) error {
	return t.execMany(ctx, "lock order lines", quantity, `UPDATE order_lines SET state = 2 WHERE order_number = $1 AND unit BETWEEN $2 AND $3 AND state = 1 AND pin_held_at IS NULL`, order, first, last)
}

// MoveOrder changes an order's state, checked against its transition table.
func (t *Tx) MoveOrder(ctx context.Context, o *Order, next card.OrderState) error {
	if err := o.State.To(next); err != nil {
		return fmt.Errorf("order %s: %w", o.Reference, err)
	}
	if err := t.execOne(ctx, "move order "+o.Reference, `UPDATE orders SET state = $1 WHERE institution_id = $2 AND number = $3 AND state = $4`,
		next, o.Institution, o.Number, o.State); err != nil {
		return err
	}
	o.State = next
	return nil
}

// Refused pages through an order's refused rows after a source line; corrected ones only when asked.
func (q Q) Refused(ctx context.Context, order, after int64, limit int) ([]RefusedRow, error) {
	var all []RefusedRow
	err := q.list(ctx, "refused rows", &all, `SELECT order_number, source_line, source_row, faults, corrected FROM order_errors
		WHERE order_number = $1 AND source_line > $2 AND corrected = FALSE ORDER BY source_line LIMIT $3`, order, after, limit)
	return all, err
}

// OrderCounts counts orders by state.
func (q Q) OrderCounts(ctx context.Context) (map[card.OrderState]int64, error) {
	return countByState[card.OrderState](ctx, q, "orders")
}

// DeadIntakes lists orders whose intake has been silent for so many seconds beyond its lease.
func (q Q) DeadIntakes(ctx context.Context, seconds int64) ([]Order, error) {
	var all []Order
	err := q.list(ctx, "dead intakes", &all, `SELECT `+q.orderColumns()+` FROM orders WHERE state = 1 AND intake_lease < `+q.clock()+` - $1 ORDER BY number LIMIT 100`, seconds*1_000_000)
	return all, err
}
