package main_test

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"platen/scan"
	"platen/testbed"
)

// TestNoSecretReachesPostgreSQL is TestNoSecretLeavesTheFiles for what a database server keeps and says: its heap, its write-ahead log, a dump, and a log that
// shows every statement with its parameters.
func TestNoSecretReachesPostgreSQL(t *testing.T) {
	t.Parallel()
	cluster, err := testbed.StartCluster()
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	db, err := sql.Open("postgres", cluster.DSN("postgres"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	for _, setting := range []string{"log_statement = 'all'", "log_parameter_max_length = -1", "log_parameter_max_length_on_error = -1", "log_min_duration_statement = 0"} {
		change(t, db, "ALTER SYSTEM SET "+setting)
	}
	change(t, db, "SELECT pg_reload_conf()")

	dir := prepare(t, sizes{mass: 250, bulk: 300, actions: 60})
	withAmex(t, dir, 20)
	platen(t, "init", dir, "--database", cluster.DSN("postgres"))
	tellingNumbers(t, dir)
	longPINs(t, dir)
	declareZones(t, dir)
	r, _ := demo(t, dir, "--cards", "250")
	secrets := collect(t, dir)
	said := filepath.Join(t.TempDir(), "said")
	babble(t, dir, said)
	s := serve(t, dir)
	ask(t, s, dir, said, r, secrets)
	holder(t, s, dir, said, secrets)
	scanner, err := scan.New(nil, secrets.list()...)
	must(t, err)
	surroundings(t, s.process, said)
	s.process.stop()
	clean(t, scanner, append(serverKeeps(t, cluster, db, said), said)...)

	for kind, value := range secrets.one() {
		change(t, db, "CREATE TABLE planted (value bytea)")
		change(t, db, "INSERT INTO planted VALUES ('\\x"+hex.EncodeToString(value)+"')")
		for _, place := range serverKeeps(t, cluster, db, said) {
			detected(t, scanner, kind, filepath.Base(place), place)
		}
		change(t, db, "DROP TABLE planted")
		change(t, db, "CHECKPOINT")
	}
}

// serverKeeps is everything that a server keeps of its database, written out: its files, the write-ahead log, its own log, and a dump.
func serverKeeps(t *testing.T, cluster *testbed.Cluster, db *sql.DB, said string) []string {
	t.Helper()
	change(t, db, "CHECKPOINT")
	var oid string
	must(t, db.QueryRowContext(t.Context(), "SELECT oid FROM pg_database WHERE datname = 'postgres'").Scan(&oid))
	dump := filepath.Join(filepath.Dir(said), "dump.sql")
	out, err := exec.Command("pg_dump", "--dbname", cluster.DSN("postgres"), "--file", dump).CombinedOutput()
	if err != nil {
		t.Fatalf("pg_dump (apt-get install -y postgresql): %v\n%s", err, out)
	}
	return []string{filepath.Join(cluster.Dir(), "data", "base", oid), filepath.Join(cluster.Dir(), "data", "pg_wal"), filepath.Join(cluster.Dir(), "server.log"), dump}
}

func change(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(fmt.Errorf("%.20s: %w", statement, err))
	}
}

// one is one secret of each kind.
func (h hoard) one() map[string][]byte {
	all := map[string][]byte{}
	for kind, values := range h.text {
		all[kind] = []byte(values[slices.Min(slices.Collect(maps.Keys(values)))])
	}
	for kind, values := range h.bytes {
		all[kind] = values[slices.Min(slices.Collect(maps.Keys(values)))]
	}
	return all
}
