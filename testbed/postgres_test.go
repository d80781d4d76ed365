package testbed

import (
	"database/sql"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv(holdVariable) != "" {
		holdCluster()
	}
	Main(m)
}

// holdVariable makes the test binary start a cluster, print its process number and wait to be killed.
const holdVariable = "PLATEN_TESTBED_HOLD"

func holdCluster() {
	c, err := StartCluster()
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(c.dir + "\n")
	<-c.ended
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestPostgresGivesEveryTestAnEmptyDatabaseOfItsOwn(t *testing.T) {
	first, second := open(t, Postgres(t)), open(t, Postgres(t))
	if _, err := first.Exec("create table only_here (id int)"); err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := second.QueryRow("select count(*) from information_schema.tables where table_schema = 'public'").Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Fatalf("a fresh database holds %d tables", tables)
	}
}

func TestPostgresIsDurableAndNewEnough(t *testing.T) {
	db := open(t, Postgres(t))
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "server_encoding": "UTF8"} {
		var got string
		if err := db.QueryRow("select current_setting($1)", setting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	var version int
	if err := db.QueryRow("select current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		t.Fatal(err)
	}
	if version < oldestPostgreSQL {
		t.Errorf("the server is version %d", version)
	}
}

func TestPostgresDropsTheDatabaseWhenTheTestEnds(t *testing.T) {
	var gone string
	t.Run("inner", func(t *testing.T) { gone = Postgres(t) })
	if err := open(t, gone).Ping(); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Fatalf("the database of an ended test answers: %v", err)
	}
}

// The server must not outlive a test binary that was killed, as `go test -timeout` does.
func TestClusterEndsWhenItsProcessIsKilled(t *testing.T) {
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holdVariable+"=1")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	holder.Stderr = os.Stderr
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil {
		t.Fatalf("the holder told no directory: %v", err)
	}
	dir := strings.TrimSpace(string(line[:n]))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := holder.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	waitGone(t, dir+"/data/postmaster.pid")
}

// waitGone returns when the file is gone: a server removes its lock file as its last act.
func waitGone(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(stopTimeout)
	for {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the server still runs")
		}
	}
}
