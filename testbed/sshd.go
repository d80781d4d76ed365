package testbed

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// privilegeDir is where Debian's sshd wants its empty directory when root runs it.
const privilegeDir = "/run/sshd"

// SSHServer is a real OpenSSH server on the loopback interface that offers SFTP to one key, as the user who runs the tests.
type SSHServer struct {
	Addr        string // host:port
	User        string
	HostKey     string // its public key as a line of authorized_keys
	IdentityPEM []byte // the private key that it lets in
	Root        string // an empty directory with in, out and archive in it; paths at the server are the machine's own
}

// SSHDOption is one more line of sshd_config, which precedes all others.
type SSHDOption string

// SSHD starts OpenSSH's sshd and stops it when t ends.
func SSHD(t testing.TB, options ...SSHDOption) *SSHServer {
	t.Helper()
	who, err := user.Current()
	if err != nil {
		t.Fatalf("who runs the tests: %v", err)
	}
	s := &SSHServer{User: who.Username, Root: t.TempDir()}
	for _, dir := range []string{"in", "out", "archive"} {
		if err := os.Mkdir(filepath.Join(s.Root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config, err := s.configure(t.TempDir(), options)
	if err != nil {
		t.Fatalf("configure sshd: %v", err)
	}
	for attempt := 1; ; attempt++ {
		stop, err := s.run(config)
		if err == nil {
			t.Cleanup(stop)
			return s
		}
		if attempt == startAttempts {
			t.Fatalf("start sshd: %v", err)
		}
	}
}

// configure writes keys and configuration and returns the configuration's path.
func (s *SSHServer) configure(dir string, options []SSHDOption) (string, error) {
	hostPEM, hostLine, err := sshKey()
	if err != nil {
		return "", err
	}
	identity, login, err := sshKey()
	if err != nil {
		return "", err
	}
	s.HostKey, s.IdentityPEM = strings.TrimSpace(string(hostLine)), identity
	var config bytes.Buffer
	for _, line := range options {
		fmt.Fprintln(&config, line)
	}
	fmt.Fprintf(&config, `HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
ForceCommand internal-sftp
MaxStartups 200
LogLevel INFO
`, filepath.Join(dir, "host"), filepath.Join(dir, "logins"))
	path := filepath.Join(dir, "config")
	for name, content := range map[string][]byte{filepath.Join(dir, "host"): hostPEM, filepath.Join(dir, "logins"): login, path: config.Bytes()} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return "", err
		}
	}
	return path, nil
}

func sshKey() (privatePEM, line []byte, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		return nil, nil, err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(block), ssh.MarshalAuthorizedKey(key), nil
}

// run starts the server on a free port and returns when it listens.
func (s *SSHServer) run(config string) (stop func(), err error) {
	program, err := sshdProgram()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	cmd := exec.Command(program, "-D", "-e", "-f", config, "-o", "ListenAddress="+s.Addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	log := &tail{limit: keptLogLines}
	listening, ended := make(chan struct{}), make(chan error, 1)
	go followSSHD(cmd, stderr, log, listening, ended)
	select {
	case <-listening:
		return func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			for range ended { // a server that was told to end has nothing to say
			}
		}, nil
	case err := <-ended:
		return nil, fmt.Errorf("sshd ended at once: %w\n%s", err, log)
	case <-time.After(startTimeout):
		return nil, fmt.Errorf("sshd was not ready within %s:\n%s", startTimeout, log)
	}
}

// followSSHD starts the server and reads its log to the end. It keeps its thread, because the parent-death signal goes with the thread.
func followSSHD(cmd *exec.Cmd, stderr io.Reader, log *tail, listening chan<- struct{}, ended chan<- error) {
	defer close(ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		ended <- err
		return
	}
	lines := bufio.NewScanner(stderr)
	told := false
	for lines.Scan() {
		log.add(lines.Text())
		if !told && strings.HasPrefix(lines.Text(), "Server listening on ") {
			told = true
			close(listening)
		}
	}
	_, _ = io.Copy(io.Discard, stderr)
	ended <- cmd.Wait()
}

// sshdProgram finds sshd, which insists on an absolute path, and makes what root's sshd needs.
func sshdProgram() (string, error) {
	const install = "OpenSSH's server is not installed: apt-get install -y openssh-server"
	program := "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath("sshd"); err != nil {
			return "", errors.New(install)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll(privilegeDir, 0o755); err != nil {
			return "", fmt.Errorf("make the directory that sshd needs: %w", err)
		}
	}
	return filepath.Abs(program)
}
