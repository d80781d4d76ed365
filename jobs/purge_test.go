package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/fault"
	"platen/formats"
	"platen/sql/store"
)

var february = time.Date(2027, time.February, 1, 0, 0, 0, 0, time.UTC)

// old makes orders and files in January, and moves the clock to February.
func (s *site) old() {
	s.t.Helper()
	s.must(s.store.EnsureMonths(s.t.Context(), s.now()))
	s.submit("BULK", formats.BulkOrder, people(20)...)
	s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
	s.night("one")
	s.setNow(s.now().AddDate(0, 1, 5))
}

// purge plans a purge before a month and carries it out.
func (s *site) purge(before time.Time, again bool) error {
	s.t.Helper()
	plan, err := s.plant.PlanPurge(s.t.Context(), before)
	s.must(err)
	return s.plant.Purge(s.t.Context(), plan, again, "test")
}

// left is what a verification before February finds.
func (s *site) left() batch.PurgePlan {
	s.t.Helper()
	plan, err := s.plant.PlanPurge(s.t.Context(), february)
	s.must(err)
	return plan
}

func (s *site) count(query string) (n int64) {
	s.t.Helper()
	s.must(s.store.DB().QueryRowContext(s.t.Context(), query).Scan(&n))
	return n
}

func TestAPurgeTakesWhatIsOldAndTheBooksStayAsTheyWere(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.old()
		s.submit("LATER", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "5"})
		s.night("two")
		before := s.books()
		f := s.cardFile("south")
		if plan := s.left(); plan.Empty() || len(plan.Against) > 0 || len(plan.Spooled) == 0 || plan.Orders != 2 {
			t.Fatalf("to purge: %+v", plan)
		}
		s.must(s.purge(february, false))
		if plan := s.left(); !plan.Empty() {
			t.Errorf("left: %+v", plan)
		}
		s.proveChecked()
		after := s.books()
		if after.Requested != before.Requested || after.Produced != before.Produced || !after.Balanced || len(after.Files) != len(before.Files) {
			t.Errorf("the books were %+v and are %+v", before, after)
		}
		for what, query := range map[string]string{
			"order lines": `SELECT count(*) FROM order_lines`, "return bytes": `SELECT count(*) FROM return_chunks WHERE return_number = 1`,
			"audit": `SELECT count(*) FROM audit_log WHERE action = 'purge'`,
		} {
			if n, want := s.count(query), map[string]int64{"order lines": 1, "audit": 1}[what]; n != want {
				t.Errorf("%s: %d, not %d", what, n, want)
			}
		}
		s.refusesPurged(f)
		if err := s.purge(february, false); err != nil || s.count(`SELECT count(*) FROM audit_log WHERE action = 'purge'`) != 1 {
			t.Errorf("a second purge: %v", err)
		}
		if s.store.Dialect() == store.Postgres && s.count(`SELECT count(*) FROM pg_class WHERE relname IN ('order_lines_202701', 'return_lines_202701', 'events_202701')`) != 0 {
			t.Error("partitions of the purged month are there")
		}
	})
}

// refusesPurged expects that nothing can be done with a purged file, and that its past is not told wrongly.
func (s *site) refusesPurged(sent store.File) {
	s.t.Helper()
	ctx := s.t.Context()
	for _, f := range s.books().Files {
		if f.File.CreatedAt.After(february) {
			continue
		}
		if f.File.State != card.FilePurged || f.File.PurgedAt == nil || f.File.Spool != "" || !f.Balanced {
			s.t.Errorf("file %d: %s, purged at %v, balanced %t", f.File.Number, f.File.State, f.File.PurgedAt, f.Balanced)
		}
		if err := s.plant.ReplayTo(ctx, f.File.Number, io.Discard, batch.ReplayInClear, "why", "test"); !errors.Is(err, batch.ErrPurged) {
			s.t.Errorf("replayed: %v", err)
		}
		if _, _, err := s.plant.Resend(ctx, f.File.Number, "why", "test"); !errors.Is(err, batch.ErrPurged) {
			s.t.Errorf("sent again: %v", err)
		}
		past, err := s.plant.BalanceOf(ctx, s.inst, batch.BooksOf{File: f.File.Number, At: s.now()})
		if err != nil || !past.Balanced || past.Produced != f.Produced {
			s.t.Errorf("its books now: %+v, %v", past, err)
		}
		if _, err := s.plant.BalanceOf(ctx, s.inst, batch.BooksOf{File: f.File.Number, At: f.File.BalancedAt.Add(-time.Second)}); f.File.CreatedAt.Before(*f.File.BalancedAt) && err == nil {
			s.t.Error("books of a moment that nobody knows any more")
		}
	}
	if _, err := s.plant.BalanceOf(ctx, s.inst, batch.BooksOf{Order: "MASS", At: s.now()}); err == nil {
		s.t.Error("books of the past of a purged order")
	}
	if entries, err := filepath.Glob(filepath.Join(s.dir, "spool", sent.ID.String()+"*")); err != nil || len(entries) > 0 && sent.CreatedAt.Before(february) {
		s.t.Errorf("in the spool: %v, %v", entries, err)
	}
}

