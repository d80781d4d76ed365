package store

import (
	"context"
	"fmt"
	"time"
)

// The big tables that grow for ever are partitioned by month on PostgreSQL, so that what is old goes by dropping a table. Rows of a month that has no
// partition stand in the default one: nothing depends on partitions but speed.
type partitioned struct {
	table string
	key   string
	bound func(month time.Time) string // where a month begins, as a literal
}

var partitionedTables = []partitioned{
	{table: "order_lines", key: "order_number", bound: func(month time.Time) string { return fmt.Sprint(firstOrder(month)) }},
	{table: "return_lines", key: "recorded_at", bound: instant},
	{table: "events", key: "recorded_at", bound: instant},
}

func instant(month time.Time) string { return month.Format("'2006-01-02 00:00:00+00'") }

// ordersAMonth is how many numbers a month has for its orders.
const ordersAMonth = 1_000_000_000

// firstOrder is the number below which every order of a month's numbers lies behind: year and month, then a count from 1.
func firstOrder(at time.Time) int64 {
	y, m, _ := at.UTC().Date()
	return (int64(y)*100 + int64(m)) * ordersAMonth
}

func monthOf(at time.Time) time.Time {
	y, m, _ := at.UTC().Date()
	return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
}

// monthsAhead is how many partitions stand ready behind the present month's.
const monthsAhead = 2

// EnsureMonths makes the partitions of the month of a time and of the next ones. Several processes may call it at once; on SQLite there is nothing to do.
func (s *Store) EnsureMonths(ctx context.Context, now time.Time) error {
	if s.dialect == SQLite {
		return nil
	}
	for n := range monthsAhead + 1 {
		for _, p := range partitionedTables {
			if err := s.ensureMonth(ctx, p, monthOf(now).AddDate(0, n, 0)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ensureMonth attaches an empty table, which hinders nobody who reads or writes the others. A month that has rows in the default partition already stays there.
func (s *Store) ensureMonth(ctx context.Context, p partitioned, month time.Time) error {
	name := p.table + month.Format("_200601")
	what := "make partition " + name
	from, to := p.bound(month), p.bound(month.AddDate(0, 1, 0))
	const known = `SELECT to_regclass($1) IS NOT NULL`
	var done bool
	if err := s.get(ctx, what, &done, known, name); err != nil || done {
		return err
	}
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.exec(ctx, what, `SELECT pg_advisory_xact_lock(hashtext('platen partitions'))`); err != nil {
			return err
		}
		query := `SELECT to_regclass($1) IS NOT NULL OR EXISTS (SELECT 1 FROM ` + p.table + `_default WHERE ` + p.key + ` >= ` + from + ` AND ` + p.key + ` < ` + to + `)`
		if err := tx.get(ctx, what, &done, query, name); err != nil || done {
			return err
		}
		if err := tx.exec(ctx, what, `CREATE TABLE `+name+` (LIKE `+p.table+` INCLUDING ALL)`); err != nil {
			return err
		}
		return tx.exec(ctx, what, `ALTER TABLE `+p.table+` ATTACH PARTITION `+name+` FOR VALUES FROM (`+from+`) TO (`+to+`)`)
	})
}
