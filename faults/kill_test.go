package faults_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// rehearsals lists the rows of the matrix.
func rehearsals() []rehearsal {
	return []rehearsal{
		{name: "kill", fault: "process killed at a fault point", wanted: 1000, sample: 24, begin: beginKills(false, everyPoint),
			how: "The real program on SQLite, SIGKILL to itself at each fault point of a whole life in turn: intake, plan, mint, seal, send, answers, remakes, reissues. By the seed, the bureau takes what it finds before or after the restart."},
		{name: "kill-postgresql", fault: "process killed at a fault point, PostgreSQL", wanted: 200, sample: 8, begin: beginKills(true, somePoints(240)),
			how: "The same on PostgreSQL, at fault points drawn by the seed."},
		{name: "kill-twice", fault: "killed, and killed again while it recovers", wanted: 200, sample: 10, begin: beginKills(false, pairs(230)),
			how: "The real program on SQLite; the second SIGKILL comes at a fault point of the command that takes up what the first one left."},
	}
}

// everyPoint is one case a fault point; pairs and somePoints draw theirs.
func everyPoint(r recording, seed string) (all []string) {
	for n := 1; n <= r.total(); n++ {
		all = append(all, kill(n, 0, seed))
	}
	return all
}

func somePoints(count int) func(recording, string) []string {
	return func(r recording, seed string) (all []string) {
		for i := range count {
			all = append(all, kill(1+int(fraction(seed, "some", i)*float64(r.total())), 0, seed))
		}
		return all
	}
}

func pairs(count int) func(recording, string) []string {
	return func(r recording, seed string) (all []string) {
		for i := range count {
			n := 1 + int(fraction(seed, "first", i)*float64(r.total()))
			stage, _ := r.at(n)
			// Recovery begins with the command's first points: most second deaths come early.
			f := fraction(seed, "second", i)
			all = append(all, kill(n, 1+int(f*f*float64(len(r.points[stage]))), seed))
		}
		return all
	}
}

// kill names a case: the fault point of the first death, of the second, and when the bureaus look.
func kill(n, second int, seed string) string {
	when := "after"
	if fraction(seed, "when", n, second) < 0.5 {
		when = "before"
	}
	return fmt.Sprintf("%d+%d/bureaus-%s-the-restart", n, second, when)
}

func beginKills(postgres bool, draw func(recording, string) []string) func(*testing.T, string) (func(string) (int, violations), func() []string) {
	return func(t *testing.T, seed string) (func(string) (int, violations), func() []string) {
		var server *databaseServer
		if postgres {
			server = newServer(t)
		}
		p := newPress(t, server, seed)
		r := record(p)
		return func(c string) (int, violations) { return p.killed(r, c) }, func() []string { return draw(r, seed) }
	}
}

// killed rehearses one case.
func (p *press) killed(r recording, c string) (int, violations) {
	p.t.Helper()
	at, when, _ := strings.Cut(c, "/")
	first, second, _ := strings.Cut(at, "+")
	n, err := strconv.Atoi(first)
	must(p.t, err)
	m, err := strconv.Atoi(second)
	must(p.t, err)
	stage, point := r.at(n)
	p.back(r, stage)
	deaths, v := 0, violations{}
	for _, at := range []int{point, m} {
		if at == 0 {
			continue
		}
		o := p.run(fmt.Sprint("kill@", at), r.stages[stage].args...)
		if o.killed {
			deaths++
			p.bury()
		} else if o.code != 0 {
			v.add(other, "%s ends with exit code %d\n%s%s", r.stages[stage].name, o.code, o.stdout, o.stderr)
		}
		if strings.Contains(when, "before") {
			p.bureausWork()
		}
	}
	v = append(v, p.goOn(r, stage)...)
	v = append(v, p.prove(r.journal, p.close())...)
	if m != 0 {
		return deaths / 2, v // both or none
	}
	return deaths, v
}
