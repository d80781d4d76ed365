package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
	"platen/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

var noon = time.Date(2026, time.November, 21, 12, 0, 0, 123456000, time.UTC)

// onBoth runs one test on a fresh database of each kind: the suite that every store must pass.
func onBoth(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "platen.db") },
		"PostgreSQL": func(t testing.TB) string { return testbed.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), address(t))
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
			test(t, s)
		})
	}
}

func in(t *testing.T, s *store.Store, f func(context.Context, *store.Tx) error) {
	t.Helper()
	if err := try(t, s, f); err != nil {
		t.Fatal(err)
	}
}

func try(t *testing.T, s *store.Store, f func(context.Context, *store.Tx) error) error {
	t.Helper()
	return s.InTx(t.Context(), func(tx *store.Tx) error { return f(t.Context(), tx) })
}

func institution(t *testing.T, s *store.Store, code string) store.Institution {
	t.Helper()
	var i store.Institution
	in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		i, err = tx.PutInstitution(ctx, store.Institution{ID: uuid.New(), Code: code, Name: "Bank", Timezone: "UTC"})
		return err
	})
	return i
}

func program(t *testing.T, s *store.Store, i store.Institution, kind store.ProgramKind, code string) store.Program {
	t.Helper()
	in(t, s, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.PutProgram(ctx, i.ID, store.Program{Kind: kind, Code: code, Body: "{}", Checksum: "1"}, noon)
		return err
	})
	all, err := s.Programs(t.Context(), i.ID, kind)
	if err != nil || len(all) == 0 {
		t.Fatalf("programs: %v, %v", all, err)
	}
	return all[len(all)-1]
}

func panRange(t *testing.T, s *store.Store, i store.Institution, size int64) store.PANRange {
	t.Helper()
	r := store.PANRange{Range: card.Range{Code: "r", Prefix: "400000", Length: 16, Size: size}, Institution: i.ID,
		PermutationKey: card.KeyRef{Label: "perm", Version: 1}, TokenKey: card.KeyRef{Label: "token", Version: 2}}
	in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		r, err = tx.InsertRange(ctx, r)
		return err
	})
	return r
}

// plannedFile makes a batch with one planned file of so many lines.
func plannedFile(t *testing.T, s *store.Store, i store.Institution, lines int64) store.File {
	t.Helper()
	bureau, product := program(t, s, i, store.BureauProgram, "b"), program(t, s, i, store.ProductProgram, "p")
	schedule := program(t, s, i, store.ScheduleProgram, "nightly")
	f := store.File{ID: uuid.New(), Institution: i.ID, Purpose: store.CardPurpose, Bureau: bureau.Number, BureauVersion: 1, BureauCode: "b", Product: product.Number,
		ProductVersion: 1, Layout: 1, LayoutVersion: 1, Keys: "{}", Stamp: "TEST", BusinessDate: "2026-11-21", FileTime: "120000", Planned: lines, State: card.FilePlanned, CreatedAt: noon}
	in(t, s, func(ctx context.Context, tx *store.Tx) error {
		w := store.Window{Schedule: schedule.Number, BusinessDate: "2026-11-21", Slot: uuid.NewString(), Trigger: "test", CreatedAt: noon}
		number, _, err := tx.OpenWindow(ctx, w, store.Batch{ID: uuid.New(), Institution: i.ID, Schedule: "nightly", ScheduleBody: "{}", BusinessDate: "2026-11-21", CreatedAt: noon})
		if err != nil {
			return err
		}
		f.Batch = number
		if f.Number, err = tx.Next(ctx, store.FileCounter); err != nil {
			return err
		}
		if f.Sequence, err = tx.Next(ctx, store.SequenceCounter(bureau.Number)); err != nil {
			return err
		}
		f.Name = uuid.NewString()
		return tx.InsertFile(ctx, f)
	})
	return f
}

func TestBothDatabasesHaveTheSameTablesAndColumns(t *testing.T) {
	var schemas []map[string][]string
	onBoth(t, func(t *testing.T, s *store.Store) {
		columns, err := s.Columns(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		schemas = append(schemas, columns)
	})
	if len(schemas) != 2 || len(schemas[0]) < 20 {
		t.Fatalf("read %d schemas", len(schemas))
	}
	if diff := cmp.Diff(schemas[0], schemas[1]); diff != "" {
		t.Error(diff)
	}
}

func TestNoColumnCanHoldASecurityCode(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		all, err := s.Columns(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for table, columns := range all {
			for _, c := range columns {
				for _, bad := range []string{"cvv", "cvc", "csc", "track", "pan", "token"} {
					if c == bad || c == bad+"2" || c == "i"+bad {
						t.Errorf("%s.%s", table, c)
					}
				}
			}
		}
	})
}

