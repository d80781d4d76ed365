package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"platen/card"
	"platen/sql/store"
)

// applyOne decides what becomes of one line: applied, duplicate, rejected with a reason, or quarantined for a person. An unknown reference never
// makes a card, and late news never moves anything backwards.
func (a *application) applyOne(ctx context.Context, tx *store.Tx, r *returned) error {
	f, err := a.fileOf(ctx, tx, r)
	if err != nil || f == nil {
		return err
	}
	r.File = &f.Number
	if r.ack {
		return a.applyAck(ctx, tx, r, f)
	}
	return a.applyStatus(ctx, tx, r, f)
}

func (r *returned) refuse(reason string) { r.Outcome, r.Reason = store.LineRejected, reason }

// fileOf finds and locks the file that a line speaks of; nil when the line was refused.
func (a *application) fileOf(ctx context.Context, tx *store.Tx, r *returned) (*store.File, error) {
	line := int64(0)
	if !r.ack {
		number, at, ok := parseUID(r.uid)
		if !ok || number != r.file {
			r.refuse("unknown_reference")
			return nil, nil
		}
		line = at
	}
	f, err := tx.LockFile(ctx, r.file)
	if errors.Is(err, store.ErrNotFound) {
		r.refuse("unknown_reference")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case f.Bureau != a.file.Bureau:
		r.refuse("file_of_another_bureau")
		return nil, nil
	case f.State == card.FileSending:
		return nil, fmt.Errorf("file %d is just being sent: %w", f.Number, ErrNotYet)
	case f.State < card.FileSent || f.State == card.FileCancelled:
		r.refuse("file_was_not_sent")
		return nil, nil
	case !r.ack && line > f.Planned:
		r.refuse("unknown_reference")
		return nil, nil
	}
	if !r.ack {
		r.FileLine = &line
	}
	return &f, nil
}

// applyAck takes the bureau's word for a whole file.
func (a *application) applyAck(ctx context.Context, tx *store.Tx, r *returned, f *store.File) error {
	accepted := r.Status == "ACCEPTED" || r.Status == "PARTIAL"
	switch {
	case !accepted && r.Status != "REJECTED":
		r.Outcome, r.Reason = store.LineQuarantined, "unknown_status"
		return nil
	case f.State != card.FileSent && f.State != card.FileInDoubt:
		r.Outcome = store.LineDuplicate
		return nil
	}
	r.Outcome = store.LineApplied
	if err := tx.AckCounts(ctx, f.Number, r.read, r.ok, r.bad); err != nil {
		return err
	}
	data := map[string]any{"return": a.file.Number, "read": r.read, "ok": r.ok, "bad": r.bad, "reason": r.BureauReason}
	if !accepted {
		if f.State == card.FileInDoubt {
			if err := tx.MoveFile(ctx, f, card.FileSent, "the bureau has it"); err != nil {
				return err
			}
		}
		if err := tx.MoveFile(ctx, f, card.FileRefused, r.BureauReason); err != nil {
			return err
		}
		a.Observe.FileMoved(card.FileRefused)
		return tx.Record(ctx, f.Institution, "file", f.Number, card.FileRefused.String(), data, a.Now())
	}
	if err := tx.MoveFile(ctx, f, card.FileAcknowledged, ""); err != nil {
		return err
	}
	if err := tx.StampFile(ctx, f.Number, store.AcknowledgedAt, a.Now()); err != nil {
		return err
	}
	if err := tx.Record(ctx, f.Institution, "file", f.Number, card.FileAcknowledged.String(), data, a.Now()); err != nil {
		return err
	}
	a.Observe.FileMoved(card.FileAcknowledged)
	return tx.MoveFile(ctx, f, card.FileReconciling, "")
}

// statusOf translates the bureau's word.
func (a *application) statusOf(word string) (card.IssueState, bool) {
	if mapped, ok := a.bureau.StatusMap[word]; ok {
		word = mapped
	}
	s, err := card.ParseIssueState(word)
	return s, err == nil && s > card.IssuePrepared
}

// item is what a status line speaks of: an issue, or a PIN mailer.
type item struct {
	state card.IssueState
	move  func(card.IssueState) error
	again func() error // a spoiled one comes again
}

