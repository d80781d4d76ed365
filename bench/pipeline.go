package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/sql/store"
)

// Size says how much one run does.
type Size struct {
	Part   int64 `json:"part"`   // cards of a round of mint, render and seal
	Order  int64 `json:"order"`  // cards of a round end to end, rows of a named order, status lines
	Large  int64 `json:"large"`  // cards of the large order
	SQLite int64 `json:"sqlite"` // cards of a round on SQLite
	Rounds int   `json:"rounds"`
	Slow   int   `json:"slow"` // rounds of what takes long
}

// Full is a run for the record, below twenty minutes where nothing else runs; Quick takes about two.
var (
	Full  = Size{Part: 200_000, Order: 1_000_000, Large: 10_000_000, SQLite: 1_000_000, Rounds: 5, Slow: 3}
	Quick = Size{Part: 100_000, Order: 200_000, Large: 500_000, SQLite: 50_000, Rounds: 3, Slow: 1}
)

// Run measures everything and returns the table.
func Run(ctx context.Context, h House, size Size) (Table, error) {
	b := &bench{House: h, size: size}
	b.table.Conditions = b.conditions()
	for _, measure := range []func(context.Context) error{b.parts, b.endToEnd, b.growth, b.intake, b.embedded, b.limited, b.killed} {
		if err := measure(ctx); err != nil {
			return b.table, err
		}
	}
	return b.table, nil
}

// sideBySide does something with claimed files, as many at once as a worker does.
func sideBySide(ctx context.Context, due []store.Due, do func(context.Context, store.Due) error) (time.Duration, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(side)
	started := time.Now()
	for _, d := range due {
		g.Go(func() error { return do(ctx, d) })
	}
	err := g.Wait()
	return time.Since(started), err
}

// rate is n things a second.
func rate(n int64, took time.Duration) float64 { return float64(n) / took.Seconds() }

// rounds are the measurements of the parts, a round an element.
type rounds struct{ raw, mint, render, seal []float64 }

// parts measures mint, render and seal beside the bound, in one process.
func (b *bench) parts(ctx context.Context) error {
	var r rounds
	var bytes, plain, sealed float64
	for range b.size.Rounds {
		err := b.onPostgres(ctx, func(s *Site) error {
			list, err := b.partsRound(ctx, s, "PARTS", &r)
			if err != nil {
				return err
			}
			n, err := s.Plant.Store.SizeOf(ctx, "cards", "issues")
			bytes, plain, sealed = float64(n)/float64(b.size.Part), float64(*list[0].PlaintextBytes)/float64(list[0].Planned), float64(*list[0].CiphertextBytes)/float64(list[0].Planned)
			return errors.Join(err, b.onPostgres(ctx, func(to *Site) error {
				v, err := raw(ctx, s, to, list)
				r.raw = append(r.raw, v)
				return err
			}))
		})
		if err != nil {
			return fmt.Errorf("measure the parts: %w", err)
		}
	}
	bound := median(r.raw)
	n := b.size.Rounds
	b.add(Line{What: "raw COPY of the same rows", Value: bound, Unit: "cards/s", Rounds: n})
	b.add(Line{What: "mint", Value: median(r.mint), Unit: "cards/s", Ratio: median(r.mint) / bound, Against: "raw", Target: "≥ 0.6 × raw", Reached: holds(median(r.mint) >= 0.6*bound), Rounds: n})
	b.add(Line{What: "render", Value: median(r.render), Unit: "cards/s", Ratio: median(r.render) / bound, Against: "raw", Rounds: n})
	b.add(Line{What: "render, read back, encrypt, seal", Value: median(r.seal), Unit: "cards/s", Ratio: median(r.seal) / bound, Against: "raw", Rounds: n})
	b.add(Line{What: "rows a card", Value: 2, Unit: "rows", Rounds: n, Note: "one of cards, one of issues; of the files' own tables a few rows a file"})
	b.add(Line{What: "database a card, with indexes", Value: bytes, Unit: "bytes", Rounds: n})
	b.add(Line{What: "plaintext a card", Value: plain, Unit: "bytes", Rounds: n})
	b.add(Line{What: "spool a card, encrypted", Value: sealed, Unit: "bytes", Rounds: n})
	return nil
}

