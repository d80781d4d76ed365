package batch

import (
	"context"
	"errors"

	"platen/sql/store"
)

// deadIntake is after how many seconds of silence an intake whose client never came back is taken away.
const deadIntake = 15 * 60

// AbandonDead removes orders whose intake died and was never repeated: nobody was answered for them, and their lines would keep cards busy. Raising the epoch
// first makes sure that an intake that was only paused writes nothing more.
func (p *Plant) AbandonDead(ctx context.Context) error {
	dead, err := p.Store.DeadIntakes(ctx, deadIntake)
	if err != nil {
		return err
	}
	for _, o := range dead {
		err := p.Store.InTx(ctx, func(tx *store.Tx) error {
			taken, err := tx.TakeOverIntake(ctx, o, intakeLease)
			if err != nil {
				return err
			}
			return tx.AbandonIntake(ctx, taken)
		})
		if err != nil && !errors.Is(err, store.ErrFenced) {
			return err
		}
		p.Log.Warn().Str("order", o.Reference).Msg("an intake that died long ago was taken away; nobody was answered for it")
	}
	return nil
}
