package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// InFile is what of an order can no longer be stopped, because rendering of the file has begun.
type InFile struct {
	File  store.File
	Cards int64
}

// Withdrawal is what became of an order that was cancelled, paused or resumed.
type Withdrawal struct {
	Order     store.Order
	Cancelled int64    // cards taken back by this call
	InFiles   []InFile // by number
}

// ErrCancelled says that an order was cancelled, and nothing joins it any more.
var ErrCancelled = errors.New("the order was cancelled")

// ErrReason says that a person must say why, for the history.
var ErrReason = errors.New("a reason has 1 to 64 characters of printable ASCII")

// CheckReason checks why a person does something to an order or a card; it fails with ErrReason.
func CheckReason(text string) error {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return ErrReason
		}
	}
	if text == "" || len(text) > 64 {
		return ErrReason
	}
	return nil
}

// CancelOrder takes back every card of an order that is not frozen: rendering of its file has not begun. Whoever works on such a file is fenced with its next
// chunk. Numbers of cards that were made already are never used. A card action that was carried out is not taken back: its old card has changed with it.
func (p *Plant) CancelOrder(ctx context.Context, i store.Institution, number int64, reason, actor string) (Withdrawal, error) {
	return p.interrupt(ctx, i, number, reason, actor, "order.cancel", func(w *withdrawing) error { return w.cancel(ctx) })
}

// PauseOrder lets no more of an order be planned, minted or rendered. A file that carries lines of it waits whole, with the lines of others in it; what is
// frozen goes on.
func (p *Plant) PauseOrder(ctx context.Context, i store.Institution, number int64, reason, actor string) (Withdrawal, error) {
	return p.interrupt(ctx, i, number, reason, actor, "order.pause", func(w *withdrawing) error { return w.pause(ctx) })
}

// ResumeOrder ends a pause.
func (p *Plant) ResumeOrder(ctx context.Context, i store.Institution, number int64, reason, actor string) (Withdrawal, error) {
	return p.interrupt(ctx, i, number, reason, actor, "order.resume", func(w *withdrawing) error { return w.resume(ctx) })
}

// withdrawing is one transaction on an order and its files.
type withdrawing struct {
	*Plant
	Withdrawal
	tx     *store.Tx
	inst   store.Institution
	reason string
	actor  string
	free   []store.File // not frozen
	voided []int64      // batches of files that were left without lines
	units  []span       // of the order, that were taken out of files
}

func (p *Plant) interrupt(ctx context.Context, i store.Institution, number int64, reason, actor, action string, do func(*withdrawing) error) (Withdrawal, error) {
	if err := CheckReason(reason); err != nil {
		return Withdrawal{}, err
	}
	var w *withdrawing
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		w = &withdrawing{Plant: p, tx: tx, inst: i, reason: reason, actor: actor}
		// A plan that runs at the same time would put lines into files that are not looked at.
		if err := tx.LockInstitution(ctx, i.ID); err != nil {
			return err
		}
		if err := w.open(ctx, number); err != nil {
			return err
		}
		if err := do(w); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, action, w.Order.ID.String(), map[string]any{"reason": reason, "cards": w.Cancelled}, p.Now())
	})
	if err != nil {
		return Withdrawal{}, fmt.Errorf("%s %d: %w", action, number, err)
	}
	p.Wake()
	return w.Withdrawal, nil
}

// open locks the order's files and the order, and tells frozen files from others.
func (w *withdrawing) open(ctx context.Context, number int64) error {
	files, err := w.tx.LockCardFilesOf(ctx, number)
	if err != nil {
		return err
	}
	if w.Order, err = w.tx.LockOrder(ctx, number); err != nil {
		return err
	}
	switch {
	case w.Order.Institution != w.inst.ID:
		return fmt.Errorf("order: %w", store.ErrNotFound)
	case w.Order.State == card.OrderReceived:
		return ErrInFlight
	}
	for _, f := range files {
		if f.State > card.FileBuilding || f.Frozen {
			if err := w.isIn(ctx, f); err != nil {
				return err
			}
			continue
		}
		w.free = append(w.free, f)
	}
	return nil
}

