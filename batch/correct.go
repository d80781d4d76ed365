package batch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// correctionLimit is how many rows one correction may bring: it is one transaction.
const correctionLimit = 100_000

// Correct takes corrected rows back into an order. Each row says by its line which refused row it replaces; good ones join the order at its next cut-off, bad ones
// keep waiting with their new faults. The whole correction is one transaction, and the same content again answers the first result.
func (p *Plant) Correct(ctx context.Context, i store.Institution, id uuid.UUID, body io.Reader, open func(io.Reader) (Rows, error), actor string) (Receipt, error) {
	o, err := p.Store.Order(ctx, i.ID, id)
	if err != nil {
		return Receipt{}, err
	}
	if o.State == card.OrderReceived {
		return Receipt{}, ErrInFlight
	}
	if o.WasCancelled() {
		return Receipt{}, fmt.Errorf("order %s: %w", o.Reference, ErrCancelled)
	}
	sum := sha256.New()
	tee := io.TeeReader(body, sum)
	rows, err := open(tee)
	if err != nil {
		return Receipt{}, err
	}
	if int(rows.Kind()) != o.Kind {
		return Receipt{}, fmt.Errorf("order %s is a %s order, the correction is of a %s order: %w", o.Reference, formats.OrderKind(o.Kind), rows.Kind(), ErrOtherKind)
	}
	in, err := p.newIntake(ctx, i, rows.Kind(), o)
	if err != nil {
		return Receipt{}, err
	}
	in.units = o.Requested
	if err := in.readCorrections(ctx, rows); err != nil {
		return Receipt{}, err
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return Receipt{}, fmt.Errorf("read the correction to its end: %w", err)
	}
	known, found, err := p.Store.Correction(ctx, o.Number, sum.Sum(nil))
	if err != nil {
		return Receipt{}, err
	}
	if !found {
		if err := p.storeCorrection(ctx, in, o, sum.Sum(nil), actor); err != nil {
			return Receipt{}, err
		}
	}
	if o, err = p.Store.OrderByNumber(ctx, i.ID, o.Number); err != nil {
		return Receipt{}, err
	}
	r, err := p.receipt(ctx, i, o, found)
	if found {
		r.Refused = known.Refused
	}
	return r, err
}

func (in *intake) readCorrections(ctx context.Context, rows Rows) error {
	for {
		row, faults, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := in.take(ctx, row, faults); err != nil {
			return err
		}
		if len(in.lines)+len(in.bad) > correctionLimit {
			return fmt.Errorf("at most %d rows: %w", correctionLimit, ErrTooManyRows)
		}
	}
	if len(in.lines)+len(in.bad) == 0 {
		return ErrNoRows
	}
	return nil
}

func (p *Plant) storeCorrection(ctx context.Context, in *intake, o store.Order, fingerprint []byte, actor string) error {
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		locked, err := tx.LockOrder(ctx, o.Number)
		if err != nil {
			return err
		}
		if _, lost, err := in.oneAtATime(ctx, tx, in.gathered); err != nil || len(lost) > 0 {
			return errors.Join(err, errTaken(lost))
		}
		if locked.WasCancelled() {
			return fmt.Errorf("order %s: %w", o.Reference, ErrCancelled)
		}
		added, cards, err := p.takeBack(ctx, tx, in, &locked)
		if err != nil {
			return err
		}
		for i := range in.bad {
			if err := tx.ChangeFaults(ctx, in.bad[i]); err != nil {
				return notWaiting(err, in.bad[i].SourceLine)
			}
		}
		if err := tx.InsertLines(ctx, added); err != nil {
			return err
		}
		if err := tx.AddRequested(ctx, &locked, cards, int64(len(added))); err != nil {
			return err
		}
		c := store.Correction{Order: o.Number, Fingerprint: fingerprint, Accepted: int64(len(in.lines)), Refused: int64(len(in.bad))}
		if err := tx.InsertCorrection(ctx, c); err != nil {
			return err
		}
		if len(added) > 0 && locked.State.To(card.OrderOpen) == nil {
			if err := tx.MoveOrder(ctx, &locked, card.OrderOpen); err != nil {
				return err
			}
		}
		data := map[string]any{"accepted": c.Accepted, "cards": cards, "refused": c.Refused, "by": actor}
		return tx.Record(ctx, o.Institution, "order", o.Number, "corrected", data, p.Now())
	})
	if err != nil {
		return fmt.Errorf("correct order %s: %w", o.Reference, err)
	}
	return nil
}

// takeBack takes corrected rows out of the waiting list. Rows that intake had refused join the order as new lines; a row whose card a bureau refused to make
// gives that card a new issue.
func (p *Plant) takeBack(ctx context.Context, tx *store.Tx, in *intake, o *store.Order) (added []store.OrderLine, cards int64, err error) {
	for i := range in.lines {
		line := in.lines[i]
		row, err := tx.RefusedRow(ctx, o.Number, line.SourceLine)
		if err != nil {
			return nil, 0, notWaiting(err, line.SourceLine)
		}
		byBureau, err := refusedByBureau(row)
		if err != nil {
			return nil, 0, err
		}
		if err := tx.MarkCorrected(ctx, o.Number, line.SourceLine); err != nil {
			return nil, 0, notWaiting(err, line.SourceLine)
		}
		if !byBureau {
			added, cards = append(added, line), cards+line.Quantity
			continue
		}
		if err := p.remakeCorrected(ctx, tx, in.inst, o, line); err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", line.SourceLine, err)
		}
		if err := p.reopen(ctx, tx, o.Number, "a rejected card was corrected"); err != nil {
			return nil, 0, err
		}
		if *o, err = tx.LockOrder(ctx, o.Number); err != nil {
			return nil, 0, err
		}
	}
	return added, cards, nil
}

// Errors of corrections that a caller answers differently.
var (
	ErrNotWaiting  = errors.New("is not waiting for a correction")
	ErrOtherKind   = errors.New("the columns belong to another kind of order")
	ErrTooManyRows = errors.New("one correction cannot bring this many rows")
)

func notWaiting(err error, line int64) error {
	if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("line %d %w", line, ErrNotWaiting)
	}
	return err
}

// errTaken refuses a correction whole when other orders took its cards meanwhile: submitted again, it is checked again.
func errTaken(lost []store.RefusedRow) error {
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("line %d: another order took this card at the same time; submit the correction again", lost[0].SourceLine)
}
