package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"platen/card"
	"platen/sql/store"
)

// chunkWork is a chunk of return lines being applied: each file that it speaks of is locked and read once, and written once at the end.
type chunkWork struct {
	*application
	tx    *store.Tx
	files map[int64]*fileWork
}

// fileWork is one file's part of a chunk. A nil file is one that does not exist.
type fileWork struct {
	file   *store.File
	lines  map[int64]*lineWork
	failed []*lineWork // spoiled or rejected by this chunk
	counts struct{ produced, rejected, spoiled int64 }
}

// lineWork is what one line of the file carries, and how the chunk has moved it.
type lineWork struct {
	store.FileLine
	before card.IssueState
	why    string // what the bureau said, of a line that failed
}

// open locks the files of a chunk in the order of their numbers and reads the lines that it speaks of.
func (w *chunkWork) open(ctx context.Context, chunk []returned) error {
	type span struct{ first, last int64 }
	spans := map[int64]span{}
	for i := range chunk {
		r := &chunk[i]
		s, known := spans[r.file]
		if _, line, ok := parseUID(r.uid); ok && !r.ack {
			if !known || s.first == 0 {
				s = span{line, line}
			}
			s = span{min(s.first, line), max(s.last, line)}
		}
		spans[r.file] = s
	}
	numbers := slices.Sorted(maps.Keys(spans))
	for _, number := range numbers {
		f, err := w.tx.LockFile(ctx, number)
		if errors.Is(err, store.ErrNotFound) {
			w.files[number] = &fileWork{}
			continue
		}
		if err != nil {
			return err
		}
		work := &fileWork{file: &f, lines: map[int64]*lineWork{}}
		w.files[number] = work
		if spans[number].first == 0 {
			continue
		}
		lines, err := w.tx.LockLines(ctx, f, spans[number].first, min(spans[number].last, f.Planned))
		if err != nil {
			return err
		}
		for _, l := range lines {
			work.lines[l.Line] = &lineWork{FileLine: l, before: l.State}
		}
	}
	return nil
}

