package faults_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/lib/pq" // the driver that Platen uses

	"platen/testbed"
)

// databaseServer is a PostgreSQL of the rehearsal's own, which may be killed.
type databaseServer struct {
	cluster *testbed.Cluster
	made    int
}

func newServer(t testing.TB) *databaseServer {
	t.Helper()
	parent := inMemory
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	cluster, err := testbed.StartClusterIn(parent)
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	return &databaseServer{cluster: cluster}
}

// create makes a database, as a copy of one that nobody is connected to if of is not empty, and returns its address.
func (s *databaseServer) create(t testing.TB, of string) string {
	t.Helper()
	s.made++
	name := fmt.Sprint("case_", s.made)
	statement := "CREATE DATABASE " + name
	if of != "" {
		// Without the checkpoints of FILE_COPY a copied sequence counts on log records that only its original has, and falls back in a crash.
		statement += " TEMPLATE " + databaseOf(t, of) + " STRATEGY FILE_COPY"
	}
	s.administer(t, statement)
	return s.cluster.DSN(name)
}

func (s *databaseServer) drop(t testing.TB, address string) {
	t.Helper()
	s.administer(t, "DROP DATABASE "+databaseOf(t, address)+" WITH (FORCE)")
}

func databaseOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return strings.TrimPrefix(u.Path, "/")
}

func (s *databaseServer) administer(t testing.TB, statement string) {
	t.Helper()
	db, err := sql.Open("postgres", s.cluster.DSN("postgres"))
	must(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	must(t, errors.Join(err, db.Close()))
}
