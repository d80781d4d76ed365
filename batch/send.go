package batch

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"platen/card"
	"platen/delivery"
	"platen/sql/store"
)

// Send delivers a released file whole or not at all, and never twice: an attempt is on record before the first byte, and again just before the rename. After a
// break every earlier temporary file is deleted first; where the outcome cannot be known the file is IN_DOUBT and waits for the bureau's ack or a person.
func (p *Plant) Send(ctx context.Context, number, epoch int64) error {
	j, err := p.openJob(ctx, number, epoch)
	if err != nil {
		return err
	}
	if j.at, err = p.bureauNow(ctx, j.file.Institution, j.file.BureauCode); err != nil {
		return j.letGo(ctx, err)
	}
	j.bureau = j.at.value
	stop := j.keepLease(ctx)
	err = j.send(ctx)
	if lost := stop(); lost != nil {
		err = errors.Join(err, lost)
	}
	return j.letGo(ctx, err)
}

func (j *job) send(ctx context.Context) error {
	if j.bureau.StrictOrder {
		if err := j.waitForEarlier(ctx); err != nil {
			return err
		}
	}
	bureau, err := j.target(j.bureau)
	if err != nil {
		return err
	}
	t := j.travelling(bureau)
	if j.file.State == card.FileSending {
		if settled, err := j.settle(ctx, t); err != nil || settled {
			return err
		}
	}
	if j.file.State != card.FileReleased {
		return nil
	}
	if err := j.ensureSpool(ctx); err != nil {
		return err
	}
	if err := j.sendSidecars(ctx, bureau); err != nil {
		return err
	}
	return j.attempt(ctx, t)
}

// waitForEarlier holds a file back until every file of a lower sequence at the bureau has left.
func (j *job) waitForEarlier(ctx context.Context) error {
	n, err := j.Store.UnsentBefore(ctx, j.file.Bureau, j.file.Sequence)
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%d earlier files for bureau %s go first: %w", n, j.file.BureauCode, ErrNotYet)
	}
	return nil
}

// ensureSpool makes the ciphertext again where this machine's spool lacks it: the plaintext must hash as it was sealed.
func (j *job) ensureSpool(ctx context.Context) error {
	if j.bureau.PGP.Plaintext {
		return j.inClear(ctx)
	}
	ok, err := spoolHolds(j.Spool, j.file.Spool, *j.file.CiphertextBytes, j.file.CiphertextSHA)
	if err != nil || ok {
		return err
	}
	made, err := j.makeSpool(ctx)
	if err != nil {
		return fmt.Errorf("spool file %d again: %w", j.file.Number, err)
	}
	if !bytes.Equal(made.plaintext, j.file.PlaintextSHA) {
		return fmt.Errorf("file %d rendered to other bytes than it was sealed with", j.file.Number)
	}
	j.file.CiphertextSHA, j.file.CiphertextBytes, j.file.Spool = made.ciphertext, &made.ciphertextBytes, made.name
	return j.Store.InTx(ctx, func(tx *store.Tx) error { return tx.Respool(ctx, &j.file) })
}

// attempt is one try, with its evidence.
func (j *job) attempt(ctx context.Context, t delivery.Target) error {
	a, up, err := j.prepare(ctx, j.file.Name)
	if err != nil {
		return err
	}
	err = j.move(ctx, card.FileSending, "", func(tx *store.Tx) error {
		a, err = tx.InsertAttempt(ctx, a)
		return err
	})
	if err != nil {
		return err
	}
	up.BeforeRename = j.beforeRename(&a)
	receipt, err := delivery.Send(ctx, t, up)
	spoken := j.spoken(ctx, j.at, err)
	if err != nil {
		return errors.Join(j.failed(ctx, &a, err), spoken)
	}
	if spoken != nil {
		j.Log.Warn().Err(spoken).Str("bureau", j.file.BureauCode).Msg("that a bureau was reached could not be recorded")
	}
	return j.delivered(ctx, &a, receipt.Evidence)
}

// prepare makes an attempt and its upload, under a temporary name of its own.
func (j *job) prepare(ctx context.Context, finalName string) (store.Attempt, delivery.Upload, error) {
	a := store.Attempt{File: j.file.Number, Epoch: j.file.Epoch, FinalName: finalName, CiphertextSHA: j.file.CiphertextSHA, CiphertextBytes: *j.file.CiphertextBytes, StartedAt: j.Now()}
	if err := j.markUsed(); err != nil {
		return a, delivery.Upload{}, err
	}
	earlier, err := j.Store.Attempts(ctx, j.file.Number)
	if err != nil {
		return a, delivery.Upload{}, err
	}
	if a.TempName, err = tempName(finalName, j.transfer().TempSuffix); err != nil {
		return a, delivery.Upload{}, err
	}
	up := delivery.Upload{FinalName: finalName, TempName: a.TempName, Size: a.CiphertextBytes, Open: func() (io.ReadCloser, error) { return j.open(ctx) }}
	copy(up.SHA256[:], a.CiphertextSHA)
	for _, e := range earlier {
		if e.FinalName == finalName {
			up.EarlierTemps = append(up.EarlierTemps, e.TempName)
		}
	}
	return a, up, nil
}

// beforeRename records that from now on an attempt's outcome may be in doubt.
func (j *job) beforeRename(a *store.Attempt) func(context.Context) error {
	return func(ctx context.Context) error {
		return j.Store.InTx(ctx, func(tx *store.Tx) error { return tx.MoveAttempt(ctx, a, store.AttemptRenaming, "", "", j.Now()) })
	}
}

