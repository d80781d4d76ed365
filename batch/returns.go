package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// applyChunk is how many return lines one transaction applies.
const applyChunk = 5000

// ApplyReturn reads a stored return file whole, proves its totals, and only then applies it in chunks that move with their cursor. A file that cannot be
// read is quarantined with its reason.
func (p *Plant) ApplyReturn(ctx context.Context, number, epoch int64) error {
	r, err := p.Store.ReturnByNumber(ctx, number)
	if err != nil {
		return err
	}
	// The claim has aged while the job stood in the queue.
	if err := p.Store.HoldReturn(ctx, number, epoch, returnWindow); err != nil {
		return err
	}
	b, err := p.bureauNow(ctx, r.Institution, r.BureauCode)
	if err != nil {
		return err
	}
	a := &application{Plant: p, returning: r, bureau: b.value}
	stop := renew(ctx, renewEvery, func(ctx context.Context) error { return p.Store.HoldReturn(ctx, number, epoch, returnWindow) })
	err = a.run(ctx)
	if lost := stop(); lost != nil {
		err = errors.Join(err, lost)
	}
	if errors.Is(err, store.ErrFenced) {
		return err
	}
	pause := 0
	switch {
	case errors.Is(err, ErrNotYet):
		pause, err = 1, nil
	case err != nil && ctx.Err() == nil:
		// What fails now fails again at once; without a pause it would keep the workers busy with nothing else.
		pause = returnPause
	}
	if letGo := p.Store.InTx(context.WithoutCancel(ctx), func(tx *store.Tx) error { return tx.HoldReturn(ctx, number, epoch, pause) }); letGo != nil {
		err = errors.Join(err, letGo)
	}
	p.Wake()
	return err
}

// application is one return file being applied.
type application struct {
	*Plant
	returning store.ReturnFile
	bureau    *programs.Bureau
	layout    *formats.Layout
}

func (a *application) run(ctx context.Context) error {
	if a.returning.State == card.ReturnStored {
		if err := a.parse(ctx); err != nil {
			return err
		}
	}
	if a.returning.State == card.ReturnParsed {
		if err := a.move(ctx, card.ReturnApplying, ""); err != nil {
			return err
		}
	}
	if a.returning.State != card.ReturnApplying {
		return nil
	}
	if err := a.loadLayout(ctx); err != nil {
		return err
	}
	again := a.returning.Cursor == a.returning.Lines && a.returning.Quarantined > 0
	if err := a.apply(ctx); err != nil {
		return err
	}
	if again {
		if err := a.applyQuarantined(ctx); err != nil {
			return err
		}
	}
	next := card.ReturnApplied
	if a.returning.Rejected+a.returning.Quarantined > 0 {
		next = card.ReturnPartlyApplied
	}
	return a.move(ctx, next, "")
}

func (a *application) move(ctx context.Context, next card.ReturnState, reason string) error {
	r := a.returning
	err := a.Store.InTx(ctx, func(tx *store.Tx) error {
		r = a.returning
		if err := tx.MoveReturn(ctx, &r, next, reason); err != nil {
			return err
		}
		data := map[string]any{"lines": r.Lines, "applied": r.Applied, "duplicates": r.Duplicates, "rejected": r.Rejected, "quarantined": r.Quarantined}
		if reason != "" {
			data["reason"] = reason
		}
		return tx.Record(ctx, r.Institution, "return", r.Number, next.String(), data, a.Now())
	})
	if err == nil {
		a.returning = r
		level := zerolog.InfoLevel
		if next == card.ReturnQuarantined {
			level = zerolog.WarnLevel
		}
		a.Log.WithLevel(level).Int64("return", r.Number).Str("bureau", r.BureauCode).Stringer("state", next).Str("reason", reason).Msg("return file moved")
	}
	return err
}

// parse proves the whole file before any line of it counts.
func (a *application) parse(ctx context.Context) error {
	layout, err := a.chooseLayout(ctx)
	if err != nil {
		return a.move(ctx, card.ReturnQuarantined, err.Error())
	}
	lines, refused, err := a.prove(ctx, layout.value)
	if refused != nil {
		return a.move(ctx, card.ReturnQuarantined, refused.Error())
	}
	if err != nil {
		return fmt.Errorf("read return file %d: %w", a.returning.Number, err)
	}
	a.returning.Kind, a.returning.Layout, a.returning.LayoutVersion, a.returning.Lines = layout.value.Kind().String(), layout.number, layout.version, lines
	if err := a.Store.InTx(ctx, func(tx *store.Tx) error { return tx.ParsedReturn(ctx, &a.returning) }); err != nil {
		return err
	}
	return a.move(ctx, card.ReturnParsed, "")
}

