package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/sql/store"
)

// chunkRows is how many rows one transaction of the bound carries: as many as a transaction of minting.
const chunkRows = 10_000

// pair is the rows of some cards as their database takes them.
type pair struct{ cards, issues *store.Bulk }

// raw writes the cards and issues of files that were minted on one site once more, to the empty database of another, as fast as it takes them: same rows,
// tables, constraints, chunks and connections. Reading the rows and putting them together does not count. It returns cards a second.
func raw(ctx context.Context, from, to *Site, list []store.File) (float64, error) {
	var ready []pair
	n := int64(0)
	for _, f := range list {
		for first := int64(1); first <= f.Planned; first += chunkRows {
			p, err := readPair(ctx, from.Plant.Store, f, first, min(first+chunkRows-1, f.Planned))
			if err != nil {
				return 0, err
			}
			ready = append(ready, p)
			n += int64(p.cards.Len())
		}
	}
	started := time.Now()
	err := insertAll(ctx, to.Plant.Store, ready)
	return rate(n, time.Since(started)), err
}

// insertAll has one connection insert the even chunks and another the odd ones, as two files side by side would; SQLite has one that writes.
func insertAll(ctx context.Context, to *store.Store, ready []pair) error {
	connections := side
	if to.Dialect() == store.SQLite {
		connections = 1
	}
	g, ctx := errgroup.WithContext(ctx)
	for c := range connections {
		g.Go(func() error {
			for i := c; i < len(ready); i += connections {
				err := to.InTx(ctx, func(tx *store.Tx) error {
					if err := tx.Insert(ctx, ready[i].cards); err != nil {
						return err
					}
					return tx.Insert(ctx, ready[i].issues)
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// readPair reads the rows of some lines of a file back.
func readPair(ctx context.Context, from *store.Store, f store.File, first, last int64) (pair, error) {
	rows, err := from.PrintRows(ctx, f.Number, false, first, last)
	if err != nil {
		return pair{}, err
	}
	if int64(len(rows)) != last-first+1 {
		return pair{}, fmt.Errorf("file %d: %d rows for lines %d to %d", f.Number, len(rows), first, last)
	}
	cards, issues := make([]store.Card, len(rows)), make([]store.Issue, len(rows))
	lines := make([]int64, len(rows))
	for i := range rows {
		r := &rows[i]
		lines[i] = r.Position
		issues[i] = r.Issue
		issues[i].Order, issues[i].OrderUnit, issues[i].File, issues[i].Line = r.OrderLine.Order, r.Unit, &f.Number, &lines[i]
		issues[i].State, issues[i].Use = card.IssueFollowsFile, card.UsePending
		cards[i] = store.Card{ID: r.Issue.Card, Product: f.Product, Order: r.OrderLine.Order, Status: card.CardInactive, NewestIssue: 1}
	}
	return pair{from.NewCards(cards), from.NewIssues(issues)}, nil
}
