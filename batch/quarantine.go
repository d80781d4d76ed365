package batch

import (
	"context"
	"errors"
	"fmt"
	"io"

	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/sql/store"
)

// answerContent is a return file's content as its layout reads it: opened and proved where the bureau seals its answers.
type answerContent struct {
	io.Reader
	raw *rawContent
}

// rawContent remembers why our own database stopped giving bytes, so that this is never taken for the bureau's fault.
type rawContent struct {
	from io.Reader
	err  error
}

func (r *rawContent) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// content begins the return file's content.
func (a *application) content(ctx context.Context) (*answerContent, error) {
	c := &answerContent{raw: &rawContent{from: a.RawReturn(ctx, a.returning.Number)}}
	if c.Reader = c.raw; !a.bureau.PGP.SealedReturns || a.returning.Pretended {
		return c, nil
	}
	own, err := a.ResolveKey(a.bureau.PGP.SignerFile)
	if err != nil {
		return c, fmt.Errorf("our key for bureau %s: %w", a.bureau.Code, err)
	}
	sender, err := a.ResolveKey(a.bureau.PGP.RecipientFile)
	if err != nil {
		return c, fmt.Errorf("PGP key of bureau %s: %w", a.bureau.Code, err)
	}
	opener, err := delivery.NewOpener(own.Reveal(), sender.Reveal())
	if err != nil {
		return c, fmt.Errorf("PGP keys for bureau %s: %w", a.bureau.Code, err)
	}
	c.Reader, err = opener.Open(c.raw)
	return c, err
}

// fault is err where the file itself is to blame for it, and nil where we are.
func (c *answerContent) fault(err error) error {
	var form *formats.ReadError
	if c.raw.err == nil && (errors.As(err, &form) || errors.Is(err, delivery.ErrNotOpened) || errors.Is(err, delivery.ErrPGPSigning)) {
		return err
	}
	return nil
}

// applyQuarantined applies the lines that waited for a person, now that a person has said so; what still cannot be applied waits on.
func (a *application) applyQuarantined(ctx context.Context) error {
	waiting, err := a.Store.QuarantinedLines(ctx, a.returning.Number)
	if err != nil {
		return err
	}
	wanted := make(map[int64]bool, len(waiting))
	for _, l := range waiting {
		wanted[l.Line] = true
	}
	return a.eachChunk(ctx, func(line int64) bool { return wanted[line] }, func(ctx context.Context, tx *store.Tx, lines []store.ReturnLine, moved *store.ReturnFile) error {
		for i := range lines {
			if err := tx.SettleReturnLine(ctx, lines[i]); err != nil {
				return err
			}
			moved.Quarantined--
			moved.Count(lines[i].Outcome)
		}
		return tx.RecountReturn(ctx, moved)
	})
}

// ErrNotQuarantined says that nothing of a return file waits for a person.
var ErrNotQuarantined = errors.New("nothing of this return file waits for a decision")

// RequeueReturn puts a quarantined return file, or the quarantined lines of one that was applied, back to work: what stood in the way is put right.
func (p *Plant) RequeueReturn(ctx context.Context, i store.Institution, number int64, reason, actor string) (store.ReturnFile, error) {
	return p.decideReturn(ctx, i, number, "return.requeue", reason, actor, func(tx *store.Tx, r *store.ReturnFile) error {
		next := card.ReturnStored
		if r.State == card.ReturnPartlyApplied {
			if r.Quarantined == 0 {
				return fmt.Errorf("its lines were refused for good; let the bureau say it again in a new file: %w", ErrNotQuarantined)
			}
			next = card.ReturnApplying
		}
		return tx.MoveReturn(ctx, r, next, reason)
	})
}

// DiscardReturn gives up a quarantined return file, or rejects the quarantined lines of one that was applied: nothing of it will ever count. It also settles the lines that
// were refused: a person knows of them.
func (p *Plant) DiscardReturn(ctx context.Context, i store.Institution, number int64, reason, actor string) (store.ReturnFile, error) {
	return p.decideReturn(ctx, i, number, "return.discard", reason, actor, func(tx *store.Tx, r *store.ReturnFile) error {
		if r.State == card.ReturnQuarantined {
			return tx.MoveReturn(ctx, r, card.ReturnDiscarded, reason)
		}
		waiting, err := tx.QuarantinedLines(ctx, number)
		if err != nil {
			return err
		}
		for _, l := range waiting {
			l.Outcome, l.Reason = store.LineRejected, "discarded"
			if err := tx.SettleReturnLine(ctx, l); err != nil {
				return err
			}
			r.Quarantined--
			r.Count(l.Outcome)
		}
		return errors.Join(tx.RecountReturn(ctx, r), tx.SettleReturn(ctx, r))
	})
}

// decideReturn carries out what a person decided about a return file, with the reason and who gave it, in one transaction.
func (p *Plant) decideReturn(ctx context.Context, i store.Institution, number int64, action, reason, actor string, decide func(*store.Tx, *store.ReturnFile) error) (store.ReturnFile, error) {
	if err := checkDecision(reason); err != nil {
		return store.ReturnFile{}, err
	}
	var r store.ReturnFile
	err := p.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		if r, err = tx.LockReturn(ctx, number); err != nil {
			return err
		}
		switch {
		case r.Institution != i.ID:
			return store.ErrNotFound
		case r.State != card.ReturnQuarantined && (r.State != card.ReturnPartlyApplied || !r.Waits()):
			return fmt.Errorf("it is %s: %w", r.State, ErrNotQuarantined)
		}
		if err := decide(tx, &r); err != nil {
			return err
		}
		data := map[string]any{"by": actor, "reason": reason, "state": r.State.String()}
		if err := tx.Record(ctx, r.Institution, "return", number, action, data, p.Now()); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, action, fmt.Sprint(number), data, p.Now())
	})
	if err != nil {
		return r, fmt.Errorf("return file %d: %w", number, err)
	}
	p.Wake()
	return r, nil
}
