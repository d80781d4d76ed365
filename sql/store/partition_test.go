package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/sql/store"
	"platen/testbed"
)

func TestAMonthsRowsStandInItsPartition(t *testing.T) {
	s, err := store.Open(t.Context(), testbed.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all errgroup.Group
	for range 4 {
		all.Go(func() error { return errors.Join(s.EnsureMonths(t.Context(), noon), s.EnsureMonths(t.Context(), noon)) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	i := institution(t, s, "bank")
	product := program(t, s, i, store.ProductProgram, "p")
	for _, at := range []time.Time{noon, noon.AddDate(0, 1, 0), noon.AddDate(1, 0, 0)} {
		in(t, s, func(ctx context.Context, tx *store.Tx) error {
			o, err := tx.InsertOrder(ctx, store.Order{ID: uuid.New(), Institution: i.ID, Reference: at.String(), Kind: 1, SubmittedBy: "test", CreatedAt: at}, 30)
			if err != nil {
				return err
			}
			line := store.OrderLine{Order: o.Number, Unit: 1, Quantity: 1, SourceLine: 2, State: store.LineOpen, Product: product.Number, Reason: card.New}
			return errors.Join(tx.InsertLines(ctx, []store.OrderLine{line}), tx.Record(ctx, i.ID, "order", o.Number, "accepted", nil, at))
		})
	}
	got := map[string]int{}
	for _, table := range []string{"order_lines_202611", "order_lines_202612", "order_lines_202701", "order_lines_default", "events_202611", "events_202612", "events_202701", "events_default", "return_lines_202701"} {
		var n int
		if err := s.DB().QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		got[table] = n
	}
	want := map[string]int{"order_lines_202611": 1, "order_lines_202612": 1, "order_lines_202701": 0, "order_lines_default": 1,
		"events_202611": 1, "events_202612": 1, "events_202701": 0, "events_default": 1, "return_lines_202701": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The next year's month stays in the default partition, where its rows are.
	if err := s.EnsureMonths(t.Context(), noon.AddDate(1, 0, 0)); err != nil {
		t.Error(err)
	}
}

func TestARowFindsThePartitionThatWasMadeWhileItWaited(t *testing.T) {
	s, err := store.Open(t.Context(), testbed.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	i := institution(t, s, "bank")
	attach, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{`CREATE TABLE events_202611 (LIKE events INCLUDING ALL)`,
		`ALTER TABLE events ATTACH PARTITION events_202611 FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')`} {
		if _, err := attach.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	recorded := make(chan error, 1)
	go func() {
		recorded <- s.InTx(t.Context(), func(tx *store.Tx) error { return tx.Record(t.Context(), i.ID, "order", 1, "accepted", nil, noon) })
	}()
	for waiting := 0; waiting == 0; {
		if err := s.DB().QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(attach.Commit(), <-recorded); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := s.DB().QueryRowContext(t.Context(), `SELECT count(*) FROM events_202611`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d events in the new partition, %v", n, err)
	}
}

func TestOrderNumbersBeginWithTheirMonthAndNeverGoBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		var got []int64
		for n, at := range []time.Time{noon, noon.AddDate(0, 2, 0), noon} {
			in(t, s, func(ctx context.Context, tx *store.Tx) error {
				o, err := tx.InsertOrder(ctx, store.Order{ID: uuid.New(), Institution: i.ID, Reference: string(rune('a' + n)), Kind: 1, SubmittedBy: "test", CreatedAt: at}, 30)
				got = append(got, o.Number)
				return err
			})
		}
		if diff := cmp.Diff([]int64{202611_000000001, 202701_000000001, 202701_000000002}, got); diff != "" {
			t.Error(diff)
		}
	})
}
