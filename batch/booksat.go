package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

// errOrderAndFile says that books of the past are of one order or of files.
var errOrderAndFile = errors.New("books of the past are of an order, or of files: give one of them")

// balanceAt draws the books of a moment in the past from what is never changed: the events of files and orders, and the answers that had come by then. Without an order
// it shows files; one that was purged is shown as it was balanced, at moments since then.
func (p *Plant) balanceAt(ctx context.Context, i store.Institution, of BooksOf) (Books, error) {
	b := Books{Balanced: true}
	numbers, err := p.filesAt(ctx, i, of)
	if err != nil {
		return b, err
	}
	past := &past{Plant: p, inst: i, at: of.At, newest: map[card.ID]issueAt{}}
	if of.Order != "" {
		o, err := p.Store.OrderByReference(ctx, i.ID, of.Order)
		if err != nil {
			return b, err
		}
		if o.PurgedAt != nil {
			return b, fmt.Errorf("order %s at that moment: %w", o.Reference, errPastPurged)
		}
		past.order = o
	}
	for _, number := range numbers {
		fb, existed, err := past.file(ctx, number)
		if err != nil {
			return b, err
		}
		if !existed {
			continue
		}
		b.Files = append(b.Files, fb)
		b.Balanced = b.Balanced && fb.Balanced
	}
	if of.Order == "" {
		b.sumFiles()
		return b, nil
	}
	return b, past.addOrder(ctx, &b)
}

// filesAt lists the numbers of the files that are asked for, by number.
func (p *Plant) filesAt(ctx context.Context, i store.Institution, of BooksOf) ([]int64, error) {
	switch {
	case of.Order != "" && (of.File != 0 || of.Bureau != ""):
		return nil, errOrderAndFile
	case of.File != 0:
		return []int64{of.File}, nil
	case of.Order != "":
		o, err := p.Store.OrderByReference(ctx, i.ID, of.Order)
		if err != nil {
			return nil, err
		}
		return p.Store.FilesOfOrder(ctx, o.Number)
	}
	var numbers []int64
	for before := int64(0); ; {
		files, err := p.Store.Files(ctx, i.ID, before, booksPage)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			before = f.Number
			if of.Bureau == "" || f.BureauCode == of.Bureau {
				numbers = append(numbers, f.Number)
			}
		}
		if len(files) < booksPage {
			slices.Sort(numbers)
			return numbers, nil
		}
	}
}

// past is an institution as it was known at a moment.
type past struct {
	*Plant
	inst   store.Institution
	at     time.Time
	order  store.Order // whose cards are counted; number 0 = none
	newest map[card.ID]issueAt
}

// issueAt is where an issue stood.
type issueAt struct {
	issue  int
	reason card.Reason
	state  card.IssueState
}

// file draws the books of one file; existed is false where it was not planned yet, or cancelled already.
func (p *past) file(ctx context.Context, number int64) (b FileBooks, existed bool, err error) {
	f, err := p.Store.FileByNumber(ctx, number)
	if err == nil && f.Institution != p.inst.ID {
		err = fmt.Errorf("file %d: %w", number, store.ErrNotFound)
	}
	if err != nil || f.CreatedAt.After(p.at) {
		return b, false, err
	}
	if f.State == card.FilePurged || f.PurgedAt != nil {
		return p.purged(ctx, f)
	}
	if err := p.rewind(ctx, &f); err != nil || f.State == card.FileCancelled {
		return b, false, err
	}
	states, err := p.lines(ctx, f)
	if err != nil {
		return b, false, err
	}
	var counts store.LineCounts
	for _, s := range states {
		counts.Count(s)
	}
	f.Produced, f.Rejected, f.Spoiled = counts.Produced, counts.Rejected, counts.Spoiled
	counts.Lines = f.Minted
	b = FileBooks{File: f, Planned: f.Planned, Minted: f.Minted, Sealed: -1, Acked: -1, Produced: f.Produced, Rejected: f.Rejected, Spoiled: f.Spoiled,
		Open: f.Planned - f.Produced - f.Rejected - f.Spoiled, Recount: counts}
	if f.Sealed != nil {
		b.Sealed = *f.Sealed
	}
	if f.AckRead != nil {
		b.Acked = *f.AckRead
	}
	b.Problem = imbalance(f, counts)
	b.Balanced = b.Problem == "" && b.Open == 0 && f.State >= card.FileBalanced
	if p.order.Number != 0 && f.Purpose == store.CardPurpose {
		err = p.remember(ctx, f, states)
	}
	return b, true, err
}

// errPastPurged says that nothing tells any more how something stood at a moment.
var errPastPurged = errors.New("its events were purged: how it stood then is not known any more; what it came to is in the books without a moment")

