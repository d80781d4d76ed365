package bench

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"platen/card"
	"platen/sql/store"
)

// killed kills a worker at a random moment and proves that its successor does nothing again but the open chunks and the open files.
func (b *bench) killed(ctx context.Context) error {
	var again, rendered float64
	held := true
	for range b.size.Slow {
		err := b.onPostgres(ctx, func(s *Site) error {
			due, err := s.planned(ctx, "KILL", b.size.Part)
			if err != nil {
				return err
			}
			before, err := b.killWorker(ctx, s, due)
			if err != nil {
				return err
			}
			r, err := b.succeed(ctx, s, due)
			if err != nil {
				return err
			}
			left, open := int64(0), int64(0)
			for _, f := range before {
				left += f.Planned - f.Minted
				if f.State < card.FileSealed {
					open++
				}
			}
			again, rendered = max(again, float64(r.Minted-left)), max(rendered, float64(r.Sealed-open))
			total, err := s.Plant.Store.CardCount(ctx)
			held = held && r.Minted == left && r.Sealed == open && total == b.size.Part
			b.Say("killed with %d of %d cards minted and %d of %d files sealed; its successor minted %d and sealed %d", b.size.Part-left, b.size.Part, int64(len(before))-open, len(before), r.Minted, r.Sealed)
			return err
		})
		if err != nil {
			return fmt.Errorf("measure a kill: %w", err)
		}
	}
	b.add(Line{What: "SIGKILL at a random moment: cards minted again", Value: again, Unit: "cards", Target: "0 beyond the open chunk", Reached: holds(held), Rounds: b.size.Slow,
		Note: "what was committed before the kill and what the successor minted add up to the order"})
	b.add(Line{What: "SIGKILL at a random moment: sealed files rendered again", Value: rendered, Unit: "files", Target: "0 beyond the open file", Reached: holds(held), Rounds: b.size.Slow})
	return nil
}

// killWorker starts a worker on files, kills it somewhere on its way, and returns the files as it left them.
func (b *bench) killWorker(ctx context.Context, s *Site, due []store.Due) ([]store.File, error) {
	w, err := b.startWorker(ctx, s, 0)
	if err != nil {
		return nil, err
	}
	sharing, stop := context.WithCancel(ctx)
	defer stop()
	sealed := make(chan struct{}, len(due))
	gone := make(chan error, 1)
	go func() { gone <- w.build(share(sharing, due), func() { sealed <- struct{}{} }) }()
	moment, err := draw(uint64(len(due)))
	if err != nil {
		return nil, err
	}
	// A whole number of files, and then some part of the time that one takes.
	started := time.Now()
	for range moment {
		select {
		case <-sealed:
		case err := <-gone:
			return nil, errors.Join(errors.New("the worker ended before it was killed"), err)
		}
	}
	part, err := draw(1000)
	if err != nil {
		return nil, err
	}
	each := time.Second
	if moment > 0 {
		each = time.Since(started) / time.Duration(moment)
	}
	// The moment is what is measured here; nothing could tell that it has come but the clock.
	time.Sleep(min(each, 2*time.Second) * time.Duration(part) / 1000)
	if err := w.command.Process.Kill(); err != nil {
		return nil, fmt.Errorf("kill a worker: %w", err)
	}
	_ = w.command.Wait() // it was killed
	_ = <-gone           //nolint:staticcheck // the error is that it was killed
	return s.files(ctx, due)
}

// draw is a random number below n.
func draw(n uint64) (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("draw a moment: %w", err)
	}
	return binary.BigEndian.Uint64(b[:]) % n, nil
}

// succeed has another worker finish what a killed one left, once its leases have run out.
func (b *bench) succeed(ctx context.Context, s *Site, due []store.Due) (Report, error) {
	w, err := b.startWorker(ctx, s, 0)
	if err != nil {
		return Report{}, err
	}
	for {
		free, err := s.claim(ctx, card.FilePlanned, card.FileBuilding)
		if err != nil {
			return Report{}, err
		}
		if err := w.build(share(ctx, free), nil); err != nil {
			return Report{}, err
		}
		list, err := s.files(ctx, due)
		if err != nil {
			return Report{}, err
		}
		open := 0
		for _, f := range list {
			if f.State < card.FileSealed {
				open++
			}
		}
		if open == 0 {
			return w.end()
		}
		select {
		case <-ctx.Done():
			return Report{}, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
