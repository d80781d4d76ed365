package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"platen/sql/store"
	"platen/testbed"
)

// cardsVariable names the environment variable that says how many cards the order of the tests of several workers has: the same tests at full size.
// With it nobody helps leases to run out.
const cardsVariable = "PLATEN_TEST_CARDS"

const (
	pressFiles    = 40    // of the large order
	smallOrder    = 8_000 // cards, unless the variable says more
	pressSeed     = "four workers"
	sameDayCards  = 200
	slowPress     = 30 * time.Second // in which a same-day order is sealed, at full size
	killsAtLeast  = 4
	pressPatience = 40 * time.Minute
)

// fleet is a press on PostgreSQL whose workers are processes.
type fleet struct {
	t     *testing.T
	dir   string
	store *store.Store
	full  bool
	cards int
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, cards: smallOrder}
	if text := os.Getenv(cardsVariable); text != "" {
		n, err := strconv.Atoi(text)
		must(t, err)
		f.cards, f.full = n, true
	}
	f.dir = prepare(t, sizes{mass: 3, bulk: 3})
	south := filepath.Join(f.dir, "programs", "bureaus", "south.yaml")
	put(t, south, regexp.MustCompile(`max_records: \S+`).ReplaceAll(read(t, south), fmt.Appendf(nil, "max_records: %d", f.cards/pressFiles)))
	dsn := testbed.Postgres(t)
	platen(t, "init", f.dir, "--seed", pressSeed, "--database", dsn)
	platen(t, "db", "migrate", config(f.dir))
	platen(t, "apply", config(f.dir), "-f", filepath.Join(f.dir, "programs"))
	var err error
	f.store, err = store.Open(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { must(t, f.store.Close()) })
	simulateBureaus(t, f.dir, "--reject", "3", "--spoil", "0")
	return f
}

// submit takes a mass order in.
func (f *fleet) submit(reference string, cards int, sameDay bool) {
	f.t.Helper()
	body := "product,quantity,same_day\n"
	for left := cards; left > 0; left -= 500_000 {
		body += fmt.Sprintf("prepaid-mag,%d,%t\n", min(left, 500_000), sameDay)
	}
	path := filepath.Join(f.dir, "orders", reference+".csv")
	put(f.t, path, []byte(body))
	platen(f.t, "order", "submit", config(f.dir), "--reference", reference, path)
}

// worker starts a process that carries jobs out.
func (f *fleet) worker(name string) *process {
	f.t.Helper()
	return start(f.t, []string{"PLATEN_INSTANCE=" + name, "PLATEN_WORKERS=1", "PLATEN_POLL__RETURNS=500ms", "PLATEN_POLL__QUEUE=100ms", "PLATEN_LOG__LEVEL=info"}, "work", config(f.dir))
}

// count answers a question of one number to the database.
func (f *fleet) count(query string, args ...any) int64 {
	f.t.Helper()
	var n int64
	must(f.t, f.store.DB().QueryRowContext(f.t.Context(), query, args...).Scan(&n))
	return n
}

// await looks again and again, as long as a full press may take.
func (f *fleet) await(what string, done func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), pressPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// lapse lets the claims of a worker run out now: at full size time does it.
func (f *fleet) lapse(worker string) {
	f.t.Helper()
	if f.full {
		return
	}
	_, err := f.store.DB().ExecContext(f.t.Context(), `UPDATE files SET lease_until = 0 WHERE worker IN ($1, '')`, worker)
	must(f.t, err)
	_, err = f.store.DB().ExecContext(f.t.Context(), `UPDATE return_files SET lease_until = 0`)
	must(f.t, err)
	f.silence(worker)
}

// silence lets a worker have given no sign for long.
func (f *fleet) silence(worker string) {
	f.t.Helper()
	_, err := f.store.DB().ExecContext(f.t.Context(), `UPDATE workers SET seen_at = seen_at - 60000000 WHERE name = $1`, worker)
	must(f.t, err)
}

const unbalanced = `SELECT count(*) FROM files WHERE state < 11`

// proveBooks expects balanced books of so many cards, no card twice, and nothing that a check finds.
func (f *fleet) proveBooks(cards int) {
	f.t.Helper()
	b := loose[books](f.t, platen(f.t, "books", "--json", config(f.dir)))
	if !b.Balanced || b.Requested != int64(cards) || b.Produced+b.Rejected != int64(cards) {
		f.t.Errorf("the books say %+v", b)
	}
	if n := f.count(`SELECT count(*) FROM cards`); n != int64(cards) {
		f.t.Errorf("%d cards were made of %d", n, cards)
	}
	if n := f.count(`SELECT count(*) FROM (SELECT 1 FROM issues WHERE file_number IS NOT NULL GROUP BY card_id HAVING count(*) > 1) twice`); n != 0 {
		f.t.Errorf("%d cards stand in files twice", n)
	}
	if !f.full { // the whole check compares every card with every block of numbers
		platen(f.t, "check", config(f.dir))
	}
}

