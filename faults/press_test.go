package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"platen/bureau"
	"platen/delivery"
	"platen/programs"
	"platen/samples"
	"platen/sql/store"
)

// program is the real binary, built once beside the test binary, in the directory that `go test` removes.
var program = sync.OnceValues(func() (string, error) {
	if *built != "" {
		return *built, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(filepath.Dir(self), "program-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "platen")
	if out, err := exec.Command("go", "build", "-race=false", "-o", binary, "platen/cmd/platen").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build platen: %w\n%s", err, out)
	}
	return binary, nil
})

// press is a directory made by platen init, with its bureaus, which take files only when they are told to.
type press struct {
	t       testing.TB
	binary  string
	dir     string
	seed    string
	set     *programs.Set
	sender  []byte
	openers map[string]*delivery.Opener
	sides   map[string]bureau.Config
	sims    map[string]*bureau.Simulator

	server   *databaseServer                            // nil on SQLite
	database string                                     // the address of the present case
	through  func(t testing.TB, database string) string // the way that processes take to the database; nil = straight
}

// changing are the parts of a press that a run changes.
var changing = []string{"platen.db", "platen.db-wal", "ledger", "spool", "bureaus/north/root", "bureaus/south/root"}

var address = regexp.MustCompile(`address: \S+`)

// newPress declares the sample programs in a fresh directory, on SQLite or on a database of server.
// Each edit changes what a bureau is declared as: pairs of what stands there and what is to stand there.
func newPress(t testing.TB, server *databaseServer, seed string, edits ...string) *press {
	t.Helper()
	return newPressIn(t, filepath.Join(memory(t), "press"), server, seed, edits...)
}

// newPressIn is newPress in a directory of the caller's.
func newPressIn(t testing.TB, dir string, server *databaseServer, seed string, edits ...string) *press {
	t.Helper()
	binary, err := program()
	must(t, err)
	p := &press{t: t, binary: binary, dir: dir, seed: seed, server: server, openers: map[string]*delivery.Opener{}, sides: map[string]bureau.Config{}}
	bureaus, err := fs.Glob(samples.FS, "programs/bureaus/*.yaml")
	must(t, err)
	for _, name := range bureaus {
		body, err := fs.ReadFile(samples.FS, name)
		must(t, err)
		body = []byte(strings.NewReplacer(edits...).Replace(string(body)))
		put(t, filepath.Join(p.dir, name), address.ReplaceAll(body, fmt.Appendf(nil, "address: 127.0.0.1:%d", freePort(t))))
	}
	database := "sqlite:platen.db"
	if server != nil {
		database = server.create(t, "")
		p.database = database
	}
	p.well("init", "--seed", seed, "--database", database, p.dir)
	config, err := os.ReadFile(p.config())
	must(t, err)
	put(t, p.config(), bytes.Replace(config, []byte("returns: 1s"), []byte("returns: 10ms"), 1))
	p.well("db", "migrate")
	p.well("apply", "-f", filepath.Join(p.dir, "programs"))
	p.set, err = programs.LoadDir(filepath.Join(p.dir, "programs"))
	must(t, err)
	p.sender, err = os.ReadFile(filepath.Join(p.dir, "keys", "platen-pgp.pub.asc"))
	must(t, err)
	for _, b := range p.set.Bureaus {
		side, err := bureau.Side(filepath.Join(p.dir, "bureaus", b.Code), p.sender, p.set, b)
		must(t, err)
		side.Poll, side.Log, side.Now = -1, zerolog.Nop(), time.Now
		// The dice are the same under every seed: they spoil and reject, and leave the cards alone that the second orders are about.
		side.Dice = bureau.Dice{Seed: "7", RejectPermille: 150, SpoilPermille: 300}
		p.sides[b.Code], p.openers[b.Code] = side, side.Opener
	}
	return p
}

// inMemory is where a machine keeps files without a disk: what is killed here are processes, never the kernel.
const inMemory = "/dev/shm"

// memory is a directory that needs no disk where the machine has one.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(inMemory, "platen-faults-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

func (p *press) config() string { return filepath.Join(p.dir, "platen.yaml") }

// open starts the bureaus.
func (p *press) open() {
	p.t.Helper()
	p.sims = map[string]*bureau.Simulator{}
	for code, side := range p.sides {
		sim, err := bureau.Start(p.t.Context(), side)
		must(p.t, err)
		p.sims[code] = sim
	}
}

// close stops the bureaus and returns what they did.
func (p *press) close() (all bureau.Counts) {
	p.t.Helper()
	for _, sim := range p.sims {
		must(p.t, sim.Close())
		c := sim.Counts()
		all.Refused += c.Refused
		all.Repeated += c.Repeated
		all.Unhandled += c.Unhandled
	}
	p.sims = nil
	return all
}

// bureausWork lets every bureau take what lies finished in its input, and answer.
func (p *press) bureausWork() {
	p.t.Helper()
	for _, sim := range p.sims {
		sim.Quiet()
		must(p.t, sim.Process(p.t.Context()))
	}
}

// outcome is what a process left.
type outcome struct {
	stdout, stderr string
	code           int
	killed         bool
}

// start begins a command, under a fault if one is named, without waiting for it.
func (p *press) start(fault string, args ...string) (cmd *exec.Cmd, wait func() outcome) {
	p.t.Helper()
	if args[0] != "init" {
		args = append(args, "--config", p.config())
	}
	cmd = exec.Command(p.binary, args...)
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "PLATEN_") {
			cmd.Env = append(cmd.Env, line)
		}
	}
	if p.database != "" {
		way := p.database
		if p.through != nil {
			way = p.through(p.t, way)
		}
		cmd.Env = append(cmd.Env, "PLATEN_DATABASE="+way)
	}
	if fault != "" {
		cmd.Env = append(cmd.Env, "PLATEN_FAULT="+fault)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	must(p.t, cmd.Start())
	return cmd, func() outcome {
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		return outcome{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode(),
			killed: ok && status.Signaled() && status.Signal() == syscall.SIGKILL}
	}
}

