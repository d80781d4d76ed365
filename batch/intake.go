package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// Errors of intake that a caller answers differently.
var (
	ErrInFlight  = errors.New("an order with this reference is being taken in right now")
	ErrReference = errors.New("this reference was used for an order with other content")
	ErrNoRows    = errors.New("the order has no rows")
	ErrName      = errors.New("an order's reference is 1 to 64 characters of printable ASCII without blanks, # or a card number")
)

// errRefused marks what Submission.Also fails with.
var errRefused = errors.New("the order does not stand")

// intakeChunk is how many rows one intake transaction stores; intakeLease how many seconds an intake may be silent.
const (
	intakeChunk = 1000
	intakeLease = 60
)

// Rows is where an order's rows come from: a CSV file or a JSON list. Next returns what is wrong with a row in itself, and io.EOF at the end.
type Rows interface {
	Kind() formats.OrderKind
	Next() (formats.Row, []formats.Fault, error)
}

// Submission is an order as it arrives.
type Submission struct {
	Institution    store.Institution
	Reference      string // the client's own name for the order; unique for ever
	IdempotencyKey string // stands in for a missing reference
	Actor          string
	Body           io.Reader
	Rows           func(io.Reader) (Rows, error) // how to read the body; it checks the header before anything is stored
	Single         bool                          // it is one row, and what is wrong with that refuses the order: nothing is stored. A card that it replaces is blocked where it will be closed
	Instant        bool                          // the card of a single row is made when it is taken in
	BlockCode      string                        // its new cards are made blocked; empty = they are not
	Delay          Delay
	Number         *card.PAN // of an instant card whose number is the institution's own; nil = one is drawn

	// Also does more in the transaction that makes the order stand, once; an instant card is made by then. What it fails with refuses the order: nothing is stored. nil = nothing.
	Also func(context.Context, *store.Tx, store.Order) error
}

// Delay holds back what an order asks for, by so many working days of whose bureau makes it. 0 = by the product's rule.
type Delay struct{ Card, Mailer int }

// RowError says what is wrong with the row of a single order.
type RowError struct{ Faults []formats.Fault }

// Error implements error. It names no value.
func (e *RowError) Error() string {
	all := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		all[i] = f.Field + ": " + f.Code
	}
	return "the row is refused: " + strings.Join(all, ", ")
}

// Receipt is the answer to a submission. It is the same for every repetition.
type Receipt struct {
	Order   store.Order
	Repeat  bool    // this reference and content were here before
	Cutoff  *Cutoff // when its lines are locked, if a schedule takes them
	Refused int64
}