// hashes are the plaintext hashes by file name.
func (f *fleet) hashes() map[string]string {
	f.t.Helper()
	rows, err := f.store.DB().QueryContext(f.t.Context(), `SELECT name, encode(plaintext_sha256, 'hex') FROM files`)
	must(f.t, err)
	defer func() { must(f.t, rows.Close()) }()
	all := map[string]string{}
	for rows.Next() {
		var name, sum string
		must(f.t, rows.Scan(&name, &sum))
		all[name] = sum
	}
	must(f.t, rows.Err())
	return all
}

// TestWorkersKilledAtRandomMakeTheSameFilesAsOneUndisturbed lets four processes on one PostgreSQL be killed and restarted through an order of forty files.
func TestWorkersKilledAtRandomMakeTheSameFilesAsOneUndisturbed(t *testing.T) {
	seed := os.Getenv(killSeed)
	if seed == "" {
		seed = fmt.Sprint(time.Now().UnixNano())
	}
	t.Logf("moments drawn from %s=%s", killSeed, seed)

	alone := newFleet(t)
	alone.submit("LARGE", alone.cards, false)
	platen(t, "run", "--cycle", "nightly", config(alone.dir))
	began := time.Now()
	one := alone.worker("alone")
	alone.await("one worker", func() bool { return alone.count(unbalanced) == 0 })
	took := time.Since(began)
	one.stop()
	alone.proveBooks(alone.cards)
	t.Logf("one undisturbed worker takes %s for %d cards in %d files", took.Round(time.Millisecond), alone.cards, pressFiles)

	f := newFleet(t)
	f.submit("LARGE", f.cards, false)
	platen(t, "run", "--cycle", "nightly", config(f.dir))
	kills := f.killAtRandom(seed, took)
	f.proveBooks(f.cards)
	if diff := cmp.Diff(alone.hashes(), f.hashes()); diff != "" || len(f.hashes()) != pressFiles {
		t.Errorf("killed workers made %d files, others than one undisturbed worker:\n%s", len(f.hashes()), diff)
	}
	if kills < killsAtLeast {
		t.Errorf("only %d kills hit a worker", kills)
	}
	t.Logf("%d kills, %d claims were taken over", kills, f.count(`SELECT sum(epoch) FROM files`)-2*pressFiles)
}

// killAtRandom keeps four workers going until every file is balanced, while each of them is killed at random. It returns how many kills there were.
func (f *fleet) killAtRandom(seed string, alone time.Duration) int {
	f.t.Helper()
	workers := make([]*process, 4)
	name := func(n, life int) string { return fmt.Sprintf("w%d-%d", n, life) }
	for n := range workers {
		workers[n] = f.worker(name(n, 0))
	}
	kills := 0
	next := time.Now()
	f.await("four workers that are killed", func() bool {
		if f.count(unbalanced) == 0 {
			return true
		}
		if time.Now().Before(next) {
			return false
		}
		// From a thirty-third to a sixth of an undisturbed run lies between two kills.
		next = time.Now().Add(time.Duration((0.03 + fraction(seed, 0, kills)/8) * float64(alone)))
		if kills == 0 && f.count(`SELECT count(*) FROM files WHERE minted > 0`) == 0 {
			next = time.Now()
			return false
		}
		n := int(fraction(seed, 1, kills) * float64(len(workers)))
		old := workers[n].instance()
		workers[n].kill()
		kills++
		workers[n] = f.worker(name(n, kills))
		f.lapse(old)
		return false
	})
	for _, w := range workers {
		f.await("the sign of a worker", func() bool { return f.count(`SELECT count(*) FROM workers WHERE name = $1`, w.instance()) == 1 })
		w.stop()
	}
	return kills
}

// instance is the name of a worker.
func (p *process) instance() string {
	for _, line := range p.command.Env {
		if name, ok := strings.CutPrefix(line, "PLATEN_INSTANCE="); ok {
			return name
		}
	}
	return ""
}

// TestASameDayOrderDoesNotWaitForALargeOne submits two hundred cards for today while one worker is busy with all files of a large order.
func TestASameDayOrderDoesNotWaitForALargeOne(t *testing.T) {
	f := newFleet(t)
	f.submit("LARGE", f.cards, false)
	platen(t, "run", "--cycle", "nightly", config(f.dir))
	w := f.worker("only")
	f.await("the first files of the large order", func() bool { return f.count(`SELECT count(*) FROM files WHERE state >= 3`) > 0 })
	began := time.Now()
	f.submit("TODAY", sameDayCards, true)
	platen(t, "run", "--cycle", "same-day", config(f.dir))
	f.await("the same-day file", func() bool { return f.count(`SELECT count(*) FROM files WHERE same_day AND state >= 3`) == 1 })
	took := time.Since(began)
	left := f.count(`SELECT count(*) FROM files WHERE NOT same_day AND state < 3`)
	t.Logf("sealed %s after it was submitted, with %d files of the large order to go", took.Round(time.Millisecond), left)
	if left == 0 {
		t.Error("the same-day order was sealed after the large one")
	}
	if f.full && took > slowPress {
		t.Errorf("the same-day order took %s", took)
	}
	f.await("the rest", func() bool { return f.count(unbalanced) == 0 })
	w.stop()
	f.proveBooks(f.cards + sameDayCards)
}
