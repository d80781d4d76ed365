package batch

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/sql/store"
)

// Answer is what an operator decides about a file that no worker may decide about.
type Answer uint8

// The answers.
const (
	AnswerSent   Answer = iota + 1 // the bureau has it
	AnswerResend                   // it has not: the same bytes go again
	AnswerCancel                   // it will never be made: its lines wait for another file
)

// ErrNotUndecided says that a file does not wait for an operator.
var ErrNotUndecided = errors.New("only a file that is IN_DOUBT or REFUSED waits for an operator; one whose last try failed while it was made or sent can be cancelled")

// undecided tells whether a file waits for an operator's answer. One that cannot be made or sent, and whose lines are what they are, may be given up; so may not one
// that is on its way.
func undecided(f *store.File, answer Answer) bool {
	switch f.State {
	case card.FileInDoubt, card.FileRefused:
		return true
	case card.FileBuilding, card.FileReleased:
		return answer == AnswerCancel && f.Failures > 0 && f.Minted == f.Planned
	}
	return false
}

// Resolve carries out an operator's answer, with the reason and who gave it, in one transaction.
func (p *Plant) Resolve(ctx context.Context, number int64, answer Answer, reason, actor string) (store.File, error) {
	if err := checkDecision(reason); err != nil {
		return store.File{}, err
	}
	var f store.File
	err := p.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		if f, err = tx.LockFile(ctx, number); err != nil {
			return err
		}
		if !undecided(&f, answer) {
			return fmt.Errorf("file %d is %s: %w", number, f.State, ErrNotUndecided)
		}
		if err := tx.TakeFile(ctx, &f); err != nil {
			return err
		}
		if err := p.resolve(ctx, tx, &f, answer, reason); err != nil {
			return err
		}
		data := map[string]any{"by": actor, "reason": reason}
		if err := tx.Record(ctx, f.Institution, "file", number, f.State.String(), data, p.Now()); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "file.resolve", fmt.Sprint(number), map[string]any{"state": f.State.String(), "reason": reason}, p.Now())
	})
	if err != nil {
		return f, fmt.Errorf("resolve file %d: %w", number, err)
	}
	p.Observe.FileMoved(f.State)
	p.Wake()
	return f, nil
}

func (p *Plant) resolve(ctx context.Context, tx *store.Tx, f *store.File, answer Answer, reason string) error {
	switch answer {
	case AnswerSent:
		if err := tx.MoveFile(ctx, f, card.FileSent, reason); err != nil {
			return err
		}
		if err := tx.StampFile(ctx, f.Number, store.SentAt, p.Now()); err != nil {
			return err
		}
		return p.afterSent(ctx, tx, f)
	case AnswerResend:
		return tx.MoveFile(ctx, f, card.FileReleased, reason)
	case AnswerCancel:
		if err := tx.MoveFile(ctx, f, card.FileCancelled, reason); err != nil {
			return err
		}
		if err := p.reopenLines(ctx, tx, f); err != nil {
			return err
		}
		return p.closeBatch(ctx, tx, f.Batch)
	}
	return fmt.Errorf("unknown answer %d", answer)
}

// reopenLines gives every card or PIN mailer of a cancelled file a new issue or attempt that waits for the next file. The old lines stay as evidence.
func (p *Plant) reopenLines(ctx context.Context, tx *store.Tx, f *store.File) error {
	all := store.Lines{First: 1, Last: f.Planned}
	lines, err := tx.FileLines(ctx, *f, all)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if l.State != card.IssueFollowsFile {
			return fmt.Errorf("the bureau has reported line %d already: a file that it works on cannot be cancelled", l.Line)
		}
	}
	if err := tx.MoveLines(ctx, *f, all, card.IssueFollowsFile, card.IssueCancelled); err != nil {
		return err
	}
	for i := range lines {
		if err := p.remake(ctx, tx, f, lines[i]); err != nil {
			return err
		}
	}
	return nil
}