// isIn counts the order's cards in a file.
func (w *withdrawing) isIn(ctx context.Context, f store.File) error {
	slices, err := w.tx.Slices(ctx, f.Number)
	if err != nil {
		return err
	}
	in := InFile{File: f}
	for _, s := range slices {
		if w.owns(s) {
			in.Cards += s.Quantity
		}
	}
	if in.Cards > 0 {
		w.InFiles = append(w.InFiles, in)
	}
	return nil
}

// owns tells whether a slice's lines are of the order.
func (w *withdrawing) owns(s store.Slice) bool {
	return (s.Kind == store.NewSlice || s.Kind == store.ReissueSlice) && s.Source == w.Order.Number
}

func (w *withdrawing) record(ctx context.Context, kind string) error {
	data := map[string]any{"by": w.actor, "reason": w.reason, "cards": w.Cancelled}
	if len(w.InFiles) > 0 {
		numbers := make([]int64, len(w.InFiles))
		for i, f := range w.InFiles {
			numbers[i] = f.File.Number
		}
		data["in_files"] = numbers
	}
	return w.tx.Record(ctx, w.Order.Institution, "order", w.Order.Number, kind, data, w.Now())
}

func (w *withdrawing) pause(ctx context.Context) error {
	if w.Order.State == card.OrderCancelled {
		return ErrCancelled
	}
	if w.Order.Held != "" {
		return nil
	}
	for i := range w.free {
		if err := w.tx.InterruptFile(ctx, &w.free[i], 1); err != nil {
			return err
		}
	}
	if err := w.tx.HoldOrder(ctx, &w.Order, w.reason); err != nil {
		return err
	}
	return w.record(ctx, "paused")
}

func (w *withdrawing) resume(ctx context.Context) error {
	if w.Order.Held == "" {
		return nil
	}
	for i := range w.free {
		if err := w.tx.InterruptFile(ctx, &w.free[i], -1); err != nil {
			return err
		}
	}
	if err := w.tx.HoldOrder(ctx, &w.Order, ""); err != nil {
		return err
	}
	return w.record(ctx, "resumed")
}

func (w *withdrawing) cancel(ctx context.Context) error {
	if w.Order.Held != "" {
		if err := w.resume(ctx); err != nil {
			return err
		}
	}
	open, err := w.tx.CancelOpenLines(ctx, w.Order.Number)
	if err != nil {
		return err
	}
	unmade := open
	for _, f := range w.free {
		n, err := w.takeOut(ctx, f)
		if err != nil {
			return fmt.Errorf("file %d: %w", f.Number, err)
		}
		unmade += n
	}
	waiting, err := w.tx.CancelWaiting(ctx, w.Order.Number)
	if err != nil {
		return err
	}
	w.Cancelled = unmade + waiting
	if w.Cancelled == 0 {
		return nil
	}
	if err := w.cancelLines(ctx); err != nil {
		return err
	}
	if err := w.tx.CountCancelled(ctx, &w.Order, unmade); err != nil {
		return err
	}
	slices.SortFunc(w.InFiles, func(a, b InFile) int { return cmp.Compare(a.File.Number, b.File.Number) })
	if err := w.record(ctx, "withdrawn"); err != nil {
		return err
	}
	for _, b := range w.voided {
		if err := w.closeBatch(ctx, w.tx, b); err != nil {
			return err
		}
	}
	return w.endOrder(ctx)
}

