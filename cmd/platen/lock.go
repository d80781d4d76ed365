package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"platen/sql/store"
)

// soleWorker makes this process the only one that works on a SQLite database, and lets it take up at once what a process that died was holding.
// The lock ends with the process, however it ends. On PostgreSQL any number of processes work, and leases run out by themselves.
func (a *app) soleWorker(ctx context.Context) (release func() error, err error) {
	path, ok := cutSQLite(a.config.Database)
	if !ok {
		return func() error { return nil }, nil
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process works on %s: SQLite has one worker; use PostgreSQL for more", path), f.Close())
	}
	if err := a.store.InTx(ctx, func(tx *store.Tx) error { return tx.DropLeases(ctx) }); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
