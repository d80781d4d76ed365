package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// TestTheLinesOfAFileAreListedAndWhatNobodyMakesAgainIsCounted makes one file of every kind of line: of a mass and of a bulk order, made, rejected, spoiled, of a closed card, and made
// again since.
func TestTheLinesOfAFileAreListedAndWhatNobodyMakesAgainIsCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		f, mailers := plannedFile(t, s, i, 8), plannedFile(t, s, i, 8)
		mailers.Purpose = store.MailerPurpose
		var orders [2]store.Order
		in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
			for n := range orders {
				if orders[n], err = tx.InsertOrder(ctx, store.Order{ID: uuid.New(), Institution: i.ID, Reference: fmt.Sprint(n), Kind: n + 1, SubmittedBy: "test", CreatedAt: noon}, 30); err != nil {
					return err
				}
			}
			return nil
		})
		for line, is := range []struct {
			kind   int
			state  card.IssueState
			status card.Status
			newest int
		}{
			{1, card.IssueFollowsFile, card.CardInactive, 1}, {1, card.IssueProduced, card.CardInactive, 1}, {1, card.IssueRejected, card.CardInactive, 1}, {1, card.IssueSpoiled, card.CardActive, 1},
			{1, card.IssueSpoiled, card.CardClosed, 1}, {1, card.IssueSpoiled, card.CardInactive, 2}, {2, card.IssueRejected, card.CardInactive, 1}, {2, card.IssueSpoiled, card.CardInactive, 1},
		} {
			in(t, s, func(ctx context.Context, tx *store.Tx) error {
				id, err := card.NewID(1, int64(line))
				if err != nil {
					return err
				}
				order := orders[is.kind-1].Number
				if err := tx.InsertCards(ctx, []store.Card{{ID: id, Product: f.Product, Order: order, Status: is.status, NewestIssue: is.newest}}); err != nil {
					return err
				}
				made := issue(id, f.Number, int64(line+1))
				made.Order, made.State = order, is.state
				if err := tx.InsertIssues(ctx, []store.Issue{made}); err != nil {
					return err
				}
				if err := tx.InsertMailers(ctx, f.Number, int64(line+1), 1, mailers.Number, int64(line+1)); err != nil {
					return err
				}
				if is.state != card.IssueFollowsFile {
					return tx.MoveLines(ctx, mailers, store.Lines{First: int64(line + 1), Last: int64(line + 1)}, card.IssueFollowsFile, is.state)
				}
				return nil
			})
		}
		lines := func(f store.File, after int64, limit int, states ...card.IssueState) (all []int64) {
			got, err := s.LinesOfFile(t.Context(), f, states, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range got {
				all = append(all, l.Line)
			}
			return all
		}
		for _, file := range []store.File{f, mailers} {
			got := [][]int64{lines(file, 0, 3), lines(file, 3, 100), lines(file, 0, 100, card.IssueRejected), lines(file, 4, 2, card.IssueRejected, card.IssueSpoiled), lines(file, 8, 100)}
			if diff := cmp.Diff([][]int64{{1, 2, 3}, {4, 5, 6, 7, 8}, {3, 7}, {5, 6}, nil}, got); diff != "" {
				t.Errorf("purpose %d: %s", file.Purpose, diff)
			}
		}
		unmade, err := s.Unmade(t.Context(), i.ID)
		if err != nil {
			t.Fatal(err)
		}
		// Of the cards the rejected and the spoiled one of the mass order and the spoiled one of the bulk order; of mailers, which no row corrects, those of every card that is not closed.
		want := []store.Unmade{{File: f.Number, BureauCode: "b", Spoiled: 2, Rejected: 1, CreatedAt: noon}, {File: mailers.Number, BureauCode: "b", Spoiled: 3, Rejected: 2, CreatedAt: noon}}
		if diff := cmp.Diff(want, unmade); diff != "" {
			t.Error(diff)
		}
		if other, err := s.Unmade(t.Context(), institution(t, s, "other").ID); err != nil || len(other) != 0 {
			t.Errorf("another institution sees %v, %v", other, err)
		}
	})
}
