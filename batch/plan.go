package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"platen/card"
	"platen/formats"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// planPage is how many lines the plan reads at a time; defaultSplit how many lines a file holds where nobody says.
const (
	planPage     = 5000
	defaultSplit = 50_000
)

// Plan locks the ready lines of a batch and divides them into files, in one transaction: slices, card-number sequences, file sequence
// numbers and the keys of each file are decided here and never again. A batch that is planned already is left alone.
func (p *Plant) Plan(ctx context.Context, batch int64) error {
	var blocks []Reservation
	files := 0
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		blocks, files = nil, 0
		pl, err := p.newPlanner(ctx, tx, batch)
		if err != nil || pl == nil {
			return err
		}
		if err := pl.run(ctx); err != nil {
			return err
		}
		blocks, files = pl.blocks, pl.files
		return p.Ledger.Intend(blocks)
	})
	if err != nil {
		return fmt.Errorf("plan batch %d: %w", batch, err)
	}
	if err := p.Ledger.Done(blocks); err != nil {
		return err
	}
	for range files {
		p.Observe.FileMoved(card.FilePlanned)
	}
	p.Wake()
	return p.warnRanges(ctx)
}

// run is lines of one order, or waiting issues, that go into a file together.
type run struct {
	kind     store.SliceKind
	source   int64
	first    int64
	quantity int64
	rangeOf  string
	mailer   bool
	delay    int                  // working days until the mailer is planned
	waiting  []store.WaitingIssue // attach and instant runs
	rank     string               // what the layout orders lines by
}

// group is what may share files: one bureau, one product, one layout, one purpose, and one value of all that the layout parts files by.
type group struct {
	key     string
	purpose store.Purpose
	bureau  entry[*programs.Bureau]
	product entry[*card.Product]
	layout  entry[*formats.Layout]
	arrangement
	parted store.OrderLine // the values that part it from others
	runs   []run
}

type planner struct {
	plant      *Plant
	tx         *store.Tx
	inst       store.Institution
	batch      store.Batch
	schedule   programs.Schedule
	now        time.Time // in the institution's zone
	products   map[int64]entry[*card.Product]
	bureaus    map[string]entry[*programs.Bureau]
	layouts    map[string]entry[*formats.Layout]
	left       map[string]int64 // numbers left by range code
	numbers    map[string]*store.PANRange
	groups     map[string]*group
	exceptions []string
	blocks     []Reservation
	marks      map[string]mark
	files      int
}

// newPlanner locks the batch and reads what planning needs; nil when the batch is planned already.
func (p *Plant) newPlanner(ctx context.Context, tx *store.Tx, number int64) (*planner, error) {
	b, err := p.Store.BatchByNumber(ctx, number)
	if err != nil {
		return nil, err
	}
	inst, err := p.institution(ctx, b.Institution)
	if err != nil {
		return nil, err
	}
	if err := tx.LockInstitution(ctx, inst.ID); err != nil {
		return nil, err
	}
	if b, err = tx.LockBatch(ctx, number); err != nil || b.State != card.BatchOpen {
		return nil, err
	}
	loc, err := zone(inst)
	if err != nil {
		return nil, err
	}
	pl := &planner{plant: p, tx: tx, inst: inst, batch: b, now: p.Now().In(loc), products: map[int64]entry[*card.Product]{},
		left: map[string]int64{}, numbers: map[string]*store.PANRange{}, groups: map[string]*group{}}
	if err := json.Unmarshal([]byte(b.ScheduleBody), &pl.schedule); err != nil {
		return nil, fmt.Errorf("stored schedule: %w", err)
	}
	return pl, pl.load(ctx)
}

func (pl *planner) load(ctx context.Context) error {
	var err error
	if pl.marks, err = pl.plant.Ledger.marks(); err != nil {
		return err
	}
	byCode, err := current(ctx, pl.plant, pl.tx.Q, pl.inst.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return err
	}
	for _, e := range byCode {
		pl.products[e.number] = e
	}
	if pl.bureaus, err = current(ctx, pl.plant, pl.tx.Q, pl.inst.ID, store.BureauProgram, decodeJSON[programs.Bureau]); err != nil {
		return err
	}
	if pl.layouts, err = current(ctx, pl.plant, pl.tx.Q, pl.inst.ID, store.LayoutProgram, decodeLayout); err != nil {
		return err
	}
	ranges, err := pl.tx.Ranges(ctx)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if r.Institution == pl.inst.ID {
			locked, err := pl.tx.LockRange(ctx, pl.inst.ID, r.Code)
			if err != nil {
				return err
			}
			pl.numbers[r.Code] = &locked
			pl.left[r.Code] = locked.Left()
			if locked.Held != "" {
				pl.left[r.Code] = 0
				pl.except("range %s is held: %s", r.Code, locked.Held)
			}
		}
	}
	return nil
}

