package main_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAPausedWorkerThatWakesWritesNothingMore stops a worker in the midst of a file until its claim has run out and another has made the file.
func TestAPausedWorkerThatWakesWritesNothingMore(t *testing.T) {
	f := newFleet(t)
	f.submit("LARGE", f.cards, false)
	platen(t, "run", "--cycle", "nightly", config(f.dir))
	first := f.worker("first")
	const open = `SELECT count(*) FROM files WHERE state = 2 AND worker = 'first' AND lease_until > extract(epoch FROM clock_timestamp()) * 1000000`
	f.await("a file in the hands of the first worker", func() bool {
		if f.count(open) == 0 {
			return false
		}
		must(t, first.command.Process.Signal(syscall.SIGSTOP))
		if f.count(open) > 0 {
			return true
		}
		must(t, first.command.Process.Signal(syscall.SIGCONT)) // it had just ended the file
		return false
	})
	number := f.count(`SELECT number FROM files WHERE state = 2 AND worker = 'first' ORDER BY number LIMIT 1`)
	epoch := f.count(`SELECT epoch FROM files WHERE number = $1`, number)
	f.silence("first")
	second := f.worker("second")
	f.lapse("first") // waits until the second has cut the first off, which may hold locks
	f.await("every file by the second worker", func() bool { return f.count(unbalanced) == 0 })
	if now := f.count(`SELECT epoch FROM files WHERE number = $1`, number); now <= epoch {
		t.Errorf("file %d was finished under the epoch %d of the paused worker", number, now)
	}
	before := f.everything()
	must(t, first.command.Process.Signal(syscall.SIGCONT))
	// It is fenced, or finds that its connections were cut before it could try.
	f.await("the end of the job that woke", func() bool {
		said := first.stderr.String()
		return strings.Contains(said, "taken over by another worker") || strings.Contains(said, "job failed")
	})
	first.stop()
	second.stop()
	if diff := cmp.Diff(before, f.everything()); diff != "" {
		t.Errorf("the worker that woke has written:\n%s", diff)
	}
	f.proveBooks(f.cards)
}

// everything is what a worker could have written of files and cards.
func (f *fleet) everything() map[string]int64 {
	f.t.Helper()
	all := map[string]int64{}
	for name, query := range map[string]string{
		"cards": `SELECT count(*) FROM cards`, "issues": `SELECT count(*) FROM issues`, "epochs": `SELECT sum(epoch) FROM files`, "events": `SELECT count(*) FROM events`,
		"files":    `SELECT sum(hashtext(state::text || minted || coalesce(spool, '') || coalesce(encode(ciphertext_sha256, 'hex'), '')))::bigint FROM files`,
		"attempts": `SELECT count(*) FROM delivery_attempts`, "returns": `SELECT count(*) FROM return_lines`,
	} {
		all[name] = f.count(query)
	}
	return all
}