func TestNothingIsPurgedWhileSomethingOldHasNotEnded(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.old()
		if _, err := s.plant.PlanPurge(t.Context(), s.now().AddDate(0, 1, 0)); err == nil {
			t.Error("a month that has not begun")
		}
		lines := s.count(`SELECT count(*) FROM order_lines`)
		for want, edit := range map[string][2]string{
			"file 1 is SENT":            {`UPDATE files SET state = 6 WHERE number = 1`, `UPDATE files SET state = 11 WHERE number = 1`},
			"order MASS is OPEN":        {`UPDATE orders SET state = 5 WHERE reference = 'MASS'`, `UPDATE orders SET state = 8 WHERE reference = 'MASS'`},
			"return file 1 is STORED":   {`UPDATE return_files SET state = 3 WHERE number = 1`, `UPDATE return_files SET state = 6 WHERE number = 1`},
			"cards or PIN mailers wait": {`INSERT INTO pin_mailers (card_id, issue, attempt) SELECT card_id, issue, 9 FROM issues WHERE order_unit = 1 AND file_number = 1`, `DELETE FROM pin_mailers WHERE attempt = 9`},
			"RETURN_QUARANTINED":        {`UPDATE return_files SET state = 8 WHERE number = 1`, `UPDATE return_files SET state = 6 WHERE number = 1`},
		} {
			for i, statement := range edit {
				if _, err := s.store.DB().ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					plan := s.left()
					if !strings.Contains(strings.Join(plan.Against, "; "), want) {
						t.Errorf("%q is not against it: %q", want, plan.Against)
					}
					if err := s.plant.Purge(t.Context(), plan, false, "test"); !errors.Is(err, batch.ErrNotEnded) {
						t.Errorf("%s: %v", want, err)
					}
				}
			}
		}
		if n := s.count(`SELECT count(*) FROM order_lines`); n != lines || s.count(`SELECT count(*) FROM files WHERE state > 11`) != 0 {
			t.Errorf("%d of %d order lines are left", n, lines)
		}
	})
}

func TestPINsThatNoLaterCardTakesOverGoWithTheFile(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.old()
		close := func(limit string) {
			if _, err := s.store.DB().ExecContext(t.Context(), `UPDATE cards SET status = 4 WHERE id IN (SELECT card_id FROM issues WHERE pin IS NOT NULL ORDER BY card_id LIMIT `+limit+`)`); err != nil {
				t.Fatal(err)
			}
		}
		all := s.count(`SELECT count(*) FROM issues WHERE pin IS NOT NULL`)
		close("3")
		s.must(s.purge(february, false))
		if n := s.count(`SELECT count(*) FROM issues WHERE pin IS NOT NULL`); n != all-3 || all < 6 {
			t.Errorf("%d of %d PINs are left", n, all)
		}
		close("2") // after the purge: a verification tells, and a purge that begins again clears them
		if plan := s.left(); plan.Empty() || plan.Left.PINs != 2 || plan.Left.PINsInUse != all-5 {
			t.Errorf("left: %+v", plan.Left)
		}
		s.must(s.purge(february, true))
		if plan := s.left(); !plan.Empty() {
			t.Errorf("left: %+v", plan.Left)
		}
	})
}

func TestAPurgeThatIsCutOffGoesOnWhenCalledAgain(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.old()
		cuts := map[string]bool{}
		for n := int64(1); ; n++ {
			point, err := s.purgeUntil(n)
			s.proveChecked()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) || s.left().Empty() {
				t.Fatalf("cut off at %s: %v", point, err)
			}
			cuts[point] = true
		}
		if len(cuts) < 4 {
			t.Errorf("cut off at %v only", cuts)
		}
		if left := s.left(); !left.Empty() {
			t.Errorf("left: %+v", left)
		}
	})
}

// purgeUntil purges until the n-th place where a process may die, and tells which one it was.
func (s *site) purgeUntil(n int64) (point string, err error) {
	s.t.Helper()
	plan := s.left()
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	disarm, err := fault.Arm(func(at int64, name string) {
		if at == n {
			point = name
			stop()
		}
	})
	s.must(err)
	defer disarm()
	return point, s.plant.Purge(ctx, plan, false, "test")
}

func TestAnAnswerAboutAPurgedFileIsRefusedAndHarmsNothing(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.old()
		f := s.cardFile("south")
		s.must(s.purge(february, false))
		s.answer("south", "late.status", f.Number, [3]string{fmt.Sprintf("%d-0000007", f.Number), "SPOILED", "scratched in packing"})
		if r := s.returned("late.status"); r.State != card.ReturnPartlyApplied || r.Rejected != 1 {
			t.Errorf("the answer: %+v", r)
		}
		s.proveChecked()
	})
}
