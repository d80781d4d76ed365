package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"platen/card"
	"platen/delivery"
	"platen/sql/store"
)

// Errors of replaying and sending again.
var (
	ErrPurged     = errors.New("its data were purged: it cannot be made again")
	ErrNotSent    = errors.New("only a file that has left is sent again; one that is IN_DOUBT or REFUSED is resolved")
	ErrHeld       = errors.New("somebody works on this file right now")
	ErrOtherBytes = errors.New("the file rendered to other bytes than it was sealed with")
)

// DuplicateName is the name under which a file travels the n-th time after the first: its bureau sees that it is a duplicate, and the first is never touched.
func DuplicateName(name string, n int) string {
	ending := path.Ext(name)
	return fmt.Sprintf("%s_DUPLICATE%d%s", strings.TrimSuffix(name, ending), n, ending)
}

// Resend sends a file that has left once more, because a person says so: the same plaintext, and while it is spooled the same ciphertext, under a duplicate's name. The
// file's own state and counts stay as they are. It returns the name. A duplicate whose delivery broke is looked for first; one that is in doubt is left behind and the next name taken.
func (p *Plant) Resend(ctx context.Context, number int64, reason, actor string) (string, delivery.Receipt, error) {
	if err := checkDecision(reason); err != nil {
		return "", delivery.Receipt{}, err
	}
	var epoch int64
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		f, err := tx.LockFile(ctx, number)
		if err != nil {
			return err
		}
		if err := mayResend(f); err != nil {
			return err
		}
		var claimed bool
		if epoch, claimed, err = tx.ClaimFile(ctx, number, Lease); err == nil && !claimed {
			err = ErrHeld
		}
		return err
	})
	if err != nil {
		return "", delivery.Receipt{}, fmt.Errorf("send file %d again: %w", number, err)
	}
	j, err := p.openJob(ctx, number, epoch)
	if err != nil {
		return "", delivery.Receipt{}, err
	}
	stop := j.keepLease(ctx)
	name, receipt, err := j.resend(ctx, reason, actor)
	if lost := stop(); lost != nil {
		err = errors.Join(err, lost)
	}
	if letGo := p.Store.InTx(context.WithoutCancel(ctx), func(tx *store.Tx) error { return tx.LetGo(ctx, &j.file, 0, false, "") }); letGo != nil {
		err = errors.Join(err, letGo)
	}
	if err != nil {
		err = fmt.Errorf("send file %d again: %w", number, err)
	}
	return name, receipt, err
}

func mayResend(f store.File) error {
	switch f.State {
	case card.FilePurged:
		return ErrPurged
	case card.FileSent, card.FileAcknowledged, card.FileReconciling, card.FileBalanced, card.FileClosed:
		return nil
	}
	return fmt.Errorf("it is %s: %w", f.State, ErrNotSent)
}

func (j *job) resend(ctx context.Context, reason, actor string) (name string, receipt delivery.Receipt, err error) {
	if j.at, err = j.bureauNow(ctx, j.file.Institution, j.file.BureauCode); err != nil {
		return "", receipt, err
	}
	j.bureau = j.at.value
	bureau, err := j.target(j.bureau)
	if err != nil {
		return "", receipt, err
	}
	t := j.travelling(bureau)
	if err := j.ensureSpool(ctx); err != nil {
		return "", receipt, err
	}
	number, done, err := j.settleCopies(ctx, t)
	if err != nil || done {
		return DuplicateName(j.file.Name, number), receipt, err
	}
	name = DuplicateName(j.file.Name, number)
	a, up, err := j.prepare(ctx, name)
	if err != nil {
		return name, receipt, err
	}
	a.Copy = number
	err = j.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		if a, err = tx.InsertAttempt(ctx, a); err != nil {
			return err
		}
		data := map[string]any{"by": actor, "reason": reason, "name": name}
		if err := tx.Record(ctx, j.file.Institution, "file", j.file.Number, "resend", data, j.Now()); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "file.resend", fmt.Sprint(j.file.Number), data, j.Now())
	})
	if err != nil {
		return name, receipt, err
	}
	up.BeforeRename = j.beforeRename(&a)
	receipt, err = delivery.Send(ctx, t, up)
	return name, receipt, errors.Join(err, j.copyEnded(ctx, &a, receipt.Evidence, err), j.spoken(ctx, j.at, err))
}

// copyEnded records how the delivery of a duplicate ended. One that may have arrived stays open until it is looked for.
func (j *job) copyEnded(ctx context.Context, a *store.Attempt, evidence string, because error) error {
	ctx = context.WithoutCancel(ctx)
	if a.State == store.AttemptRenaming && because != nil && (delivery.IsInDoubt(because) || delivery.Code(because) == "") {
		return nil
	}
	return j.Store.InTx(ctx, func(tx *store.Tx) error {
		if because != nil {
			return tx.MoveAttempt(ctx, a, store.AttemptFailed, delivery.Code(because), because.Error(), j.Now())
		}
		if err := tx.MoveAttempt(ctx, a, store.AttemptDelivered, "", evidence, j.Now()); err != nil {
			return err
		}
		event := "resent"
		if a.Copy < 0 {
			event = "sidecar"
		}
		return tx.Record(ctx, j.file.Institution, "file", j.file.Number, event, map[string]any{"name": a.FinalName, "evidence": evidence}, j.Now())
	})
}