// close writes what the chunk changed: runs of neighbouring lines that made the same step are one statement.
func (w *chunkWork) close(ctx context.Context) error {
	for _, number := range slices.Sorted(maps.Keys(w.files)) {
		work := w.files[number]
		if err := w.writeLines(ctx, work); err != nil {
			return err
		}
		if c := work.counts; c.produced != 0 || c.rejected != 0 || c.spoiled != 0 {
			if err := w.tx.CountLine(ctx, number, c.produced, c.rejected, c.spoiled); err != nil {
				return err
			}
		}
		for _, l := range work.failed {
			if err := w.afterFailure(ctx, work.file, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// afterFailure decides how a card goes on that the bureau did not make.
func (w *chunkWork) afterFailure(ctx context.Context, f *store.File, l *lineWork) error {
	if l.State == card.IssueRejected {
		if f.Purpose == store.MailerPurpose {
			return nil
		}
		return w.offerCorrection(ctx, w.tx, f, l.FileLine, l.why)
	}
	if w.bureau.RemakeAtOnce {
		if err := w.remake(ctx, w.tx, f, l.FileLine); err != nil {
			return err
		}
	}
	if f.Purpose == store.MailerPurpose {
		return nil
	}
	issue, err := w.tx.Issue(ctx, l.Card, l.Issue)
	if err != nil {
		return err
	}
	return w.reopen(ctx, w.tx, issue.Order, "a card of it was spoiled after it had been made")
}

func (w *chunkWork) writeLines(ctx context.Context, work *fileWork) error {
	lines := slices.Sorted(maps.Keys(work.lines))
	for i := 0; i < len(lines); {
		first := work.lines[lines[i]]
		end := i + 1
		for end < len(lines) && lines[end] == lines[end-1]+1 && work.lines[lines[end]].before == first.before && work.lines[lines[end]].State == first.State {
			end++
		}
		if first.before != first.State {
			if err := w.tx.MoveLines(ctx, *work.file, lines[i], lines[end-1], first.before, first.State); err != nil {
				return err
			}
		}
		i = end
	}
	return nil
}

// applyOne decides what becomes of one line: applied, duplicate, rejected with a reason, or quarantined for a person. An unknown reference never
// makes a card, and late news never moves anything backwards.
func (w *chunkWork) applyOne(ctx context.Context, r *returned) error {
	work, err := w.fileOf(r)
	if err != nil || work == nil {
		return err
	}
	r.File = &work.file.Number
	if r.ack {
		return w.applyAck(ctx, w.tx, r, work.file)
	}
	w.applyStatus(r, work)
	return nil
}

func (r *returned) refuse(reason string) { r.Outcome, r.Reason = store.LineRejected, reason }

// fileOf finds the file that a line speaks of; nil when the line was refused.
func (w *chunkWork) fileOf(r *returned) (*fileWork, error) {
	line := int64(0)
	if !r.ack {
		number, at, ok := parseUID(r.uid)
		if !ok || number != r.file {
			r.refuse("unknown_reference")
			return nil, nil
		}
		line = at
	}
	work := w.files[r.file]
	if work.file == nil {
		r.refuse("unknown_reference")
		return nil, nil
	}
	f := work.file
	switch {
	case f.Bureau != w.returning.Bureau:
		r.refuse("file_of_another_bureau")
		return nil, nil
	case f.State == card.FileSending:
		return nil, fmt.Errorf("file %d is just being sent: %w", f.Number, ErrNotYet)
	case f.State < card.FileSent || f.State == card.FileCancelled:
		r.refuse("file_was_not_sent")
		return nil, nil
	case !r.ack && work.lines[line] == nil:
		r.refuse("unknown_reference")
		return nil, nil
	}
	if !r.ack {
		r.FileLine = &line
	}
	return work, nil
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
	case r.sum != "" && r.sum != hexString(f.PlaintextSHA) && r.sum != hexString(f.CiphertextSHA):
		a.Log.Error().Int64("file", f.Number).Str("bureau", f.BureauCode).Msg("the bureau acknowledges other bytes than were sent")
		r.Outcome, r.Reason = store.LineQuarantined, "hash_differs"
		return nil
	}
	r.Outcome = store.LineApplied
	if err := tx.AckCounts(ctx, f.Number, r.read, r.ok, r.bad); err != nil {
		return err
	}
	data := map[string]any{"return": a.returning.Number, "read": r.read, "ok": r.ok, "bad": r.bad, "reason": r.BureauReason}
	if f.State == card.FileInDoubt {
		if err := a.outOfDoubt(ctx, tx, f); err != nil {
			return err
		}
	}
	if !accepted {
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
	a.Observe.FileMoved(card.FileReconciling)
	return tx.MoveFile(ctx, f, card.FileReconciling, "")
}

// outOfDoubt takes the bureau's answer as the proof that a file arrived: everything that waited for its sending goes on.
func (a *application) outOfDoubt(ctx context.Context, tx *store.Tx, f *store.File) error {
	if err := tx.MoveFile(ctx, f, card.FileSent, "the bureau has answered for it"); err != nil {
		return err
	}
	if err := tx.StampFile(ctx, f.Number, store.SentAt, a.Now()); err != nil {
		return err
	}
	data := map[string]any{"evidence": "the bureau's answer", "return": a.returning.Number}
	if err := tx.Record(ctx, f.Institution, "file", f.Number, card.FileSent.String(), data, a.Now()); err != nil {
		return err
	}
	a.Observe.FileMoved(card.FileSent)
	return a.afterSent(ctx, tx, f)
}

// statusOf translates the bureau's word.
func (a *application) statusOf(word string) (card.IssueState, bool) {
	if mapped, ok := a.bureau.StatusMap[word]; ok {
		word = mapped
	}
	s, err := card.ParseIssueState(word)
	// A line of a file that was sent is produced, rejected or spoiled; cancelling is the issuer's, and the books have no column for a bureau's.
	return s, err == nil && s > card.IssuePrepared && s != card.IssueCancelled
}

func (w *chunkWork) applyStatus(r *returned, work *fileWork) {
	next, ok := w.statusOf(r.Status)
	if !ok {
		r.Outcome, r.Reason = store.LineQuarantined, "unknown_status"
		return
	}
	l := work.lines[*r.FileLine]
	switch {
	case l.State.Passed(next):
		r.Outcome = store.LineDuplicate
		return
	case !l.State.May(next):
		r.refuse("state_does_not_allow_it")
		return
	}
	r.Outcome = store.LineApplied
	produced, rejected, spoiled := change(l.State, next)
	work.counts.produced += produced
	work.counts.rejected += rejected
	work.counts.spoiled += spoiled
	l.State = next
	if next == card.IssueSpoiled || next == card.IssueRejected {
		l.why = r.BureauReason
		work.failed = append(work.failed, l)
	}
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

func (a *application) observe(moved store.ReturnFile) {
	for _, c := range []struct {
		outcome store.Outcome
		n       int64
	}{{store.LineApplied, moved.Applied - a.returning.Applied}, {store.LineDuplicate, moved.Duplicates - a.returning.Duplicates},
		{store.LineRejected, moved.Rejected - a.returning.Rejected}, {store.LineQuarantined, moved.Quarantined - a.returning.Quarantined}} {
		for range c.n {
			a.Observe.ReturnLine(c.outcome)
		}
	}
}
