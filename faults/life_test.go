package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stage is one step of the life that is rehearsed: a command, or a time in which the bureaus work.
type stage struct {
	name string
	args []string            // none = the bureaus work
	same func(*worker) error // does the same as the command in this process; nil = only the command can
}

// orders are small on purpose: each of their cards passes every fault point there is.
var orders = map[string]string{
	"mass.csv": "product,quantity\nprepaid-mag,3\n",
	"bulk.csv": "product,first_name,last_name,address1,city,country\nmc-credit-chip,Ada,Rao,1 Mill Lane,Leeds,GB\n" +
		"visa-debit-chip,Bo,Lind,Storgatan 2,Lund,SE\nvisa-debit-chip,Cy,Novak,U Reky 9,Brno,CZ\n",
	"actions.csv": "card,reason\nBULK#3,DAMAGED\nMASS#2,LOST\n",
}

// life is everything from the first order to the last answer: new cards with PIN mailers at two bureaus, rejects and remakes, a card that is made again and one
// that gets another number. Every command may be repeated.
func (p *press) life() []stage {
	submit := func(file, reference string) []string {
		return []string{"order", "submit", filepath.Join(p.dir, "orders", file), "--reference", reference}
	}
	work := func(name string) stage { return stage{name, []string{"work", "--once"}, (*worker).once} }
	plan := func(name, slot string) stage {
		return stage{name, []string{"run", "--cycle", "nightly", "--slot", slot}, func(w *worker) error { return w.window(slot) }}
	}
	return []stage{
		{"mass", submit("mass.csv", "MASS"), nil}, {"bulk", submit("bulk.csv", "BULK"), nil},
		plan("plan", "1"), work("send"), {"bureaus", nil, nil}, work("answers"),
		{"actions", submit("actions.csv", "ACTIONS"), nil},
		plan("replan", "2"), work("resend"), {"bureaus", nil, nil}, work("last"),
	}
}

// recording is an undisturbed life: what the press was before each stage, and which fault points each reaches.
type recording struct {
	stages  []stage
	before  []string // directories
	bases   []string // databases of a server
	points  [][]string
	journal journal
}

// record lives once undisturbed.
func record(p *press) recording {
	p.t.Helper()
	for name, body := range orders {
		put(p.t, filepath.Join(p.dir, "orders", name), []byte(body))
	}
	r := recording{stages: p.life(), journal: journal{"MASS": 3, "BULK": 3, "ACTIONS": 2}}
	dir := memory(p.t)
	p.open()
	for i, s := range r.stages {
		before := filepath.Join(dir, fmt.Sprint(i))
		p.save(before)
		r.before = append(r.before, before)
		if p.server != nil {
			r.bases = append(r.bases, p.server.create(p.t, p.database))
		}
		if s.args == nil {
			p.bureausWork()
			r.points = append(r.points, nil)
			continue
		}
		list := filepath.Join(dir, fmt.Sprintf("points-%d", i))
		if o := p.run("record@"+list, s.args...); o.code != 0 {
			p.t.Fatalf("undisturbed, %s ends with exit code %d\n%s%s", s.name, o.code, o.stdout, o.stderr)
		}
		body, err := os.ReadFile(list)
		must(p.t, err)
		r.points = append(r.points, strings.Split(strings.TrimSpace(string(body)), "\n"))
	}
	w := p.hire(p.seed)
	v := w.rest(nil)
	w.quit()
	for _, bad := range append(v, p.prove(r.journal, p.close())...) {
		p.t.Errorf("undisturbed: %s", bad.text)
	}
	return r
}

// presses makes presses that have lived once. A sample needs one at a time, which then serves every row.
type presses struct {
	t      *testing.T // of all rows
	seed   string
	server *databaseServer
	kept   map[bool]*keptPress // by whether it is on PostgreSQL
}

type keptPress struct {
	press *press
	life  recording
}

// recorded is a press and its undisturbed life.
func (m *presses) recorded(t *testing.T, postgres bool) (*press, recording) {
	t.Helper()
	if k := m.kept[postgres]; k != nil && !*whole {
		k.press.t = t
		return k.press, k.life
	}
	of := m.owner(t)
	var server *databaseServer
	if postgres {
		server = m.database(t)
	}
	p := newPress(of, server, m.seed)
	r := record(p)
	if !*whole {
		if m.kept == nil {
			m.kept = map[bool]*keptPress{}
		}
		m.kept[postgres] = &keptPress{p, r}
	}
	p.t = t
	return p, r
}

// database is a server: the worker's own, or the one of all rows.
func (m *presses) database(t *testing.T) *databaseServer {
	t.Helper()
	if *whole {
		return newServer(t)
	}
	if m.server == nil {
		m.server = newServer(m.t)
	}
	return m.server
}

func (m *presses) owner(t *testing.T) *testing.T {
	if *whole {
		return t
	}
	return m.t
}

// total is how many fault points a life has.
func (r recording) total() (n int) {
	for _, list := range r.points {
		n += len(list)
	}
	return n
}

// at finds the stage of the nth fault point of a life, counted from 1, and its number in there.
func (r recording) at(n int) (stage, point int) {
	for i, list := range r.points {
		if n <= len(list) {
			return i, n
		}
		n -= len(list)
	}
	return -1, 0
}

// stage is the number of the first stage of a name.
func (r recording) stage(name string) int {
	return slices.IndexFunc(r.stages, func(s stage) bool { return s.name == name })
}

// back makes the press what it was before a stage.
func (p *press) back(r recording, stage int) {
	p.t.Helper()
	p.load(r.before[stage])
	if p.server != nil {
		if p.database != "" && p.database != r.bases[stage] {
			p.server.drop(p.t, p.database)
		}
		p.database = p.server.create(p.t, r.bases[stage])
	}
	p.open()
}

// goOn carries on from a stage as if nobody knew that something broke in it, until everything is at rest. Its command is given again to the real program; what
// follows is done in this process.
func (p *press) goOn(r recording, from int) violations {
	p.t.Helper()
	var v violations
	var w *worker
	for i, s := range r.stages[from:] {
		switch {
		case s.args == nil:
			p.bureausWork()
		case i > 0 && s.same != nil:
			if w == nil {
				w = p.hire(p.seed)
			}
			if err := s.same(w); err != nil {
				v.add(other, "after the fault, %s: %v", s.name, err)
			}
		default:
			if o := p.run("", s.args...); o.code != 0 {
				v.add(other, "after the fault, %s ends with exit code %d\n%s%s", s.name, o.code, o.stdout, o.stderr)
			}
		}
	}
	if w == nil {
		w = p.hire(p.seed)
	}
	defer w.quit()
	return w.rest(v)
}

// restRounds are how many times everybody works until nothing may be due any more.
const restRounds = 8

// rest lets workers and bureaus work until the books balance. What waits for a file gets another window.
func (w *worker) rest(v violations) violations {
	w.t.Helper()
	for round := range restRounds {
		b, err := w.plant.Balance(w.t.Context(), w.inst)
		must(w.t, err)
		if b.Balanced {
			return v
		}
		w.bureausWork()
		for _, err := range []error{w.once(), w.window(fmt.Sprint("rest-", round)), w.once()} {
			if err != nil {
				v.add(other, "at rest: %v", err)
			}
		}
	}
	v.add(other, "the books do not balance")
	return v
}
