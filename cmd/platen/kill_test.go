package main_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// killSeed names the environment variable that repeats the moments of an earlier run.
const killSeed = "PLATEN_TEST_KILL_SEED"

// TestKillingTheProcessLosesAndDoublesNothing kills the program and the bureaus in it with SIGKILL at twenty random moments: the first kill of each
// directory falls into another fifth of an undisturbed run, the others anywhere in what is left.
func TestKillingTheProcessLosesAndDoublesNothing(t *testing.T) {
	size := sizes{mass: 120, bulk: 120, actions: 30}
	seed := os.Getenv(killSeed)
	if seed == "" {
		seed = fmt.Sprint(time.Now().UnixNano())
	}
	t.Logf("moments drawn from %s=%s", killSeed, seed)

	undisturbed := prepare(t, size)
	began := time.Now()
	r, _ := demo(t, undisturbed, "--cards", fmt.Sprint(size.mass))
	whole := time.Since(began)
	t.Logf("an undisturbed run takes %s", whole)

	for d := range killDirectories {
		t.Run(fmt.Sprintf("directory %d", d), func(t *testing.T) {
			t.Parallel()
			dir := prepare(t, size)
			killOften(t, dir, size.mass, whole, func(at int) float64 {
				if at == 0 {
					return (float64(d) + fraction(seed, d, at)) / killDirectories
				}
				return fraction(seed, d, at) / 2
			})
			again, _ := demo(t, dir, "--cards", fmt.Sprint(size.mass))
			proveTaken(t, dir, again)
			replayAll(t, dir, again)
			sameOrders(t, r, again)
		})
	}
}

// sameOrders holds every order of every run against the undisturbed one. A card that waits for its remake refuses an action, and which cards those are differs
// from run to run: of the actions only an upper bound holds.
func sameOrders(t *testing.T, undisturbed, r demoResult) {
	t.Helper()
	want := map[string]int64{}
	for _, o := range undisturbed.Orders {
		want[o.Reference] = o.Requested
	}
	for _, o := range r.Orders {
		base := strings.TrimRight(strings.TrimRight(o.Reference, "0123456789"), "-")
		switch {
		case o.Kind == "card-action" && o.Requested <= want[base]+o.RefusedRows && o.Requested > 0:
		case o.Kind != "card-action" && o.Requested == want[base]:
		default:
			t.Errorf("order %s asks for %d cards, undisturbed %d", o.Reference, o.Requested, want[base])
		}
	}
}

const (
	killDirectories = 5
	killsEach       = 4
)

// killOften kills the demonstration of one directory. moment draws when, in parts of an undisturbed run.
func killOften(t *testing.T, dir string, cards int, whole time.Duration, moment func(at int) float64) {
	t.Helper()
	for kills, at := 0, 0; kills < killsEach; at++ {
		part := moment(at)
		if killed, last := killAt(t, dir, cards, time.Duration(part*float64(whole))); killed {
			kills++
			t.Logf("kill %d at %.2f of a run, after %q", kills, part, last)
		}
	}
}

// fraction draws a number of [0, 1) for one moment.
func fraction(seed string, directory, moment int) float64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", seed, directory, moment))
	return float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
}

// killAt starts the demonstration and kills it after a time, unless it ends before. It returns the last thing that the process told.
func killAt(t *testing.T, dir string, cards int, after time.Duration) (killed bool, last string) {
	t.Helper()
	p := start(t, nil, "demo", "--json", "--dir", dir, "--cards", fmt.Sprint(cards))
	moment := time.NewTimer(after)
	defer moment.Stop()
	select {
	case <-moment.C:
		p.kill()
		lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
		return true, lines[len(lines)-1]
	case <-p.ended:
		if p.err != nil {
			t.Fatalf("started again it ends with %v\n%s", p.err, &p.stderr)
		}
		return false, ""
	}
}