func (a *application) applyStatus(ctx context.Context, tx *store.Tx, r *returned, f *store.File) error {
	next, ok := a.statusOf(r.Status)
	if !ok {
		r.Outcome, r.Reason = store.LineQuarantined, "unknown_status"
		return nil
	}
	it, err := a.itemOf(ctx, tx, r, f)
	if err != nil {
		return err
	}
	switch {
	case it.state.Passed(next):
		r.Outcome = store.LineDuplicate
		return nil
	case !it.state.May(next):
		r.refuse("state_does_not_allow_it")
		return nil
	}
	r.Outcome = store.LineApplied
	before := it.state
	if err := it.move(next); err != nil {
		return err
	}
	produced, rejected, spoiled := change(before, next)
	if produced != 0 || rejected != 0 || spoiled != 0 {
		if err := tx.CountLine(ctx, f.Number, produced, rejected, spoiled); err != nil {
			return err
		}
	}
	if next == card.IssueSpoiled && a.bureau.RemakeAtOnce {
		return it.again()
	}
	return nil
}

// change is how a line's step moves its file's counters.
func change(before, after card.IssueState) (produced, rejected, spoiled int64) {
	if after.Fulfilled() && !before.Fulfilled() {
		produced = 1
	}
	if before.Fulfilled() && !after.Fulfilled() {
		produced = -1
	}
	switch after {
	case card.IssueRejected:
		rejected = 1
	case card.IssueSpoiled:
		spoiled = 1
	}
	return produced, rejected, spoiled
}

func (a *application) itemOf(ctx context.Context, tx *store.Tx, r *returned, f *store.File) (item, error) {
	if f.Purpose == store.MailerPurpose {
		m, err := tx.MailerOnLine(ctx, f.Number, *r.FileLine)
		if err != nil {
			return item{}, err
		}
		return item{state: m.State,
			move: func(s card.IssueState) error { return tx.MoveMailer(ctx, &m, s) },
			again: func() error {
				if alive, err := a.alive(ctx, tx, m.Card); err != nil || !alive {
					return err
				}
				return tx.RemakeMailer(ctx, m)
			}}, nil
	}
	i, err := tx.IssueOnLine(ctx, f.Number, *r.FileLine)
	if err != nil {
		return item{}, err
	}
	return item{state: i.State,
		move:  func(s card.IssueState) error { return tx.MoveIssue(ctx, &i, s) },
		again: func() error { return a.remake(ctx, tx, i) }}, nil
}

func (a *application) alive(ctx context.Context, tx *store.Tx, id card.ID) (bool, error) {
	c, err := tx.LockCard(ctx, id)
	return err == nil && c.Status != card.CardClosed && c.Status != card.CardExpired, err
}

// remake makes a spoiled issue again: a new issue with the same number, PSN, expiry and PIN, which waits for the next file. The spoiled line stays as evidence.
// A card that was closed or went on to a later issue meanwhile is not made again.
func (a *application) remake(ctx context.Context, tx *store.Tx, spoiled store.Issue) error {
	c, err := tx.LockCard(ctx, spoiled.Card)
	if err != nil {
		return err
	}
	if c.Status == card.CardClosed || c.Status == card.CardExpired || c.NewestIssue != spoiled.Issue {
		return nil
	}
	again := spoiled
	again.Issue, again.File, again.Line = spoiled.Issue+1, nil, nil
	again.Reason, again.State, again.Use = card.Remake, card.IssueRequested, card.UsePending
	if err := tx.SetNewestIssue(ctx, c.ID, again.Issue); err != nil {
		return err
	}
	return tx.InsertIssues(ctx, []store.Issue{again})
}

func (a *application) observe(moved store.ReturnFile) {
	for _, c := range []struct {
		outcome store.Outcome
		n       int64
	}{{store.LineApplied, moved.Applied - a.file.Applied}, {store.LineDuplicate, moved.Duplicates - a.file.Duplicates},
		{store.LineRejected, moved.Rejected - a.file.Rejected}, {store.LineQuarantined, moved.Quarantined - a.file.Quarantined}} {
		for range c.n {
			a.Observe.ReturnLine(c.outcome)
		}
	}
}

func sortedNumbers(set map[int64]bool) []int64 {
	list := make([]int64, 0, len(set))
	for n := range set {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}
