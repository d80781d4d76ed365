package store

import "context"

// Columns lists the columns of every table of Platen's own, in order; what libraries keep for themselves is left out, and partitions are.
func (q Q) Columns(ctx context.Context) (map[string][]string, error) {
	query := `SELECT table_name AS tab, column_name AS col FROM information_schema.columns WHERE table_schema = current_schema()
		AND table_name NOT LIKE 'goose%' AND table_name NOT LIKE 'river%' AND NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass(table_name)) ORDER BY table_name, ordinal_position`
	if q.dialect == SQLite {
		query = `SELECT m.name AS tab, c.name AS col FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'
			AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid`
	}
	var rows []struct {
		Table  string `db:"tab"`
		Column string `db:"col"`
	}
	if err := q.list(ctx, "columns", &rows, query); err != nil {
		return nil, err
	}
	all := make(map[string][]string)
	for _, r := range rows {
		all[r.Table] = append(all[r.Table], r.Column)
	}
	return all, nil
}
