// Package store is everything that speaks SQL: one set of statements for PostgreSQL (lib/pq) and SQLite (modernc), one file a table
// or use. It keeps rows and refuses what would break an invariant; it decides nothing about cards.
//
// Every statement runs on a Q: the Store itself for reads, a Tx for everything that writes.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"platen/fault"
	"platen/sql/migrations"
)

// Errors that callers decide on.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("already exists")
	ErrFenced   = errors.New("another worker has taken this over") // the epoch has moved on; nothing was written
	ErrStale    = errors.New("this is no longer as it was read")   // somebody has moved a row on, or a rule was broken; nothing was written
)

// Dialect tells the two databases apart where a statement must.
type Dialect uint8

// The dialects.
const (
	Postgres Dialect = iota + 1
	SQLite
)

// Q runs statements, on a pool or in a transaction.
type Q struct {
	run     sqlx.ExtContext
	dialect Dialect
}

// Store is an open database. Its own Q reads outside transactions.
type Store struct {
	Q
	write *sqlx.DB
	read  *sqlx.DB
}

// Tx is a transaction.
type Tx struct {
	Q
	tx   *sqlx.Tx
	conn *sqlx.Conn // the connection that it runs on
}

// Open connects to postgres://... or sqlite:PATH. It creates no table.
func Open(ctx context.Context, address string) (*Store, error) {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		return openSQLite(ctx, path)
	}
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		return openPostgres(ctx, address)
	}
	return nil, errors.New("database must be postgres://... or sqlite:PATH")
}

// SQLiteDSN is the connection text of a SQLite file with the settings that card issuance needs: WAL, full synchronous commits,
// immediate transactions.
func SQLiteDSN(path string) string {
	q := url.Values{}
	for _, pragma := range []string{"journal_mode(WAL)", "busy_timeout(10000)", "synchronous(FULL)", "foreign_keys(1)"} {
		q.Add("_pragma", pragma)
	}
	q.Set("_txlock", "immediate")
	q.Set("_time_format", "sqlite")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func openSQLite(ctx context.Context, path string) (*Store, error) {
	write, err := sqlx.Open("sqlite", SQLiteDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	write.SetMaxOpenConns(1)
	read, err := sqlx.Open("sqlite", SQLiteDSN(path)+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open SQLite for reading: %w", err), write.Close())
	}
	read.SetMaxOpenConns(4)
	s := &Store{Q: Q{run: read, dialect: SQLite}, write: write, read: read}
	if err := write.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open SQLite: %w", withoutRoom(err)), s.Close())
	}
	return s, nil
}

// withoutRoom says in words what SQLite has a number for: the file that its connections share beside the database cannot grow.
func withoutRoom(err error) error {
	var l *sqlite.Error
	if errors.As(err, &l) && l.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
		return fmt.Errorf("no space left on device: %w", err)
	}
	return err
}

func openPostgres(ctx context.Context, address string) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("database address is not a URL")
	}
	q := u.Query()
	if q.Get("sslmode") == "" {
		return nil, errors.New("database address must say sslmode, for example ?sslmode=verify-full")
	}
	for name, value := range map[string]string{
		"binary_parameters": "yes", // one round trip a statement instead of two, and no text between us for numbers and bytes
		"connect_timeout":   "10",  // seconds; the driver does not end a greeting that is never answered when the context ends
	} {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	db, err := sqlx.Open("postgres", u.String())
	if err != nil {
		return nil, errors.New("database address cannot be read")
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(8)
	s := &Store{Q: Q{run: db, dialect: Postgres}, write: db, read: db}
	var settings struct {
		Version  int    `db:"version"`
		Fsync    string `db:"fsync"`
		Commit   string `db:"synchronous_commit"`
		FullPage string `db:"full_page_writes"`
	}
	err = db.GetContext(ctx, &settings, `SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
		current_setting('synchronous_commit') AS synchronous_commit, current_setting('full_page_writes') AS full_page_writes`)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to PostgreSQL: %w", err), db.Close())
	}
	if settings.Version < 150000 {
		return nil, errors.Join(errors.New("PostgreSQL 15 or newer is needed"), db.Close())
	}
	if settings.Fsync != "on" || settings.Commit == "off" || settings.FullPage != "on" {
		return nil, errors.Join(errors.New("PostgreSQL must run with fsync, full_page_writes and synchronous_commit on: an accepted order must survive power loss"), db.Close())
	}
	return s, nil
}

