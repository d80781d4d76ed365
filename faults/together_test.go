package faults_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// beginTogether rehearses processes that all open the same windows and do the same work at once.
func beginTogether(cases map[int]int) func(*testing.T, *presses) (func(string) (int, violations), func() []string) {
	return func(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
		p, r := made.recorded(t, true)
		return func(c string) (int, violations) { return p.together(r, c) }, func() (all []string) {
			for _, processes := range []int{2, 8} {
				for i := range cases[processes] {
					all = append(all, fmt.Sprintf("%d-processes/%d", processes, i))
				}
			}
			return all
		}
	}
}

// together rehearses one case: the cut-off is due, so many processes find that, and do what follows from it until the answers are read.
func (p *press) together(r recording, c string) (int, violations) {
	p.t.Helper()
	count, _, _ := strings.Cut(c, "-")
	n, err := strconv.Atoi(count)
	must(p.t, err)
	p.back(r, r.stage("plan"))
	p.change(`UPDATE program_versions SET applied_at = applied_at - interval '1 day'`) // a schedule has no cut-off before it was declared
	var v violations
	p.crowd(n, &v)
	if runs, batches := p.number(`SELECT count(*) FROM schedule_runs`), p.number(`SELECT count(*) FROM batches`); runs != 1 || batches != 1 {
		v.add(twice, "one cut-off was due, %d were held with %d batches", runs, batches)
	}
	p.bureausWork()
	p.crowd(n, &v)
	p.bury()
	p.pardon()
	v = append(v, p.goOn(r, r.stage("actions"))...)
	return 1, append(v, p.prove(r.journal, p.close())...)
}

// crowd lets so many processes work at once until each finds nothing more to do.
func (p *press) crowd(n int, v *violations) {
	p.t.Helper()
	var running sync.WaitGroup
	all := make([]outcome, n)
	for i := range all {
		_, wait := p.start("", "work", "--once", "--schedules")
		running.Go(func() { all[i] = wait() })
	}
	running.Wait()
	for _, o := range all {
		if o.code != 0 {
			v.add(other, "one of %d processes ends with exit code %d\n%s%s", n, o.code, o.stdout, o.stderr)
		}
	}
}

// beginPauses rehearses workers that stand still past their lease and wake when another has done their work.
func beginPauses(count int) func(*testing.T, *presses) (func(string) (int, violations), func() []string) {
	return func(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
		p, r := made.recorded(t, true)
		return func(c string) (int, violations) { return p.paused(r, c) }, func() (all []string) {
			for i := 0; len(all) < count; i++ {
				at, cut := 1+int(fraction(made.seed, "pause", i)*float64(r.total())), "its-connections-cut"
				if fraction(made.seed, "cut", i) < 0.5 {
					cut = "its-transactions-cut"
				}
				if stage, _ := r.at(at); r.stages[stage].args[0] == "work" {
					all = append(all, fmt.Sprintf("%d/%s", at, cut))
				}
			}
			return all
		}
	}
}

// paused rehearses one case: SIGSTOP at a fault point, another process does everything, SIGCONT; what woke must not change a row.
func (p *press) paused(r recording, c string) (int, violations) {
	p.t.Helper()
	at, cut, _ := strings.Cut(c, "/")
	n, err := strconv.Atoi(at)
	must(p.t, err)
	stage, point := r.at(n)
	p.back(r, stage)
	var v violations
	cmd, wait := p.start(fmt.Sprint("stop@", point), r.stages[stage].args...)
	if !p.untilStopped(cmd.Process.Pid) {
		if o := wait(); o.code != 0 {
			v.add(other, "%s ends with exit code %d\n%s%s", r.stages[stage].name, o.code, o.stdout, o.stderr)
		}
		return 0, v
	}
	p.cutOff(cut == "its-connections-cut")
	p.bury()
	p.pardon()
	if o := p.run("", r.stages[stage].args...); o.code != 0 {
		v.add(other, "the other process ends with exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	before := p.everything()
	must(p.t, cmd.Process.Signal(syscall.SIGCONT))
	wait()
	for table, rows := range p.everything() {
		if before[table] != rows {
			v.add(twice, "the process that woke has changed %s", table)
		}
	}
	p.pardon()
	v = append(v, p.goOn(r, stage)...)
	return 1, append(v, p.prove(r.journal, p.close())...)
}

// cutOff ends the connections of the only process, as a working worker does with one that gives no sign: it may hold locks. Those that hold none may stay, so that only
// the epoch is between the process and the database.
func (p *press) cutOff(all bool) {
	p.t.Helper()
	p.number(`SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE 'platen %' AND pid <> pg_backend_pid() AND ($1 OR state LIKE 'idle in transaction%')) AS cut`, all)
}

// number answers a question of one number to the database.
func (p *press) number(query string, args ...any) (n int64) {
	p.t.Helper()
	s := p.store()
	must(p.t, errors.Join(s.DB().QueryRowContext(p.t.Context(), query, args...).Scan(&n), s.Close()))
	return n
}

// everything is a fingerprint of each table that a worker writes. How long a claim lasts is left out: who wakes when all is done may still let go of what is its own.
func (p *press) everything() map[string]string {
	p.t.Helper()
	s := p.store()
	all := map[string]string{}
	for _, table := range []string{"orders", "order_lines", "batches", "files", "file_slices", "cards", "issues", "pin_mailers", "pan_ranges", "delivery_attempts", "return_files", "return_lines", "events"} {
		var sum string
		must(p.t, s.DB().QueryRowContext(p.t.Context(), `SELECT coalesce(md5(string_agg(t, '|' ORDER BY t)), '') FROM (SELECT (to_jsonb(r) - 'lease_until')::text AS t FROM `+table+` r) AS rows_of_it`).Scan(&sum))
		all[table] = sum
	}
	must(p.t, s.Close())
	return all
}
