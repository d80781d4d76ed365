package main_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"platen/testbed"
)

// TestTheServiceOnPostgreSQLGivesTheBooksOfTheDemonstration submits the demonstration's orders over HTTP to `platen serve`, with bureaus in a process of their
// own, and compares books and files with those of the embedded run of the same seed.
func TestTheServiceOnPostgreSQLGivesTheBooksOfTheDemonstration(t *testing.T) {
	t.Parallel()
	const seed = "two databases"
	size := sizes{mass: 300, bulk: 300, actions: 60}
	embedded, _ := demo(t, prepare(t, size), "--seed", seed, "--cards", "300")

	dir := prepare(t, size)
	platen(t, "init", dir, "--seed", seed, "--database", testbed.Postgres(t))
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	bureaus := simulateBureaus(t, dir, "--seed", "demo"+seed, "--reject", "3", "--spoil", "8")
	s := serve(t, dir, "--no-schedules")

	orders := size.orders(t)
	s.order("DEMO-MASS", orders[massFile])
	s.order("DEMO-BULK", orders[bulkFile])
	night(t, dir)
	s.order("DEMO-ACTIONS", orders[actionsFile])
	for nights := 1; ; nights++ {
		night(t, dir)
		if run(t, "books", config(dir)).code == 0 {
			break
		}
		if nights == 12 {
			t.Fatalf("the books do not balance after %d nights:\n%s", nights, platen(t, "books", config(dir)))
		}
	}
	if diff := cmp.Diff(embedded.Books, loose[books](t, platen(t, "books", "--json", config(dir)))); diff != "" {
		t.Errorf("books of the demonstration (-) and of the service (+):\n%s", diff)
	}
	over := loose[books](t, s.get("/v1/books").body)
	if diff := cmp.Diff(embedded.Books, over); diff != "" {
		t.Errorf("books of the demonstration (-) and of the API (+):\n%s", diff)
	}
	sent := map[string]string{}
	for _, f := range loose[[]demoFile](t, platen(t, "file", "list", "--json", config(dir))) {
		sent[f.Name] = f.SHA256
	}
	if diff := cmp.Diff(embedded.hashes(), sent); diff != "" {
		t.Errorf("files of the demonstration (-) and of the service (+):\n%s", diff)
	}
	for _, f := range takenFiles(t, dir) {
		if sent[f.name] != f.sha256 {
			t.Errorf("the bureau took another %s", f.name)
		}
	}
	s.process.stop()
	bureaus.stop()
}

// simulateBureaus plays the bureaus of a directory in a process of its own.
func simulateBureaus(t *testing.T, dir string, flags ...string) *process {
	t.Helper()
	return start(t, nil, append([]string{"bureau", "simulate", "--poll", "100ms", config(dir)}, flags...)...)
}

// night runs the nightly cycle and waits until every file is balanced.
func night(t *testing.T, dir string) {
	t.Helper()
	platen(t, "run", "--cycle", "nightly", config(dir))
	until(t, "the balance of every file", func() bool {
		for _, f := range loose[[]demoFile](t, platen(t, "file", "list", "--json", config(dir))) {
			if f.State != "BALANCED" && f.State != "CANCELLED" && f.State != "VOID" {
				return false
			}
		}
		return true
	})
}