// Submit takes an order in: rows are checked one by one as they stream, good rows live on, bad ones wait for a correction. It returns only
// after the order is committed. A body that cannot be read to its end leaves nothing behind.
func (p *Plant) Submit(ctx context.Context, s Submission) (Receipt, error) {
	if s.Reference == "" {
		s.Reference = s.IdempotencyKey
	}
	if err := checkReference(s.Reference); err != nil {
		return Receipt{}, err
	}
	if s.IdempotencyKey != "" {
		if err := checkReference(s.IdempotencyKey); err != nil {
			return Receipt{}, err
		}
	}
	sum := sha256.New()
	body := io.TeeReader(s.Body, sum)
	rows, err := s.Rows(body)
	if err != nil {
		return Receipt{}, err
	}
	o, err := p.claimIntake(ctx, s, rows.Kind())
	if errors.Is(err, store.ErrConflict) {
		return p.repeated(ctx, s, body, sum)
	}
	if err != nil {
		return Receipt{}, err
	}
	in, err := p.newIntake(ctx, s.Institution, rows.Kind(), o)
	if err != nil {
		return Receipt{}, p.abandon(ctx, o, err)
	}
	in.blockCode = s.BlockCode
	in.instant, in.delay, in.number = s.Instant, s.Delay, s.Number
	if err := in.takeAll(ctx, rows); err != nil {
		return Receipt{}, p.abandon(ctx, o, err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return Receipt{}, p.abandon(ctx, o, fmt.Errorf("read the order to its end: %w", err))
	}
	if in.units == 0 && in.refused == 0 {
		return Receipt{}, p.abandon(ctx, o, ErrNoRows)
	}
	if s.Single && in.refused > 0 {
		return Receipt{}, p.abandon(ctx, o, &RowError{in.faults})
	}
	o, err = p.finishIntake(ctx, in, sum.Sum(nil), s)
	if errors.Is(err, store.ErrExhausted) || errors.Is(err, store.ErrRangeHeld) || errors.Is(err, errRefused) {
		return Receipt{}, p.abandon(ctx, in.order, err)
	}
	if err != nil {
		return Receipt{}, err
	}
	return p.receipt(ctx, s.Institution, o, false)
}

func checkReference(reference string) error {
	if reference == "" || len(reference) > 64 || ReferenceHoldsCardNumber(reference) {
		return ErrName
	}
	for _, c := range []byte(reference) {
		if c <= ' ' || c > '~' || c == '#' {
			return ErrName
		}
	}
	return nil
}

func (p *Plant) claimIntake(ctx context.Context, s Submission, kind formats.OrderKind) (store.Order, error) {
	id, err := p.newID("order", draw(s.Institution.Code, s.Reference))
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{ID: id, Institution: s.Institution.ID, Reference: s.Reference, Kind: int(kind), SubmittedBy: s.Actor, CreatedAt: p.Now()}
	if s.IdempotencyKey != "" {
		o.IdempotencyKey = &s.IdempotencyKey
	}
	for {
		inserted := o
		err = p.Store.InTx(ctx, func(tx *store.Tx) error {
			inserted, err = tx.InsertOrder(ctx, o, intakeLease)
			return err
		})
		if !errors.Is(err, store.ErrConflict) {
			return inserted, err
		}
		known, found := p.sameOrder(ctx, s)
		switch {
		case errors.Is(found, store.ErrNotFound):
			continue // it was taken away in between: its name is free again
		case found != nil:
			return o, found
		case known.State != card.OrderReceived || known.InFlight:
			return o, err
		case known.Reference != s.Reference:
			return o, ErrReference
		}
		// Its first intake died before it was answered; this one starts it again, unless somebody else was faster: then we look again.
		known.Kind = int(kind)
		taken := known
		takeover := p.Store.InTx(ctx, func(tx *store.Tx) error {
			taken, err = tx.TakeOverIntake(ctx, known, intakeLease)
			return err
		})
		if !errors.Is(takeover, store.ErrFenced) {
			return taken, takeover
		}
	}
}

// sameOrder finds the order that a submission collides with.
func (p *Plant) sameOrder(ctx context.Context, s Submission) (store.Order, error) {
	o, err := p.Store.OrderByReference(ctx, s.Institution.ID, s.Reference)
	if errors.Is(err, store.ErrNotFound) && s.IdempotencyKey != "" {
		return p.Store.OrderByKey(ctx, s.Institution.ID, s.IdempotencyKey)
	}
	return o, err
}

// repeated answers a submission whose reference is known: the first result for the same content, an error for other content.
func (p *Plant) repeated(ctx context.Context, s Submission, body io.Reader, sum hash.Hash) (Receipt, error) {
	o, err := p.sameOrder(ctx, s)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.State == card.OrderReceived {
		return Receipt{}, ErrInFlight // or it was abandoned a moment ago: either way its client asks again
	}
	if err != nil {
		return Receipt{}, err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return Receipt{}, fmt.Errorf("read the order to its end: %w", err)
	}
	if o.Reference != s.Reference || !bytes.Equal(o.Fingerprint, sum.Sum(nil)) {
		return Receipt{}, ErrReference
	}
	return p.receipt(ctx, s.Institution, o, true)
}

func (p *Plant) abandon(ctx context.Context, o store.Order, because error) error {
	ctx = context.WithoutCancel(ctx) // the client may be gone
	err := p.Store.InTx(ctx, func(tx *store.Tx) error { return tx.AbandonIntake(ctx, o) })
	return errors.Join(because, err)
}

func (p *Plant) finishIntake(ctx context.Context, in *intake, fingerprint []byte, s Submission) (store.Order, error) {
	o := in.order
	o.Requested, o.RefusedRows, o.Fingerprint = in.units, in.refused, fingerprint
	next := card.OrderValidated
	switch {
	case in.units == 0:
		next = card.OrderRejected
	case in.refused > 0:
		next = card.OrderPartlyValid
	}
	if err := o.State.To(next); err != nil {
		return o, err
	}
	o.State = next
	var blocks []Reservation
	err := p.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		current := o
		if err := tx.FinishIntake(ctx, current); err != nil {
			return err
		}
		data := map[string]any{"cards": o.Requested, "refused_rows": o.RefusedRows, "result": next.String(), "by": o.SubmittedBy}
		if err := tx.Record(ctx, o.Institution, "order", o.Number, "accepted", data, p.Now()); err != nil {
			return err
		}
		if next == card.OrderRejected {
			return nil
		}
		if err := tx.MoveOrder(ctx, &current, card.OrderOpen); err != nil {
			return err
		}
		if s.Instant {
			if blocks, err = in.mintAtOnce(ctx, tx); err != nil {
				return err
			}
		}
		if s.Also != nil {
			if err := s.Also(ctx, tx, current); err != nil {
				return fmt.Errorf("%w: %w", errRefused, err)
			}
		}
		if s.Single && in.kind == formats.ActionOrder {
			return in.blockReplaced(ctx, tx, o)
		}
		return p.Ledger.Intend(blocks)
	})
	if err != nil {
		return o, fmt.Errorf("take in order %s: %w", o.Reference, err)
	}
	if err := p.Ledger.Done(blocks); err != nil {
		return o, err
	}
	return p.Store.OrderByNumber(ctx, o.Institution, o.Number)
}

