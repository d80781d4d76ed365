package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"platen/card"
	"platen/formats"
	"platen/jobs"
)

// answered is a press with one acknowledged file at a bureau, and what the bureau says of each of its lines.
type answered struct {
	*press
	seed   string
	from   string // where the press is saved
	base   string // and its database
	status []byte
	layout *formats.Layout
	head   *formats.Record
	lines  []*formats.Record
}

// answeredCards is how many cards an answer of more than 20 kB is about.
const answeredCards = 320

func newAnswered(t *testing.T, server *databaseServer, seed string) *answered {
	t.Helper()
	a := &answered{press: newPress(t, server, seed), seed: seed, from: memory(t)}
	a.submit(t, "ANSWERED", strconv.Itoa(answeredCards))
	a.open()
	a.well("run", "--cycle", "nightly", "--slot", "1")
	a.well("work", "--once")
	a.bureausWork()
	found, err := filepath.Glob(filepath.Join(a.outbox(), "*.status"))
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("the bureau gave %d answers", len(found))
	}
	a.status, err = os.ReadFile(found[0])
	must(t, err)
	must(t, os.Remove(found[0]))
	a.well("work", "--once") // takes the ack
	a.close()
	a.save(a.from)
	if server != nil {
		a.base = server.create(t, a.database)
	}
	a.parse()
	return a
}

func (a *answered) outbox() string { return filepath.Join(a.dir, "bureaus", "south", "root", "out") }

// parse takes the answer to pieces.
func (a *answered) parse() {
	a.t.Helper()
	i := slices.IndexFunc(a.set.Layouts, func(l *formats.Layout) bool { return l.Name() == "status" })
	a.layout = a.set.Layouts[i]
	r := a.layout.NewReader(bytes.NewReader(a.status))
	for {
		section, rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(a.t, err)
		switch section {
		case formats.Header:
			a.head = clone(rec)
		case formats.Detail:
			a.lines = append(a.lines, clone(rec))
		}
	}
}

func clone(of *formats.Record) *formats.Record {
	r := new(formats.Record)
	for _, f := range formats.Fields() {
		r.Set(f, of.Get(f))
	}
	return r
}

// begin makes everything what it was, with n workers.
func (a *answered) begin(n int) (all []*worker) {
	a.t.Helper()
	a.load(a.from)
	if a.server != nil {
		if a.database != "" {
			a.server.drop(a.t, a.database)
		}
		a.database = a.server.create(a.t, a.base)
	}
	a.open()
	for range n {
		all = append(all, a.hire(a.seed))
	}
	return all
}

func (a *answered) end(all []*worker) {
	a.t.Helper()
	for _, w := range all {
		w.quit()
	}
	a.close()
}

// leave puts a file into the bureau's output, whole at once.
func (a *answered) leave(name string, body []byte) {
	a.t.Helper()
	temp := filepath.Join(a.outbox(), "."+name+".part")
	must(a.t, os.WriteFile(temp, body, 0o600))
	must(a.t, os.Rename(temp, filepath.Join(a.outbox(), name)))
}

// settle lets all workers work side by side until nothing is due.
func (a *answered) settle(all []*worker, v *violations) {
	a.t.Helper()
	for range 4 {
		var running sync.WaitGroup
		faults := make([]error, len(all))
		for i, w := range all {
			running.Go(func() { _, faults[i] = jobs.Once(a.t.Context(), w.plant, false) })
		}
		running.Wait()
		for _, err := range faults {
			if err != nil {
				v.add(other, "work: %v", err)
			}
		}
		a.bury()
	}
}

// beginPieces rehearses answers that come in pieces, more than once and in any order.
func beginPieces(postgres bool, cases int) func(*testing.T, *presses) (func(string) (int, violations), func() []string) {
	return func(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
		var server *databaseServer
		workers := 1
		if postgres {
			server, workers = made.database(t), 2
		}
		a := newAnswered(t, server, made.seed)
		return func(c string) (int, violations) { return a.inPieces(c, workers) }, func() (all []string) {
			for i := range cases {
				all = append(all, strconv.Itoa(i))
			}
			return all
		}
	}
}

const pieces = 50

func (a *answered) inPieces(c string, workers int) (int, violations) {
	a.t.Helper()
	all := a.begin(workers)
	defer a.end(all)
	var v violations
	bodies := a.cut(c)
	for _, name := range a.shuffled(c, bodies) {
		a.leave(name, bodies[name])
	}
	a.settle(all, &v)
	n := len(bodies)
	for name, body := range bodies {
		if fraction(a.seed, c, name, "again") < 0.1 {
			a.leave(name, body)
			n++
		}
	}
	a.settle(all, &v)
	a.applied(c, all[0], &v)
	return n, v
}

