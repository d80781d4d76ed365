package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheDemonstrationEndsWithBalancedBooks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "press")
	r, told := demo(t, dir, "--cards", "1200")
	if r.Cards < 2000 || r.RejectedRows == 0 || r.Seconds <= 0 || r.Books.Spoiled == 0 || r.Books.Remade == 0 {
		t.Errorf("%d cards, %d refused rows, %g seconds, books %+v", r.Cards, r.RejectedRows, r.Seconds, r.Books)
	}
	var references []string
	for _, o := range r.Orders {
		references = append(references, o.Reference)
	}
	if diff := cmp.Diff([]string{"DEMO-ACTIONS", "DEMO-BULK", "DEMO-MASS"}, references); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	for _, f := range r.Files {
		if f.State != "BALANCED" || f.ID == "" || len(f.SHA256) != 64 || f.Kind != "CARD" && f.Kind != "PIN_MAILER" {
			t.Errorf("file %+v", f)
		}
	}
	if !strings.Contains(told, "Night 1") {
		t.Errorf("it tells nothing of its steps:\n%s", told)
	}
	proveTaken(t, dir, r)

	t.Run("a second run finds the first and leaves it alone", func(t *testing.T) { secondRun(t, dir, r) })
}

func secondRun(t *testing.T, dir string, first demoResult) {
	before := takenFiles(t, dir)
	second, told := demo(t, dir, "--cards", "600")
	if want := "Found 1 finished runs, 3 orders for"; !strings.Contains(told, want) {
		t.Errorf("it does not say %q:\n%s", want, told)
	}
	now := second.hashes()
	for name, sum := range first.hashes() {
		if now[name] != sum {
			t.Errorf("file %s of the first run has another hash", name)
		}
	}
	if len(second.Orders) != 6 || len(second.Files) <= len(first.Files) || second.Cards <= first.Cards {
		t.Errorf("after two runs: %d orders, %d files, %d cards", len(second.Orders), len(second.Files), second.Cards)
	}
	after := proveTaken(t, dir, second)

	old := map[string]bool{}
	for _, p := range cardRecords(before) {
		old[p.pan] = true
	}
	names := map[string]bool{}
	for _, f := range before {
		names[f.name] = true
	}
	for _, f := range after {
		if names[f.name] {
			continue
		}
		for _, p := range f.records {
			if p.pan != "" && old[p.pan] {
				t.Errorf("record %s repeats a card number of the first run", p.uid)
			}
		}
	}
}

func TestTheDemonstrationTakesUpAnIntakeThatDied(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	leaveIntake(t, dir, "DEMO-MASS", 3600)
	r, _ := demo(t, dir, "--cards", "20")
	proveTaken(t, dir, r)
}

func TestADirectoryOfAnotherSeedIsRefused(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	platen(t, "init", dir, "--seed", "one")
	o := run(t, "demo", "--json", "--dir", dir, "--seed", "two", "--cards", "20")
	if o.code == 0 || o.stdout != "" || !strings.Contains(o.stderr, "another seed") {
		t.Errorf("exit code %d, output %q, errors %q", o.code, o.stdout, o.stderr)
	}
}

func TestTheDemonstrationLeavesSomebodysInstallationAlone(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	order := filepath.Join(dir, "mine.csv")
	put(t, order, []byte("product,quantity\nprepaid-mag,2\n"))
	platen(t, "order", "submit", config(dir), "--reference", "MINE", order)
	o := run(t, "demo", "--dir", dir, "--cards", "20")
	if o.code == 0 || !strings.Contains(o.stderr, "no demonstration submitted, such as MINE") {
		t.Errorf("exit code %d, errors %q", o.code, o.stderr)
	}
	if b := loose[books](t, run(t, "books", "--json", config(dir)).stdout); b.Requested != 2 {
		t.Errorf("%d cards were ordered", b.Requested)
	}

	foreign := t.TempDir()
	put(t, filepath.Join(foreign, "platen.yaml"), []byte("kind: other\n"))
	if o := run(t, "demo", "--dir", foreign); o.code == 0 || !strings.Contains(o.stderr, "use another --dir") {
		t.Errorf("exit code %d, errors %q", o.code, o.stderr)
	}
	if entries, err := os.ReadDir(foreign); err != nil || len(entries) != 1 {
		t.Errorf("%d things lie in the directory: %v", len(entries), err)
	}
}
