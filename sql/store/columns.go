package store

import "strings"

// prefixed puts an alias before each column of a list.
func prefixed(alias, columns string) string {
	parts := strings.Split(columns, ",")
	for i, p := range parts {
		parts[i] = alias + strings.TrimSpace(p)
	}
	return strings.Join(parts, ", ")
}

// aliased names each column of a list as a field of a nested struct.
func aliased(alias, nested, columns string) string {
	parts := strings.Split(columns, ",")
	for i, p := range parts {
		name := strings.TrimSpace(p)
		parts[i] = alias + name + ` AS "` + nested + name + `"`
	}
	return strings.Join(parts, ", ")
}
