package faults_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"platen/testbed"
)

var (
	whole    = flag.Bool("whole", false, "rehearse everything, not a sample")
	report   = flag.String("report", "", "write the matrix to this file")
	seedFlag = flag.String("seed", "", "repeat the cases of this seed; empty = draw one")
	only     = flag.String("only", "", "repeat one case, as a failure names it")
	rows     = flag.String("rows", "", "rehearse these rows only, by their names with commas between; a report keeps what it says of the others")
	workers  = flag.Int("workers", runtime.NumCPU(), "cases that are rehearsed side by side")
)

func TestMain(m *testing.M) {
	flag.Parse()
	testbed.Main(m)
}

// rehearsal is one row of the matrix.
type rehearsal struct {
	name    string // of its cases
	fault   string // in words
	how     string
	sample  int  // cases in a sample
	wanted  int  // faults that the whole matrix must inject; 0 = as many as there are
	workers int  // 0 = as many as are asked for
	inside  bool // rehearsed in a namespace of its own, where file systems can be mounted

	// begin prepares one worker, and returns what rehearses a case: whether the fault was injected, and what must not be.
	begin func(t *testing.T, made *presses) (rehearse func(c string) (int, violations), cases func() []string)
}

// result is what a rehearsal found.
type result struct {
	rehearsal
	mu       sync.Mutex
	done     int
	injected int
	harmed   [harms]int
	took     time.Duration
	missing  string // why this machine cannot make the fault
}

// TestFaults rehearses every row of the matrix, one after another, and prints it.
func TestFaults(t *testing.T) {
	seed := *seedFlag
	if seed == "" {
		seed = fmt.Sprint(time.Now().UnixNano() % 1_000_000)
	}
	t.Logf("seed %s; repeat with -args -seed %s", seed, seed)
	made := &presses{t: t, seed: seed}
	var all []*result
	for _, r := range rehearsals() {
		if r.asked() {
			res := &result{rehearsal: r}
			all = append(all, res)
			t.Run(r.name, func(t *testing.T) { res.run(t, made) })
		}
	}
	if *results != "" {
		hand(t, all)
		return
	}
	lines := tableLines(all, seed)
	t.Log("\n" + strings.Join(lines, ""))
	if *report != "" {
		before, err := os.ReadFile(*report)
		if !errors.Is(err, os.ErrNotExist) {
			must(t, err)
		}
		must(t, os.WriteFile(*report, []byte(document(lines, string(before))), 0o644))
	}
}

// asked tells whether a row is to be rehearsed.
func (r *rehearsal) asked() bool {
	return (*only == "" || strings.HasPrefix(*only, r.name+"/")) && (*rows == "" || slices.Contains(strings.Split(*rows, ","), r.name))
}

func (r *result) run(t *testing.T, made *presses) {
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	if r.inside && !*within {
		r.runInside(t, made.seed)
		return
	}
	n := r.workers
	if n == 0 && *whole {
		n = *workers
	}
	n = max(n, 1)
	var queue chan string
	var fill sync.Once
	t.Run("all", func(t *testing.T) {
		for w := range n {
			t.Run(fmt.Sprint("worker ", w), func(t *testing.T) {
				t.Parallel()
				rehearse, cases := r.begin(t, made)
				fill.Do(func() { queue = r.choose(cases(), made.seed) })
				for c := range queue {
					if r.sampled() {
						return
					}
					r.judge(t, made.seed, c, rehearse)
				}
			})
		}
	})
	if *whole && *only == "" && r.injected < r.wanted {
		t.Errorf("%d faults were injected, %d are wanted", r.injected, r.wanted)
	}
	if r.injected == 0 {
		t.Error("no fault was injected")
	}
}

func (r *result) judge(t *testing.T, seed, c string, rehearse func(string) (int, violations)) {
	n, found := rehearse(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.injected += n
	if r.done++; r.done%100 == 0 {
		t.Logf("%d cases are done, %d faults were injected", r.done, r.injected)
	}
	for _, v := range found {
		r.harmed[v.harm]++
		t.Errorf("%s/%s: %s\n  repeat: go test ./faults -run TestFaults -args -seed %s -only '%s/%s'", r.name, c, v.text, seed, r.name, c)
	}
}

// sampled tells whether a sample is rehearsed and ends here. Not every case meets its fault: a disk may have had the room. One that met none goes on.
func (r *result) sampled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !*whole && *only == "" && r.done >= r.sample && r.injected > 0
}

// choose fills the queue: everything, or one case. A sample is taken from the front, so the seed gives the order.
func (r *result) choose(cases []string, seed string) chan string {
	if *only != "" {
		cases = []string{strings.TrimPrefix(*only, r.name+"/")}
	} else if !*whole {
		place := map[string]float64{}
		for i, c := range cases {
			place[c] = fraction(seed, r.name, i)
		}
		slices.SortStableFunc(cases, func(a, b string) int { return cmp.Compare(place[a], place[b]) })
	}
	queue := make(chan string, len(cases))
	for _, c := range cases {
		queue <- c
	}
	close(queue)
	return queue
}

// fraction draws a number of [0, 1).
func fraction(of ...any) float64 {
	h := fnv.New64a()
	fmt.Fprintln(h, of...)
	x := h.Sum64() // FNV's low bits are the better mixed ones
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// tableHead are the first two lines of the matrix.
const tableHead = "| fault | injected | cards lost | issued twice | half a file seen | sent again | other breaches | seconds | on | seed |\n" +
	"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |\n"

// tableLines are the lines of the matrix for what was rehearsed now.
func tableLines(all []*result, seed string) (lines []string) {
	today := time.Now().UTC().Format(time.DateOnly)
	for _, r := range all {
		if r.missing != "" {
			lines = append(lines, fmt.Sprintf("| %s | not on this machine: %s | - | - | - | - | - | - | %s | - |\n", r.fault, r.missing, today))
			continue
		}
		line := fmt.Sprintf("| %s | %d |", r.fault, r.injected)
		for _, n := range r.harmed {
			line += fmt.Sprintf(" %d |", n)
		}
		lines = append(lines, line+fmt.Sprintf(" %.0f | %s | %s |\n", r.took.Seconds(), today, seed))
	}
	return lines
}

// document is docs/faults.md: the lines of this run, and of earlier ones what was not rehearsed again.
func document(lines []string, before string) string {
	var table, hows strings.Builder
	for _, r := range rehearsals() {
		begins := "| " + r.fault + " |"
		i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, begins) })
		if i >= 0 {
			table.WriteString(lines[i])
		} else if _, rest, known := strings.Cut(before, begins); known {
			rest, _, _ = strings.Cut(rest, "\n")
			table.WriteString(begins + rest + "\n")
		}
		fmt.Fprintf(&hows, "- **%s** (`%s`). %s\n", r.fault, r.name, r.how)
	}
	how := "a sample"
	if *whole {
		how = "everything"
	}
	return fmt.Sprintf(`# Faults

Written by `+"`make faults`"+`, never by hand: %s, on %d cores. Each row says when it was rehearsed and with which seed.

%s%s
%s
After each fault Platen is started again and left alone until nothing is due. Then these must agree: `+"`platen check`"+`, the books, the journal of what was ordered, and the files that
the bureaus took, opened with the bureaus' own keys. A failure prints the command that repeats it.
`, how, runtime.NumCPU(), tableHead, table.String(), hows.String())
}
