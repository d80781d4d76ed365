package batch

import (
	"context"
	"errors"
	"fmt"

	"platen/programs"
	"platen/sql/store"
)

// File numbers and the sequences of a bureau's files stand in the high-water ledger like card numbers: a database that was restored must not give a bureau
// the same file name twice.

// ErrFilesHeld says that the ledger knows files that the database does not.
var ErrFilesHeld = errors.New("the database was restored from a backup; run `platen file advance`")

const fileLedger = "file"

func sequenceLedger(institution, bureau string) string {
	return "sequence/" + institution + "/" + bureau
}

// remember adds a block to what the ledger is told, joined to the one before when it continues it.
func (pl *planner) remember(r Reservation) {
	if n := len(pl.blocks); n > 0 {
		if last := &pl.blocks[n-1]; last.Range == r.Range && last.First+last.Quantity == r.First {
			last.Quantity += r.Quantity
			return
		}
	}
	pl.blocks = append(pl.blocks, r)
}

// take gives the next number of a counter that the ledger watches. Numbers that were certainly used and are unknown here stop the plan. A number whose plan
// died before its commit is given again, so that a bureau's sequence has no gap: no byte of a file leaves before its numbers are marked as done.
func (pl *planner) take(ctx context.Context, counter, ledger string) (int64, error) {
	value, err := pl.tx.Counter(ctx, counter)
	if err != nil {
		return 0, err
	}
	if m := pl.marks[ledger]; value < m.done {
		return 0, fmt.Errorf("%s: the ledger knows numbers up to %d, the database only up to %d: %w", ledger, m.done, value, ErrFilesHeld)
	}
	n, err := pl.tx.Next(ctx, counter)
	if err != nil {
		return 0, err
	}
	pl.remember(Reservation{Range: ledger, First: n - 1, Quantity: 1})
	return n, nil
}

// markUsed writes a file's numbers as done before its first byte leaves, whoever planned it.
func (j *job) markUsed() error {
	return j.Ledger.Done([]Reservation{{Range: fileLedger, First: j.file.Number - 1, Quantity: 1},
		{Range: sequenceLedger(j.inst.Code, j.file.BureauCode), First: j.file.Sequence - 1, Quantity: 1}})
}

// AdvanceFiles moves the counters of files and of every bureau's sequence past everything that the ledger knows.
func (p *Plant) AdvanceFiles(ctx context.Context, i store.Institution, actor string) error {
	marks, err := p.Ledger.marks()
	if err != nil {
		return err
	}
	bureaus, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return err
	}
	return p.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RaiseCounter(ctx, store.FileCounter, marks[fileLedger].done); err != nil {
			return err
		}
		data := map[string]any{"file": marks[fileLedger].done}
		for _, b := range sortedEntries(bureaus) {
			high := marks[sequenceLedger(i.Code, b.code)].done
			if err := tx.RaiseCounter(ctx, store.SequenceCounter(b.number), high); err != nil {
				return err
			}
			data["sequence "+b.code] = high
		}
		return tx.Audit(ctx, actor, "file.advance", i.Code, data, p.Now())
	})
}
