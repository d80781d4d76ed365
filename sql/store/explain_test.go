package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"platen/card"
	"platen/testbed"
)

// recorder remembers every statement that passes.
type recorder struct {
	sqlx.ExtContext
	seen []recorded
}

type recorded struct {
	query string
	args  []any
}

func (r *recorder) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r.seen = append(r.seen, recorded{query, args})
	return r.ExtContext.ExecContext(ctx, query, args...)
}

func (r *recorder) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	r.seen = append(r.seen, recorded{query, args})
	return r.ExtContext.QueryContext(ctx, query, args...)
}

func (r *recorder) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	r.seen = append(r.seen, recorded{query, args})
	return r.ExtContext.QueryxContext(ctx, query, args...)
}

func (r *recorder) QueryRowxContext(ctx context.Context, query string, args ...any) *sqlx.Row {
	r.seen = append(r.seen, recorded{query, args})
	return r.ExtContext.QueryRowxContext(ctx, query, args...)
}

const (
	explainedCards = 30_000
	explainedFile  = 1_000
)

// fill makes tables so large that reading one whole is never the cheaper way.
func fill(t *testing.T, s *Store) (institution uuid.UUID, order Order) {
	t.Helper()
	at := time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	err := s.InTx(t.Context(), func(tx *Tx) error {
		i, err := tx.PutInstitution(t.Context(), Institution{ID: uuid.New(), Code: "bank", Name: "Bank", Timezone: "UTC"})
		if err != nil {
			return err
		}
		institution = i.ID
		if _, err := tx.PutProgram(t.Context(), i.ID, Program{Kind: ProductProgram, Code: "p", Body: "{}", Checksum: "1"}, at); err != nil {
			return err
		}
		var cards []Card
		var issues []Issue
		for n := range int64(explainedCards) {
			if n%explainedFile == 0 {
				if order, err = tx.InsertOrder(t.Context(), Order{ID: uuid.New(), Institution: i.ID, Reference: fmt.Sprint(n), Kind: 1, SubmittedBy: "test", CreatedAt: at}, 30); err != nil {
					return err
				}
			}
			file, line := n/explainedFile+1, n%explainedFile+1
			id := card.ID(1<<40 + n)
			cards = append(cards, Card{ID: id, Product: 1, Order: order.Number, Status: card.CardInactive, NewestIssue: 1})
			issues = append(issues, Issue{Card: id, Issue: 1, Order: order.Number, OrderUnit: line, File: &file, Line: &line, Reason: card.New, Expiry: 3011, State: card.IssueFollowsFile, Use: card.UsePending})
		}
		if err := tx.InsertCards(t.Context(), cards); err != nil {
			return err
		}
		return tx.InsertIssues(t.Context(), issues)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO order_lines (order_number, unit, quantity, source_line, state, product_number, reason) SELECT order_number, order_unit, 1, order_unit, 2, 1, 1 FROM issues`,
		`INSERT INTO pin_mailers (card_id, issue, attempt, file_number, line) SELECT card_id, 1, 1, file_number, line FROM issues`,
		`INSERT INTO card_pins (card_id, issue, product_version, pvk_version, pvv, chosen_at) SELECT card_id, 1, 1, 1, 1, '2026-11-21' FROM issues`,
		`INSERT INTO scheduled_closings SELECT card_id, (SELECT id FROM institutions), '2099-01-01', 1, 'test', 'test' FROM issues`,
		`INSERT INTO pin_tries (card_id, tried, forgiven, blocked, told) SELECT card_id, 1, 0, FALSE, FALSE FROM issues`,
		`INSERT INTO file_slices (file_number, first_line, kind, source, first_unit, quantity) SELECT file_number, 1, 1, order_number, 1, count(*) FROM issues GROUP BY file_number, order_number`,
		`INSERT INTO file_slices (file_number, first_line, kind, source, first_unit, quantity) SELECT card_id, 1, 1, card_id, 1, 1 FROM issues`,
		`INSERT INTO return_lines (return_number, line, file_number, file_line, status, outcome, occurred_at, recorded_at) SELECT file_number, line, file_number, line, 'PRODUCED', 1, '2026-11-21', '2026-11-21' FROM issues`,
		`INSERT INTO events (institution_id, object_kind, object_number, kind, data, recorded_at) SELECT (SELECT id FROM institutions), 'card', card_id, 'made', '{}', '2026-11-21' FROM issues`,
		`ANALYZE`,
	} {
		// What a line refers to is beside the point here.
		if s.dialect == Postgres {
			statement = strings.Replace(statement, "INSERT", "SET LOCAL session_replication_role = replica; INSERT", 1)
		} else {
			statement = strings.Replace(statement, "INSERT", "PRAGMA foreign_keys = OFF; INSERT", 1)
		}
		if _, err := s.write.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
	return institution, order
}

// hot is every statement on the big tables that runs for each chunk, card, file or question.
func hot(institution uuid.UUID, o Order) map[string]func(context.Context, *Tx) {
	f := File{Number: 7, Planned: explainedFile, Bureau: 1, Purpose: CardPurpose}
	mailers := f
	mailers.Purpose = MailerPurpose
	id, none := card.ID(1<<40+77), func(...any) {}
	return map[string]func(context.Context, *Tx){
		"card":              func(ctx context.Context, tx *Tx) { none(tx.Card(ctx, id)) },
		"lock card":         func(ctx context.Context, tx *Tx) { none(tx.LockCard(ctx, id)) },
		"issue":             func(ctx context.Context, tx *Tx) { none(tx.Issue(ctx, id, 1)) },
		"issues":            func(ctx context.Context, tx *Tx) { none(tx.Issues(ctx, id)) },
		"mailers of a card": func(ctx context.Context, tx *Tx) { none(tx.MailersOf(ctx, id)) },
		"PIN of a card": func(ctx context.Context, tx *Tx) {
			none(tx.PINTries(ctx, id))
			none(tx.ChosenPINs(ctx, id))
			none(tx.RepeatChosenPIN(ctx, id, 1))
		},
		"line of a card": func(ctx context.Context, tx *Tx) { none(tx.LineOfCard(ctx, id)) },
		"PIN that is waited for": func(ctx context.Context, tx *Tx) {
			none(tx.LineForCard(ctx, id))
			none(tx.HoldForPIN(ctx, OrderLine{Order: o.Number, Unit: 7}, time.Now()))
			none(tx.EndPINHold(ctx, OrderLine{Order: o.Number, Unit: 7}, nil))
			none(tx.PINHolds(ctx, institution, time.Now()))
		},
		"action of a card":  func(ctx context.Context, tx *Tx) { none(tx.CardAwaitsAction(ctx, id)) },
		"events of a card":  func(ctx context.Context, tx *Tx) { none(tx.Events(ctx, institution, "card", int64(id))) },
		"return lines":      func(ctx context.Context, tx *Tx) { none(tx.ReturnLinesOf(ctx, 7, 7)) },
		"quarantined lines": func(ctx context.Context, tx *Tx) { none(tx.QuarantinedLines(ctx, 7)) },
		"file lines":        func(ctx context.Context, tx *Tx) { none(tx.FileLines(ctx, f, Lines{First: 10, Last: 20})) },
		"file mailers":      func(ctx context.Context, tx *Tx) { none(tx.FileLines(ctx, mailers, Lines{List: []int64{5, 7, 900}})) },
		"page of lines":     func(ctx context.Context, tx *Tx) { none(tx.LinesOfFile(ctx, f, nil, 500, 100)) },
		"page of failures": func(ctx context.Context, tx *Tx) {
			none(tx.LinesOfFile(ctx, f, []card.IssueState{card.IssueRejected, card.IssueSpoiled}, 500, 100))
			none(tx.LinesOfFile(ctx, mailers, []card.IssueState{card.IssueSpoiled}, 0, 100))
		},
		"closings": func(ctx context.Context, tx *Tx) {
			none(tx.ScheduledClosing(ctx, id))
			none(tx.DueClosings(ctx, time.Now(), 100))
			none(tx.LateClosings(ctx, institution, time.Now(), time.Now()))
			none(tx.EndClosings(ctx, []Closing{{Card: id, By: id + 1}, {Card: id + 2}}))
		},
		"unmade": func(ctx context.Context, tx *Tx) { none(tx.Unmade(ctx, institution)) },
		"move lines": func(ctx context.Context, tx *Tx) {
			none(tx.MoveLines(ctx, f, Lines{First: 10, Last: 10}, card.IssueFollowsFile, card.IssueProduced))
		},
		"count span":      func(ctx context.Context, tx *Tx) { none(tx.CountFileLines(ctx, f, Lines{List: []int64{5, 7, 900}})) },
		"recount lines":   func(ctx context.Context, tx *Tx) { none(tx.RecountLines(ctx, f)) },
		"recount mailers": func(ctx context.Context, tx *Tx) { none(tx.RecountLines(ctx, mailers)) },
		"fates": func(ctx context.Context, tx *Tx) {
			none(tx.FatesOf(ctx, Order{Number: o.Number, State: card.OrderInProduction}))
		},
		"progress":          func(ctx context.Context, tx *Tx) { none(tx.ProgressOf(ctx, o.Number)) },
		"open lines":        func(ctx context.Context, tx *Tx) { none(tx.OpenLines(ctx, o.Number, 0, 100)) },
		"lines":             func(ctx context.Context, tx *Tx) { none(tx.Lines(ctx, o.Number, 0, 100)) },
		"line of a unit":    func(ctx context.Context, tx *Tx) { none(tx.LineOf(ctx, o.Number, 7)) },
		"plan lines":        func(ctx context.Context, tx *Tx) { none(tx.PlanLines(ctx, o.Number, 5, 6, 2)) },
		"rows to print":     func(ctx context.Context, tx *Tx) { none(tx.PrintRows(ctx, 7, false, 10, 20)) },
		"mailers to print":  func(ctx context.Context, tx *Tx) { none(tx.PrintRows(ctx, 7, true, 10, 20)) },
		"waiting issues":    func(ctx context.Context, tx *Tx) { none(tx.WaitingIssues(ctx, 1, false)) },
		"waiting mailers":   func(ctx context.Context, tx *Tx) { none(tx.WaitingIssues(ctx, 1, true)) },
		"slices":            func(ctx context.Context, tx *Tx) { none(tx.Slices(ctx, 7)) },
		"orders of a file":  func(ctx context.Context, tx *Tx) { none(tx.OrdersOfFile(ctx, 7)) },
		"files of an order": func(ctx context.Context, tx *Tx) { none(tx.FilesOfOrder(ctx, o.Number)) },
		"lock card files":   func(ctx context.Context, tx *Tx) { none(tx.LockCardFilesOf(ctx, o.Number)) },
		"cancel open lines": func(ctx context.Context, tx *Tx) { none(tx.CancelOpenLines(ctx, o.Number)) },
		"cancel waiting":    func(ctx context.Context, tx *Tx) { none(tx.CancelWaiting(ctx, o.Number)) },
		"new cards":         func(ctx context.Context, tx *Tx) { none(tx.LockNewCards(ctx, id, id+20)) },
		"shift lines":       func(ctx context.Context, tx *Tx) { none(tx.ShiftLines(ctx, f, 900, 910, 0)) },
		"orders with lines": func(ctx context.Context, tx *Tx) { none(tx.OrdersWithLinesIn(ctx, 7)) },
		"replaced card":     func(ctx context.Context, tx *Tx) { none(tx.SetNewestIssue(ctx, id, 2)) },
		"settle return line": func(ctx context.Context, tx *Tx) {
			none(tx.SettleReturnLine(ctx, ReturnLine{Return: 7, Line: 7, Outcome: LineApplied}))
		},
	}
}

// whole is how a plan says that it reads a table from end to end. What is small may be read so.
var whole = map[Dialect]*regexp.Regexp{
	Postgres: regexp.MustCompile(`Seq Scan on (cards|issues|pin_mailers|card_pins|pin_tries|order_lines|return_lines|events|file_slices|scheduled_closings)\w*`),
	SQLite:   regexp.MustCompile(`SCAN (cards|issues|pin_mailers|card_pins|pin_tries|order_lines|return_lines|events|file_slices|scheduled_closings|c|i|n|l|m|s|w|later)\b`),
}

// little is how a plan says that it reads an index which holds a few rows of a big table.
var little = regexp.MustCompile(`(?m)^.*USING (COVERING )?INDEX \w+_(failed|waiting)\b.*$`)

func TestNoHotStatementReadsABigTableWhole(t *testing.T) {
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "platen.db") },
		"PostgreSQL": func(t testing.TB) string { return testbed.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), address(t))
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
			institution, order := fill(t, s)
			for what, call := range hot(institution, order) {
				proveIndexed(t, s, what, call)
			}
			// A statement that does read all must be seen, or nothing above is proved.
			if plan := explained(t, s, recorded{query: `SELECT count(*) FROM issues WHERE psn = 5`}); !whole[s.dialect].MatchString(plan) {
				t.Errorf("a scan of a whole table is not seen in\n%s", plan)
			}
		})
	}
}

func proveIndexed(t *testing.T, s *Store, what string, call func(context.Context, *Tx)) {
	t.Helper()
	var r *recorder
	undo := errors.New("undo")
	err := s.InTx(t.Context(), func(tx *Tx) error {
		r = &recorder{ExtContext: tx.run}
		tx.run = r
		call(t.Context(), tx)
		return undo
	})
	if !errors.Is(err, undo) || len(r.seen) == 0 {
		t.Fatalf("%s: %d statements, %v", what, len(r.seen), err)
	}
	for _, st := range r.seen {
		if plan := little.ReplaceAllString(explained(t, s, st), ""); whole[s.dialect].MatchString(plan) {
			t.Errorf("%s reads a big table whole:\n%s\n%s", what, st.query, plan)
		}
	}
}

func explained(t *testing.T, s *Store, st recorded) string {
	t.Helper()
	verb := "EXPLAIN (COSTS OFF) "
	if s.dialect == SQLite {
		verb = "EXPLAIN QUERY PLAN "
	}
	rows, err := s.write.QueryxContext(t.Context(), verb+st.query, st.args...)
	if err != nil {
		t.Fatalf("explain: %v\n%s", err, st.query)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	var plan []string
	for rows.Next() {
		row, err := rows.SliceScan()
		if err != nil {
			t.Fatal(err)
		}
		plan = append(plan, fmt.Sprint(row[len(row)-1]))
	}
	return strings.Join(plan, "\n")
}
