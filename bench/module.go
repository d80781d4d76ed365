package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// mockConnections is to how many connections a mock of a hardware module answers at once.
const mockConnections = 128

// MockModule is a mock of a module behind a network: it answers one command a card and value on each of 128 connections, each after a delay, with what
// another module computes. It serves measurements only.
type MockModule struct {
	hsm.Module
	Delay time.Duration

	line sync.Mutex // the connections are busy with one call at a time
}

// wait is the way to the module and back, which is all that this mock stands for.
func (m *MockModule) wait(commands int) {
	m.line.Lock()
	defer m.line.Unlock()
	time.Sleep(m.Delay * time.Duration((commands+mockConnections-1)/mockConnections))
}

// Codes implements hsm.Module.
func (m *MockModule) Codes(ctx context.Context, cvk card.KeyRef, in []hsm.CodeRequest, out card.Secrets) error {
	m.wait(len(in))
	return m.Module.Codes(ctx, cvk, in, out)
}

// GeneratePINs implements hsm.Module.
func (m *MockModule) GeneratePINs(ctx context.Context, storage card.KeyRef, length int, pans []card.PAN, objects []uint64, out []hsm.PIN) error {
	m.wait(len(pans))
	return m.Module.GeneratePINs(ctx, storage, length, pans, objects, out)
}

// PVVs implements hsm.Module.
func (m *MockModule) PVVs(ctx context.Context, storage, pvk card.KeyRef, pvki int, pans []card.PAN, pins []hsm.PIN, out []hsm.PVV) error {
	m.wait(len(pans))
	return m.Module.PVVs(ctx, storage, pvk, pvki, pans, pins, out)
}

// ExportPINs implements hsm.Module.
func (m *MockModule) ExportPINs(ctx context.Context, storage, zpk card.KeyRef, format hsm.PINFormat, pans []card.PAN, pins []hsm.PIN, accounts []card.PAN, out card.Secrets) error {
	m.wait(len(pans))
	return m.Module.ExportPINs(ctx, storage, zpk, format, pans, pins, accounts, out)
}

// slowAnswer is how long the mock takes for one command.
const slowAnswer = 2 * time.Millisecond

// limitedOrder is as many files as two workers make at once.
const limitedOrder = 200_000

// limited measures two workers against one where each waits for a module of its own.
func (b *bench) limited(ctx context.Context) error {
	var rates [2][]float64
	for range b.size.Slow {
		for n := range rates {
			err := b.onPostgres(ctx, func(s *Site) error {
				took, _, err := b.buildAll(ctx, s, n+1, slowAnswer, func() ([]store.Due, error) { return s.planned(ctx, "SLOW", limitedOrder) })
				rates[n] = append(rates[n], rate(limitedOrder, took))
				return err
			})
			if err != nil {
				return fmt.Errorf("measure a slow module: %w", err)
			}
		}
	}
	one, two := median(rates[0]), median(rates[1])
	b.add(Line{What: "1 worker, module answers in 2 ms", Value: one, Unit: "cards/s", Rounds: b.size.Slow, Note: "a mock: one command a card and value, 128 connections a worker"})
	b.add(Line{What: "2 workers, module answers in 2 ms", Value: two, Unit: "cards/s", Ratio: two / one, Against: "1 worker", Target: "≥ 1.5 × 1 worker", Reached: holds(two >= 1.5*one), Rounds: b.size.Slow})
	return nil
}
