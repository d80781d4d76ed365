package batch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"platen/card"
	"platen/formats"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// job is one claim on one file: everything it writes carries the claim's epoch.
type job struct {
	*Plant
	inst    store.Institution
	file    store.File
	product *card.Product
	bureau  *programs.Bureau
	at      entry[*programs.Bureau] // the bureau's current declaration, while the file is being sent
	layout  *formats.Layout
	sidecar int // of the file, which this job renders in its place; 0 for the file itself
	press   *personalization.Press
	names   *formats.Names           // the product's
	ranges  map[int32]store.PANRange // of the whole installation; what a job needs of them never changes
	take    func(*formats.Record)    // gets the records that would be rendered, instead of the layout
	zpkKCV  string                   // check value of the key that the file's PIN blocks are under; empty where it has none
	zeks    []card.KeyRef            // the keys that the layout enciphers with, in its order
	zekKCVs []string
	letters int64        // carriers of the file, where the layout tells of each
	printed atomic.Int64 // lines rendered so far
}

// ErrNotYet says that a file cannot be worked on now; it is looked at again later.
var ErrNotYet = errors.New("not yet")

// openJob reads a file and all that it pinned. epoch 0 takes the file as it is, for reading only; any other is a claim, which is renewed at once: it
// has aged while the job stood in the queue.
func (p *Plant) openJob(ctx context.Context, number, epoch int64) (*job, error) {
	if epoch != 0 {
		if err := p.Store.BeginFile(ctx, number, epoch, Lease, p.Instance); err != nil {
			return nil, err
		}
	}
	f, err := p.Store.FileByNumber(ctx, number)
	if err != nil {
		return nil, err
	}
	if epoch != 0 && f.Epoch != epoch {
		return nil, fmt.Errorf("file %d: %w", number, store.ErrFenced)
	}
	j := &job{Plant: p, file: f}
	if j.inst, err = p.institution(ctx, f.Institution); err != nil {
		return nil, err
	}
	if j.product, err = p.product(ctx, p.Store.Q, f.Institution, f.Product, f.ProductVersion); err != nil {
		return nil, err
	}
	if j.bureau, err = p.bureau(ctx, p.Store.Q, f.Institution, f.Bureau, f.BureauVersion); err != nil {
		return nil, err
	}
	if j.layout, err = p.layout(ctx, p.Store.Q, f.Institution, f.Layout, f.LayoutVersion); err != nil {
		return nil, err
	}
	ranges, err := p.Store.Ranges(ctx)
	if err != nil {
		return nil, err
	}
	j.ranges = make(map[int32]store.PANRange, len(ranges))
	for _, r := range ranges {
		j.ranges[r.Number] = r
	}
	keys, err := pressKeys(f.Keys)
	if err != nil {
		return nil, fmt.Errorf("file %d: %w", number, err)
	}
	if j.zpkKCV, err = zpkCheckValue(f.Keys); err != nil {
		return nil, fmt.Errorf("file %d: %w", number, err)
	}
	if j.zeks, j.zekKCVs, err = layoutKeys(f.Keys); err != nil {
		return nil, fmt.Errorf("file %d: %w", number, err)
	}
	if j.press, err = personalization.NewPress(p.Module, *j.product, keys); err != nil {
		return nil, fmt.Errorf("file %d: %w", number, err)
	}
	if j.names, err = formats.NewNames(j.product.Names, j.product.NameLimit); err != nil {
		return nil, fmt.Errorf("file %d: product %s: %w", number, j.product.Code, err)
	}
	return j, nil
}

// LayoutOf is the layout that a file is made with, in the version that it was planned with.
func (p *Plant) LayoutOf(ctx context.Context, f store.File) (*formats.Layout, error) {
	return p.layout(ctx, p.Store.Q, f.Institution, f.Layout, f.LayoutVersion)
}

// Build mints, renders and seals a claimed file. It may be called again after any crash: it goes on where the database says.
func (p *Plant) Build(ctx context.Context, number, epoch int64) error {
	return p.claimed(ctx, number, epoch, func(ctx context.Context, j *job) error { return j.build(ctx) })
}

