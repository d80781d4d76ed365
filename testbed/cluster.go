package testbed

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits of a cluster's life.
const (
	startAttempts    = 3 // a free port may be taken between asking and using
	startTimeout     = 60 * time.Second
	stopTimeout      = 20 * time.Second
	keptLogLines     = 40
	superuser        = "platen"
	maxConnections   = "200" // many test binaries may share one cluster
	oldestPostgreSQL = 15
)

// Cluster is a running PostgreSQL server with a data directory of its own, default durability, a random loopback port, a Unix
// socket and a random password. It dies with the process that started it, even when that process is killed.
type Cluster struct {
	dir      string
	port     int
	password string
	account  *account
	command  *exec.Cmd
	log      *tail
	ended    chan struct{}
	waitErr  error // why the server ended; read after ended is closed
}

// StartCluster makes a data directory with Debian's initdb and runs a server on it. Run by root, the server runs as the user postgres or
// nobody, since PostgreSQL refuses root.
func StartCluster() (*Cluster, error) { return StartClusterIn("") }

// StartClusterIn is StartCluster with its directory in parent; empty = the system's for temporary files.
func StartClusterIn(parent string) (*Cluster, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	c := &Cluster{account: who}
	if err := c.initialise(parent, bin); err != nil {
		c.remove()
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		if c.port, err = freePort(); err == nil {
			err = c.run(bin)
		}
		if err == nil {
			return c, nil
		}
		if attempt == startAttempts {
			c.remove()
			return nil, fmt.Errorf("start PostgreSQL: %w", err)
		}
	}
}

// DSN is the connection string of one of the cluster's databases, for lib/pq.
func (c *Cluster) DSN(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, c.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Dir is the cluster's directory: data below data, and all that the server ever logged in server.log.
func (c *Cluster) Dir() string { return c.dir }

// Stop ends the server with a fast shutdown and removes its directory.
func (c *Cluster) Stop() error {
	defer c.remove()
	if err := c.command.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopTimeout):
		_ = c.command.Process.Signal(syscall.SIGQUIT)
		return fmt.Errorf("PostgreSQL did not stop within %s:\n%s", stopTimeout, c.log)
	}
}

func (c *Cluster) remove() {
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

// initialise makes the data directory and the password of the superuser.
func (c *Cluster) initialise(parent, bin string) error {
	var err error
	if c.dir, err = os.MkdirTemp(parent, "platen-pg-"); err != nil {
		return fmt.Errorf("make a directory for PostgreSQL: %w", err)
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("draw a password: %w", err)
	}
	c.password = hex.EncodeToString(secret)
	passwords := filepath.Join(c.dir, "password")
	if err := os.WriteFile(passwords, []byte(c.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the password file: %w", err)
	}
	for _, path := range []string{c.dir, passwords} {
		if err := c.account.own(path); err != nil {
			return err
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", filepath.Join(c.dir, "data"), "--username", superuser,
		"--pwfile", passwords, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions")
	c.account.become(initdb, c.dir)
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// Kill ends all processes of the server with SIGKILL: nothing is flushed, nobody says goodbye.
func (c *Cluster) Kill() error {
	postmaster := c.command.Process
	// A stopped postmaster starts no further process while the others are counted.
	if err := postmaster.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	children, err := childrenOf(postmaster.Pid)
	if err != nil {
		return err
	}
	for _, pid := range append(children, postmaster.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill PostgreSQL: %w", err)
		}
	}
	<-c.ended
	return nil
}

// Restart starts a server that was killed again, on its data and its port. It returns when crash recovery is over.
func (c *Cluster) Restart() error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	return c.run(bin)
}

// childrenOf lists the processes that a process has started and that still run.
func childrenOf(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []int
	for _, path := range stats {
		body, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent ...; see proc(5). The name may hold anything.
		fields := strings.Fields(string(body[strings.LastIndexByte(string(body), ')')+1:]))
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			all = append(all, child)
		}
	}
	return all, nil
}

// run starts the server on its port and returns when it accepts connections.
func (c *Cluster) run(bin string) error {
	c.log = &tail{limit: keptLogLines}
	c.ended = make(chan struct{})
	c.command = exec.Command(filepath.Join(bin, "postgres"), "-D", filepath.Join(c.dir, "data"), "-p", strconv.Itoa(c.port), "-h", "127.0.0.1",
		"-k", c.dir, "-c", "max_connections="+maxConnections)
	c.account.become(c.command, c.dir)
	c.command.SysProcAttr.Pdeathsig = syscall.SIGINT
	stderr, err := c.command.StderrPipe()
	if err != nil {
		return fmt.Errorf("read PostgreSQL's log: %w", err)
	}
	ready := make(chan struct{})
	started := make(chan error, 1)
	go c.supervise(stderr, started, ready)
	if err := <-started; err != nil {
		return err
	}
	select {
	case <-ready:
		return nil
	case <-c.ended:
		return fmt.Errorf("PostgreSQL ended at once: %w\n%s", c.waitErr, c.log)
	case <-time.After(startTimeout):
		_ = c.command.Process.Signal(syscall.SIGQUIT)
		return fmt.Errorf("PostgreSQL was not ready within %s:\n%s", startTimeout, c.log)
	}
}

// supervise starts the server, follows its log and waits for its end. It keeps its thread for as long as the server lives, because the
// kernel sends the parent-death signal when the thread that started the child ends.
func (c *Cluster) supervise(stderr io.Reader, started chan<- error, ready chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.command.Start(); err != nil {
		started <- fmt.Errorf("start %s: %w", c.command.Path, err)
		return
	}
	started <- nil
	whole, err := os.OpenFile(filepath.Join(c.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.log.add(err.Error())
	}
	defer func() { _ = whole.Close() }()
	lines := bufio.NewReader(io.TeeReader(stderr, whole))
	told := false
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		c.log.add(strings.TrimSuffix(line, "\n"))
		if !told && strings.Contains(line, "database system is ready to accept connections") {
			told = true
			close(ready)
		}
	}
	_, _ = io.Copy(io.Discard, stderr)
	c.waitErr = c.command.Wait()
	close(c.ended)
}

// freePort asks the kernel for a loopback port that nobody uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// postgresBin is the directory of the newest PostgreSQL programs.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", fmt.Errorf("look for PostgreSQL: %w", err)
	}
	best, bestVersion := "", 0
	for _, path := range found {
		version, err := strconv.Atoi(strings.Split(path, "/")[4])
		if err == nil && version > bestVersion {
			best, bestVersion = filepath.Dir(path), version
		}
	}
	if bestVersion >= oldestPostgreSQL {
		return best, nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", fmt.Errorf("PostgreSQL %d or newer is not installed: apt-get install -y postgresql", oldestPostgreSQL)
}

// account is the user that a server runs as; nil uid and gid mean the current one.
type account struct {
	uid, gid int
	change   bool
}

// unprivileged is the current user, or for root a system user that owns nothing of ours.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return &account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("read the ids of user %s: %w", name, err)
		}
		return &account{uid: uid, gid: gid, change: true}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root and there is no user postgres: apt-get install -y postgresql")
}

func (a *account) own(path string) error {
	if !a.change {
		return nil
	}
	if err := os.Chown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("give %s to the database user: %w", filepath.Base(path), err)
	}
	return nil
}

// become makes cmd run as the account in dir, with messages in English, which run reads.
func (a *account) become(cmd *exec.Cmd, dir string) {
	cmd.Dir = dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	}), "LC_ALL=C", "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if a.change {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	limit int
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > t.limit {
		t.lines = t.lines[1:]
	}
}

// String is the kept lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
