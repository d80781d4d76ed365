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
		{name: "kill", fault: "process killed at a fault point", wanted: 1000, sample: 8, begin: beginKills(false, everyPoint),
			how: "The real program on SQLite, SIGKILL to itself at each fault point of a whole life in turn: intake, plan, mint, seal, send, answers, remakes, reissues. By the seed, the bureau takes what it finds before or after the restart."},
		{name: "kill-postgresql", fault: "process killed at a fault point, PostgreSQL", wanted: 200, sample: 3, begin: beginKills(true, somePoints(240)),
			how: "The same on PostgreSQL, at fault points drawn by the seed."},
		{name: "kill-twice", fault: "killed, and killed again while it recovers", wanted: 200, sample: 4, begin: beginKills(false, pairs(340)),
			how: "The real program on SQLite; the second SIGKILL comes at a fault point of the command that takes up what the first one left."},
		{name: "crash", fault: "PostgreSQL killed", wanted: 100, sample: 2, begin: beginCrashes,
			how: "The process is stopped at a fault point drawn by the seed and all processes of its PostgreSQL are killed; the process wakes while the server is down or after its crash recovery."},
		{name: "commit", fault: "reply to a COMMIT lost", wanted: 100, sample: 2, begin: beginCommitCuts,
			how: "A proxy cuts the connection between a COMMIT and its reply, at least once for every place in the program that commits."},
		{name: "together", fault: "two and eight processes hold one cut-off", wanted: 100, sample: 2, begin: beginTogether(map[int]int{2: 60, 8: 40}),
			how: "Real processes on one PostgreSQL, started at once when a cut-off is due: each opens windows, plans, builds, sends, and reads answers."},
		{name: "pause", fault: "worker paused past its lease, PostgreSQL", wanted: 100, sample: 2, begin: beginPauses(110),
			how: "SIGSTOP at a fault point drawn by the seed, the lease ends, another process does all that is due, SIGCONT. What woke must leave every row as it was. By the seed, all its connections were cut meanwhile or only those that held locks."},
		{name: "disk", fault: "disk full under database, ledger and spool", wanted: 100, sample: 2, inside: true, begin: beginFullDisks,
			how: "The real program on SQLite in a file system of limited size, in a namespace of its own; so many pages are left as the seed draws when a step begins. A command that fails must say that the disk is full. Then there is room again."},
		{name: "upload", fault: "upload cut", wanted: 10_000, sample: 2, begin: beginUploads,
			how: "In process: the connection to the bureau is cut after each byte of the conversation in turn, in either direction, over a TCP proxy; every second time the bureau takes what it sees before the file is settled."},
		{name: "return", fault: "answer in pieces, duplicate or reordered", wanted: 4_000, sample: 2, begin: beginPieces(false, 84),
			how: "In process: a bureau's answer for 320 cards comes as 50 files in any order: parts that overlap, parts turned round, parts again under another name, in other case, or under their own name after they were archived."},
		{name: "return-workers", fault: "the same, two workers on PostgreSQL", wanted: 1_000, sample: 1, begin: beginPieces(true, 22),
			how: "Two workers fetch and apply the 50 files at the same time."},
		{name: "truncated", fault: "answer cut short", wanted: 20_000, sample: 2, begin: beginTruncated,
			how: "In process: a bureau's answer of more than 20 kB, cut at every byte in turn; then the whole one comes and is applied."},
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
			// Recovery begins with the command's first points: most second deaths come early. Three in ten find less left to do, and do not come.
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

func beginKills(postgres bool, draw func(recording, string) []string) func(*testing.T, *presses) (func(string) (int, violations), func() []string) {
	return func(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
		p, r := made.recorded(t, postgres)
		return func(c string) (int, violations) { return p.killed(r, c) }, func() []string { return draw(r, made.seed) }
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
