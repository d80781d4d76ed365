package batch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// Errors of purging.
var (
	ErrNotEnded = errors.New("not everything that is to be purged has come to its end")
	errAhead    = errors.New("only what lies before this month can be purged")
)

// PurgePlan is what a purge takes away, and what stands against it.
type PurgePlan struct {
	Before   time.Time // the beginning of the first month that stays
	Files    []store.File
	Orders   int
	Returns  int
	Left     store.Left // rows and bytes as they are now
	Spooled  []string   // files of this machine's spool, of files that are to be purged or were
	Against  []string   // what has not ended; empty = the purge may begin
	horizon  store.Horizon
	purgeNow time.Time
}

// Empty tells whether there is nothing to take away.
func (p PurgePlan) Empty() bool {
	l := p.Left
	return len(p.Files)+p.Orders+p.Returns+len(p.Spooled) == 0 && l.OrderLines+l.RefusedRows+l.ReturnLines+l.ReturnBytes+l.Events+l.Holders+l.PINs == 0
}

// PlanPurge looks at everything before a month, and changes nothing. The month must have begun.
func (p *Plant) PlanPurge(ctx context.Context, before time.Time) (PurgePlan, error) {
	now := p.Now()
	h := store.HorizonOf(before)
	plan := PurgePlan{Before: h.Month(), horizon: h, purgeNow: now}
	if h.Month().After(now) {
		return plan, errAhead
	}
	var orders []store.Order
	var returns []store.ReturnFile
	err := p.Store.Snapshot(ctx, func(q store.Q) (err error) {
		if plan.Files, err = q.FilesToPurge(ctx, h); err != nil {
			return err
		}
		if orders, err = q.OrdersToPurge(ctx, h); err != nil {
			return err
		}
		if returns, err = q.ReturnsToPurge(ctx, h); err != nil {
			return err
		}
		waiting, err := q.MadeAgain(ctx, h)
		if err != nil {
			return err
		}
		if waiting > 0 {
			plan.against("%d cards or PIN mailers wait for a file", waiting)
		}
		plan.Left, err = q.Left(ctx, h)
		return err
	})
	if err != nil {
		return plan, err
	}
	plan.Orders, plan.Returns = len(orders), len(returns)
	about := plan.notEnded(orders, returns)
	if err := p.needingPeople(ctx, about, &plan); err != nil {
		return plan, err
	}
	plan.Spooled, err = p.spooledOf(ctx, plan.Files)
	return plan, err
}

func (p *PurgePlan) against(format string, a ...any) {
	p.Against = append(p.Against, fmt.Sprintf(format, a...))
}

// notEnded tells of everything that has not come to its end, and names all there is as the inbox does.
func (p *PurgePlan) notEnded(orders []store.Order, returns []store.ReturnFile) map[string]bool {
	about := map[string]bool{}
	for _, f := range p.Files {
		about[fmt.Sprintf("file %d", f.Number)] = true
		if f.State < card.FileBalanced {
			p.against("file %d is %s", f.Number, f.State)
		}
	}
	for _, o := range orders {
		about["order "+o.Reference] = true
		if !o.State.Ended() {
			p.against("order %s is %s", o.Reference, o.State)
		}
	}
	for _, r := range returns {
		about[fmt.Sprintf("return %d", r.Number)] = true
		if r.State < card.ReturnApplied {
			p.against("return file %d is %s", r.Number, r.State)
		}
	}
	return about
}

// needingPeople tells of every open item of an inbox that is about what is to be purged.
func (p *Plant) needingPeople(ctx context.Context, about map[string]bool, plan *PurgePlan) error {
	institutions, err := p.Store.Institutions(ctx)
	if err != nil {
		return err
	}
	for _, i := range institutions {
		items, err := p.Attention(ctx, i)
		if err != nil {
			return err
		}
		for _, item := range items {
			if about[item.About] {
				plan.against("the inbox says %s of %s: %s", item.What, item.About, item.Detail)
			}
		}
	}
	return nil
}

