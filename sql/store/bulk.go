package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// insertRows writes n rows of a table in one statement's life: COPY on PostgreSQL, one prepared insert on SQLite.
// row returns the values of row i; the slice may be reused.
func (t *Tx) insertRows(ctx context.Context, table string, columns []string, n int, row func(i int) []any) (err error) {
	if n == 0 {
		return nil
	}
	what := "insert into " + table
	names := strings.Join(columns, ", ")
	query := "COPY " + table + " (" + names + ") FROM STDIN"
	if t.dialect == SQLite {
		marks := make([]string, len(columns))
		for i := range marks {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		query = "INSERT INTO " + table + " (" + names + ") VALUES (" + strings.Join(marks, ", ") + ")"
	}
	st, err := t.tx.PrepareContext(ctx, query)
	if err != nil {
		return clean(what, err)
	}
	defer func() {
		if closing := st.Close(); closing != nil {
			err = errors.Join(err, clean(what, closing))
		}
	}()
	for i := range n {
		if _, err := st.ExecContext(ctx, row(i)...); err != nil {
			return clean(what, err)
		}
	}
	if t.dialect == Postgres {
		// Ends the COPY; late errors surface here.
		_, err = st.ExecContext(ctx)
	}
	return clean(what, err)
}
