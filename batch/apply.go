package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// chunkWork is a chunk of return lines being applied: each file that it speaks of is locked and read once, and written once at the end.
type chunkWork struct {
	*application
	tx       *store.Tx
	files    map[int64]*fileWork
	reopened map[int64]bool // orders that were looked at for a spoiled card
}

// fileWork is one file's part of a chunk. A nil file is one that does not exist.
type fileWork struct {
	file   *store.File
	purged bool        // there is one, but nothing of it can move any more
	spoken store.Lines // what the chunk speaks of, and perhaps lines between
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

// touched gathers the lines of a file that a chunk speaks of.
type touched struct {
	runs []store.Run
	n    int64
}

func (t *touched) add(r store.Run) {
	t.n += r.Last - r.First + 1
	if last := len(t.runs) - 1; last >= 0 && t.runs[last].Last+1 == r.First {
		t.runs[last].Last = r.Last
		return
	}
	t.runs = append(t.runs, r)
}

// sparse is how many times as many lines may be read as are spoken of, before they are named one by one.
const sparse = 4

// lines names what was gathered up to a file's last line: as one run where that is nearly all of it.
func (t *touched) lines(last int64) (store.Lines, bool) {
	all := store.Lines{First: last + 1}
	for _, r := range t.runs {
		all.First, all.Last = min(all.First, r.First), max(all.Last, min(r.Last, last))
	}
	if all.First > all.Last || all.Last-all.First < sparse*t.n {
		return all, all.First <= all.Last
	}
	var list []int64
	for _, r := range t.runs {
		for n := r.First; n <= min(r.Last, last); n++ {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return store.Lines{List: slices.Compact(list)}, true
}

// apply decides about every line of the chunk, writes what it changed, and looks whether a file came to its end by it.
func (w *chunkWork) apply(ctx context.Context, chunk []returned) ([]store.ReturnLine, error) {
	if err := w.open(ctx, chunk); err != nil {
		return nil, err
	}
	lines := make([]store.ReturnLine, 0, len(chunk))
	for i := range chunk {
		if err := w.applyOne(ctx, &chunk[i]); err != nil {
			return nil, fmt.Errorf("return file %d line %d: %w", w.returning.Number, chunk[i].Line, err)
		}
		lines = append(lines, chunk[i].ReturnLine)
	}
	if err := w.close(ctx); err != nil {
		return nil, err
	}
	for _, number := range slices.Sorted(maps.Keys(w.files)) {
		if w.files[number].file == nil {
			continue
		}
		if err := w.reconcile(ctx, w.tx, number); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// open finds out which lines the chunk speaks of, locks their files in the order of their numbers, and reads the lines.
func (w *chunkWork) open(ctx context.Context, chunk []returned) error {
	spoken := map[int64]*touched{}
	of := func(file int64) *touched {
		if spoken[file] == nil {
			spoken[file] = new(touched)
		}
		return spoken[file]
	}
	for i := range chunk {
		if err := w.find(ctx, &chunk[i]); err != nil {
			return err
		}
		for _, r := range chunk[i].runs {
			of(r.File).add(r)
		}
		if chunk[i].whole {
			of(chunk[i].file)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(spoken)) {
		if err := w.lock(ctx, number, spoken[number]); err != nil {
			return err
		}
	}
	return nil
}

func (w *chunkWork) lock(ctx context.Context, number int64, spoken *touched) error {
	f, err := w.tx.LockFile(ctx, number)
	if errors.Is(err, store.ErrNotFound) {
		w.files[number] = &fileWork{}
		return nil
	}
	if err != nil {
		return err
	}
	if f.State == card.FilePurged {
		w.files[number] = &fileWork{purged: true}
		return nil
	}
	work := &fileWork{file: &f, lines: map[int64]*lineWork{}}
	w.files[number] = work
	named, some := spoken.lines(f.Planned)
	if !some {
		return nil
	}
	work.spoken = named
	lines, err := w.tx.FileLines(ctx, f, work.spoken)
	if err != nil {
		return err
	}
	for _, l := range lines {
		work.lines[l.Line] = &lineWork{FileLine: l, before: l.State}
	}
	return nil
}

// close writes what the chunk changed: lines that made the same step are one statement.
func (w *chunkWork) close(ctx context.Context) error {
	for _, number := range slices.Sorted(maps.Keys(w.files)) {
		work := w.files[number]
		if err := w.writeLines(ctx, work); err != nil {
			return err
		}
		if err := w.count(ctx, work); err != nil {
			return err
		}
		for _, l := range work.failed {
			if err := w.afterFailure(ctx, work.file, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// count moves the file's counters, and proves by a recount of the lines that the chunk touched that nothing was lost on the way.
func (w *chunkWork) count(ctx context.Context, work *fileWork) error {
	c := work.counts
	if c.produced == 0 && c.rejected == 0 && c.spoiled == 0 {
		return nil
	}
	var was store.LineCounts
	for _, l := range work.lines {
		was.Lines++
		was.Count(l.before)
	}
	now, err := w.tx.CountFileLines(ctx, *work.file, work.spoken)
	if err != nil {
		return err
	}
	if now.Lines != was.Lines || now.Produced != was.Produced+c.produced || now.Rejected != was.Rejected+c.rejected || now.Spoiled != was.Spoiled+c.spoiled {
		return fmt.Errorf("file %d, %d lines: counted %+v before, %+v after, and moved %+v: %w", work.file.Number, work.spoken.Len(), was, now, c, ErrImbalance)
	}
	return w.tx.CountLine(ctx, work.file.Number, c.produced, c.rejected, c.spoiled)
}

// ErrImbalance says that a change would have broken the books; nothing of it was written.
var ErrImbalance = errors.New("the books would not balance")

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
	if w.reopened[l.Order] {
		return nil
	}
	w.reopened[l.Order] = true
	return w.reopen(ctx, w.tx, l.Order, "a card of it was spoiled after it had been made")
}

// step is a way that lines of a file made.
type step struct{ from, to card.IssueState }

func (w *chunkWork) writeLines(ctx context.Context, work *fileWork) error {
	moved := map[step][]int64{}
	for n, l := range work.lines {
		if l.before != l.State {
			moved[step{l.before, l.State}] = append(moved[step{l.before, l.State}], n)
		}
	}
	steps := slices.SortedFunc(maps.Keys(moved), func(a, b step) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for _, s := range steps {
		list := slices.Sorted(slices.Values(moved[s]))
		lines := store.Lines{List: list}
		if first, last := list[0], list[len(list)-1]; last-first+1 == int64(len(list)) {
			lines = store.Lines{First: first, Last: last}
		}
		if err := w.tx.MoveLines(ctx, *work.file, lines, s.from, s.to); err != nil {
			return err
		}
	}
	return nil
}

// applyOne decides what becomes of one line: applied, duplicate, rejected with a reason, or quarantined for a person. An unknown reference never
// makes a card, and late news never moves anything backwards.
func (w *chunkWork) applyOne(ctx context.Context, r *returned) error {
	switch w.layout.Kind() {
	case formats.Stock:
		return w.applyStock(ctx, r)
	case formats.Production:
		return w.applyProduction(ctx, r)
	case formats.Destruction:
		return w.applyDestruction(ctx, r)
	case formats.Dispatch:
		return w.applyDispatch(ctx, r)
	case formats.Delivery:
		return w.applyDelivery(ctx, r)
	case formats.Ack:
		f, err := w.fileOf(r)
		if err != nil || f == nil {
			return err
		}
		return w.applyAck(ctx, w.tx, r, f)
	}
	return w.applyStatus(r)
}

func (r *returned) refuse(reason string) { r.Outcome, r.Reason = store.LineRejected, reason }

func (r *returned) quarantine(reason string) { r.Outcome, r.Reason = store.LineQuarantined, reason }

// fileOf finds the file that a line speaks of; nil when the line was refused.
func (w *chunkWork) fileOf(r *returned) (*store.File, error) {
	work := w.files[r.file]
	if work != nil && work.purged {
		r.refuse("file_was_purged")
		return nil, nil
	}
	if work == nil || work.file == nil {
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
	}
	r.File = &f.Number
	return f, nil
}

// lineOf finds the one line of a file that a line speaks of; nil when the line was refused.
func (w *chunkWork) lineOf(r *returned) (*fileWork, *lineWork, error) {
	if len(r.runs) == 0 {
		r.refuse("unknown_reference")
		return nil, nil, nil
	}
	if f, err := w.fileOf(r); err != nil || f == nil {
		return nil, nil, err
	}
	work := w.files[r.file]
	l := work.lines[r.runs[0].First]
	if l == nil {
		r.refuse("unknown_reference")
		return nil, nil, nil
	}
	r.FileLine = &l.Line
	return work, l, nil
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
	case r.ack.sum != "" && r.ack.sum != hexString(f.PlaintextSHA) && r.ack.sum != hexString(f.CiphertextSHA):
		a.Log.Error().Int64("file", f.Number).Str("bureau", f.BureauCode).Msg("the bureau acknowledges other bytes than were sent")
		r.Outcome, r.Reason = store.LineQuarantined, "hash_differs"
		return nil
	}
	r.Outcome = store.LineApplied
	if err := tx.AckCounts(ctx, f.Number, r.ack.read, r.ack.ok, r.ack.bad); err != nil {
		return err
	}
	data := map[string]any{"return": a.returning.Number, "read": r.ack.read, "ok": r.ack.ok, "bad": r.ack.bad, "reason": r.BureauReason}
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
func (a *application) statusOf(word string) (card.IssueState, bool) { return statusIn(a.bureau, word) }

// applyStatus takes the bureau's word for one line.
func (w *chunkWork) applyStatus(r *returned) error {
	work, l, err := w.lineOf(r)
	if err != nil || l == nil {
		return err
	}
	next, ok := w.statusOf(r.Status)
	switch {
	case w.layout.Kind() == formats.PINStatus && work.file.Purpose != store.MailerPurpose:
		r.refuse("not_a_pin_mailer")
	case !ok:
		r.quarantine("unknown_status")
	case l.State.Passed(next):
		r.Outcome = store.LineDuplicate
	case !l.State.May(next):
		r.refuse("state_does_not_allow_it")
	default:
		r.Outcome = store.LineApplied
		work.step(l, next, r.BureauReason)
	}
	return nil
}

// step moves one line and the counters of its file.
func (f *fileWork) step(l *lineWork, next card.IssueState, why string) {
	produced, rejected, spoiled := change(l.State, next)
	f.counts.produced += produced
	f.counts.rejected += rejected
	f.counts.spoiled += spoiled
	l.State = next
	if next == card.IssueSpoiled || next == card.IssueRejected {
		l.why = why
		f.failed = append(f.failed, l)
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
