// Command with starts one PostgreSQL server on the loopback interface, runs a command that finds it in PLATEN_TEST_POSTGRES_DSN, and
// stops it: `go run ./testbed/with go test ./...`. It exits as the command did.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"platen/testbed"
)

func main() {
	if len(os.Args) < 2 {
		_, _ = fmt.Fprintln(os.Stderr, "usage: with COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "with:", err)
	}
	os.Exit(code)
}

func run(command []string) (code int, err error) {
	// An interrupt goes to the whole foreground group: the command ends by itself, and the server is stopped here.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	cluster, err := testbed.StartCluster()
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), testbed.DSNVariable+"="+cluster.DSN("postgres"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return max(exit.ExitCode(), 1), nil
		}
		return 1, fmt.Errorf("run %s: %w", command[0], err)
	}
	return 0, nil
}
