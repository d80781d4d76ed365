package faults_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"platen/batch"
	"platen/card"
	"platen/delivery"
	"platen/sql/store"
)

// cutsPerCase is how many uploads one case cuts, each of a file of its own.
const cutsPerCase = 100

// recordsPerUpload makes a file, and so a conversation, of more than 8 KiB.
const recordsPerUpload = 30

// uploads is a worker with cutsPerCase files that may leave, and a way to their bureau that can be cut.
type uploads struct {
	*worker
	way   *cutter
	from  string // where the files are saved
	files map[string]store.File
}

func beginUploads(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
	p := newPress(t, nil, made.seed, "strict_order: true", "strict_order: false", "max_records: 5_000", fmt.Sprint("max_records: ", recordsPerUpload),
		"  out: out", "  out: out\n  connections: 1")
	u := &uploads{from: memory(t)}
	side := p.sides["south"]
	u.way = startCutter(t, side.Listen, fmt.Sprint("127.0.0.1:", freePort(t)))
	side.Listen = u.way.to
	p.sides["south"] = side
	p.submit(t, "UPLOADS", strconv.Itoa(cutsPerCase*recordsPerUpload))
	p.well("run", "--cycle", "nightly", "--slot", "1")
	if o := p.run("", "work", "--once"); !strings.Contains(o.stderr, "bureau_unreachable") && o.code == 0 {
		t.Fatal("the files have left before their time")
	}
	p.save(u.from)
	toBureau, fromBureau := u.measure(p, made.seed)
	return func(c string) (int, violations) { return u.cutAll(p, made.seed, c) }, func() (all []string) {
		for direction, length := range map[string]int64{"to-the-bureau": toBureau, "from-the-bureau": fromBureau} {
			for at := int64(0); at < length; at += cutsPerCase {
				all = append(all, fmt.Sprintf("%s/%d", direction, at))
			}
		}
		return all
	}
}

// begin brings the files back, and the bureaus up.
func (u *uploads) begin(p *press, seed string) {
	p.load(u.from)
	p.open()
	u.worker = p.hire(seed)
	u.pardon()
	u.files = map[string]store.File{}
	files, err := u.plant.Store.Files(p.t.Context(), u.inst.ID, 0, 2*cutsPerCase)
	must(p.t, err)
	for _, f := range files {
		u.files[f.Name] = f
	}
}

// measure sends one file and returns how many bytes go each way.
func (u *uploads) measure(p *press, seed string) (toBureau, fromBureau int64) {
	u.begin(p, seed)
	u.way.cut(-1, -1)
	if err := u.send(u.next()); err != nil {
		p.t.Fatal(err)
	}
	u.sims["south"].Quiet()
	u.quit()
	p.close()
	return u.way.passed()
}

// cutAll rehearses one case: a hundred uploads, each cut one byte later than the one before.
func (u *uploads) cutAll(p *press, seed, c string) (int, violations) {
	direction, from, _ := strings.Cut(c, "/")
	at, err := strconv.ParseInt(from, 10, 64)
	must(p.t, err)
	u.begin(p, seed)
	defer u.quit()
	injected := 0
	var v violations
	for i := range int64(cutsPerCase) {
		toBureau, fromBureau := at+i, int64(-1)
		if direction == "from-the-bureau" {
			toBureau, fromBureau = fromBureau, toBureau
		}
		injected += u.cutOne(toBureau, fromBureau, i%2 == 1, &v)
	}
	u.bureausWork()
	took := u.sims["south"].Counts()
	did := p.close()
	if took.Accepted != cutsPerCase || did.Refused > 0 || did.Repeated > 0 {
		v.add(half, "%s: the bureau took %d files of %d, refused %d and got %d again", c, took.Accepted, cutsPerCase, did.Refused, did.Repeated)
	}
	checked, err := u.plant.Check(p.t.Context())
	must(p.t, err)
	for _, f := range checked.Findings {
		v.add(other, "%s: %s: %s %d: %s", c, f.Invariant, f.Object, f.Number, f.Detail)
	}
	return injected, v
}

// next claims the file that may leave next.
func (u *uploads) next() store.Due {
	u.t.Helper()
	due, err := u.plant.ClaimSends(u.t.Context())
	must(u.t, err)
	if len(due) != 1 {
		u.t.Fatalf("%d files may leave", len(due))
	}
	return due[0]
}

func (u *uploads) send(d store.Due) error { return u.plant.Send(u.t.Context(), d.Number, d.Epoch) }

func (u *uploads) file(number int64) store.File {
	u.t.Helper()
	f, err := u.plant.Store.FileByNumber(u.t.Context(), number)
	must(u.t, err)
	return f
}