// purged draws the books of a file whose events are gone: they are those that it was balanced with, since it was.
func (p *past) purged(ctx context.Context, f store.File) (b FileBooks, existed bool, err error) {
	switch {
	case f.State == card.FileCancelled:
		return b, false, nil
	case f.BalancedAt == nil || f.BalancedAt.After(p.at) || p.order.Number != 0:
		return b, false, fmt.Errorf("file %d at that moment: %w", f.Number, errPastPurged)
	}
	b, err = p.BalanceFile(ctx, f)
	return b, true, err
}

// rewind takes from a file what came later: its state is that of the last event by then, and evidence without a time by then is none.
func (p *past) rewind(ctx context.Context, f *store.File) error {
	events, err := p.Store.Events(ctx, p.inst.ID, "file", f.Number)
	if err != nil {
		return err
	}
	f.State = card.FilePlanned
	for _, e := range events {
		if s, err := card.ParseFileState(e.Kind); err == nil && !e.RecordedAt.After(p.at) {
			f.State = s
		}
	}
	later := func(t *time.Time) bool { return t == nil || t.After(p.at) }
	if later(f.SealedAt) {
		f.Sealed, f.SealedAt, f.Minted = nil, nil, 0
	}
	if later(f.SentAt) {
		f.SentAt = nil
	}
	if later(f.AcknowledgedAt) {
		f.AckRead, f.AckOK, f.AckBad, f.AcknowledgedAt = nil, nil, nil, nil
	}
	return nil
}

// lines replays the answers about a file that had come by then.
func (p *past) lines(ctx context.Context, f store.File) (map[int64]card.IssueState, error) {
	b, err := p.bureauNow(ctx, f.Institution, f.BureauCode)
	if err != nil {
		return nil, err
	}
	states := map[int64]card.IssueState{}
	err = p.Store.AppliedLines(ctx, f, p.at, func(status string, first, last int64) {
		next, ok := statusIn(b.value, status)
		if status == destroyedCard {
			next, ok = card.IssueDestroyed, true
		}
		for n := first; ok && n <= last; n++ {
			if s := states[n]; !s.Passed(next) && s.May(next) {
				states[n] = next
			}
		}
	})
	return states, err
}

// statusIn translates a bureau's word by its declaration.
func statusIn(b *programs.Bureau, word string) (card.IssueState, bool) {
	if mapped, ok := b.StatusMap[word]; ok {
		word = mapped
	}
	s, err := card.ParseIssueState(word)
	// A line of a file that was sent is produced, rejected or spoiled; cancelling is the issuer's, and the books have no column for a bureau's.
	return s, err == nil && s > card.IssuePrepared && s != card.IssueCancelled
}

// remember keeps the newest issue that each card of the order had by then.
func (p *past) remember(ctx context.Context, f store.File, states map[int64]card.IssueState) error {
	return p.Store.IssuesOfOrderIn(ctx, f.Number, p.order.Number, func(i store.Issue) {
		if known, ok := p.newest[i.Card]; !ok || known.issue < i.Issue {
			p.newest[i.Card] = issueAt{i.Issue, i.Reason, states[*i.Line]}
		}
	})
}

// addOrder adds the order's cards by the fate that they had by then.
func (p *past) addOrder(ctx context.Context, b *Books) error {
	o := p.order
	events, err := p.Store.Events(ctx, p.inst.ID, "order", o.Number)
	if err != nil {
		return err
	}
	o.Requested, o.State = 0, card.OrderReceived
	withdrawn, virtual := int64(0), int64(0)
	for _, e := range events {
		if e.RecordedAt.After(p.at) {
			break
		}
		var data struct {
			Cards     int64 `json:"cards"`
			Fulfilled int64 `json:"fulfilled"`
		}
		if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
			return fmt.Errorf("event %d: %w", e.Number, err)
		}
		switch s, err := card.ParseOrderState(e.Kind); {
		case err == nil:
			o.State, virtual = s, data.Fulfilled
		case e.Kind == "accepted":
			o.State, o.Requested = card.OrderOpen, data.Cards
		case e.Kind == "withdrawn":
			withdrawn += data.Cards
		case e.Kind == "corrected":
			o.Requested += data.Cards
		}
	}
	f := store.Fates{Order: o.Number, Requested: o.Requested, Cancelled: withdrawn}
	if len(p.newest) == 0 {
		f.Fulfilled = virtual // cards without plastic, which no file carries
	}
	for _, i := range p.newest {
		switch {
		case i.state.Fulfilled():
			f.Fulfilled++
		case i.state == card.IssueRejected:
			f.Rejected++
		}
		if i.reason == card.Remake {
			f.Remade++
		}
	}
	ob := OrderBooks{Order: o, Fates: f, Balanced: f.InWork() == 0}
	b.Orders = []OrderBooks{ob}
	b.Requested, b.Produced, b.Rejected, b.Open, b.Remade = f.Requested, f.Fulfilled, f.Rejected, f.InWork(), f.Remade
	b.Balanced = b.Balanced && ob.Balanced
	return nil
}