func (p *Plant) receipt(ctx context.Context, i store.Institution, o store.Order, repeat bool) (Receipt, error) {
	r := Receipt{Order: o, Repeat: repeat, Refused: o.RefusedRows}
	lines, err := p.Store.Lines(ctx, o.Number, 0, 1)
	if err != nil || len(lines) == 0 {
		return r, err
	}
	products, err := current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return r, err
	}
	for _, e := range products {
		if e.number != lines[0].Product {
			continue
		}
		c, ok, err := p.cutoffAfter(ctx, i, e.value.Bureau, lines[0].SameDay, lines[0].NotBefore)
		if err != nil {
			return r, err
		}
		if ok {
			r.Cutoff = &c
		}
	}
	return r, nil
}

// intake is the state of one order being taken in.
type intake struct {
	plant     *Plant
	inst      store.Institution
	kind      formats.OrderKind
	instant   bool // its card is made when it is taken in
	number    *card.PAN
	order     store.Order
	products  map[string]entry[*card.Product]
	byNumber  map[int64]entry[*card.Product]
	names     map[string]*formats.Names // by product
	trials    map[string]*trial         // by product
	ranges    map[int32]store.PANRange
	today     time.Time
	blockCode string
	delay     Delay
	due       map[delayed]string // business dates
	units     int64              // cards accepted
	refused   int64              // rows refused
	faults    []formats.Fault    // of the first refused row
	seen      map[card.ID]bool
	gathered  // the open chunk
}

func (p *Plant) newIntake(ctx context.Context, i store.Institution, kind formats.OrderKind, o store.Order) (*intake, error) {
	loc, err := zone(i)
	if err != nil {
		return nil, err
	}
	in := &intake{plant: p, inst: i, kind: kind, order: o, today: p.Now().In(loc), seen: map[card.ID]bool{}, gathered: gathered{kept: map[int64]formats.Row{}}, byNumber: map[int64]entry[*card.Product]{}, ranges: map[int32]store.PANRange{}, names: map[string]*formats.Names{}, trials: map[string]*trial{}, due: map[delayed]string{}}
	if in.products, err = current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product]); err != nil {
		return nil, err
	}
	for code, e := range in.products {
		in.byNumber[e.number] = e
		if in.names[code], err = formats.NewNames(e.value.Names, e.value.NameLimit); err != nil {
			return nil, fmt.Errorf("names of product %s: %w", code, err)
		}
	}
	ranges, err := p.Store.Ranges(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		if r.Institution == i.ID {
			in.ranges[r.Number] = r
		}
	}
	return in, nil
}

