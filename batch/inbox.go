package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"platen/card"
	"platen/delivery"
	"platen/programs"
	"platen/sql/store"
)

// Limits of what a bureau may leave for us.
const (
	returnLimit  = 512 << 20
	returnChunk  = 1 << 20
	returnWindow = 60 // seconds of lease while a return file is applied
	returnPause  = 30 // seconds after which one that failed is tried again
)

// Poll looks into one bureau's outbox. A file is fetched when two looks in a row saw the same size and time; its raw bytes and hash are stored before
// anything is read from them. What is settled is moved to the bureau's archive. One bad file never blocks another.
func (p *Plant) Poll(ctx context.Context, i store.Institution, code string) error {
	b, err := p.bureauNow(ctx, i.ID, code)
	if err != nil {
		return err
	}
	var mine bool
	err = p.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		mine, err = tx.ClaimLook(ctx, b.number, b.version, p.LookDistance)
		return err
	})
	if err != nil || !mine {
		return err
	}
	t, err := p.target(b.value)
	if err != nil {
		return err
	}
	entries, err := delivery.List(ctx, t)
	if err := errors.Join(err, p.spoken(ctx, b, err)); err != nil {
		return fmt.Errorf("look into the outbox of bureau %s: %w", code, err)
	}
	pending, err := p.Store.PendingReturns(ctx, b.number)
	if err != nil {
		return err
	}
	in := &inbox{Plant: p, inst: i, bureau: b, target: t, known: map[string]store.ReturnFile{}, there: map[string]bool{}}
	for _, r := range pending {
		in.known[r.Name] = r
	}
	var faults []error
	for _, e := range entries {
		in.there[e.Name] = true
		err := in.look(ctx, e)
		if err != nil && in.overtaken(ctx, e.Name, err) {
			p.Log.Debug().Str("bureau", code).Err(err).Msg("another process was quicker with a return file")
		} else if err != nil {
			faults = append(faults, fmt.Errorf("return file of bureau %s: %w", code, err))
		}
	}
	faults = append(faults, in.gone(ctx, pending))
	return errors.Join(faults...)
}

type inbox struct {
	*Plant
	inst   store.Institution
	bureau entry[*programs.Bureau]
	target delivery.Target
	known  map[string]store.ReturnFile
	there  map[string]bool
}

// look advances one file that lies in the outbox by one step.
func (in *inbox) look(ctx context.Context, e delivery.Entry) error {
	r, ok := in.known[e.Name]
	if !ok {
		return in.detect(ctx, e)
	}
	switch r.State {
	case card.ReturnDetected:
		if !e.Ready && (r.Size != e.Size || r.Modified != e.ModTime.Unix()) {
			return in.Store.InTx(ctx, func(tx *store.Tx) error { return tx.SeenReturn(ctx, r.Number, e.Size, e.ModTime.Unix()) })
		}
		if err := in.Store.InTx(ctx, func(tx *store.Tx) error { return tx.MoveReturn(ctx, &r, card.ReturnStable, "") }); err != nil {
			return err
		}
		return in.fetch(ctx, r)
	case card.ReturnStable:
		return in.fetch(ctx, r)
	case card.ReturnApplied, card.ReturnPartlyApplied, card.ReturnQuarantined, card.ReturnDuplicate, card.ReturnDiscarded:
		if err := delivery.Archive(ctx, in.target, e.Name); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		return in.archived(ctx, r.Number)
	}
	return nil
}

// overtaken tells whether a look failed because another process was quicker: it has moved the file on in our books, or away at the bureau.
func (in *inbox) overtaken(ctx context.Context, name string, err error) bool {
	if errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrStale) || errors.Is(err, delivery.ErrOvertaken) {
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	entries, err := delivery.List(ctx, in.target)
	return err == nil && !slices.ContainsFunc(entries, func(e delivery.Entry) bool { return e.Name == name })
}

func (in *inbox) archived(ctx context.Context, number int64) error {
	return in.Store.InTx(ctx, func(tx *store.Tx) error { return tx.ArchivedReturn(ctx, number) })
}

func (in *inbox) detect(ctx context.Context, e delivery.Entry) error {
	id, err := in.newID("return", draw(in.bureau.code, e.Name, e.ModTime.UTC().String()))
	if err != nil {
		return err
	}
	err = in.Store.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.InsertReturn(ctx, store.ReturnFile{ID: id, Institution: in.inst.ID, Bureau: in.bureau.number, BureauCode: in.bureau.code,
			Name: e.Name, Size: e.Size, Modified: e.ModTime.Unix(), CreatedAt: in.Now()})
		return err
	})
	if errors.Is(err, store.ErrConflict) {
		return nil // another process saw it at the same moment
	}
	return err
}

// fetch stores the raw bytes and their hash. Content that this bureau sent before is a duplicate, whatever its name.
func (in *inbox) fetch(ctx context.Context, r store.ReturnFile) error {
	var raw bytes.Buffer
	n, err := delivery.Fetch(ctx, in.target, r.Name, &raw, returnLimit)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	sum := sha256.Sum256(raw.Bytes())
	parts, err := in.SealReturn(r.Number, raw.Bytes())
	if err != nil {
		return err
	}
	err = in.Store.InTx(ctx, func(tx *store.Tx) error {
		moved := r
		same, found, err := tx.SameReturn(ctx, in.bureau.number, sum[:], r.Number)
		if err != nil {
			return err
		}
		if err := tx.StoreReturn(ctx, r.Number, sum[:], n, parts); err != nil {
			return err
		}
		next, reason := card.ReturnStored, ""
		if found {
			next, reason = card.ReturnDuplicate, fmt.Sprintf("the same content came as return file %d", same)
		}
		if err := tx.MoveReturn(ctx, &moved, next, reason); err != nil {
			return err
		}
		data := map[string]any{"name": r.Name, "bytes": n, "sha256": hexString(sum[:])}
		return tx.Record(ctx, in.inst.ID, "return", r.Number, next.String(), data, in.Now())
	})
	if err == nil {
		in.Wake()
	}
	return err
}

// gone settles what is on record but no longer in the outbox: an archive move whose record was lost, or a file that the bureau took back.
func (in *inbox) gone(ctx context.Context, pending []store.ReturnFile) error {
	for _, r := range pending {
		if in.there[r.Name] {
			continue
		}
		switch r.State {
		case card.ReturnStored, card.ReturnParsed, card.ReturnApplying:
			continue
		}
		if err := in.archived(ctx, r.Number); err != nil {
			return err
		}
	}
	return nil
}
