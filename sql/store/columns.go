package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lib/pq"
)

// prefixed puts an alias before each column of a list.
func prefixed(alias, columns string) string {
	parts := strings.Split(columns, ",")
	for i, p := range parts {
		parts[i] = alias + strings.TrimSpace(p)
	}
	return strings.Join(parts, ", ")
}

// among is a condition that holds for the rows whose column is one of the ids, in one argument at place n of a statement.
func among[T ~int64](q Q, column string, n int, ids []T) (condition string, argument any, err error) {
	if q.dialect == Postgres {
		list := make(pq.Int64Array, len(ids))
		for i, id := range ids {
			list[i] = int64(id)
		}
		return fmt.Sprintf("%s = ANY($%d)", column, n), list, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return "", nil, fmt.Errorf("list ids: %w", err)
	}
	return fmt.Sprintf("%s IN (SELECT value FROM json_each($%d))", column, n), string(list), nil
}
