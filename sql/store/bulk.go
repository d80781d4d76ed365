package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// copyBlock is how many bytes of rows go to PostgreSQL in one message; insertParameters how many values one INSERT into SQLite carries, which allows
// 32766.
const (
	copyBlock        = 60 << 10
	insertParameters = 3000
)

// Bulk is rows of one table in the form in which their database takes them fastest: made by whoever has the time, stored by Tx.Insert. It belongs to one
// goroutine at a time.
type Bulk struct {
	table   string
	columns []string
	rows    int
	copying bool   // for PostgreSQL
	text    []byte // there: lines in the text format of COPY
	args    []any  // on SQLite: parameters
}

// bulk makes room for n rows of a table.
func (q Q) bulk(table string, columns []string, n int) *Bulk {
	b := &Bulk{table: table, columns: columns, copying: q.dialect == Postgres}
	if !b.copying {
		b.args = make([]any, 0, n*len(columns))
	}
	return b
}

// Len is how many rows there are.
func (b *Bulk) Len() int { return b.rows }

func (b *Bulk) int(v int64) {
	if b.copying {
		b.text = append(strconv.AppendInt(b.text, v, 10), '\t')
		return
	}
	b.args = append(b.args, v)
}

func (b *Bulk) null() {
	if b.copying {
		b.text = append(b.text, `\N`+"\t"...)
		return
	}
	b.args = append(b.args, nil)
}

func (b *Bulk) bool(v bool) {
	if b.copying {
		b.text = append(strconv.AppendBool(b.text, v), '\t')
		return
	}
	b.args = append(b.args, v)
}

func (b *Bulk) string(v string) {
	if !b.copying {
		b.args = append(b.args, v)
		return
	}
	for {
		special := strings.IndexAny(v, "\t\n\r\\")
		if special < 0 {
			b.text = append(append(b.text, v...), '\t')
			return
		}
		letter := map[byte]byte{'\t': 't', '\n': 'n', '\r': 'r', '\\': '\\'}[v[special]]
		b.text = append(append(b.text, v[:special]...), '\\', letter)
		v = v[special+1:]
	}
}

// bytes keeps binary data; empty is NULL.
func (b *Bulk) bytes(v []byte) {
	switch {
	case len(v) == 0:
		b.null()
	case b.copying:
		b.text = append(hex.AppendEncode(append(b.text, `\\x`...), v), '\t')
	default:
		b.args = append(b.args, v)
	}
}

func (b *Bulk) time(v time.Time) {
	if v = stored(v); b.copying {
		b.text = append(v.AppendFormat(b.text, time.RFC3339Nano), '\t')
		return
	}
	b.args = append(b.args, v)
}

// pointed keeps what a pointer leads to, or NULL.
func pointed[T any](b *Bulk, p *T, keep func(T)) {
	if p == nil {
		b.null()
		return
	}
	keep(*p)
}

// endRow ends a row, of which every column has its value.
func (b *Bulk) endRow() {
	b.rows++
	if b.copying {
		b.text[len(b.text)-1] = '\n'
	}
}

// Insert stores rows at their database's own pace: COPY of raw lines on PostgreSQL, INSERTs of many rows on SQLite.
func (t *Tx) Insert(ctx context.Context, b *Bulk) error {
	switch {
	case b.rows == 0:
		return nil
	case t.dialect == Postgres:
		return clean("insert into "+b.table, t.copyIn(ctx, b))
	}
	return clean("insert into "+b.table, t.insertMany(ctx, b))
}

// rawCopy is lib/pq's statement for COPY, which takes whole lines beside single values.
type rawCopy interface {
	driver.Stmt
	CopyData(ctx context.Context, lines string) (driver.Result, error)
}

func (t *Tx) copyIn(ctx context.Context, b *Bulk) error {
	var failed error
	err := t.conn.Raw(func(c any) error {
		// Raw must not be told of a connection that is bad: it would close it, and wait for the end of the transaction, which waits for Raw.
		failed = b.copyTo(ctx, c)
		return nil
	})
	if err = errors.Join(failed, err); err != nil && ctx.Err() != nil {
		return ctx.Err() // of a copy that was cut off the driver says only that its connection is bad, or closed by the end of the transaction
	}
	return err
}

func (b *Bulk) copyTo(ctx context.Context, c any) (err error) {
	preparer, ok := c.(driver.ConnPrepareContext)
	if !ok {
		return fmt.Errorf("the driver prepares no statements: %T", c)
	}
	prepared, err := preparer.PrepareContext(ctx, "COPY "+b.table+" ("+strings.Join(b.columns, ", ")+") FROM STDIN")
	if err != nil {
		return err
	}
	// What is wrong with a row is told here, after the last of them.
	defer func() {
		if late := prepared.Close(); err == nil {
			err = late
		}
	}()
	st, ok := prepared.(rawCopy)
	if !ok {
		return fmt.Errorf("the driver copies no raw lines: %T", prepared)
	}
	for rest := b.text; len(rest) > 0; {
		end := len(rest)
		if end > copyBlock {
			end = copyBlock + bytes.IndexByte(rest[copyBlock:], '\n') + 1
		}
		// The driver ends what it gets with a line feed of its own.
		if _, err := st.CopyData(ctx, string(rest[:end-1])); err != nil {
			return err
		}
		rest = rest[end:]
	}
	return nil
}

func (t *Tx) insertMany(ctx context.Context, b *Bulk) error {
	// Nothing need interrupt a single statement, and watching for it costs as much as a row.
	inner := context.WithoutCancel(ctx)
	most := max(insertParameters/len(b.columns), 1)
	for rest := b.args; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := min(most, len(rest)/len(b.columns))
		done, err := t.insertRows(inner, b, rows, rest)
		if err != nil {
			return err
		}
		rest = rest[done:]
	}
	return nil
}

// insertRows inserts so many rows at a time, as often as there are as many, and returns how many values it took.
func (t *Tx) insertRows(ctx context.Context, b *Bulk, rows int, args []any) (done int, err error) {
	st, err := t.tx.PrepareContext(ctx, insertStatement(b, rows))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	for n := rows * len(b.columns); len(args)-done >= n; done += n {
		if _, err := st.ExecContext(ctx, args[done:done+n]...); err != nil {
			return done, err
		}
	}
	return done, nil
}

// insertStatement inserts so many rows at once.
func insertStatement(b *Bulk, rows int) string {
	marks := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(b.columns)), ", ") + "), "
	return "INSERT INTO " + b.table + " (" + strings.Join(b.columns, ", ") + ") VALUES " + strings.TrimSuffix(strings.Repeat(marks, rows), ", ")
}