// cut makes the pieces of a case by name. Each line stands in one of the first ten; the others repeat.
func (a *answered) cut(c string) map[string][]byte {
	a.t.Helper()
	parts := make([][]*formats.Record, 10)
	for i, l := range a.lines {
		k := int(fraction(a.seed, c, "part", i) * float64(len(parts)))
		parts[k] = append(parts[k], l)
	}
	bodies := map[string][]byte{}
	for i, part := range parts {
		bodies[fmt.Sprintf("part-%02d.status", i)] = a.write(part)
	}
	for i := len(bodies); i < pieces; i++ {
		part := parts[int(fraction(a.seed, c, "which", i)*float64(len(parts)))]
		name := fmt.Sprintf("piece-%02d.status", i)
		switch int(fraction(a.seed, c, "how", i) * 5) {
		case 0: // the same again under another name
		case 1: // the same again under a name that differs in case only
			name = fmt.Sprintf("Part-%02d.status", i%10)
		case 2: // turned round
			part = slices.Clone(part)
			slices.Reverse(part)
		case 3: // a part of it
			part = part[:len(part)/2]
		case 4: // with others
			part = slices.Concat(part, a.lines[:1+int(fraction(a.seed, c, "others", i)*float64(len(a.lines)-1))])
		}
		bodies[name] = a.write(part)
	}
	return bodies
}

func (a *answered) write(lines []*formats.Record) []byte {
	a.t.Helper()
	head := clone(a.head)
	for _, f := range []formats.Field{formats.FileRecords, formats.TotalsRecords} {
		head.SetInt(f, int64(len(lines)))
	}
	var out bytes.Buffer
	w, err := a.layout.NewWriter(&out, head)
	must(a.t, err)
	for i, l := range lines {
		l = clone(l)
		l.SetInt(formats.RecordNumber, int64(i)+1)
		must(a.t, w.Write(l))
	}
	must(a.t, w.Close())
	return out.Bytes()
}

func (a *answered) shuffled(c string, bodies map[string][]byte) []string {
	var names []string
	for name := range bodies {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		if fraction(a.seed, c, x) < fraction(a.seed, c, y) {
			return -1
		}
		return 1
	})
	return names
}

// applied expects that each line of the answer counts once and says what the bureau said.
func (a *answered) applied(c string, w *worker, v *violations) {
	a.t.Helper()
	ctx := a.t.Context()
	uids := map[string]string{}
	for _, l := range a.lines {
		uids[string(l.Get(formats.ReturnUID))] = string(l.Get(formats.ReturnStatus))
	}
	rows, err := w.plant.Store.DB().QueryContext(ctx, `SELECT i.file_number, i.line, i.state, (SELECT count(*) FROM return_lines t WHERE t.file_number = i.file_number AND t.file_line = i.line AND t.outcome = 1)
		FROM issues i WHERE i.file_number = 1`)
	must(a.t, err)
	defer func() { must(a.t, rows.Close()) }()
	for rows.Next() {
		var file, line, state, counted int64
		must(a.t, rows.Scan(&file, &line, &state, &counted))
		uid := fmt.Sprintf("%d-%07d", file, line)
		if got := card.IssueState(state).String(); counted != 1 || got != uids[uid] {
			v.add(lost, "%s: line %s counts %d times and is %s, the bureau says %s", c, uid, counted, got, uids[uid])
		}
		delete(uids, uid)
	}
	must(a.t, rows.Err())
	if len(uids) > 0 {
		v.add(lost, "%s: %d lines of the answer are not in the books", c, len(uids))
	}
	a.sound(c, w, v)
}

// sound expects that the program's own check finds nothing.
func (a *answered) sound(c string, w *worker, v *violations) {
	a.t.Helper()
	checked, err := w.plant.Check(context.WithoutCancel(a.t.Context()))
	must(a.t, err)
	for _, f := range checked.Findings {
		v.add(other, "%s: %s: %s %d: %s", c, f.Invariant, f.Object, f.Number, f.Detail)
	}
}

// truncatedPerCase is how many cuts one case rehearses.
const truncatedPerCase = 250

func beginTruncated(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
	a := newAnswered(t, nil, made.seed)
	return a.truncated, func() (all []string) {
		for at := 0; at < len(a.status)-1; at += truncatedPerCase {
			all = append(all, strconv.Itoa(at))
		}
		return all
	}
}

// truncated rehearses one case: the answer cut at so many bytes, and at each one after.
func (a *answered) truncated(c string) (int, violations) {
	a.t.Helper()
	from, err := strconv.Atoi(c)
	must(a.t, err)
	all := a.begin(1)
	defer a.end(all)
	var v violations
	n := 0
	for ; n < truncatedPerCase && from+n < len(a.status)-1; n++ {
		a.leave(fmt.Sprintf("cut-at-%d.status", from+n), a.status[:from+n])
	}
	a.settle(all, &v)
	returns, err := all[0].plant.Store.Returns(a.t.Context(), all[0].inst.ID, 0, 2*truncatedPerCase)
	must(a.t, err)
	refused := 0
	for _, r := range returns {
		if !strings.HasPrefix(r.Name, "cut-at-") {
			continue
		}
		if refused++; r.State != card.ReturnQuarantined || r.Applied != 0 {
			v.add(half, "%s is %s and %d lines of it count", r.Name, r.State, r.Applied)
		}
	}
	if refused != n {
		v.add(other, "%s: of %d answers %d were seen", c, n, refused)
	}
	a.leave("whole.status", a.status)
	a.settle(all, &v)
	a.applied(c, all[0], &v)
	return n, v
}
