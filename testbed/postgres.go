package testbed

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	_ "github.com/lib/pq" // the driver that Platen uses
)

// DSNVariable names the environment variable that holds the connection string of a server to use instead of an own one. Its user
// must be allowed to create databases.
const DSNVariable = "PLATEN_TEST_POSTGRES_DSN"

// shared is the one server of this test binary.
var shared struct {
	mu      sync.Mutex
	main    bool // Main runs and will stop the server
	cluster *Cluster
}

// Main runs the tests of a package and then stops the server that they used. A package whose tests call Postgres has
//
//	func TestMain(m *testing.M) { testbed.Main(m) }
func Main(m *testing.M) {
	shared.mu.Lock()
	shared.main = true
	shared.mu.Unlock()
	code := m.Run()
	if err := stopShared(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func stopShared() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster == nil {
		return nil
	}
	err := shared.cluster.Stop()
	shared.cluster = nil
	return err
}

// Postgres returns the connection string of a fresh, empty database, which is dropped when t ends. The server is the one that
// PLATEN_TEST_POSTGRES_DSN names, or one that the first call of the test binary starts and Main stops.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres(t, "")
}

// PostgresCopy returns the connection string of a copy of a database of the same server, which nobody may be connected to.
func PostgresCopy(t testing.TB, of string) string {
	t.Helper()
	u, err := url.Parse(of)
	if err != nil {
		t.Fatal("what is to be copied is not a URL")
	}
	return postgres(t, " TEMPLATE "+strings.TrimPrefix(u.Path, "/"))
}

func postgres(t testing.TB, template string) string {
	t.Helper()
	server, err := serverDSN()
	if err != nil {
		t.Fatalf("a PostgreSQL server for tests: %v", err)
	}
	name, err := databaseName()
	if err != nil {
		t.Fatal(err)
	}
	if err := administer(server, "CREATE DATABASE "+name+template); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		if err := administer(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop a test database: %v", err)
		}
	})
	dsn, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL", DSNVariable)
	}
	dsn.Path = "/" + name
	return dsn.String()
}

// serverDSN is the connection string of the server's maintenance database.
func serverDSN() (string, error) {
	if dsn := os.Getenv(DSNVariable); dsn != "" {
		return dsn, nil
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		return "", errors.New("this package needs func TestMain(m *testing.M) { testbed.Main(m) }, which stops the server")
	}
	if shared.cluster == nil {
		cluster, err := StartCluster()
		if err != nil {
			return "", err
		}
		shared.cluster = cluster
	}
	return shared.cluster.DSN("postgres"), nil
}

// databaseName is a name that no other test on the server has.
func databaseName() (string, error) {
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return "", fmt.Errorf("draw a database name: %w", err)
	}
	return "platen_test_" + hex.EncodeToString(id), nil
}

// administer runs one statement outside a transaction, as CREATE DATABASE needs.
func administer(dsn, statement string) error {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	_, err = db.Exec(statement)
	return errors.Join(err, db.Close())
}