// cancelLines cancels the order lines of which every card was taken out of a file.
func (w *withdrawing) cancelLines(ctx context.Context) error {
	slices.SortFunc(w.units, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	for i := 0; i < len(w.units); {
		run := w.units[i]
		for i++; i < len(w.units) && w.units[i].first == run.last+1; i++ {
			run.last = w.units[i].last
		}
		if err := w.tx.CancelPlannedLines(ctx, w.Order.Number, run.first, run.last); err != nil {
			return err
		}
	}
	return nil
}

// endOrder moves the order on to where what is left of it stands.
func (w *withdrawing) endOrder(ctx context.Context) error {
	fates, err := w.tx.RecountFates(ctx, w.Order)
	if err != nil {
		return err
	}
	if fates.Cancelled == fates.Requested && w.Order.State.To(card.OrderCancelled) == nil {
		if err := w.tx.SettleFates(ctx, &w.Order, fates); err != nil {
			return err
		}
		if err := w.tx.MoveOrder(ctx, &w.Order, card.OrderCancelled); err != nil {
			return err
		}
		return w.record(ctx, card.OrderCancelled.String())
	}
	if w.Order.State == card.OrderOpen {
		if err := w.tx.MoveOrder(ctx, &w.Order, card.OrderLocked); err != nil {
			return err
		}
	}
	sent := slices.ContainsFunc(w.InFiles, func(f InFile) bool { return f.File.State >= card.FileSent && f.File.State != card.FileInDoubt })
	if w.Order.State == card.OrderLocked && sent {
		if err := w.tx.MoveOrder(ctx, &w.Order, card.OrderInProduction); err != nil {
			return err
		}
	}
	if err := w.settleOrder(ctx, w.tx, w.Order.Number); err != nil {
		return err
	}
	w.Order, err = w.tx.OrderByNumber(ctx, w.Order.Institution, w.Order.Number)
	return err
}

// takeOut takes the order's lines out of a file that is not frozen, and lets the others move up, so that record numbers stay dense. It returns how many cards.
func (w *withdrawing) takeOut(ctx context.Context, f store.File) (int64, error) {
	old, err := w.tx.Slices(ctx, f.Number)
	if err != nil {
		return 0, err
	}
	if err := w.tx.InterruptFile(ctx, &f, 0); err != nil {
		return 0, err
	}
	cut := &cutting{withdrawing: w, file: &f}
	for _, s := range old {
		if err := cut.pass(ctx, s); err != nil {
			return 0, err
		}
	}
	if len(cut.gone) == 0 {
		return 0, w.isIn(ctx, f)
	}
	taken := f.Planned - cut.planned
	if err := w.tx.Replan(ctx, &f, cut.kept, cut.planned, cut.minted); err != nil {
		return 0, err
	}
	if err := w.recut(ctx, f, taken); err != nil {
		return 0, err
	}
	if err := w.takeOutMailers(ctx, f.Number, cut.gone); err != nil {
		return 0, err
	}
	return taken, w.isIn(ctx, f)
}

// recut records that lines were taken out of a file. One that is left without any is void, or goes to its bureau empty, as the bureau has it.
func (w *withdrawing) recut(ctx context.Context, f store.File, taken int64) error {
	data := map[string]any{"order": w.Order.ID.String(), "lines": taken, "left": f.Planned}
	if err := w.tx.Record(ctx, f.Institution, "file", f.Number, "withdrawn", data, w.Now()); err != nil {
		return err
	}
	if f.Planned > 0 {
		return nil
	}
	b, err := w.bureau(ctx, w.tx.Q, f.Institution, f.Bureau, f.BureauVersion)
	if err != nil || b.ZeroFile == programs.ZeroFileSend {
		return err
	}
	if err := w.tx.MoveFile(ctx, &f, card.FileCancelled, voidReason); err != nil {
		return err
	}
	w.voided = append(w.voided, f.Batch)
	w.Observe.FileMoved(card.FileCancelled)
	return w.tx.Record(ctx, f.Institution, "file", f.Number, card.FileCancelled.String(), map[string]any{"reason": voidReason}, w.Now())
}

// voidReason is why a file without lines ends.
const voidReason = "VOID: every line was cancelled"

// cutting goes through the slices of a file and makes those that are left.
type cutting struct {
	*withdrawing
	file    *store.File
	kept    []store.Slice
	gone    []span // lines, as they were numbered
	planned int64
	minted  int64
}

// pass takes a slice over, moved up, or leaves out what of it is of the order and may go.
func (c *cutting) pass(ctx context.Context, s store.Slice) error {
	minted := min(max(c.file.Minted-(s.FirstLine-1), 0), s.Quantity)
	stays := s.Quantity
	if c.owns(s) {
		var err error
		if stays, err = c.stays(ctx, s, minted); err != nil {
			return err
		}
	}
	if stays < s.Quantity {
		c.gone = append(c.gone, span{s.FirstLine + stays, s.FirstLine + s.Quantity - 1})
		c.units = append(c.units, span{s.FirstUnit + stays, s.FirstUnit + s.Quantity - 1})
	}
	if stays == 0 {
		return nil
	}
	moved := s
	moved.Quantity, moved.FirstLine = stays, c.planned+1
	if by := s.FirstLine - moved.FirstLine; by > 0 && (minted > 0 || s.Kind == store.AttachSlice) {
		if err := c.tx.ShiftLines(ctx, *c.file, s.FirstLine, s.FirstLine+stays-1, by); err != nil {
			return err
		}
	}
	c.kept = append(c.kept, moved)
	c.planned += stays
	c.minted += min(minted, stays)
	return nil
}

// stays tells how many lines of a slice of the order stay: those of card actions that were carried out, and of new cards that something has happened to already. Other
// cards that were made go.
func (c *cutting) stays(ctx context.Context, s store.Slice, minted int64) (int64, error) {
	if minted == 0 {
		return 0, nil
	}
	if s.Kind == store.ReissueSlice || formats.OrderKind(c.Order.Kind) == formats.ActionOrder {
		return minted, nil
	}
	first, err := card.NewID(s.Range, s.FirstSequence)
	if err != nil {
		return 0, err
	}
	last, err := card.NewID(s.Range, s.FirstSequence+minted-1)
	if err != nil {
		return 0, err
	}
	untouched, err := c.tx.LockNewCards(ctx, first, last)
	if err != nil || !untouched {
		return minted, err
	}
	return 0, c.tx.DropNewCards(ctx, first, last)
}

// takeOutMailers takes the PIN mailers of lines that left a card file out of their files. None was minted: mailers wait until their card file is frozen.
func (w *withdrawing) takeOutMailers(ctx context.Context, cardFile int64, gone []span) error {
	affected, err := w.tx.MailerFilesOf(ctx, cardFile)
	if err != nil {
		return err
	}
	for _, number := range affected {
		if err := w.recutMailers(ctx, number, cardFile, gone); err != nil {
			return err
		}
	}
	return nil
}

func (w *withdrawing) recutMailers(ctx context.Context, number, cardFile int64, gone []span) error {
	f, err := w.tx.LockFile(ctx, number)
	if err != nil {
		return err
	}
	old, err := w.tx.Slices(ctx, number)
	if err != nil {
		return err
	}
	var kept []store.Slice
	planned := int64(0)
	for _, s := range old {
		parts := []store.Slice{s}
		if s.Source == cardFile && s.Kind == store.MailerSlice {
			parts = without(s, gone)
		}
		for _, part := range parts {
			part.FirstLine = planned + 1
			planned += part.Quantity
			kept = append(kept, part)
		}
	}
	if err := w.tx.InterruptFile(ctx, &f, 0); err != nil {
		return err
	}
	taken := f.Planned - planned
	if err := w.tx.Replan(ctx, &f, kept, planned, f.Minted); err != nil {
		return err
	}
	if taken == 0 {
		return nil
	}
	return w.recut(ctx, f, taken)
}

// span is numbers that follow each other, from the first to the last.
type span struct{ first, last int64 }

// without is a mailer slice without the card-file lines that are gone; those behind them have moved up.
func without(s store.Slice, gone []span) []store.Slice {
	var parts []store.Slice
	line, end := s.FirstUnit, s.FirstUnit+s.Quantity
	up := int64(0)
	add := func(to int64) {
		if to > line {
			part := s
			part.FirstUnit, part.Quantity = line-up, to-line
			if n := len(parts); n > 0 && parts[n-1].FirstUnit+parts[n-1].Quantity == part.FirstUnit {
				parts[n-1].Quantity += part.Quantity
			} else {
				parts = append(parts, part)
			}
		}
	}
	for _, g := range gone {
		if g.first >= end {
			break
		}
		if g.last >= line {
			add(g.first)
			line = max(line, g.last+1)
		}
		up += g.last - g.first + 1
	}
	add(end)
	return parts
}
