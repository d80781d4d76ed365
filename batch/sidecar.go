package batch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"platen/delivery"
	"platen/formats"
	"platen/sql/store"
)

// Sidecars go to the bureau before the file that they belong to, so that whoever finds the file finds them. They are delivered like files, whole or not at all and never twice
// by themselves; one that is in doubt is left to people, and its file goes on.

// sendSidecars sends what goes along with the file and has not left yet.
func (j *job) sendSidecars(ctx context.Context, bureau delivery.Target) error {
	all, err := j.Store.Sidecars(ctx, j.file.Number)
	if err != nil || len(all) == 0 {
		return err
	}
	if err := j.Store.InTx(ctx, func(tx *store.Tx) error { return tx.AdoptAttempts(ctx, j.file.Number, j.file.Epoch) }); err != nil {
		return err
	}
	attempts, err := j.Store.Attempts(ctx, j.file.Number)
	if err != nil {
		return err
	}
	for _, s := range all {
		side, err := j.asSidecar(ctx, s)
		done := false
		if err == nil {
			done, err = j.settleSidecar(ctx, side.travelling(bureau), s, attempts)
		}
		if err == nil && !done {
			err = j.sendSidecar(ctx, side, side.travelling(bureau), s)
		}
		if err != nil {
			return fmt.Errorf("sidecar %s: %w", s.Name, err)
		}
	}
	return nil
}

// settleSidecar tells whether a sidecar has left, or may have.
func (j *job) settleSidecar(ctx context.Context, t delivery.Target, s store.Sidecar, attempts []store.Attempt) (done bool, err error) {
	for i := range attempts {
		a := &attempts[i]
		switch {
		case a.Copy != -s.Sidecar || a.State == store.AttemptFailed:
		case a.State == store.AttemptDelivered || a.State == store.AttemptInDoubt:
			done = true
		default:
			a.Epoch = j.file.Epoch
			if _, _, err := j.settleCopy(ctx, t, a); err != nil {
				return false, err
			}
			done = done || a.State != store.AttemptFailed
			if a.State == store.AttemptInDoubt {
				j.Log.Error().Int64("file", j.file.Number).Str("sidecar", s.Name).Msg("the delivery of a sidecar is in doubt: ask the bureau; it is not sent again")
			}
		}
	}
	return done, nil
}

// sendSidecar makes a sidecar and sends it, with its evidence.
func (j *job) sendSidecar(ctx context.Context, side *job, t delivery.Target, s store.Sidecar) error {
	made, err := side.makeSpool(ctx)
	if err != nil {
		return err
	}
	if want := side.details(); made.records != want {
		return fmt.Errorf("%d records were read back, %d are due", made.records, want)
	}
	side.file.CiphertextSHA, side.file.CiphertextBytes, side.file.Spool = made.ciphertext, &made.ciphertextBytes, made.name
	if made.name != "" {
		defer func() { _ = os.Remove(filepath.Join(j.Spool, made.name)) }() // one that stays is written over by the next try
	}
	a, up, err := side.prepare(ctx, s.Name)
	if err != nil {
		return err
	}
	a.Copy = -s.Sidecar
	err = j.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		a, err = tx.InsertAttempt(ctx, a)
		return err
	})
	if err != nil {
		return err
	}
	up.BeforeRename = j.beforeRename(&a)
	receipt, err := delivery.Send(ctx, t, up)
	return errors.Join(err, j.copyEnded(ctx, &a, receipt.Evidence, err), j.spoken(ctx, j.at, err))
}

// asSidecar is the job of rendering a sidecar in its file's place.
func (j *job) asSidecar(ctx context.Context, s store.Sidecar) (*job, error) {
	layout, err := j.Plant.layout(ctx, j.Store.Q, j.file.Institution, s.Layout, s.LayoutVersion)
	return &job{Plant: j.Plant, inst: j.inst, file: j.file, product: j.product, bureau: j.bureau, at: j.at, layout: layout, sidecar: s.Sidecar, press: j.press, names: j.names, ranges: j.ranges, zpkKCV: j.zpkKCV}, err
}

// sidecarPage fills records with what a sidecar may show of lines: no value that a card is made from but its number, which its layout can only mask, and
// of a PIN mailer not that.
func (j *job) sidecarPage(ctx context.Context, d *desk, rows []store.PrintRow, v views) (*formats.Part, error) {
	return j.appendRows(ctx, d, rows, func(r *formats.Record, i int) {
		r.SetString(formats.CardToken, v.tokens[i])
		if j.file.Purpose == store.CardPurpose {
			r.Set(formats.CardPAN, v.pans[i].Reveal())
			r.SetString(formats.CardPSN, rows[i].PSN.String())
			r.SetString(formats.CardRequest, requestOf(j.product, rows[i].Reason()))
		}
	})
}