// claimed does something with a claimed file and lets go of it.
func (p *Plant) claimed(ctx context.Context, number, epoch int64, do func(context.Context, *job) error) error {
	j, err := p.openJob(ctx, number, epoch)
	if err != nil {
		return err
	}
	stop := j.keepLease(ctx)
	err = do(ctx, j)
	if lost := stop(); lost != nil {
		err = errors.Join(err, lost)
	}
	return j.letGo(ctx, err)
}

// begin freezes a planned file.
func (j *job) begin(ctx context.Context) error {
	if j.file.State != card.FilePlanned {
		return nil
	}
	return j.move(ctx, card.FileBuilding, "", nil)
}

func (j *job) build(ctx context.Context) error {
	if err := j.begin(ctx); err != nil {
		return err
	}
	if j.file.State == card.FileBuilding {
		if err := j.mint(ctx); err != nil {
			return err
		}
		if err := j.Store.FreezeFile(ctx, &j.file); err != nil {
			return err
		}
		if err := j.seal(ctx); err != nil {
			return err
		}
	}
	if j.file.State == card.FileSealed {
		return j.move(ctx, card.FileReleased, "", nil)
	}
	return nil
}

// move changes the file's state with its event, in one transaction, together with whatever else belongs to the change.
func (j *job) move(ctx context.Context, next card.FileState, reason string, also func(*store.Tx) error) error {
	f := j.file
	err := j.Store.InTx(ctx, func(tx *store.Tx) error {
		f = j.file
		if err := tx.MoveFile(ctx, &f, next, reason); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		data := map[string]any{}
		if reason != "" {
			data["reason"] = reason
		}
		return tx.Record(ctx, f.Institution, "file", f.Number, next.String(), data, j.Now())
	})
	if err != nil {
		return err
	}
	j.file = f
	j.Observe.FileMoved(next)
	j.Log.Info().Int64("file", f.Number).Str("name", f.Name).Stringer("state", next).Str("reason", reason).Msg("file moved")
	return nil
}

// keepLease renews the claim until the returned function is called, which tells whether the claim was lost.
func (j *job) keepLease(ctx context.Context) func() error {
	number, epoch := j.file.Number, j.file.Epoch // the job changes its file meanwhile, and a claim neither
	return renew(ctx, tellEvery, func(ctx context.Context) error {
		return j.Store.HoldRendering(ctx, number, epoch, Lease, j.printed.Load())
	})
}

// renewEvery is how often a claim is renewed, tellEvery how often a claim on a file is, which tells its progress with it.
const (
	renewEvery = Lease / 3 * time.Second
	tellEvery  = 2 * time.Second
)

// renew calls hold again and again until the returned function is called, which tells whether the claim was lost.
func renew(ctx context.Context, every time.Duration, hold func(context.Context) error) func() error {
	ctx, cancel := context.WithCancel(ctx)
	lost := make(chan error, 1)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				lost <- nil
				return
			case <-tick.C:
				if err := hold(ctx); errors.Is(err, store.ErrFenced) {
					lost <- err
					return
				}
			}
		}
	}()
	return func() error {
		cancel()
		return <-lost
	}
}

// letGo ends a claim. What failed is tried again after a pause that doubles up to five minutes; a fenced worker leaves everything to its successor.
func (j *job) letGo(ctx context.Context, because error) error {
	if errors.Is(because, store.ErrFenced) {
		return because
	}
	pause, reason := time.Duration(0), ""
	failed := because != nil && !errors.Is(because, ErrNotYet)
	if failed {
		pause, reason = backoff(j.file.Failures), because.Error()
	} else if because != nil {
		pause, reason = time.Second, because.Error()
	}
	err := j.Store.InTx(context.WithoutCancel(ctx), func(tx *store.Tx) error { return tx.LetGo(ctx, &j.file, pause, failed, reason) })
	if errors.Is(because, ErrNotYet) {
		because = nil
	}
	j.Wake()
	return errors.Join(because, err)
}

// backoff is the pause after n failures in a row.
func backoff(n int) time.Duration {
	return min(time.Second<<min(n, 10), 5*time.Minute)
}