// partsRound mints, renders and seals one more order of a site and returns its files.
func (b *bench) partsRound(ctx context.Context, s *Site, reference string, r *rounds) ([]store.File, error) {
	due, err := s.planned(ctx, reference, b.size.Part)
	if err != nil {
		return nil, err
	}
	took, err := sideBySide(ctx, due, func(ctx context.Context, d store.Due) error { return s.Plant.Mint(ctx, d.Number, d.Epoch) })
	if err != nil {
		return nil, err
	}
	r.mint = append(r.mint, rate(b.size.Part, took))
	if due, err = s.claim(ctx, card.FileBuilding); err != nil {
		return nil, err
	}
	if took, err = sideBySide(ctx, due, func(ctx context.Context, d store.Due) error { return s.Plant.Build(ctx, d.Number, d.Epoch) }); err != nil {
		return nil, err
	}
	r.seal = append(r.seal, rate(b.size.Part, took))
	took, err = sideBySide(ctx, due, func(ctx context.Context, d store.Due) error {
		same, _, err := s.Plant.Replay(ctx, d.Number, nil)
		if err == nil && !same {
			err = fmt.Errorf("file %d rendered to other bytes", d.Number)
		}
		return err
	})
	r.render = append(r.render, rate(b.size.Part, took))
	if err != nil {
		return nil, err
	}
	return s.files(ctx, due)
}