// patienceInTransaction is after how long PostgreSQL drops a transaction whose process does nothing, so that a stopped one does not hold its locks.
const patienceInTransaction = "60s"

// Named is a PostgreSQL address whose connections bear the name of a process; any other address is returned as it is.
func Named(address, process string) string {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return address
	}
	q := u.Query()
	q.Set("application_name", connectionName(process))
	q.Set("idle_in_transaction_session_timeout", patienceInTransaction)
	u.RawQuery = q.Encode()
	return u.String()
}

// connectionName is cut to what PostgreSQL keeps of it.
func connectionName(process string) string {
	name := "platen " + process
	return name[:min(len(name), 63)]
}

// Close ends all connections.
func (s *Store) Close() error {
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// Dialect tells which database this is.
func (q Q) Dialect() Dialect { return q.dialect }

// DB is the pool that writes, for libraries that need one.
func (s *Store) DB() *sql.DB { return s.write.DB }

// Ping answers nil when the database works.
func (s *Store) Ping(ctx context.Context) error { return s.write.PingContext(ctx) }

// Migrate brings the schema to the newest version. Several processes may call it at once.
func (s *Store) Migrate(ctx context.Context) error {
	p, err := s.provider()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// SchemaCurrent tells whether every migration is applied.
func (s *Store) SchemaCurrent(ctx context.Context) (bool, error) {
	p, err := s.provider()
	if err != nil {
		return false, err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return false, fmt.Errorf("look at the schema version: %w", err)
	}
	return !pending, nil
}

func (s *Store) provider() (*goose.Provider, error) {
	folder, dialect := "postgres", goose.DialectPostgres
	var options []goose.ProviderOption
	if s.dialect == SQLite {
		folder, dialect = "sqlite", goose.DialectSQLite3
	} else {
		locker, err := sessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrations.FS, folder)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	p, err := goose.NewProvider(dialect, s.write.DB, files, options...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

// InTx runs f in one transaction and commits it, or rolls all of it back. A deadlock, a serialization failure, or a row whose partition was made
// while it was on its way to the default one, where the database says that nothing happened and the work may be repeated, is repeated a few times.
func (s *Store) InTx(ctx context.Context, f func(*Tx) error) error {
	for try := 1; ; try++ {
		err := s.once(ctx, f)
		if err == nil || try == 5 || !mayRepeat(err) {
			return err
		}
	}
}

func (s *Store) once(ctx context.Context, f func(*Tx) error) (err error) {
	conn, err := s.write.Connx(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if back := conn.Close(); back != nil && !errors.Is(back, sql.ErrConnDone) {
			err = errors.Join(err, fmt.Errorf("give a connection back: %w", back))
		}
	}()
	tx, err := conn.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
				err = errors.Join(err, fmt.Errorf("roll back: %w", rollback))
			}
		}
	}()
	if err := f(&Tx{Q: Q{run: tx, dialect: s.dialect}, tx: tx, conn: conn}); err != nil {
		return err
	}
	fault.Point("commit")
	if err := tx.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			return ctx.Err() // it was rolled back when its context ended
		}
		return fmt.Errorf("commit: %w", err)
	}
	fault.Point("committed")
	return nil
}

func mayRepeat(err error) bool {
	var e *pq.Error
	if !errors.As(err, &e) {
		return false
	}
	partitioned := e.Code == "23514" && e.Constraint == "" // every other check has a name
	return e.Code == "40001" || e.Code == "40P01" || partitioned
}

