package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/hsm/software"
	"platen/hsm/vault"
	"platen/jobs"
	"platen/sql/store"
	"platen/testbed"

	"platen/hsm"

	"github.com/rs/zerolog"
)

func mass(n int) formats.Row {
	return formats.Row{Product: "prepaid-mag", Quantity: fmt.Sprint(n)}
}

func TestAPlanSplitsByLimitAndNeverPlansTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, mass(7000), mass(4000))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		for range 3 {
			s.must(s.plant.Plan(t.Context(), b.Number))
		}
		files, err := s.store.FilesOfBatch(t.Context(), b.Number)
		s.must(err)
		var lines []int64
		next := int64(0)
		for _, f := range files {
			lines = append(lines, f.Planned)
			slices, err := s.store.Slices(t.Context(), f.Number)
			s.must(err)
			for _, sl := range slices {
				if sl.FirstSequence != next {
					t.Errorf("file %d begins at sequence %d, want %d", f.Number, sl.FirstSequence, next)
				}
				next += sl.Quantity
			}
		}
		if fmt.Sprint(lines) != "[5000 5000 1000]" || next != 11000 {
			t.Errorf("files of %v lines, %d sequences", lines, next)
		}
		again, won, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		if err != nil || won || again.Number != b.Number {
			t.Errorf("the same slot: batch %d, won %v, %v", again.Number, won, err)
		}
	})
}

func TestOrdersWaitWhenARangeHasTooFewNumbers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.must(s.store.InTx(t.Context(), func(tx *store.Tx) error {
			r, err := tx.LockRange(t.Context(), s.inst.ID, "prepaid")
			if err != nil {
				return err
			}
			_, err = tx.Reserve(t.Context(), &r, r.Left()-10, 0)
			return err
		}))
		s.submit("MANY", formats.MassOrder, mass(11))
		s.submit("FEW", formats.MassOrder, mass(10))
		s.submit("PEOPLE", formats.BulkOrder, people(3)...)
		b := s.night("one")
		if !strings.Contains(b.Exceptions, "MANY") || strings.Contains(b.Exceptions, "FEW") {
			t.Errorf("exceptions: %s", b.Exceptions)
		}
		if b.State != card.BatchWithExceptions {
			t.Errorf("state %s", b.State)
		}
		if books := s.books(); books.Produced+books.Rejected+books.Waiting < 12 || books.Open < 11 {
			t.Errorf("books: %+v", books)
		}
	})
}

func TestARestoredDatabaseMintsNothingUntilAdvanced(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("ONE", formats.MassOrder, mass(10))
		s.night("one")
		// The ledger remembers a block that this database, as if restored, does not.
		s.must(s.plant.Ledger.Intend([]batch.Reservation{{Range: "401288-16-500000000-2500000", First: 10, Quantity: 90}}))
		s.must(s.plant.CheckLedger(t.Context()))
		if r := s.rangeOf("prepaid"); r.Next != 100 || r.Held != "" {
			t.Errorf("an intent without done is skipped: %+v", r)
		}
		s.must(s.plant.Ledger.Done([]batch.Reservation{{Range: "401288-16-500000000-2500000", First: 100, Quantity: 50}}))
		s.must(s.plant.CheckLedger(t.Context()))
		if r := s.rangeOf("prepaid"); r.Held == "" || r.Next != 100 {
			t.Errorf("a block that is lost holds the range: %+v", r)
		}
		s.submit("TWO", formats.MassOrder, mass(10))
		if b := s.night("two"); !strings.Contains(b.Exceptions, "held") {
			t.Errorf("exceptions: %q", b.Exceptions)
		}
		_, to, err := s.plant.AdvanceRange(t.Context(), s.inst, "prepaid", "test")
		if err != nil || to != 150 {
			t.Errorf("advanced to %d, %v", to, err)
		}
		s.night("three")
		if r := s.rangeOf("prepaid"); r.Held != "" || r.Next != 160 {
			t.Errorf("after the advance: %+v", r)
		}
	})
}

func (s *site) rangeOf(code string) store.PANRange {
	s.t.Helper()
	all, err := s.store.Ranges(s.t.Context())
	s.must(err)
	for _, r := range all {
		if r.Code == code {
			return r
		}
	}
	s.t.Fatal("no range " + code)
	return store.PANRange{}
}

func TestAMissedWindowIsCaughtUpOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.setNow(s.now().AddDate(0, 0, 3).Add(2 * time.Hour)) // Thursday, after the cut-off
		due, err := s.plant.DueWindows(t.Context())
		if err != nil || len(due) != 1 || due[0].Schedule != "nightly" || due[0].BusinessDate != "2027-01-07" {
			t.Fatalf("due: %+v, %v", due, err)
		}
		_, won, err := s.plant.OpenWindow(t.Context(), due[0].Institution, due[0].Schedule, due[0].BusinessDate, batch.CutoffSlot, "test")
		if err != nil || !won {
			t.Fatal(won, err)
		}
		if due, err = s.plant.DueWindows(t.Context()); err != nil || len(due) != 0 {
			t.Errorf("due again: %+v, %v", due, err)
		}
	})
}

func TestABureauThatIsDownOrStrangeHoldsUpOnlyItsOwnFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		host, _, err := newHostKey()
		s.must(err)
		right := s.keys[s.set.Bureaus[0].SFTP.HostKeysFile]
		s.keys[s.set.Bureaus[0].SFTP.HostKeysFile] = host
		s.submit("BULK", formats.BulkOrder, people(6)...)
		s.submit("MASS", formats.MassOrder, mass(5))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		for s.cardFile("south").State < card.FileBalanced {
			s.stepTolerant()
		}
		north := s.cardFile("north")
		if north.State != card.FileReleased || !strings.Contains(north.Reason, "host_key") {
			t.Errorf("the file for north is %s: %s", north.State, north.Reason)
		}
		s.keys[s.set.Bureaus[0].SFTP.HostKeysFile] = right
		for s.cardFile("north").State < card.FileBalanced {
			s.stepTolerant()
		}
	})
}

// stepTolerant is step where one bureau cannot be reached.
func (s *site) stepTolerant() {
	s.t.Helper()
	ctx := s.t.Context()
	var due []store.Due
	s.must(s.store.InTx(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.ClaimStale(ctx, batch.Lease, card.FilePlanned, card.FileBuilding, card.FileSealed, card.FileReleased, card.FileSending)
		return err
	}))
	for _, d := range due {
		if d.State < card.FileReleased {
			s.must(s.plant.Build(ctx, d.Number, d.Epoch))
		} else if err := s.plant.Send(ctx, d.Number, d.Epoch); err != nil && !strings.Contains(err.Error(), "host_key") {
			s.t.Fatal(err)
		}
	}
	var returns []store.Due
	s.must(s.store.InTx(ctx, func(tx *store.Tx) (err error) {
		returns, err = tx.ClaimReturns(ctx, batch.Lease)
		return err
	}))
	for _, d := range returns {
		s.must(s.plant.ApplyReturn(ctx, d.Number, d.Epoch))
	}
	for code, sim := range s.sims {
		s.must(sim.Process(ctx))
		if err := s.plant.Poll(ctx, s.inst, code); err != nil && !strings.Contains(err.Error(), "host_key") {
			s.t.Fatal(err)
		}
	}
}

func TestALostSpoolIsMadeAgainFromTheDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, mass(50))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		for s.cardFile("south").State < card.FileReleased {
			s.buildOnly()
		}
		sealed := s.cardFile("south")
		s.must(os.RemoveAll(filepath.Join(s.dir, "spool")))
		s.settle()
		sent := s.cardFile("south")
		if sent.State != card.FileBalanced || string(sent.PlaintextSHA) != string(sealed.PlaintextSHA) || string(sent.CiphertextSHA) == string(sealed.CiphertextSHA) {
			t.Errorf("the file is %s", sent.State)
		}
	})
}

func (s *site) buildOnly() {
	s.t.Helper()
	var due []store.Due
	s.must(s.store.InTx(s.t.Context(), func(tx *store.Tx) (err error) {
		due, err = tx.ClaimStale(s.t.Context(), batch.Lease, card.FilePlanned, card.FileBuilding)
		return err
	}))
	for _, d := range due {
		s.must(s.plant.Build(s.t.Context(), d.Number, d.Epoch))
	}
}

func TestAPausedWorkerThatWakesWritesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, mass(50))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		claim := func() (due []store.Due) {
			s.must(s.store.InTx(t.Context(), func(tx *store.Tx) (err error) {
				due, err = tx.ClaimStale(t.Context(), 0, card.FilePlanned, card.FileBuilding)
				return err
			}))
			return due
		}
		first := claim()
		second := claim()
		if err := s.plant.Build(t.Context(), first[0].Number, first[0].Epoch); !errors.Is(err, store.ErrFenced) {
			t.Errorf("the first claim: %v", err)
		}
		if f := s.cardFile("south"); f.Minted != 0 || f.State != card.FilePlanned {
			t.Errorf("the fenced worker wrote: %s, %d minted", f.State, f.Minted)
		}
		s.must(s.plant.Build(t.Context(), second[0].Number, second[0].Epoch))
	})
}

