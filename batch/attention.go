package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

// Item is one thing that needs a person.
type Item struct {
	Key    string    `json:"key"`  // names it for as long as it lasts
	What   string    `json:"what"` // one of the alarms of docs/operations.md
	About  string    `json:"about"`
	Since  time.Time `json:"since"`
	Age    string    `json:"age"`
	Owner  string    `json:"owner"` // who has taken it, or whose business it is
	Detail string    `json:"detail"`
	Do     string    `json:"do"` // a command to begin with
}

// Whose business an item is while nobody has taken it.
const (
	ownerOperations = "operations"
	ownerBureau     = "bureau desk"
	ownerKeys       = "key custodian"
	ownerCards      = "card desk"
)

// What needs a person. docs/operations.md has a runbook for each.
const (
	AlarmInDoubt     = "FILE_IN_DOUBT"
	AlarmRefused     = "FILE_REFUSED"
	AlarmOverdue     = "ANSWER_OVERDUE"
	AlarmStuck       = "FILE_STUCK"
	AlarmImbalance   = "BOOKS_DIFFER"
	AlarmReturn      = "RETURN_QUARANTINED"
	AlarmReturnLines = "RETURN_LINES_QUARANTINED"
	AlarmRefusals    = "RETURN_LINES_REFUSED"
	AlarmBureau      = "BUREAU_UNREACHABLE"
	AlarmKey         = "KEY_ENDS"
	AlarmRows        = "ROWS_WAIT"
	AlarmNotMade     = "CARDS_NOT_MADE"
	AlarmBatch       = "BATCH_WITH_EXCEPTIONS"
	AlarmBatchLate   = "BATCH_LATE"
	AlarmRange       = "RANGE_RUNS_OUT"
	AlarmRangeHeld   = "RANGE_HELD"
	AlarmStock       = "STOCK"
	AlarmClosing     = "CLOSING_LATE"
	AlarmPIN         = "PIN_AWAITED"
)

// Alarms lists every kind of item.
func Alarms() []string {
	return []string{AlarmInDoubt, AlarmRefused, AlarmOverdue, AlarmStuck, AlarmImbalance, AlarmReturn, AlarmReturnLines, AlarmRefusals, AlarmBureau, AlarmKey, AlarmRows, AlarmNotMade,
		AlarmBatch, AlarmBatchLate, AlarmRange, AlarmRangeHeld, AlarmStock, AlarmClosing, AlarmPIN}
}

// stuckAfter is how many failures in a row make a file the business of a person.
const stuckAfter = 6

// sentWithin is how long after a cut-off its files must have left where its schedule does not say.
const sentWithin = time.Hour

// patience is how long a bureau may be away before a person hears of it; refused logins and foreign keys are told at once.
const patience = 15 * time.Minute

// pinPatience is how long a plastic may wait for its PIN before a person hears of it.
const pinPatience = 7 * 24 * time.Hour

// Attention lists what needs a person, oldest first.
func (p *Plant) Attention(ctx context.Context, i store.Institution) ([]Item, error) {
	l := &attention{Plant: p, inst: i}
	for _, look := range []func(context.Context) error{l.files, l.returns, l.bureaus, l.unmade, l.orders, l.batches, l.ranges, l.stock, l.closings, l.pins} {
		if err := look(ctx); err != nil {
			return nil, err
		}
	}
	seen, err := p.Store.SeenItems(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	now := p.Now()
	for k := range l.items {
		item := &l.items[k]
		known := seen[item.Key]
		if known.Owner != "" {
			item.Owner = known.Owner
		}
		if item.Since.IsZero() {
			if item.Since = known.SeenAt; item.Since.IsZero() {
				item.Since = now
			}
		}
		item.Since = item.Since.UTC()
		item.Age = age(now.Sub(item.Since))
	}
	slices.SortStableFunc(l.items, func(a, b Item) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Key, b.Key)) })
	return l.items, nil
}

// TakeItem makes somebody the owner of an item that needs a person.
func (p *Plant) TakeItem(ctx context.Context, i store.Institution, key, owner, actor string) error {
	items, err := p.Attention(ctx, i)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(items, func(x Item) bool { return x.Key == key }) {
		return fmt.Errorf("%s: %w", key, store.ErrNotFound)
	}
	return p.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.TakeItem(ctx, i.ID, key, owner, p.Now()); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "inbox.take", key, map[string]any{"owner": owner}, p.Now())
	})
}