// Purge takes away what lies before a month: files go from BALANCED over CLOSED to PURGED, PINs that no later card takes over are cleared, order lines, return files and events are
// dropped, holders of prepaid cards whose cards have ended are forgotten, and this machine's spool forgets the files. Counts, and the cards themselves, stay. It fails with ErrNotEnded, and does nothing, when something has not come to its end. Killed
// at any moment, it goes on where it was when it is called again. again goes through files that were purged before, too: cards of them may have been closed since.
func (p *Plant) Purge(ctx context.Context, plan PurgePlan, again bool, actor string) error {
	if len(plan.Against) > 0 {
		return fmt.Errorf("%w: %s", ErrNotEnded, strings.Join(plan.Against, "; "))
	}
	if plan.Empty() && !again {
		return nil
	}
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		return tx.Audit(ctx, actor, "purge", plan.Before.Format("2006-01"), map[string]any{"files": len(plan.Files), "orders": plan.Orders, "returns": plan.Returns}, plan.purgeNow)
	})
	if err != nil {
		return err
	}
	files := plan.Files
	if again {
		purged, err := p.Store.PurgedFiles(ctx)
		if err != nil {
			return err
		}
		files = append(purged, files...)
	}
	for _, f := range files {
		if err := p.purgeFile(ctx, f, actor); err != nil {
			return fmt.Errorf("purge file %d: %w", f.Number, err)
		}
	}
	if err := p.sweepSpool(ctx); err != nil {
		return err
	}
	for _, drop := range []func(*store.Tx) error{
		func(tx *store.Tx) error { return tx.PurgeReturns(ctx, plan.horizon, plan.purgeNow) },
		func(tx *store.Tx) error { return tx.PurgeOrders(ctx, plan.horizon, plan.purgeNow) },
		func(tx *store.Tx) error { return tx.PurgeEvents(ctx, plan.horizon) },
		func(tx *store.Tx) error { return tx.PurgeHolders(ctx, plan.horizon, plan.purgeNow) },
	} {
		if err := p.Store.InTx(ctx, drop); err != nil {
			return err
		}
	}
	return nil
}

// purgeChunk is how many lines of a file lose their PINs in one transaction.
const purgeChunk = 10_000

// purgeFile closes a file for good before anything of it goes, so that nobody makes it again meanwhile. A cancelled one stays cancelled.
func (p *Plant) purgeFile(ctx context.Context, f store.File, actor string) error {
	if f.State != card.FilePurged && f.State != card.FileCancelled {
		if err := p.Store.InTx(ctx, func(tx *store.Tx) error { return p.endFile(ctx, tx, f.Number, actor) }); err != nil {
			return err
		}
	}
	for first := int64(1); first <= f.Planned && f.Purpose == store.CardPurpose; first += purgeChunk {
		if err := p.Store.InTx(ctx, func(tx *store.Tx) error { return tx.ClearPINs(ctx, f.Number, first, first+purgeChunk-1) }); err != nil {
			return err
		}
	}
	if f.Purpose == store.MailerPurpose {
		if err := p.Store.InTx(ctx, func(tx *store.Tx) error { return tx.ClearMailerPINs(ctx, f.Number) }); err != nil {
			return err
		}
	}
	if f.PurgedAt != nil {
		return nil
	}
	return p.Store.InTx(ctx, func(tx *store.Tx) error { return tx.FilePurged(ctx, f.Number, p.Now()) })
}

// endFile moves a file from BALANCED over CLOSED to PURGED.
func (p *Plant) endFile(ctx context.Context, tx *store.Tx, number int64, actor string) error {
	epoch, claimed, err := tx.ClaimFile(ctx, number, Lease)
	if err != nil {
		return err
	}
	f, err := tx.LockFile(ctx, number)
	if err != nil {
		return err
	}
	if !claimed || f.Epoch != epoch {
		return ErrHeld
	}
	for _, next := range []card.FileState{card.FileClosed, card.FilePurged} {
		if f.State >= next {
			continue
		}
		if err := tx.MoveFile(ctx, &f, next, ""); err != nil {
			return err
		}
		if err := tx.Record(ctx, f.Institution, "file", f.Number, next.String(), map[string]any{"by": actor}, p.Now()); err != nil {
			return err
		}
	}
	return tx.LetGo(ctx, &f, 0, false, "")
}

// spooledOf lists what lies in this machine's spool of some files, and of those that were purged.
func (p *Plant) spooledOf(ctx context.Context, files []store.File) ([]string, error) {
	entries, err := os.ReadDir(p.Spool)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	purged, err := p.Store.PurgedFiles(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[uuid.UUID]bool{}
	for _, f := range slices.Concat(files, purged) {
		ids[f.ID] = true
	}
	var all []string
	for _, e := range entries {
		if len(e.Name()) < spooledID {
			continue
		}
		if id, err := uuid.Parse(e.Name()[:spooledID]); err == nil && ids[id] {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// spooledID is how much of a name in the spool is the file's id.
const spooledID = 36

// sweepSpool removes what this machine's spool holds of purged files.
func (p *Plant) sweepSpool(ctx context.Context) error {
	names, err := p.spooledOf(ctx, nil)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(p.Spool, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove from the spool: %w", err)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return syncDir(p.Spool)
}
