package store_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// A line that waits for a PIN is open and is not planned, whoever asks for it; it ends once, with its PIN, which goes when it is cancelled.
func TestALineThatWaitsForAPINIsPlannedOnlyAfterwards(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i, other := institution(t, s, "bank"), institution(t, s, "other")
		p := program(t, s, i, store.ProductProgram, "p")
		f := plannedFile(t, s, i, 1)
		var o store.Order
		in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
			if o, err = tx.InsertOrder(ctx, store.Order{ID: uuid.New(), Institution: i.ID, Reference: "R1", Kind: 3, SubmittedBy: "me", CreatedAt: noon}, 60); err != nil {
				return err
			}
			var lines []store.OrderLine
			for unit := range int64(3) {
				id := card.ID(1<<40 + unit)
				lines = append(lines, store.OrderLine{Order: o.Number, Unit: unit + 1, Quantity: 1, SourceLine: unit + 2, State: store.LineOpen, Product: p.Number, Reason: card.Damaged, Card: &id})
			}
			if err := tx.InsertLines(ctx, lines); err != nil {
				return err
			}
			o.State, o.Requested = card.OrderValidated, 3
			if err := tx.FinishIntake(ctx, o); err != nil {
				return err
			}
			return tx.MoveOrder(ctx, &o, card.OrderOpen)
		})
		line := func(unit int64) (l store.OrderLine) {
			t.Helper()
			var err error
			if l, err = s.LineForCard(t.Context(), card.ID(1<<40+unit-1)); err != nil {
				t.Fatal(err)
			}
			return l
		}
		hold := func(unit int64, at time.Time) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.HoldForPIN(ctx, line(unit), at) })
		}
		end := func(unit int64, pin []byte) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.EndPINHold(ctx, line(unit), pin) })
		}
		open := func() (units []int64, orders int) {
			in(t, s, func(ctx context.Context, tx *store.Tx) error {
				lines, err := tx.OpenLines(ctx, o.Number, 0, 10)
				if err != nil {
					return err
				}
				for _, l := range lines {
					units = append(units, l.Unit)
				}
				all, err := tx.OpenOrders(ctx, i.ID)
				orders = len(all)
				return err
			})
			return units, orders
		}
		for unit, at := range map[int64]time.Time{1: noon, 2: noon.Add(time.Hour), 3: noon} {
			if err := hold(unit, at); err != nil {
				t.Fatal(err)
			}
		}
		if err := hold(1, noon.Add(time.Minute)); err != nil || !line(1).PINHeldAt.Equal(noon) {
			t.Errorf("%v, held at %v", err, line(1).PINHeldAt)
		}
		if units, orders := open(); len(units) != 0 || orders != 0 {
			t.Errorf("lines %v of %d orders are to be planned", units, orders)
		}
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.PlanLines(ctx, o.Number, 1, 1, 1) }); !errors.Is(err, store.ErrStale) {
			t.Errorf("a line that waits was planned: %v", err)
		}
		if h, err := s.PINHolds(t.Context(), i.ID, noon); err != nil || h.Lines != 2 || !h.Oldest.Equal(noon) || h.Card != 1<<40 || h.Order != "R1" {
			t.Errorf("%+v, %v", h, err)
		}
		if h, err := s.PINHolds(t.Context(), other.ID, noon.Add(time.Hour)); err != nil || h.Lines != 0 {
			t.Errorf("%+v, %v", h, err)
		}
		if err := end(1, []byte{7}); err != nil {
			t.Fatal(err)
		}
		if err := end(1, nil); !errors.Is(err, store.ErrStale) {
			t.Errorf("it ended twice: %v", err)
		}
		if units, orders := open(); len(units) != 1 || units[0] != 1 || orders != 1 {
			t.Errorf("lines %v of %d orders are to be planned", units, orders)
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.PlanLines(ctx, o.Number, 1, 1, 1); err != nil {
				return err
			}
			return tx.InsertSlices(ctx, []store.Slice{{File: f.Number, FirstLine: 1, Kind: store.ReissueSlice, Source: o.Number, FirstUnit: 1, Quantity: 1}})
		})
		lines, err := s.MintLines(t.Context(), f.Number, 1, 1, 1)
		if err != nil || len(lines) != 1 || !bytes.Equal(lines[0].PIN, []byte{7}) {
			t.Errorf("%+v, %v", lines, err)
		}
		if err := hold(1, noon); !errors.Is(err, store.ErrStale) {
			t.Errorf("a planned line waits: %v", err)
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.MadeLines(ctx, o.Number, 1, 1, 1) })
		in(t, s, func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.CancelOpenLines(ctx, o.Number)
			if n != 2 {
				t.Errorf("%d cards are cancelled", n)
			}
			return err
		})
		if h, err := s.PINHolds(t.Context(), i.ID, noon.Add(time.Hour)); err != nil || h.Lines != 0 {
			t.Errorf("%+v, %v", h, err)
		}
	})
}