func TestACounterHasNoGapsWhenTransactionsRollBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		var numbers []int64
		next := func(fail error) {
			err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
				n, err := tx.Next(ctx, "file")
				if err == nil && fail == nil {
					numbers = append(numbers, n)
				}
				return errors.Join(err, fail)
			})
			if !errors.Is(err, fail) {
				t.Fatal(err)
			}
		}
		next(nil)
		next(errors.New("lost"))
		next(nil)
		if diff := cmp.Diff([]int64{1, 2}, numbers); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAProgramGetsANewVersionOnlyWhenItChanged(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		put := func(body, sum string) (changed bool) {
			in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				changed, err = tx.PutProgram(ctx, i.ID, store.Program{Kind: store.ProductProgram, Code: "p", Body: body, Checksum: sum}, noon)
				return err
			})
			return changed
		}
		if got := []bool{put("a", "1"), put("a", "1"), put("b", "2")}; !cmp.Equal(got, []bool{true, false, true}) {
			t.Errorf("changed: %v", got)
		}
		all, err := s.Programs(t.Context(), i.ID, store.ProductProgram)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 1 || all[0].Version != 2 || all[0].Body != "b" {
			t.Errorf("current: %+v", all)
		}
		old, err := s.Program(t.Context(), i.ID, all[0].Number, 1)
		if err != nil || old.Body != "a" {
			t.Errorf("version 1: %+v, %v", old, err)
		}
		if _, err := s.Program(t.Context(), uuid.New(), all[0].Number, 1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another institution: %v", err)
		}
	})
}

func TestAWindowIsOpenedOnceHoweverManyTry(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		schedule := program(t, s, i, store.ScheduleProgram, "nightly")
		var mu sync.Mutex
		wins := 0
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				err := s.InTx(t.Context(), func(tx *store.Tx) error {
					w := store.Window{Schedule: schedule.Number, BusinessDate: "2026-11-21", Slot: "cutoff", Trigger: "test", CreatedAt: noon}
					_, won, err := tx.OpenWindow(t.Context(), w, store.Batch{ID: uuid.New(), Institution: i.ID, Schedule: "nightly", ScheduleBody: "{}", BusinessDate: "2026-11-21", CreatedAt: noon})
					if err == nil && !won {
						return store.ErrNoWindow
					}
					return err
				})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					wins++
				case !errors.Is(err, store.ErrNoWindow):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if wins != 1 {
			t.Errorf("%d won", wins)
		}
	})
}

func TestReserveGivesEachNumberOnceAndStopsAtTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		panRange(t, s, i, 100)
		reserve := func(n int64) (first int64, err error) {
			err = try(t, s, func(ctx context.Context, tx *store.Tx) error {
				r, err := tx.LockRange(ctx, i.ID, "r")
				if err != nil {
					return err
				}
				first, err = tx.Reserve(ctx, &r, n, 1)
				return err
			})
			return first, err
		}
		if first, err := reserve(60); err != nil || first != 0 {
			t.Errorf("first block: %d, %v", first, err)
		}
		if _, err := reserve(41); !errors.Is(err, store.ErrExhausted) {
			t.Errorf("too many: %v", err)
		}
		if first, err := reserve(40); err != nil || first != 60 {
			t.Errorf("rest: %d, %v", first, err)
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.Advance(ctx, 1, 50, "restored") })
		if _, err := reserve(1); !errors.Is(err, store.ErrRangeHeld) {
			t.Errorf("held: %v", err)
		}
		all, err := s.Ranges(t.Context())
		if err != nil || all[0].Next != 100 {
			t.Errorf("a counter never goes back: %+v, %v", all, err)
		}
	})
}

func issue(id card.ID, file, line int64) store.Issue {
	pvv := 42
	return store.Issue{Card: id, Issue: 1, Order: 1, OrderUnit: 1, File: &file, Line: &line, Reason: card.New, Expiry: 3012, PSN: 1,
		State: card.IssueFollowsFile, Use: card.UsePending, PVV: &pvv, PIN: []byte{1, 2, 3}}
}

func TestACardAndAFileLineAreMadeOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		f := plannedFile(t, s, i, 10)
		id, _ := card.NewID(1, 0)
		mint := func(id card.ID, line int64) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error {
				c := store.Card{ID: id, Product: f.Product, Order: 1, Status: card.CardInactive, NewestIssue: 1}
				if err := tx.InsertCards(ctx, []store.Card{c}); err != nil {
					return err
				}
				return tx.InsertIssues(ctx, []store.Issue{issue(id, f.Number, line)})
			})
		}
		if err := mint(id, 1); err != nil {
			t.Fatal(err)
		}
		if err := mint(id, 2); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the same card again: %v", err)
		}
		if err := mint(id+1, 1); !errors.Is(err, store.ErrConflict) {
			t.Errorf("another card on the same line: %v", err)
		}
		if _, err := s.Card(t.Context(), id+1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the refused card left something: %v", err)
		}
		got, err := s.Issue(t.Context(), id, 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(issue(id, f.Number, 1), got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAClaimFencesTheOneBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		f := plannedFile(t, s, i, 10)
		claim := func() (due []store.Due) {
			in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				due, err = tx.ClaimStale(ctx, 30, card.FilePlanned, card.FileBuilding)
				return err
			})
			return due
		}
		first := claim()
		if len(first) != 1 || first[0].Epoch != 1 {
			t.Fatalf("first claim: %+v", first)
		}
		if again := claim(); len(again) != 0 {
			t.Errorf("a held file was claimed: %+v", again)
		}
		if err := s.HoldFile(t.Context(), f.Number, 1, 0); err != nil {
			t.Fatal(err)
		}
		second := claim()
		if len(second) != 1 || second[0].Epoch != 2 {
			t.Fatalf("second claim: %+v", second)
		}
		stale, fresh := f, f
		stale.Epoch, fresh.Epoch = 1, 2
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.MoveFile(ctx, &stale, card.FileBuilding, "") })
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("the first claimant still writes: %v", err)
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.MoveFile(ctx, &fresh, card.FileBuilding, "") })
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.AdvanceMint(ctx, f.Number, 1, 0, 5) }); !errors.Is(err, store.ErrFenced) {
			t.Errorf("the first claimant still mints: %v", err)
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.AdvanceMint(ctx, f.Number, 2, 0, 5) })
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.AdvanceMint(ctx, f.Number, 2, 0, 5) }); !errors.Is(err, store.ErrFenced) {
			t.Errorf("one cursor step was made twice: %v", err)
		}
	})
}

func TestAFileCannotSkipAState(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		f := plannedFile(t, s, institution(t, s, "bank"), 10)
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.MoveFile(ctx, &f, card.FileSent, "") })
		if !errors.Is(err, card.ErrTransition) {
			t.Error(err)
		}
	})
}

func TestAnOrdersReferenceIsTakenOnceAndADeadIntakeIsTakenOver(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		p := program(t, s, i, store.ProductProgram, "p")
		insert := func(lease int) (o store.Order, err error) {
			err = try(t, s, func(ctx context.Context, tx *store.Tx) error {
				o, err = tx.InsertOrder(ctx, store.Order{ID: uuid.New(), Institution: i.ID, Reference: "R1", Kind: 1, SubmittedBy: "me", CreatedAt: noon}, lease)
				return err
			})
			return o, err
		}
		o, err := insert(0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := insert(0); !errors.Is(err, store.ErrConflict) {
			t.Errorf("second order: %v", err)
		}
		line := store.OrderLine{Order: o.Number, Unit: 1, Quantity: 1, SourceLine: 2, State: store.LineOpen, Product: p.Number, Reason: card.New, FirstName: "Łukasz"}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertLines(ctx, []store.OrderLine{line}) })
		var taken store.Order
		in(t, s, func(ctx context.Context, tx *store.Tx) error {
			taken, err = tx.TakeOverIntake(ctx, o, 60)
			return err
		})
		lines, err := s.Lines(t.Context(), o.Number, 0, 10)
		if err != nil || len(lines) != 0 {
			t.Errorf("lines of the dead intake: %v, %v", lines, err)
		}
		if err := try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.ExtendIntake(ctx, o, 60) }); !errors.Is(err, store.ErrFenced) {
			t.Errorf("the dead intake goes on: %v", err)
		}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertLines(ctx, []store.OrderLine{line}) })
		taken.State, taken.Requested, taken.Fingerprint = card.OrderValidated, 1, []byte{9}
		in(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.FinishIntake(ctx, taken) })
		got, err := s.LineOf(t.Context(), o.Number, 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(line, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAttemptsAreNumberedAndEndOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		f := plannedFile(t, s, institution(t, s, "bank"), 1)
		insert := func() (a store.Attempt) {
			in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
				a, err = tx.InsertAttempt(ctx, store.Attempt{File: f.Number, TempName: "t", CiphertextSHA: []byte{1}, CiphertextBytes: 1, StartedAt: noon})
				return err
			})
			return a
		}
		first, second := insert(), insert()
		if first.Attempt != 1 || second.Attempt != 2 {
			t.Fatalf("numbers %d, %d", first.Attempt, second.Attempt)
		}
		move := func(a *store.Attempt, state string) error {
			return try(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.MoveAttempt(ctx, a, state, "", "", noon) })
		}
		for _, state := range []string{store.AttemptRenaming, store.AttemptDelivered} {
			if err := move(&first, state); err != nil {
				t.Fatal(err)
			}
		}
		if err := move(&first, store.AttemptFailed); !errors.Is(err, store.ErrFenced) {
			t.Errorf("a delivered attempt changed: %v", err)
		}
		second.Epoch = 9
		if err := move(&second, store.AttemptRenaming); !errors.Is(err, store.ErrFenced) {
			t.Errorf("another epoch wrote: %v", err)
		}
	})
}