// isUnique tells a violated unique constraint on either database.
func isUnique(err error) bool {
	var p *pq.Error
	if errors.As(err, &p) {
		return p.Code == "23505"
	}
	var l *sqlite.Error
	if errors.As(err, &l) {
		return l.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || l.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// clean keeps values out of errors: PostgreSQL's detail quotes the row, so only code and constraint remain.
func clean(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	case isUnique(err):
		return fmt.Errorf("%s: %w", what, ErrConflict)
	}
	var p *pq.Error
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", what, &pq.Error{Severity: p.Severity, Code: p.Code, Message: p.Message, Constraint: p.Constraint})
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (q Q) get(ctx context.Context, what string, dest any, query string, args ...any) error {
	return clean(what, sqlx.GetContext(ctx, q.run, dest, query, args...))
}

func (q Q) list(ctx context.Context, what string, dest any, query string, args ...any) error {
	return clean(what, sqlx.SelectContext(ctx, q.run, dest, query, args...))
}

func (q Q) exec(ctx context.Context, what, query string, args ...any) error {
	_, err := q.run.ExecContext(ctx, query, args...)
	return clean(what, err)
}

// execClaimed is execOne for a statement that is checked against the epoch of a claim: ErrFenced when the claim is no longer in force.
func (q Q) execClaimed(ctx context.Context, what, query string, args ...any) error {
	err := q.execOne(ctx, what, query, args...)
	if errors.Is(err, ErrStale) {
		return fmt.Errorf("%s: %w", what, ErrFenced)
	}
	return err
}

// execOne is exec for a statement that must change exactly one row, and fails with ErrStale when it changed another number of them.
func (q Q) execOne(ctx context.Context, what, query string, args ...any) error {
	return q.execMany(ctx, what, 1, query, args...)
}

// execMany is execOne for n rows.
func (q Q) execMany(ctx context.Context, what string, n int64, query string, args ...any) error {
	r, err := q.run.ExecContext(ctx, query, args...)
	if err != nil {
		return clean(what, err)
	}
	changed, err := r.RowsAffected()
	if err != nil {
		return clean(what, err)
	}
	if changed != n {
		return fmt.Errorf("%s: %d rows changed, not %d: %w", what, changed, n, ErrStale)
	}
	return nil
}

// each calls take for every row, and closes the rows.
func each(rows *sqlx.Rows, take func() error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := take(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// clock is the database's own time in microseconds: leases know no other.
func (q Q) clock() string {
	if q.dialect == SQLite {
		return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
	}
	return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
}

// forUpdate locks the rows of a SELECT until commit; SQLite's one writer needs nothing. Keys never change, so the lock leaves others free to
// insert rows that refer to a locked one: a plan that takes minutes does not stop intake.
func (q Q) forUpdate() string {
	if q.dialect == SQLite {
		return ""
	}
	return " FOR NO KEY UPDATE"
}

// Next takes the next number of a counter. The row stays locked until commit, so numbers have no gaps.
func (t *Tx) Next(ctx context.Context, counter string) (int64, error) {
	var n int64
	err := t.get(ctx, "count "+counter, &n, `INSERT INTO counters (name, value) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value`, counter)
	return n, err
}

// NextFrom is Next for a counter that has to have passed a value.
func (t *Tx) NextFrom(ctx context.Context, counter string, value int64) (int64, error) {
	if err := t.RaiseCounter(ctx, counter, value); err != nil {
		return 0, err
	}
	return t.Next(ctx, counter)
}

// Counter reads a counter and keeps it locked until commit; one that was never used is 0.
func (t *Tx) Counter(ctx context.Context, counter string) (int64, error) {
	var n int64
	err := t.get(ctx, "read counter "+counter, &n, `INSERT INTO counters (name, value) VALUES ($1, 0)
		ON CONFLICT (name) DO UPDATE SET value = counters.value RETURNING value`, counter)
	return n, err
}

// RaiseCounter moves a counter up to a value, never down.
func (t *Tx) RaiseCounter(ctx context.Context, counter string, value int64) error {
	return t.exec(ctx, "raise counter "+counter, `INSERT INTO counters (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = CASE WHEN counters.value < excluded.value THEN excluded.value ELSE counters.value END`, counter, value)
}

// below is the bound of a list that goes down from before a number; 0 = from the end.
func below(number int64) int64 {
	if number == 0 {
		return math.MaxInt64
	}
	return number
}

// stored is how times are kept: UTC, microseconds.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
