package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"platen/delivery"
)

// filesOf lists a directory's files with their reasons.
func filesOf(t *testing.T, dir, bureau string) []demoFile {
	t.Helper()
	var all []demoFile
	for _, f := range loose[[]demoFile](t, platen(t, "file", "list", "--json", config(dir))) {
		if f.Bureau == bureau {
			all = append(all, f)
		}
	}
	return all
}

// failsWith tells whether a bureau is known to fail for a reason, and all its files are ready and not sent, each with a reason.
func failsWith(t *testing.T, dir, bureau, code string) bool {
	t.Helper()
	for _, b := range loose[[]bureauState](t, platen(t, "bureau", "list", "--json", config(dir))) {
		if b.Code == bureau && b.Failure != code {
			return false
		}
	}
	files := filesOf(t, dir, bureau)
	for _, f := range files {
		if f.State != "RELEASED" || f.Reason == "" {
			return false
		}
	}
	return len(files) > 0
}

type bureauState struct {
	Code    string `json:"code"`
	Failure string `json:"failure"`
}

func balanced(files []demoFile) bool {
	for _, f := range files {
		if f.State != "BALANCED" {
			return false
		}
	}
	return len(files) > 0
}

// TestABureauThatIsDownOrAnotherDelaysOnlyItsOwnFiles leaves one bureau down, then lets somebody else answer in its place, and then lets it come back.
func TestABureauThatIsDownOrAnotherDelaysOnlyItsOwnFiles(t *testing.T) {
	t.Parallel()
	size := sizes{mass: 30, bulk: 30}
	dir := prepare(t, size)
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	simulateBureaus(t, dir, "--bureau", "south", "--reject", "0", "--spoil", "0")
	s := serve(t, dir, "--no-schedules")
	orders := size.orders(t)
	s.order("MASS", orders[massFile])
	s.order("BULK", orders[bulkFile])
	platen(t, "run", "--cycle", "nightly", config(dir))

	until(t, "the reason why north's files wait", func() bool { return failsWith(t, dir, "north", "unreachable") })
	until(t, "the balance of south's files", func() bool { return balanced(filesOf(t, dir, "south")) })

	key := filepath.Join(dir, "bureaus", "north", "host_key")
	right := read(t, key)
	other, _, err := delivery.NewSSHKeyPair("somebody else")
	must(t, err)
	put(t, key, other)
	impostor := simulateBureaus(t, dir, "--bureau", "north", "--reject", "0", "--spoil", "0")
	platen(t, "bureau", "retry", "north", config(dir))
	until(t, "the refusal of another host key", func() bool { return failsWith(t, dir, "north", "host_key_mismatch") })
	impostor.stop()
	for _, sub := range []string{"in", "done"} {
		entries, err := os.ReadDir(filepath.Join(dir, "bureaus", "north", "root", sub))
		must(t, err)
		if len(entries) > 0 {
			t.Errorf("the impostor got %d files", len(entries))
		}
	}

	put(t, key, right)
	simulateBureaus(t, dir, "--bureau", "north", "--reject", "0", "--spoil", "0")
	platen(t, "bureau", "retry", "north", config(dir))
	until(t, "the balance of north's files", func() bool { return balanced(filesOf(t, dir, "north")) })
	b := loose[books](t, platen(t, "books", "--json", config(dir)))
	if !b.Balanced || b.Produced != b.Requested {
		t.Errorf("the books say %+v", b)
	}
}

// TestAWorkerThatIsStoppedBeforeItHasBegunEndsWell lets a worker wait for a database that takes connections and never answers.
func TestAWorkerThatIsStoppedBeforeItHasBegunEndsWell(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, silent.Close()) })
	dir := prepare(t, sizes{mass: 3, bulk: 3})
	platen(t, "init", dir)
	w := start(t, []string{"PLATEN_DATABASE=postgres://platen@" + silent.Addr().String() + "/platen?sslmode=disable"}, "work", config(dir))
	conn, err := silent.Accept()
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	w.stop()
	if !strings.Contains(w.stderr.String(), "stopped before it had begun") {
		t.Errorf("platen work said %q", &w.stderr)
	}
}