func (pl *planner) except(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !contains(pl.exceptions, text) && len(pl.exceptions) < 20 {
		pl.exceptions = append(pl.exceptions, text)
	}
}

func (pl *planner) run(ctx context.Context) error {
	if err := pl.gatherWaiting(ctx); err != nil {
		return err
	}
	if err := pl.gatherOrders(ctx); err != nil {
		return err
	}
	if err := pl.gatherMailers(ctx); err != nil {
		return err
	}
	cardGroups := pl.sortedGroups(store.CardPurpose)
	for _, g := range cardGroups {
		if err := pl.split(ctx, g); err != nil {
			return err
		}
	}
	for _, g := range pl.sortedGroups(store.MailerPurpose) {
		if err := pl.split(ctx, g); err != nil {
			return err
		}
	}
	return pl.finish(ctx)
}

func (pl *planner) finish(ctx context.Context) error {
	exceptions := strings.Join(pl.exceptions, "; ")
	data := map[string]any{"files": pl.files, "exceptions": pl.exceptions}
	if err := pl.tx.Record(ctx, pl.inst.ID, "batch", pl.batch.Number, "planned", data, pl.plant.Now()); err != nil {
		return err
	}
	if pl.files == 0 {
		next := card.BatchSucceeded
		if exceptions != "" {
			next = card.BatchWithExceptions
		}
		return pl.tx.MoveBatch(ctx, &pl.batch, next, exceptions)
	}
	if err := pl.tx.MoveBatch(ctx, &pl.batch, card.BatchPlanned, exceptions); err != nil {
		return err
	}
	return pl.tx.MoveBatch(ctx, &pl.batch, card.BatchRunning, exceptions)
}