// cutOne cuts one upload, and then carries on until its file is settled. It returns 1 if the cut came before the end of the conversation.
func (u *uploads) cutOne(toBureau, fromBureau int64, atOnce bool, v *violations) int {
	u.t.Helper()
	d := u.next()
	u.way.cut(toBureau, fromBureau)
	err := u.send(d)
	u.way.cut(-1, -1)
	u.sims["south"].Quiet()
	u.seen(v)
	if atOnce {
		must(u.t, u.sims["south"].Process(u.t.Context()))
	}
	for range 3 {
		f := u.file(d.Number)
		switch {
		case f.State == card.FileInDoubt:
			u.decide(f, v)
		case f.State < card.FileSent:
			u.pardon()
			if again := u.send(u.nextOf(d.Number)); again != nil {
				v.add(other, "file %d, cut at %d and %d: the next attempt: %v", d.Number, toBureau, fromBureau, again)
			}
			u.sims["south"].Quiet()
			u.seen(v)
		}
	}
	if f := u.file(d.Number); f.State != card.FileSent {
		v.add(lost, "file %d, cut at %d and %d, is %s", d.Number, toBureau, fromBureau, f.State)
	}
	if err == nil {
		return 0
	}
	return 1
}

// nextOf claims until it gets one file.
func (u *uploads) nextOf(number int64) store.Due {
	u.t.Helper()
	d := u.next()
	if d.Number != number {
		u.t.Fatalf("file %d may leave before file %d", d.Number, number)
	}
	return d
}

// decide does what a person does about a file in doubt: ask the bureau whether it has it.
func (u *uploads) decide(f store.File, v *violations) {
	u.t.Helper()
	answer := batch.AnswerResend
	if _, err := os.Stat(filepath.Join(u.dir, "bureaus", "south", "root", "done", f.Name)); err == nil {
		answer = batch.AnswerSent
	} else {
		v.add(other, "file %d is in doubt, and the bureau never had it", f.Number)
	}
	_, err := u.plant.Resolve(u.t.Context(), f.Number, answer, "the bureau was asked", "rehearsal")
	must(u.t, err)
}

// seen looks at the bureau's input: under a final name there is a whole file or none.
func (u *uploads) seen(v *violations) {
	u.t.Helper()
	dir := filepath.Join(u.dir, "bureaus", "south", "root", "in")
	entries, err := os.ReadDir(dir)
	must(u.t, err)
	for _, e := range entries {
		if delivery.Unfinished(e.Name()) {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(u.t, err)
		f := u.files[e.Name()]
		if sum := sha256.Sum256(body); string(sum[:]) != string(f.CiphertextSHA) {
			v.add(half, "%d of %d bytes stand under the name of file %d", len(body), *f.CiphertextBytes, f.Number)
		}
	}
}

// cutter is a way to a server that ends after a number of bytes in one direction.
type cutter struct {
	to string

	mu                   sync.Mutex
	toServer, fromServer int64 // how many bytes pass; less than 0 = all
	sent, got            int64 // by the last connection
}

// startCutter listens at one address and passes everything on to another.
func startCutter(t testing.TB, at, to string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", at)
	must(t, err)
	c := &cutter{to: to, toServer: -1, fromServer: -1}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.pass(client) })
		}
	})
	t.Cleanup(func() {
		must(t, listener.Close())
		running.Wait()
	})
	return c
}

// cut lets connections that begin from now on pass so many bytes.
func (c *cutter) cut(toServer, fromServer int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.toServer, c.fromServer = toServer, fromServer
}

// passed is how many bytes the last connection passed each way.
func (c *cutter) passed() (toServer, fromServer int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.got
}

func (c *cutter) pass(client net.Conn) {
	c.mu.Lock()
	toServer, fromServer := c.toServer, c.fromServer
	c.mu.Unlock()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		_ = client.Close()
		return
	}
	end := sync.OnceFunc(func() {
		_ = client.Close()
		_ = server.Close()
	})
	var both sync.WaitGroup
	var sent, got int64
	both.Go(func() {
		sent = passUpTo(server, client, toServer)
		end()
	})
	both.Go(func() {
		got = passUpTo(client, server, fromServer)
		end()
	})
	both.Wait()
	c.mu.Lock()
	c.sent, c.got = sent, got
	c.mu.Unlock()
}

func passUpTo(to, from net.Conn, limit int64) int64 {
	if limit < 0 {
		n, _ := io.Copy(to, from)
		return n
	}
	n, _ := io.CopyN(to, from, limit)
	return n
}
