package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"platen/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// program is the real binary, built once. It lies beside the test binary, in the directory that `go test` removes.
var program = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(filepath.Dir(self), "program-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "platen")
	if out, err := exec.Command("go", "build", "-race=false", "-tags="+buildTags, "-o", binary, "platen/cmd/platen").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build platen: %w\n%s", err, out)
	}
	return binary, nil
})

// process is a running platen, alone in its process group.
type process struct {
	t       *testing.T
	command *exec.Cmd
	stdout  capture
	stderr  capture
	ended   chan struct{}
	err     error // what Wait said; read after ended is closed
}

// capture keeps what a process writes while others read it.
type capture struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(b)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// start runs platen with arguments and, beside the environment without PLATEN_ variables, the given ones. It is killed at the end of the test.
func start(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	binary, err := program()
	must(t, err)
	p := &process{t: t, command: exec.Command(binary, args...), ended: make(chan struct{})}
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "PLATEN_") {
			p.command.Env = append(p.command.Env, line)
		}
	}
	p.command.Env = append(p.command.Env, environ...)
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
	must(t, p.command.Start())
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process and all its children with SIGKILL, if they still run.
func (p *process) kill() {
	if err := syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("kill the process group: %v", err)
	}
	<-p.ended
}

// stop asks the process to end and expects that it ends well.
func (p *process) stop() {
	p.t.Helper()
	must(p.t, p.command.Process.Signal(syscall.SIGTERM))
	p.wait()
	if p.err != nil {
		p.t.Fatalf("platen %s ends with %v\n%s", p.command.Args[1], p.err, &p.stderr)
	}
}

// wait waits until the process has ended by itself.
func (p *process) wait() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.t.Fatalf("platen %s does not end:\n%s", strings.Join(p.command.Args[1:], " "), &p.stderr)
	}
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// outcome is what a process left.
type outcome struct {
	stdout, stderr string
	code           int
}

// run carries a command out, whatever its exit code.
func run(t *testing.T, args ...string) outcome {
	t.Helper()
	p := start(t, nil, args...)
	p.wait()
	return outcome{stdout: p.stdout.String(), stderr: p.stderr.String(), code: p.command.ProcessState.ExitCode()}
}

// platen carries a command out, expects exit code 0, and returns its standard output.
func platen(t *testing.T, args ...string) string {
	t.Helper()
	o := run(t, args...)
	if o.code != 0 {
		t.Fatalf("platen %s: exit code %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// patience bounds every wait for something that must happen; a slow machine is no fault.
const patience = 4 * time.Minute

// until asks again and again until the answer is yes.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not come", what)
		case <-tick.C:
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// decode reads one JSON value that has no field beside those of T, and nothing after it.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("something follows the JSON value:\n%s", text)
	}
	return v
}

// loose reads one JSON value and ignores fields that T does not have.
func loose[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

// ports hands out ports below the range that the kernel takes for outgoing connections, so that a port which is free now stays free.
var ports struct {
	mu   sync.Mutex
	next int
}

func freePort(t *testing.T) int {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.next == 0 {
		ports.next = 15_000 + os.Getpid()%15_000
	}
	for range 1000 {
		ports.next++
		if ports.next > 32_000 {
			ports.next = 15_000
		}
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