func TestTheRunnerCarriesANightOnBothDatabases(t *testing.T) {
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "platen.db") },
		"PostgreSQL": func(t testing.TB) string { return testbed.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, address(t), bureau.Dice{Seed: "night", SpoilPermille: 50})
			queue := filepath.Join(s.dir, "queue.db")
			s.must(jobs.Migrate(t.Context(), s.store, queue))
			r, err := jobs.Start(t.Context(), jobs.Config{Plant: s.plant, Log: zerolog.Nop(), QueuePath: queue, Workers: 2, QueuePoll: 20 * time.Millisecond,
				ReturnsPoll: 50 * time.Millisecond, Schedule: true, Work: true})
			s.must(err)
			defer func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
				defer cancel()
				if err := r.Stop(ctx); err != nil {
					t.Error(err)
				}
			}()
			s.submit("MASS", formats.MassOrder, mass(100))
			s.submit("BULK", formats.BulkOrder, people(40)...)
			for n := 0; n < 6 && !s.books().Balanced; n++ {
				_, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", fmt.Sprint(n), "test")
				s.must(err)
				r.Wake()
				s.waitUntil(func() bool {
					for _, sim := range s.sims {
						s.must(sim.Process(t.Context()))
					}
					batches, err := s.store.BatchesIn(t.Context(), card.BatchOpen, card.BatchPlanned, card.BatchRunning)
					s.must(err)
					return len(batches) == 0 && !s.anyAtWork()
				})
			}
			if b := s.books(); !b.Balanced || b.Requested != 140 {
				t.Errorf("books: %+v", b)
			}
			if err := r.Healthy(); err != nil {
				t.Error(err)
			}
		})
	}
}

// waitUntil looks again and again until the test's own deadline.
func (s *site) waitUntil(done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-s.t.Context().Done():
			s.t.Fatal("the test ended first")
		case <-tick.C:
		}
	}
}

// TestManyProcessesMintEachCardOnce lets four plants on one PostgreSQL race for the same files.
func TestManyProcessesMintEachCardOnce(t *testing.T) {
	s := newSite(t, testbed.Postgres(t), bureau.Dice{})
	s.submit("MASS", formats.MassOrder, mass(7000))
	b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
	s.must(err)
	s.must(s.plant.Plan(t.Context(), b.Number))
	var group errGroup
	for range 4 {
		p := s.anotherPlant()
		group.run(func() error {
			for range 6 {
				var due []store.Due
				if err := s.store.InTx(t.Context(), func(tx *store.Tx) (err error) {
					due, err = tx.ClaimStale(t.Context(), 0, card.FilePlanned, card.FileBuilding)
					return err
				}); err != nil {
					return err
				}
				for _, d := range due {
					if err := fenced(p.Build(t.Context(), d.Number, d.Epoch)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	s.must(group.wait())
	s.settle()
	n, err := s.store.CardCount(t.Context())
	s.must(err)
	if books := s.books(); n != 7000 || !books.Balanced || books.Produced != 7000 {
		t.Errorf("%d cards, produced %d, balanced %v", n, books.Produced, books.Balanced)
	}
}

func (s *site) anotherPlant() *batch.Plant {
	s.t.Helper()
	ledger, err := batch.OpenLedger(filepath.Join(s.dir, "ledger"))
	s.must(err)
	module, err := software.New(s.ring, hsm.SystemEntropy(), software.Options{})
	s.must(err)
	p, err := batch.New(batch.Plant{Store: s.store, Module: module, Vault: vault.New(s.ring), Entropy: hsm.SystemEntropy(), Ledger: ledger, Now: s.now,
		Spool: filepath.Join(s.t.TempDir(), "spool"), ResolveKey: s.resolve, PINStorage: "pin-storage", TokenKey: "token", SecretsKey: "token", Stamp: "TEST", Log: zerolog.Nop()})
	s.must(err)
	return p
}

func TestACutoffLeavesOutABureauThatIsClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(3)...)
		s.submit("MASS", formats.MassOrder, mass(5))
		// Saturday: north works, south does not.
		b, _, err := s.plant.OpenWindow(t.Context(), s.inst, "nightly", "2027-01-09", batch.CutoffSlot, "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		files, err := s.store.FilesOfBatch(t.Context(), b.Number)
		s.must(err)
		for _, f := range files {
			if f.BureauCode != "north" && f.Purpose == store.CardPurpose {
				t.Errorf("file %s was planned", f.Name)
			}
		}
		if len(files) == 0 {
			t.Error("north got no file")
		}
		s.night("by hand")
		if n := s.cardFile("south").Planned; n != 5 {
			t.Errorf("a run by hand planned %d cards for south", n)
		}
	})
}
