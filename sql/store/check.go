package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"platen/card"
)

// Invariant is something that holds in every database at every moment, whatever died: a query that lists what breaks it.
type Invariant struct {
	Name string // stable; operators and tests know it
	Says string // what holds, in a sentence

	// query lists breaches: kind of object, its number, and what is wrong with it, without card data. Names of states stand in it as FILE_SENT, ISSUE_PRODUCED,
	// ORDER_OPEN, BATCH_RUNNING, RETURN_APPLIED, OPERATION_SUCCESS, and {fulfilled:COLUMN} for a column's being PRODUCED or later.
	query string
}

// Breach is one object that breaks an invariant. The number of a card is its identity, which is never shown.
type Breach struct {
	Object string `db:"object"` // file, order, card, batch, return, range, bureau, account, operation
	Number int64  `db:"number"`
	Detail string `db:"detail"`
}

// Invariants lists everything that Check can prove from the database alone.
func Invariants() []Invariant {
	var all []Invariant
	for _, some := range [][]Invariant{fileInvariants, deliveryInvariants, cardInvariants, orderInvariants, returnInvariants, ledgerInvariants} {
		all = append(all, some...)
	}
	return all
}

// maxBreaches is how many breaches of one invariant are listed.
const maxBreaches = 100

// Breaches lists what breaks an invariant, the first ones of many.
func (q Q) Breaches(ctx context.Context, i Invariant) ([]Breach, error) {
	var all []Breach
	err := q.list(ctx, "check "+i.Name, &all, `SELECT object, number, detail FROM (`+stateNumbers(i.query)+`) AS breaches ORDER BY object, number LIMIT `+strconv.Itoa(maxBreaches))
	return all, err
}

// stateNumbers replaces the names of states by their numbers.
func stateNumbers(query string) string {
	var pairs []string
	add := func(prefix string, number int, name string) { pairs = append(pairs, prefix+name, strconv.Itoa(number)) }
	for _, s := range card.FileStates() {
		add("FILE_", int(s), s.String())
	}
	for s := card.IssueCancelled; s > card.IssueFollowsFile; s-- {
		add("ISSUE_", int(s), s.String())
	}
	add("ISSUE_", int(card.IssueFollowsFile), card.IssueFollowsFile.String())
	for _, s := range card.OrderStates() {
		add("ORDER_", int(s), s.String())
	}
	for _, s := range card.ReturnStates() {
		add("RETURN_", int(s), s.String())
	}
	for s := card.BatchFailed; s >= card.BatchOpen; s-- {
		add("BATCH_", int(s), s.String())
	}
	for s := card.OperationFail; s >= card.OperationWaiting; s-- {
		add("OPERATION_", int(s), s.String())
	}
	for r := card.PINNew; r >= card.New; r-- {
		add("REASON_", int(r), r.String())
	}
	query = strings.NewReplacer(pairs...).Replace(query)
	for {
		before, rest, found := strings.Cut(query, "{fulfilled:")
		if !found {
			return query
		}
		column, after, _ := strings.Cut(rest, "}")
		query = before + stateIn(column, card.IssueState.Fulfilled) + after
	}
}

// stateNamed is a column's state as its name, for details and for the kinds of events.
func stateNamed[S interface {
	~uint8
	fmt.Stringer
}](column string, first, last S) string {
	var b strings.Builder
	b.WriteString("CASE " + column)
	for s := first; s <= last; s++ {
		fmt.Fprintf(&b, " WHEN %d THEN '%s'", uint8(s), s)
	}
	return b.String() + " ELSE '?' END"
}

var (
	fileStateNamed   = stateNamed("f.state", card.FilePlanned, card.FileCancelled)
	returnStateNamed = stateNamed("r.state", card.ReturnDetected, card.ReturnDiscarded)
	batchStateNamed  = stateNamed("b.state", card.BatchOpen, card.BatchFailed)
	orderStateNamed  = stateNamed("o.state", card.OrderReceived, card.OrderCancelled)
)

// Snapshot runs f on the database as it is at one moment, whatever is written meanwhile, and writes nothing.
func (s *Store) Snapshot(ctx context.Context, f func(Q) error) (err error) {
	options := &sql.TxOptions{ReadOnly: true}
	if s.dialect == Postgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.read.BeginTxx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	err = f(Q{run: tx, dialect: s.dialect})
	if end := tx.Rollback(); end != nil {
		err = errors.Join(err, fmt.Errorf("end reading: %w", end))
	}
	return err
}