// open begins the bytes that go to the bureau.
func (j *job) open(ctx context.Context) (io.ReadCloser, error) {
	if j.file.Spool == "" {
		return j.rendered(ctx), nil
	}
	return os.Open(filepath.Join(j.Spool, j.file.Spool))
}

func tempName(finalName, suffix string) (string, error) {
	var b [6]byte
	// The name must be new for every try, so it does not come from the seeded source.
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("name a temporary file: %w", err)
	}
	return delivery.TempName(finalName, hex.EncodeToString(b[:]), suffix)
}

func (j *job) delivered(ctx context.Context, a *store.Attempt, evidence string) error {
	err := j.move(ctx, card.FileSent, "", func(tx *store.Tx) error {
		if err := tx.MoveAttempt(ctx, a, store.AttemptDelivered, "", evidence, j.Now()); err != nil {
			return err
		}
		if err := tx.StampFile(ctx, j.file.Number, store.SentAt, j.Now()); err != nil {
			return err
		}
		return j.afterSent(ctx, tx, &j.file)
	})
	j.Observe.Delivered(j.file.BureauCode, err == nil)
	return err
}

// failed records an attempt that is proved not delivered. One that may have arrived stays open: the next claim settles it by a probe.
func (j *job) failed(ctx context.Context, a *store.Attempt, because error) error {
	if errors.Is(because, store.ErrFenced) {
		return because
	}
	ctx = context.WithoutCancel(ctx)
	j.Observe.Delivered(j.file.BureauCode, false)
	if a.State == store.AttemptRenaming && (delivery.IsInDoubt(because) || delivery.Code(because) == "") {
		return because
	}
	err := j.move(ctx, card.FileReleased, because.Error(), func(tx *store.Tx) error {
		return tx.MoveAttempt(ctx, a, store.AttemptFailed, delivery.Code(because), because.Error(), j.Now())
	})
	return errors.Join(because, err)
}

// settle finds out what became of the attempts that a worker which died left open. Their temporary files are deleted first: a deleted one can no longer be renamed.
func (j *job) settle(ctx context.Context, t delivery.Target) (bool, error) {
	if err := j.Store.InTx(ctx, func(tx *store.Tx) error { return tx.AdoptAttempts(ctx, j.file.Number, j.file.Epoch) }); err != nil {
		return false, err
	}
	attempts, err := j.Store.Attempts(ctx, j.file.Number)
	if err != nil {
		return false, err
	}
	var last *store.Attempt
	var temps []string
	var sizes []int64
	renaming := false
	for i := range attempts {
		a := &attempts[i]
		if a.Copy != 0 {
			continue
		}
		temps, sizes = append(temps, a.TempName), append(sizes, a.CiphertextBytes)
		if a.State == store.AttemptStarted || a.State == store.AttemptRenaming {
			last, renaming = a, renaming || a.State == store.AttemptRenaming
			last.Epoch = j.file.Epoch
		}
	}
	if last == nil {
		return false, fmt.Errorf("file %d is being sent but no attempt is open", j.file.Number)
	}
	found, err := delivery.Probe(ctx, t, j.file.Name, sizes, temps)
	if err := errors.Join(err, j.spoken(ctx, j.at, err)); err != nil {
		return false, fmt.Errorf("probe bureau %s: %w", j.file.BureauCode, err)
	}
	switch {
	case found.AtFinal || found.Archived:
		return true, j.delivered(ctx, last, "found at the bureau by a probe")
	case renaming && !found.TempsDeleted:
		j.Log.Error().Int64("file", j.file.Number).Str("bureau", j.file.BureauCode).Msg("delivery is in doubt: wait for the bureau's ack, or decide by hand")
		return true, j.move(ctx, card.FileInDoubt, "the connection broke while the file got its name, and the bureau shows neither name with our bytes", func(tx *store.Tx) error {
			return tx.MoveAttempt(ctx, last, store.AttemptInDoubt, "in_doubt", "neither temporary nor final name holds the file", j.Now())
		})
	}
	return false, j.move(ctx, card.FileReleased, "the attempt before was cut off; its temporary file is gone", func(tx *store.Tx) error {
		return tx.MoveAttempt(ctx, last, store.AttemptFailed, "cut_off", "proved not delivered", j.Now())
	})
}

// afterSent moves what depends on a file having left: its orders are in production, its batch may be done.
func (p *Plant) afterSent(ctx context.Context, tx *store.Tx, f *store.File) error {
	orders, err := tx.OrdersOfFile(ctx, f.Number)
	if err != nil {
		return err
	}
	for _, number := range orders {
		o, err := tx.LockOrder(ctx, number)
		if err != nil {
			return err
		}
		if o.State != card.OrderLocked {
			continue
		}
		if err := tx.MoveOrder(ctx, &o, card.OrderInProduction); err != nil {
			return err
		}
	}
	return p.closeBatch(ctx, tx, f.Batch)
}

// closeBatch ends a batch when its last file has left.
func (p *Plant) closeBatch(ctx context.Context, tx *store.Tx, number int64) error {
	b, err := tx.LockBatch(ctx, number)
	if err != nil || b.State != card.BatchRunning {
		return err
	}
	left, err := tx.UnsentOfBatch(ctx, b.Number)
	if err != nil || left > 0 {
		return err
	}
	next := card.BatchSucceeded
	if b.Exceptions != "" {
		next = card.BatchWithExceptions
	}
	if err := tx.MoveBatch(ctx, &b, next, b.Exceptions); err != nil {
		return err
	}
	return tx.Record(ctx, b.Institution, "batch", b.Number, next.String(), map[string]any{}, p.Now())
}
