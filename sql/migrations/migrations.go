// Package migrations holds the schema of both databases as goose migrations. The two folders end in the same tables and columns,
// which a test keeps so.
package migrations

import "embed"

// FS holds postgres/*.sql and sqlite/*.sql.
//
//go:embed postgres/*.sql sqlite/*.sql
var FS embed.FS
