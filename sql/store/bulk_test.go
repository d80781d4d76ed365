package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
	"platen/testbed"
)

// order stores an order without lines.
func order(t *testing.T, s *store.Store, i store.Institution) store.Order {
	t.Helper()
	var o store.Order
	in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		o, err = tx.InsertOrder(ctx, store.Order{ID: uuid.New(), Institution: i.ID, Reference: uuid.NewString(), Kind: 2, SubmittedBy: "t", CreatedAt: noon}, 60)
		return err
	})
	return o
}

// More rows than one block or one statement carries, with everything in them that a text format could mistake for its own.
func TestBulkRowsComeBackAsTheyWereStored(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		p := program(t, s, i, store.ProductProgram, "p")
		o := order(t, s, i)
		odd := []string{"", `\N`, `\.`, "tab\there", "line\nfeed", "carriage\rreturn", `back\slash`, `trailing\`, "Ünïcodé 山田", `"quoted", comma`, `\\x00`, " blank "}
		want := make([]store.OrderLine, 3001)
		for n := range want {
			l := store.OrderLine{Order: o.Number, Unit: int64(n + 1), Quantity: 1, SourceLine: int64(n + 2), State: store.LineOpen, Product: p.Number,
				Reason: card.New, SameDay: n%2 == 0, Expiry: n % 3, LastName: odd[n%len(odd)], Address1: odd[(n+5)%len(odd)], Language: fmt.Sprint(n)}
			if n%7 == 0 {
				id := card.ID(n + 1)
				l.Card = &id
			}
			want[n] = l
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertLines(ctx, want) })
		got, err := s.LinesBetween(t.Context(), o.Number, 1, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestABulkWithOneRowThatIsThereStoresNone(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		f := plannedFile(t, s, i, 5000)
		many := make([]store.Issue, 5000)
		for n := range many {
			many[n] = issue(card.ID(n+1), f.Number, int64(n+1))
		}
		many[4000].Card, many[4000].Issue = many[17].Card, many[17].Issue
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertIssues(ctx, many) })
		if !errors.Is(err, store.ErrConflict) {
			t.Fatalf("stored: %v", err)
		}
		counts, err := s.RecountLines(t.Context(), f)
		if err != nil || counts.Lines != 0 {
			t.Errorf("%d rows are there, %v", counts.Lines, err)
		}
		// The connection that failed serves on.
		many[4000] = issue(4001, f.Number, 4001)
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertIssues(ctx, many) })
	})
}

func TestABulkStopsWhenItsContextEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		f := plannedFile(t, s, i, 1)
		ctx, cancel := context.WithCancel(t.Context())
		err := s.InTx(ctx, func(tx *store.Tx) error {
			cancel()
			return tx.InsertIssues(ctx, []store.Issue{issue(1, f.Number, 1)})
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stored: %v", err)
		}
		counts, err := s.RecountLines(t.Context(), f)
		if err != nil || counts.Lines != 0 {
			t.Errorf("%d rows are there, %v", counts.Lines, err)
		}
	})
}

// A server that goes away in the midst of a copy ends it with an error; once, whoever copied waited for ever.
func TestABulkOnAConnectionThatIsCutFails(t *testing.T) {
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
	f := plannedFile(t, s, i, 1)
	err = s.InTx(t.Context(), func(tx *store.Tx) error {
		if err := tx.InsertIssues(t.Context(), []store.Issue{issue(1, f.Number, 1)}); err != nil {
			return err
		}
		_, err := s.DB().ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
		if err != nil {
			return err
		}
		// The first one hears why; from then on the driver says that the connection is bad.
		if err := tx.InsertIssues(t.Context(), []store.Issue{issue(2, f.Number, 2)}); err == nil {
			return errors.New("nobody noticed")
		}
		return tx.InsertIssues(t.Context(), []store.Issue{issue(3, f.Number, 3)})
	})
	if err == nil {
		t.Error("stored over a connection that was cut")
	}
	counts, err := s.RecountLines(t.Context(), f)
	if err != nil || counts.Lines != 0 {
		t.Errorf("%d rows are there, %v", counts.Lines, err)
	}
}