// gathered is a chunk of checked rows on its way to the database.
type gathered struct {
	lines []store.OrderLine
	bad   []store.RefusedRow
	kept  map[int64]formats.Row // rows of card actions, by line
}

// takeAll checks the rows of the next chunk while the last one is stored.
func (in *intake) takeAll(ctx context.Context, rows Rows) error {
	ready := make(chan gathered)
	lost := int64(0)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(ready)
		return in.checkAll(ctx, rows, ready)
	})
	g.Go(func() error {
		for c := range ready {
			n, err := in.store(ctx, c)
			if err != nil {
				return err
			}
			lost += n
		}
		return nil
	})
	err := g.Wait()
	in.units -= lost
	if in.refused += lost; lost > 0 && in.faults == nil {
		in.faults = []formats.Fault{{Field: "card", Code: "card_busy", Hint: "another order took this card at the same time"}}
	}
	return err
}

// checkAll gathers checked rows into chunks.
func (in *intake) checkAll(ctx context.Context, rows Rows, ready chan<- gathered) error {
	for {
		row, faults, err := rows.Next()
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return err
		}
		if !ended {
			if err := in.take(ctx, row, faults); err != nil {
				return err
			}
		}
		if n := len(in.lines) + len(in.bad); n == intakeChunk || ended && n > 0 {
			select {
			case ready <- in.gathered:
			case <-ctx.Done():
				return ctx.Err()
			}
			in.gathered = gathered{lines: make([]store.OrderLine, 0, intakeChunk), kept: map[int64]formats.Row{}}
		}
		if ended {
			return nil
		}
	}
}

// take checks one row and keeps it as a line or as a refused row.
func (in *intake) take(ctx context.Context, row formats.Row, faults []formats.Fault) error {
	line, faults, err := in.check(ctx, row, faults)
	if err != nil {
		return err
	}
	line.Unit = in.unitOf(row)
	if len(faults) == 0 {
		if faults, err = in.try(ctx, row, &line); err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		refused, err := refusedRow(in.order.Number, row, faults)
		if err != nil {
			return err
		}
		in.bad = append(in.bad, refused)
		if in.refused++; in.refused == 1 {
			in.faults = faults
		}
		return nil
	}
	line.BlockCode, line.MailerDelay = in.blockCode, in.delay.Mailer
	if line.NotBefore, err = in.notBefore(ctx, &line); err != nil {
		return err
	}
	if in.kind == formats.ActionOrder {
		in.kept[row.Line] = row
	}
	in.lines = append(in.lines, line)
	in.units += line.Quantity
	return nil
}

// unitOf numbers the first card of a row: rows of one card carry their place in the file, so that a correction takes it again; mass rows count on.
func (in *intake) unitOf(row formats.Row) int64 {
	if in.kind == formats.MassOrder {
		return in.units + 1
	}
	return row.Line - 1
}

func refusedRow(order int64, row formats.Row, faults []formats.Fault) (store.RefusedRow, error) {
	if slices.ContainsFunc(faults, func(f formats.Fault) bool { return f.Code == formats.FaultColumnCount }) {
		// Nobody knows which value belongs to which column, so none is offered for correction.
		row = formats.Row{Line: row.Line}
	}
	body, err := json.Marshal(withoutNumbers(row))
	if err != nil {
		return store.RefusedRow{}, fmt.Errorf("keep a refused row: %w", err)
	}
	list, err := json.Marshal(faults)
	if err != nil {
		return store.RefusedRow{}, fmt.Errorf("keep a refused row: %w", err)
	}
	return store.RefusedRow{Order: order, SourceLine: row.Line, Row: string(body), Faults: string(list)}, nil
}

// store stores a chunk and returns how many of its card actions another order was faster with.
func (in *intake) store(ctx context.Context, c gathered) (lost int64, err error) {
	err = in.plant.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.ExtendIntake(ctx, in.order, intakeLease); err != nil {
			return err
		}
		free, taken, err := in.oneAtATime(ctx, tx, c)
		if err != nil {
			return err
		}
		lost = int64(len(taken))
		if err := tx.InsertLines(ctx, free); err != nil {
			return err
		}
		return tx.InsertRefused(ctx, append(slices.Clone(c.bad), taken...))
	})
	return lost, err
}
