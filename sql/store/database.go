package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
)

// databaseName keeps to what needs no quotes.
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// CreateDatabase makes an empty database on the PostgreSQL server that an address leads to, and returns the address of the new one. The address's user
// must be allowed to make databases.
func CreateDatabase(ctx context.Context, address, name string) (string, error) {
	if err := administer(ctx, address, name, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("database address is not a URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// DropDatabase removes a database with all that is in it, and ends whoever is connected to it.
func DropDatabase(ctx context.Context, address, name string) error {
	return administer(ctx, address, name, "DROP DATABASE "+name+" WITH (FORCE)")
}

// administer runs one statement outside a transaction, as databases need.
func administer(ctx context.Context, address, name, statement string) error {
	if !databaseName.MatchString(name) {
		return fmt.Errorf("%q is no name for a database", name)
	}
	db, err := sql.Open("postgres", address)
	if err != nil {
		return errors.New("database address cannot be read")
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(clean("make or remove a database", err), db.Close())
}

// SizeOf is how many bytes tables and their indexes take on disk; 0 on SQLite, which does not tell them apart.
func (q Q) SizeOf(ctx context.Context, tables ...string) (int64, error) {
	total := int64(0)
	if q.dialect != Postgres {
		return 0, nil
	}
	for _, t := range tables {
		var n int64
		if err := q.get(ctx, "size of "+t, &n, `SELECT pg_total_relation_size(CAST($1 AS regclass))`, t); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
