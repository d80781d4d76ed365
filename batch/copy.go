package batch

import (
	"context"
	"errors"
	"fmt"
	"io"

	"platen/formats"
	"platen/sql/store"
)

// CopyFor renders a sealed file as an audience other than its bureau may see it, and writes it to w in clear: no tracks, codes, PIN blocks and chip data, and of card
// numbers six and four digits or nothing. Who took it stands in the file's history and in the audit log before the first byte.
func (p *Plant) CopyFor(ctx context.Context, number int64, a formats.Audience, w io.Writer, actor string) error {
	if a == formats.ForBureau {
		return errors.New("what its bureau sees is replayed, not copied")
	}
	j, err := p.openJob(ctx, number, 0)
	if err != nil {
		return err
	}
	if err := j.mayReplay(); err != nil {
		return err
	}
	data := map[string]any{"by": actor, "audience": a.String()}
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.Record(ctx, j.file.Institution, "file", number, "copied", data, p.Now()); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "file.copy", fmt.Sprint(number), data, p.Now())
	})
	if err != nil {
		return err
	}
	j.layout = j.layout.For(a)
	if err := j.render(ctx, w); err != nil {
		return fmt.Errorf("copy file %d for %s: %w", number, a, err)
	}
	return nil
}
