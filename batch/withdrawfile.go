package batch

import (
	"context"

	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

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
	if by := s.FirstLine - moved.FirstLine; by > 0 && (minted > 0 || s.Kind == store.AttachSlice || s.Kind == store.InstantSlice) {
		if err := c.tx.ShiftLines(ctx, *c.file, s.FirstLine, s.FirstLine+stays-1, by); err != nil {
			return err
		}
	}
	c.kept = append(c.kept, moved)
	c.planned += stays
	c.minted += min(minted, stays)
	return nil
}

// stays tells how many lines of a slice of the order stay: those of card actions that were carried out, of cards that were made when they were ordered, and of new cards
// that something has happened to already. Other cards that were made go.
func (c *cutting) stays(ctx context.Context, s store.Slice, minted int64) (int64, error) {
	if s.Kind == store.InstantSlice {
		return s.Quantity, nil
	}
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