// settleCopies finds out what became of a duplicate whose delivery broke, and says which number is next. done: it had arrived.
func (j *job) settleCopies(ctx context.Context, t delivery.Target) (next int, done bool, err error) {
	if err := j.Store.InTx(ctx, func(tx *store.Tx) error { return tx.AdoptAttempts(ctx, j.file.Number, j.file.Epoch) }); err != nil {
		return 0, false, err
	}
	attempts, err := j.Store.Attempts(ctx, j.file.Number)
	if err != nil {
		return 0, false, err
	}
	next = 1
	for i := range attempts {
		a := &attempts[i]
		switch {
		case a.Copy <= 0 || a.State == store.AttemptFailed:
		case a.State == store.AttemptDelivered || a.State == store.AttemptInDoubt:
			next = a.Copy + 1
		default:
			a.Epoch = j.file.Epoch
			if next, done, err = j.settleCopy(ctx, t, a); err != nil || done {
				return next, done, err
			}
		}
	}
	return next, false, nil
}

func (j *job) settleCopy(ctx context.Context, t delivery.Target, a *store.Attempt) (next int, done bool, err error) {
	found, err := delivery.Probe(ctx, t, a.FinalName, []int64{a.CiphertextBytes}, []string{a.TempName})
	if err := errors.Join(err, j.spoken(ctx, j.at, err)); err != nil {
		return 0, false, err
	}
	switch {
	case found.AtFinal || found.Archived:
		return a.Copy, true, j.copyEnded(ctx, a, "found at the bureau by a probe", nil)
	case a.State == store.AttemptRenaming && !found.TempsDeleted:
		return a.Copy + 1, false, j.Store.InTx(ctx, func(tx *store.Tx) error {
			return tx.MoveAttempt(ctx, a, store.AttemptInDoubt, "in_doubt", "neither temporary nor final name holds the file", j.Now())
		})
	}
	return a.Copy, false, j.Store.InTx(ctx, func(tx *store.Tx) error {
		return tx.MoveAttempt(ctx, a, store.AttemptFailed, "cut_off", "proved not delivered", j.Now())
	})
}

// ReplayForm says in which form a replayed file is written.
type ReplayForm uint8

// The forms.
const (
	ReplaySealed  ReplayForm = iota + 1 // encrypted to its bureau and signed, as it travels
	ReplayInClear                       // as its bureau reads it: card data in clear
)

// ReplayTo renders a sealed file again, writes it to w, and fails with ErrOtherBytes when its plaintext's hash is not the one it was sealed with: what was written is of no
// use then. Who took a copy, in which form and why, stands in the file's history and in the audit log before the first byte.
func (p *Plant) ReplayTo(ctx context.Context, number int64, w io.Writer, form ReplayForm, reason, actor string) error {
	if err := checkDecision(reason); err != nil {
		return err
	}
	j, err := p.openJob(ctx, number, 0)
	if err != nil {
		return err
	}
	if err := j.mayReplay(); err != nil {
		return err
	}
	out := io.WriteCloser(openEnd{w})
	if form == ReplaySealed {
		sealer, err := j.sealer()
		if err != nil {
			return err
		}
		if out, err = sealer.Seal(w); err != nil {
			return err
		}
	}
	data := map[string]any{"by": actor, "reason": reason, "in_clear": form == ReplayInClear}
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.Record(ctx, j.file.Institution, "file", number, "replayed", data, p.Now()); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "file.replay", fmt.Sprint(number), data, p.Now())
	})
	if err != nil {
		return err
	}
	plain := &tally{hash: sha256.New()}
	if err := j.render(ctx, io.MultiWriter(plain, out)); err != nil {
		return fmt.Errorf("replay file %d: %w", number, err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("replay file %d: %w", number, err)
	}
	if !bytes.Equal(plain.hash.Sum(nil), j.file.PlaintextSHA) {
		return fmt.Errorf("replay file %d: %w", number, ErrOtherBytes)
	}
	return nil
}

// mayReplay refuses files that were not sealed yet, or whose data are gone.
func (j *job) mayReplay() error {
	switch {
	case j.file.State == card.FilePurged:
		return fmt.Errorf("file %d: %w", j.file.Number, ErrPurged)
	case j.file.PlaintextSHA == nil:
		return fmt.Errorf("file %d is %s: it was not sealed yet", j.file.Number, j.file.State)
	}
	return nil
}