// files reads claimed files as they are now.
func (s *Site) files(ctx context.Context, due []store.Due) ([]store.File, error) {
	list := make([]store.File, len(due))
	for i, d := range due {
		var err error
		if list[i], err = s.Plant.Store.FileByNumber(ctx, d.Number); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// endToEnd measures an order from its acceptance to its sealed files, by one worker process and by two, beside the bound; and status lines of those files.
func (b *bench) endToEnd(ctx context.Context) error {
	var bound, one, two, peaks, lines []float64
	for i := range b.size.Rounds {
		err := b.onPostgres(ctx, func(s *Site) error {
			took, reports, due, err := b.make(ctx, s, "ORDER", 1, b.size.Order)
			if err != nil {
				return err
			}
			one, peaks = append(one, rate(b.size.Order, took)), append(peaks, float64(reports[0].PeakKiB)/1024)
			list, err := s.files(ctx, due)
			if err != nil {
				return err
			}
			err = b.onPostgres(ctx, func(to *Site) error {
				v, err := raw(ctx, s, to, list)
				bound = append(bound, v)
				return err
			})
			if err != nil || i >= b.size.Slow {
				return err
			}
			v, err := s.answered(ctx, list)
			lines = append(lines, v)
			return err
		})
		if err != nil {
			return fmt.Errorf("measure end to end: %w", err)
		}
		if i >= b.size.Slow {
			continue
		}
		err = b.onPostgres(ctx, func(s *Site) error {
			took, _, _, err := b.make(ctx, s, "ORDER", 2, b.size.Order)
			two = append(two, rate(b.size.Order, took))
			return err
		})
		if err != nil {
			return fmt.Errorf("measure end to end: %w", err)
		}
	}
	b.endToEndLines(median(bound), median(one), median(two))
	b.add(Line{What: fmt.Sprintf("peak memory of one worker, order of %d", b.size.Order), Value: median(peaks), Unit: "MiB", Target: "≤ 300 MiB", Reached: holds(median(peaks) <= 300), Rounds: b.size.Rounds})
	b.add(Line{What: fmt.Sprintf("%d status lines applied", b.size.Order), Value: median(lines), Unit: "lines/s", Target: "≥ 40000", Reached: holds(median(lines) >= 40_000), Rounds: b.size.Slow,
		Note: "an answer for each file, in the order of its lines; every 500th card is spoiled and made again"})
	return nil
}

func (b *bench) endToEndLines(bound, one, two float64) {
	target, reached := "≥ 0.4 × raw", one >= 0.4*bound
	if bound >= 150_000 {
		target, reached = "≥ 0.4 × raw and ≥ 60000", reached && one >= 60_000
	}
	b.add(Line{What: "raw COPY beside it", Value: bound, Unit: "cards/s", Rounds: b.size.Rounds})
	b.add(Line{What: fmt.Sprintf("end to end, order of %d, 1 worker", b.size.Order), Value: one, Unit: "cards/s", Ratio: one / bound, Against: "raw", Target: target, Reached: holds(reached), Rounds: b.size.Rounds})
	b.add(Line{What: fmt.Sprintf("end to end, order of %d, 2 workers", b.size.Order), Value: two, Unit: "cards/s", Ratio: two / one, Against: "1 worker", Rounds: b.size.Slow,
		Note: "both share the processors with the database and with each other"})
}

// make accepts an order and has worker processes make its files.
func (b *bench) make(ctx context.Context, s *Site, reference string, workers int, cards int64) (took time.Duration, reports []Report, due []store.Due, err error) {
	took, reports, err = b.buildAll(ctx, s, workers, 0, func() (_ []store.Due, err error) {
		due, err = s.planned(ctx, reference, cards)
		return due, err
	})
	if err != nil {
		return 0, nil, nil, err
	}
	minted := int64(0)
	for _, r := range reports {
		minted += r.Minted
	}
	if minted != cards {
		err = fmt.Errorf("%d cards were minted, not %d", minted, cards)
	}
	return took, reports, due, err
}

// beside is what a site gives that has cards already, or none: the parts, and orders end to end with the memory of their worker.
type beside struct {
	rounds
	whole, peaks []float64
}

// turn measures one round of the parts on a site and, in the first rounds, an order end to end.
func (b *bench) turn(ctx context.Context, s *Site, i int, to *beside) error {
	if _, err := b.partsRound(ctx, s, fmt.Sprintf("PARTS-%d", i), &to.rounds); err != nil || i >= b.size.Slow {
		return err
	}
	took, reports, _, err := b.make(ctx, s, fmt.Sprintf("ORDER-%d", i), 1, b.size.Order)
	if err != nil {
		return err
	}
	to.whole, to.peaks = append(to.whole, rate(b.size.Order, took)), append(to.peaks, float64(reports[0].PeakKiB)/1024)
	return nil
}

// growth measures the memory of a large order, and then everything beside its cards and in an empty database, in turns, so that both see the same weather.
func (b *bench) growth(ctx context.Context) error {
	var empty, grown beside
	var large float64
	err := b.onPostgres(ctx, func(s *Site) error {
		_, reports, _, err := b.make(ctx, s, "LARGE", 1, b.size.Large)
		if err != nil {
			return err
		}
		large = float64(reports[0].PeakKiB) / 1024
		for i := range b.size.Rounds {
			if err := b.onPostgres(ctx, func(fresh *Site) error { return b.turn(ctx, fresh, i, &empty) }); err != nil {
				return err
			}
			if err := b.turn(ctx, s, i, &grown); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("measure growth: %w", err)
	}
	b.growthLines(empty, grown, large)
	return nil
}

func (b *bench) growthLines(empty, grown beside, large float64) {
	compare := func(what string, grown, empty []float64, rounds int, reach float64) {
		ratio := median(grown) / median(empty)
		l := Line{What: fmt.Sprintf("%s beside %d cards", what, b.size.Large), Value: median(grown), Unit: "cards/s", Ratio: ratio, Against: "empty tables", Rounds: rounds}
		if reach > 0 {
			l.Target, l.Reached = fmt.Sprintf("≥ %v", reach), b.atFullSize(ratio >= reach)
		}
		b.add(l)
	}
	compare("mint", grown.mint, empty.mint, b.size.Rounds, 0.9)
	compare("render", grown.render, empty.render, b.size.Rounds, 0)
	compare("render, read back, encrypt, seal", grown.seal, empty.seal, b.size.Rounds, 0)
	compare(fmt.Sprintf("end to end, order of %d,", b.size.Order), grown.whole, empty.whole, b.size.Slow, 0)
	small := median(empty.peaks)
	b.add(Line{What: fmt.Sprintf("peak memory of one worker, order of %d beside %d cards", b.size.Order, b.size.Large), Value: median(grown.peaks), Unit: "MiB", Ratio: median(grown.peaks) / small,
		Against: "empty tables", Target: "≤ 300 MiB", Reached: b.atFullSize(median(grown.peaks) <= 300), Rounds: b.size.Slow})
	b.add(Line{What: fmt.Sprintf("peak memory of one worker, order of %d", b.size.Large), Value: large, Unit: "MiB", Ratio: large / small, Against: fmt.Sprintf("order of %d", b.size.Order),
		Target: "≤ 300 MiB and ≤ 1.1 × + 16 MiB", Reached: b.atFullSize(large <= 300 && large <= 1.1*small+16), Rounds: 1})
}

// atFullSize is a verdict that only a full run may give.
func (b *bench) atFullSize(ok bool) *bool {
	if b.size.Large < Full.Large {
		return nil
	}
	return holds(ok)
}

// embedded measures an order end to end on SQLite beside raw inserts of its rows.
func (b *bench) embedded(ctx context.Context) error {
	var bound, whole []float64
	for range b.size.Slow {
		err := b.onSQLite(ctx, func(s *Site) error {
			took, _, due, err := b.make(ctx, s, "ORDER", 1, b.size.SQLite)
			if err != nil {
				return err
			}
			whole = append(whole, rate(b.size.SQLite, took))
			list, err := s.files(ctx, due)
			if err != nil {
				return err
			}
			return b.onSQLite(ctx, func(to *Site) error {
				v, err := raw(ctx, s, to, list)
				bound = append(bound, v)
				return err
			})
		})
		if err != nil {
			return fmt.Errorf("measure SQLite: %w", err)
		}
	}
	b.add(Line{What: "SQLite: raw inserts of the same rows", Value: median(bound), Unit: "cards/s", Rounds: b.size.Slow})
	b.add(Line{What: fmt.Sprintf("SQLite: end to end, order of %d", b.size.SQLite), Value: median(whole), Unit: "cards/s", Ratio: median(whole) / median(bound), Against: "raw", Target: "≥ 0.4 × raw",
		Reached: holds(median(whole) >= 0.4*median(bound)), Rounds: b.size.Slow})
	return nil
}