// gatherWaiting takes issues that exist without a file: remakes first, in card order.
func (pl *planner) gatherWaiting(ctx context.Context) error {
	if pl.schedule.SameDay {
		return nil
	}
	codes := make([]string, 0, len(pl.numbers))
	for code := range pl.numbers {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	for _, code := range codes {
		for _, purpose := range []store.Purpose{store.CardPurpose, store.MailerPurpose} {
			waiting, err := pl.tx.WaitingIssues(ctx, pl.numbers[code].Number, purpose == store.MailerPurpose)
			if err != nil {
				return err
			}
			if err := pl.attachAll(ctx, waiting, purpose); err != nil {
				return err
			}
		}
	}
	return nil
}

func (pl *planner) attachAll(ctx context.Context, waiting []store.WaitingIssue, purpose store.Purpose) error {
	for _, w := range waiting {
		// What an action will replace or close is not made first.
		busy, err := pl.tx.CardAwaitsAction(ctx, w.Card)
		if err != nil {
			return err
		}
		if busy {
			continue
		}
		product, ok := pl.products[w.Product]
		if !ok {
			return fmt.Errorf("product %d of a waiting issue: %w", w.Product, store.ErrNotFound)
		}
		if purpose == store.MailerPurpose && !contains(pl.schedule.Bureaus, product.value.MailerBureau) {
			continue
		}
		g, err := pl.groupFor(ctx, product, purpose)
		if err != nil {
			return err
		}
		if g == nil {
			continue
		}
		rank := ""
		if g.arranges() {
			line, reference, err := pl.tx.LineOfIssue(ctx, w.Card, w.Issue)
			if err != nil {
				return err
			}
			g, rank = pl.partOf(g, &line), g.rank(&line, reference)
		}
		g.attach(w, rank)
	}
	return nil
}

func (g *group) attach(w store.WaitingIssue, rank string) {
	if n := len(g.runs); n > 0 && g.runs[n-1].kind == store.AttachSlice && g.runs[n-1].rank == rank {
		last := &g.runs[n-1]
		last.waiting = append(last.waiting, w)
		last.quantity++
		return
	}
	g.runs = append(g.runs, run{kind: store.AttachSlice, quantity: 1, waiting: []store.WaitingIssue{w}, rank: rank})
}

// gatherOrders takes the open lines of every order, oldest order first.
func (pl *planner) gatherOrders(ctx context.Context) error {
	orders, err := pl.tx.OpenOrders(ctx, pl.inst.ID)
	if err != nil {
		return err
	}
	for _, number := range orders {
		o, err := pl.tx.LockOrder(ctx, number)
		if err != nil {
			return err
		}
		taken, err := pl.gatherOrder(ctx, o)
		if err != nil {
			return err
		}
		if taken && o.State == card.OrderOpen {
			if err := pl.tx.MoveOrder(ctx, &o, card.OrderLocked); err != nil {
				return err
			}
		}
	}
	return nil
}

func (pl *planner) gatherOrder(ctx context.Context, o store.Order) (bool, error) {
	taken := false
	for after := int64(0); ; {
		lines, err := pl.tx.OpenLines(ctx, o.Number, after, planPage)
		if err != nil {
			return false, err
		}
		lock := lineLock{tx: pl.tx, order: o.Number}
		for i := range lines {
			ok, err := pl.takeLine(ctx, o, &lines[i])
			if err != nil {
				return false, err
			}
			if !ok {
				continue
			}
			taken = true
			if err := lock.add(ctx, lines[i].Unit, lines[i].Quantity); err != nil {
				return false, err
			}
		}
		if err := lock.flush(ctx); err != nil {
			return false, err
		}
		if len(lines) < planPage {
			return taken, nil
		}
		after = lines[len(lines)-1].Unit
	}
}

// lineLock locks runs of neighbouring lines with one statement each.
type lineLock struct {
	tx          *store.Tx
	order       int64
	first, last int64
	next, lines int64
}

func (l *lineLock) add(ctx context.Context, unit, quantity int64) error {
	if l.lines > 0 && unit != l.next {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if l.lines == 0 {
		l.first = unit
	}
	l.last, l.next = unit, unit+quantity
	l.lines++
	return nil
}

func (l *lineLock) flush(ctx context.Context) error {
	if l.lines == 0 {
		return nil
	}
	err := l.tx.PlanLines(ctx, l.order, l.first, l.last, l.lines)
	l.lines = 0
	return err
}

// takeLine puts one open line into its group, if this schedule takes it and its range has the numbers.
func (pl *planner) takeLine(ctx context.Context, o store.Order, l *store.OrderLine) (bool, error) {
	if pl.schedule.SameDay && !l.SameDay || l.NotBefore > pl.batch.BusinessDate {
		return false, nil
	}
	product, ok := pl.products[l.Product]
	if !ok {
		return false, fmt.Errorf("product %d of order %s: %w", l.Product, o.Reference, store.ErrNotFound)
	}
	g, err := pl.groupFor(ctx, product, store.CardPurpose)
	if err != nil || g == nil {
		return false, err
	}
	action, ok := product.value.Action(l.Reason)
	if !ok {
		return false, fmt.Errorf("order %s unit %d: %s makes no card", o.Reference, l.Unit, l.Reason)
	}
	lapsed, err := pl.lapsed(l, product.value)
	if err != nil {
		return false, err
	}
	lapsed = lapsed && !l.Instant()
	if lapsed {
		pl.except("order %s waits: the expiry chosen for unit %d has passed meanwhile", o.Reference, l.Unit)
		return false, nil
	}
	r := run{kind: store.ReissueSlice, source: o.Number, first: l.Unit, quantity: l.Quantity, mailer: action.Mailer && product.value.PIN.Mailer}
	if r.mailer {
		r.delay = cmp.Or(l.MailerDelay, product.value.MailerDelay(l.Reason))
	}
	if l.Instant() {
		r.kind, r.waiting = store.InstantSlice, []store.WaitingIssue{{Card: *l.Card, Issue: 1, Product: l.Product}}
	} else if l.Card == nil || action.NewPAN {
		r.kind, r.rangeOf = store.NewSlice, product.value.Range
		if pl.left[r.rangeOf] < l.Quantity {
			pl.except("order %s waits: range %s has %d numbers left", o.Reference, r.rangeOf, pl.left[r.rangeOf])
			return false, nil
		}
		pl.left[r.rangeOf] -= l.Quantity
	}
	if g.arranges() {
		g, r.rank = pl.partOf(g, l), g.rank(l, o.Reference)
	}
	g.add(r)
	return true, nil
}

// lapsed tells whether the expiry that a line chose no longer lies in the future on the batch's business date.
func (pl *planner) lapsed(l *store.OrderLine, p *card.Product) (bool, error) {
	if l.Expiry == 0 {
		return false, nil
	}
	override, err := chosenExpiry(l.Expiry)
	if err != nil {
		return false, err
	}
	day, err := businessDay(pl.batch.BusinessDate)
	if err != nil {
		return false, err
	}
	_, err = personalization.ExpiryOf(*p, day, override)
	if errors.Is(err, personalization.ErrExpiryPast) {
		return true, nil
	}
	return false, err
}

// add joins a run to the one before when they continue each other.
func (g *group) add(r run) {
	if n := len(g.runs); n > 0 {
		last := &g.runs[n-1]
		if last.kind == r.kind && r.kind != store.InstantSlice && last.source == r.source && last.rangeOf == r.rangeOf && last.mailer == r.mailer && last.delay == r.delay && last.rank == r.rank && last.first+last.quantity == r.first {
			last.quantity += r.quantity
			return
		}
	}
	g.runs = append(g.runs, r)
}
