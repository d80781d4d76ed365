package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOneSeedGivesTheSameFilesInFreshDirectories(t *testing.T) {
	t.Parallel()
	size := sizes{mass: 300, bulk: 150, actions: 40}
	one, two, other := prepare(t, size), prepare(t, size), prepare(t, size)
	first, _ := demo(t, one, "--seed", "press", "--cards", "300")
	again, _ := demo(t, two, "--seed", "press", "--cards", "300")
	if diff := cmp.Diff(first.hashes(), again.hashes()); diff != "" {
		t.Errorf("the same seed gives other files:\n%s", diff)
	}
	if diff := cmp.Diff(first.Books, again.Books); diff != "" {
		t.Errorf("the same seed gives other books:\n%s", diff)
	}
	different, _ := demo(t, other, "--seed", "another press", "--cards", "300")
	sums := map[string]bool{}
	for _, f := range first.Files {
		sums[f.SHA256] = true
	}
	for _, f := range different.Files {
		if sums[f.SHA256] {
			t.Errorf("another seed gives the same %s", f.Name)
		}
	}
	proveTaken(t, one, first)
	t.Run("every file is rendered again", func(t *testing.T) { replayAll(t, one, first) })
	t.Run("every file is rendered again without the spool", func(t *testing.T) {
		copied := copyDir(t, one)
		must(t, os.RemoveAll(filepath.Join(copied, "spool")))
		replayAll(t, copied, first)
	})
}

// replayAll renders every file again, from the database and the keys alone.
func replayAll(t *testing.T, dir string, r demoResult) {
	t.Helper()
	for _, f := range r.Files {
		got := loose[struct {
			ID     string `json:"id"`
			Same   bool   `json:"same"`
			SHA256 string `json:"plaintext_sha256"`
		}](t, platen(t, "file", "replay", config(dir), "--json", f.ID))
		if got.ID != f.ID || !got.Same || got.SHA256 != f.SHA256 {
			t.Errorf("%s replays as %+v, sent was %s", f.Name, got, f.SHA256)
		}
	}
}

func TestAReplayThatDiffersEndsWithExitCode1(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	r, _ := demo(t, dir, "--cards", "20")
	_, err := database(t, dir).DB().ExecContext(t.Context(), `UPDATE order_lines SET city = 'ELSEWHERE'`)
	must(t, err)
	differ := 0
	for _, f := range r.Files {
		o := run(t, "file", "replay", config(dir), f.ID)
		if o.code != 0 {
			differ++
		}
	}
	if differ == 0 {
		t.Error("files of other addresses replay the same")
	}
}