func (p *press) run(fault string, args ...string) outcome {
	p.t.Helper()
	_, wait := p.start(fault, args...)
	return wait()
}

// well runs a command that must end well.
func (p *press) well(args ...string) outcome {
	p.t.Helper()
	o := p.run("", args...)
	if o.code != 0 {
		p.t.Fatalf("platen %s: exit code %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

// bury ends the claims of a process that died, which would run out by themselves after 30 seconds.
func (p *press) bury() {
	p.t.Helper()
	s := p.store()
	must(p.t, s.InTx(context.WithoutCancel(p.t.Context()), func(tx *store.Tx) error { return tx.DropLeases(context.WithoutCancel(p.t.Context())) }))
	must(p.t, s.Close())
}

// store opens the database of the present case from outside.
func (p *press) store() *store.Store {
	p.t.Helper()
	at := p.database
	if at == "" {
		at = "sqlite:" + filepath.Join(p.dir, "platen.db")
	}
	s, err := store.Open(p.t.Context(), at)
	must(p.t, err)
	return s
}

// save copies everything that runs change to a place outside, and load brings it back.
func (p *press) save(to string) {
	p.t.Helper()
	for _, name := range changing {
		copyAll(p.t, filepath.Join(p.dir, name), filepath.Join(to, name))
	}
}

func (p *press) load(from string) {
	p.t.Helper()
	for _, name := range append([]string{"platen.db-shm", "platen.db.lock"}, changing...) {
		must(p.t, os.RemoveAll(filepath.Join(p.dir, name)))
	}
	for _, name := range changing {
		copyAll(p.t, filepath.Join(from, name), filepath.Join(p.dir, name))
	}
}

// copyAll copies a file or a directory; what does not exist has no copy.
func copyAll(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		put(t, filepath.Join(to, name), body)
		return nil
	})
	if !errors.Is(err, fs.ErrNotExist) {
		must(t, err)
	}
}

func put(t testing.TB, path string, body []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, body, 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ports hands out ports below the range that the kernel takes for outgoing connections, so that a port which is free now stays free.
var ports struct {
	mu   sync.Mutex
	next int
}

func freePort(t testing.TB) int {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.next == 0 {
		ports.next = 15_000 + os.Getpid()%15_000
	}
	for range 1000 {
		ports.next++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.next))
		if err != nil {
			continue
		}
		must(t, l.Close())
		return ports.next
	}
	t.Fatal("no port is free")
	return 0
}