// rememberItems keeps since when each item is known that does not say so itself, and forgets those that need nobody any more: what comes back is new, and nobody's.
func (p *Plant) rememberItems(ctx context.Context, i store.Institution) error {
	items, err := p.Attention(ctx, i)
	if err != nil {
		return err
	}
	gone, err := p.Store.SeenItems(ctx, i.ID)
	if err != nil {
		return err
	}
	var fresh []string
	for _, x := range items {
		if _, known := gone[x.Key]; !known {
			fresh = append(fresh, x.Key)
		}
		delete(gone, x.Key)
	}
	if len(fresh)+len(gone) == 0 {
		return nil
	}
	return p.Store.InTx(ctx, func(tx *store.Tx) error {
		for _, key := range fresh {
			if err := tx.SeeItem(ctx, i.ID, key, p.Now()); err != nil {
				return err
			}
		}
		for _, key := range slices.Sorted(maps.Keys(gone)) {
			if err := tx.ForgetItem(ctx, i.ID, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// age is a span as people say it.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0m"
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func isStale(err error) bool {
	return errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrFenced)
}

type attention struct {
	*Plant
	inst  store.Institution
	items []Item
}

// add lists an item. One that does not say since when it is so is as old as Watch knows it.
func (l *attention) add(what, about string, since time.Time, owner, detail, do string) {
	l.items = append(l.items, Item{Key: what + ":" + about, What: what, About: about, Since: since, Owner: owner, Detail: detail, Do: do})
}

func (l *attention) files(ctx context.Context) error {
	files, err := l.Store.FilesAtWork(ctx, l.inst.ID)
	if err != nil {
		return err
	}
	late, err := l.Store.OverdueBalanced(ctx, l.inst.ID)
	if err != nil {
		return err
	}
	for _, f := range append(files, late...) {
		about := fmt.Sprintf("file %d", f.Number)
		show := fmt.Sprintf("platen file show %d", f.Number)
		switch {
		case f.State == card.FileInDoubt || f.State == card.FileRefused:
			since, err := l.sinceState(ctx, f)
			if err != nil {
				return err
			}
			what := map[card.FileState]string{card.FileInDoubt: AlarmInDoubt, card.FileRefused: AlarmRefused}[f.State]
			l.add(what, about, since, ownerBureau, fmt.Sprintf("%s for %s: %s", f.Name, f.BureauCode, f.Reason), fmt.Sprintf("platen file resolve %d", f.Number))
		case f.Overdue != "" && f.OverdueSince != nil:
			l.add(AlarmOverdue, about, *f.OverdueSince, ownerBureau, fmt.Sprintf("%s owes %s of %s", f.BureauCode, f.Overdue, f.Name), show)
		case f.Failures >= stuckAfter:
			l.add(AlarmStuck, about, f.CreatedAt, ownerOperations, fmt.Sprintf("%s is %s after %d failures: %s", f.Name, f.State, f.Failures, f.Reason), show)
		case f.State == card.FileReconciling && f.Reason != "" && f.Produced+f.Rejected+f.Spoiled == f.Planned:
			l.add(AlarmImbalance, about, *f.AcknowledgedAt, ownerOperations, fmt.Sprintf("%s: %s", f.Name, f.Reason), fmt.Sprintf("platen books --file %d", f.Number))
		}
	}
	return nil
}

// sinceState is when a file came to its state.
func (l *attention) sinceState(ctx context.Context, f store.File) (time.Time, error) {
	events, err := l.Store.Events(ctx, l.inst.ID, "file", f.Number)
	if err != nil {
		return time.Time{}, err
	}
	since := f.CreatedAt
	for _, e := range events {
		if e.Kind == f.State.String() {
			since = e.RecordedAt
		}
	}
	return since, nil
}

func (l *attention) returns(ctx context.Context) error {
	all, err := l.Store.WaitingReturns(ctx, l.inst.ID)
	if err != nil {
		return err
	}
	for _, r := range all {
		what, detail := AlarmReturn, r.Reason
		switch {
		case r.Refused():
			what, detail = AlarmRefusals, fmt.Sprintf("%d of %d lines", r.Rejected, r.Lines)
		case r.State != card.ReturnQuarantined:
			what, detail = AlarmReturnLines, fmt.Sprintf("%d of %d lines", r.Quarantined, r.Lines)
		}
		l.add(what, fmt.Sprintf("return %d", r.Number), r.CreatedAt, ownerBureau, fmt.Sprintf("%s of %s: %s", r.Name, r.BureauCode, detail), fmt.Sprintf("platen return show %d", r.Number))
	}
	return nil
}

func (l *attention) bureaus(ctx context.Context) error {
	all, err := l.Bureaus(ctx, l.inst)
	if err != nil {
		return err
	}
	now := l.Now()
	for _, b := range all {
		if b.FailingSince != nil && (b.needsAPerson() || now.Sub(*b.FailingSince) >= patience) {
			l.add(AlarmBureau, "bureau "+b.Code, *b.FailingSince, ownerBureau, b.Failure+": "+b.Detail, "platen bureau list")
		}
		for _, w := range b.Warnings {
			whose, _, _ := strings.Cut(w, " ")
			l.add(AlarmKey, fmt.Sprintf("%s key, bureau %s", whose, b.Code), time.Time{}, ownerKeys, w, "platen bureau list")
		}
	}
	return nil
}

// unmade lists what bureaus did not make and nothing makes again.
func (l *attention) unmade(ctx context.Context) error {
	all, err := l.Store.Unmade(ctx, l.inst.ID)
	if err != nil {
		return err
	}
	for _, u := range all {
		since := u.CreatedAt
		if u.AcknowledgedAt != nil {
			since = *u.AcknowledgedAt
		}
		l.add(AlarmNotMade, fmt.Sprintf("file %d", u.File), since, ownerCards, fmt.Sprintf("%s spoiled %d and rejected %d that nothing makes again", u.BureauCode, u.Spoiled, u.Rejected),
			fmt.Sprintf("platen file lines %d --state REJECTED,SPOILED", u.File))
	}
	return nil
}

func (l *attention) orders(ctx context.Context) error {
	rows, err := l.Store.WaitingRows(ctx, l.inst.ID)
	if err != nil {
		return err
	}
	for _, r := range rows {
		l.add(AlarmRows, "order "+r.Reference, r.CreatedAt, ownerCards, fmt.Sprintf("%d rows wait for a correction", r.Rows), "platen order errors "+r.Reference)
	}
	batches, err := l.Store.LatestBatches(ctx, l.inst.ID)
	if err != nil {
		return err
	}
	for _, b := range batches {
		if b.Exceptions != "" {
			owner, do := ownerOperations, "platen range list"
			if strings.Contains(b.Exceptions, cannotServe) {
				owner, do = ownerKeys, "platen keys list"
			}
			l.add(AlarmBatch, fmt.Sprintf("batch %d", b.Number), b.CreatedAt, owner, b.Exceptions, do)
		}
	}
	return nil
}

// batches lists cut-offs whose files should have left by now.
func (l *attention) batches(ctx context.Context) error {
	all, err := l.Store.BatchesAtWork(ctx, l.inst.ID)
	if err != nil {
		return err
	}
	for _, b := range all {
		var s programs.Schedule
		if err := json.Unmarshal([]byte(b.ScheduleBody), &s); err != nil {
			return fmt.Errorf("schedule of batch %d: %w", b.Number, err)
		}
		span := time.Duration(s.SentWithin)
		if span == 0 {
			span = sentWithin
		}
		due := b.CreatedAt.Add(span)
		if due.After(l.Now()) {
			continue
		}
		if b.State == card.BatchOpen {
			l.add(AlarmBatchLate, fmt.Sprintf("batch %d", b.Number), due, ownerOperations, fmt.Sprintf("%s of %s is not planned", b.Schedule, b.BusinessDate), "platen workers")
		} else if b.Here() > 0 {
			l.add(AlarmBatchLate, fmt.Sprintf("batch %d", b.Number), due, ownerOperations, fmt.Sprintf("%s of %s: %d files are not begun, %d half made, %d ready and not sent; of these %d are held",
				b.Schedule, b.BusinessDate, b.Planned, b.Building, b.Ready, b.Held), "platen workers")
		}
	}
	return nil
}

func (l *attention) ranges(ctx context.Context) error {
	all, err := l.Outlooks(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		switch {
		case o.Institution != l.inst.ID:
		case o.Held != "":
			l.add(AlarmRangeHeld, "range "+o.Code, time.Time{}, ownerOperations, o.Held, "platen range list")
		case o.Warn:
			l.add(AlarmRange, "range "+o.Code, time.Time{}, ownerCards, fmt.Sprintf("%d numbers are left", o.Left()), "platen range list")
		}
	}
	return nil
}

func (l *attention) stock(ctx context.Context) error {
	all, err := l.StockPositions(ctx, l.inst)
	if err != nil {
		return err
	}
	for _, p := range all {
		if complaint := p.complaint(); complaint != "" {
			l.add(AlarmStock, fmt.Sprintf("%s at %s %s", p.Plastic, p.Bureau, p.Site), p.ReportedAt, ownerBureau, complaint, "platen bureau stock")
		}
	}
	return nil
}

// closings lists, as one item, cards that should be closed and are not.
func (l *attention) closings(ctx context.Context) error {
	late, err := l.Store.LateClosings(ctx, l.inst.ID, l.Now(), l.Now().Add(-patience))
	if err != nil || late.Cards == 0 {
		return err
	}
	token, err := l.Token(ctx, late.First)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("%d cards should be closed by now, %d of them have an order open; one is card %s", late.Cards, late.Busy, token)
	if late.Order != "" {
		detail += " with order " + late.Order
	}
	l.add(AlarmClosing, "closings", time.Time{}, ownerCards, detail, "platen card explain "+token)
	return nil
}

// pins lists, as one item, plastics that wait for their PINs for long.
func (l *attention) pins(ctx context.Context) error {
	late, err := l.Store.PINHolds(ctx, l.inst.ID, l.Now().Add(-pinPatience))
	if err != nil || late.Lines == 0 {
		return err
	}
	token, err := l.Token(ctx, late.Card)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("%d plastics wait for their PINs for more than %d days; the oldest is of card %s with order %s", late.Lines, int(pinPatience.Hours()/24), token, late.Order)
	l.add(AlarmPIN, "plastics", *late.Oldest, ownerCards, detail, "platen card explain "+token)
	return nil
}