// prove reads the whole file and counts its detail lines. refused is what is wrong with the file itself: its form, its totals, its envelope or signature.
func (a *application) prove(ctx context.Context, layout *formats.Layout) (lines int64, refused, err error) {
	content, err := a.content(ctx)
	if err != nil {
		return 0, content.fault(err), err
	}
	in := layout.NewReader(content)
	for {
		section, _, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, content.fault(err), err
		}
		if section == formats.Detail {
			lines++
		}
	}
	// The verdict on a signature comes with the last byte, which the layout need not ask for.
	if _, err := io.Copy(io.Discard, content); err != nil {
		return 0, content.fault(err), err
	}
	return lines, nil, nil
}

func (a *application) chooseLayout(ctx context.Context) (entry[*formats.Layout], error) {
	layouts, err := current(ctx, a.Plant, a.Store.Q, a.returning.Institution, store.LayoutProgram, decodeLayout)
	if err != nil {
		return entry[*formats.Layout]{}, err
	}
	for _, r := range a.bureau.Returns {
		if ok, err := path.Match(r.Pattern, a.returning.Name); err != nil || !ok {
			continue
		}
		if l, ok := layouts[r.Layout]; ok {
			return l, nil
		}
	}
	return entry[*formats.Layout]{}, fmt.Errorf("bureau %s declares no layout for a file of this name", a.returning.BureauCode)
}

func (a *application) loadLayout(ctx context.Context) (err error) {
	a.layout, err = a.Plant.layout(ctx, a.Store.Q, a.returning.Institution, a.returning.Layout, a.returning.LayoutVersion)
	return err
}

// apply continues behind the cursor.
func (a *application) apply(ctx context.Context) error {
	after := a.returning.Cursor
	return a.eachChunk(ctx, func(line int64) bool { return line > after }, a.recordNew)
}

// eachChunk reads the file and applies the wanted lines of it, a chunk at a time. The next chunk is read while the last one is applied.
func (a *application) eachChunk(ctx context.Context, wanted func(line int64) bool, record recording) error {
	reading := *a // as it is now: applying moves its counters
	ready := make(chan []returned)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(ready)
		return reading.readChunks(ctx, wanted, ready)
	})
	g.Go(func() error {
		for chunk := range ready {
			if err := a.applyLines(ctx, chunk, record); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// readChunks hands the wanted lines of the file over.
func (a *application) readChunks(ctx context.Context, wanted func(line int64) bool, ready chan<- []returned) error {
	content, err := a.content(ctx)
	if err != nil {
		return err
	}
	in := a.layout.NewReader(content)
	var chunk []returned
	for line := int64(0); ; {
		section, rec, err := in.Next()
		ended := errors.Is(err, io.EOF)
		switch {
		case err != nil && !ended:
			return fmt.Errorf("return file %d: %w", a.returning.Number, err)
		case !ended && section != formats.Detail:
			continue
		case !ended:
			if line++; !wanted(line) {
				continue
			}
			r, err := a.read(line, rec)
			if err != nil {
				return err
			}
			chunk = append(chunk, r)
		}
		if len(chunk) == applyChunk || ended && len(chunk) > 0 {
			select {
			case ready <- chunk:
			case <-ctx.Done():
				return ctx.Err()
			}
			chunk = make([]returned, 0, applyChunk)
		}
		if ended {
			return nil
		}
	}
}

// recording stores what became of a chunk's lines, and moves the counters of the return file, in the transaction that applied them.
type recording func(ctx context.Context, tx *store.Tx, lines []store.ReturnLine, moved *store.ReturnFile) error

// recordNew stores lines for the first time and moves the cursor behind them.
func (a *application) recordNew(ctx context.Context, tx *store.Tx, lines []store.ReturnLine, moved *store.ReturnFile) error {
	for i := range lines {
		moved.Count(lines[i].Outcome)
	}
	if err := tx.InsertReturnLines(ctx, a.returning, lines); err != nil {
		return err
	}
	moved.Cursor = lines[len(lines)-1].Line
	return tx.AdvanceReturn(ctx, moved, a.returning.Cursor)
}

// moment reads the bureau's time; where it says none, the time of arrival counts.
func (a *application) moment(b []byte) time.Time {
	if t, err := time.Parse(time.RFC3339, string(b)); err == nil {
		return t
	}
	return a.returning.CreatedAt
}

// number reads decimal digits; anything else is no number that Platen ever gave, which is -1.
func number(b []byte) int64 {
	n := int64(0)
	if len(b) == 0 || len(b) > 18 {
		return -1
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// applyLines applies a chunk with its cursor and looks whether the files it touched are balanced, in one transaction.
func (a *application) applyLines(ctx context.Context, chunk []returned, record recording) error {
	if len(chunk) == 0 {
		return nil
	}
	moved := a.returning
	err := a.Store.InTx(ctx, func(tx *store.Tx) error {
		moved = a.returning
		work := &chunkWork{application: a, tx: tx, files: map[int64]*fileWork{}, reopened: map[int64]bool{}}
		lines, err := work.apply(ctx, slices.Clone(chunk))
		if err != nil {
			return err
		}
		return record(ctx, tx, lines, &moved)
	})
	if err != nil {
		return err
	}
	a.observe(moved)
	a.returning = moved
	return nil
}
