package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"platen/fault"
)

// faultVariable makes a process die on purpose, for rehearsals with test keys:
//
//	PLATEN_FAULT=kill@N       SIGKILL at the Nth fault point that it reaches
//	PLATEN_FAULT=stop@N       SIGSTOP there, until somebody sends SIGCONT
//	PLATEN_FAULT=record@FILE  appends the name of every point that it reaches
const faultVariable = "PLATEN_FAULT"

func armFaults(spec string) error {
	if spec == "" {
		return nil
	}
	if err := os.Unsetenv(faultVariable); err != nil { // it is no setting of the configuration
		return err
	}
	what, argument, _ := strings.Cut(spec, "@")
	at, err := strconv.ParseInt(argument, 10, 64)
	var hit fault.Hit
	switch {
	case what == "record" && argument != "":
		file, err := os.OpenFile(argument, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("record fault points: %w", err)
		}
		hit = func(_ int64, point string) { fmt.Fprintln(file, point) }
	case (what == "kill" || what == "stop") && err == nil && at > 0:
		signal := map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGSTOP}[what]
		hit = func(n int64, point string) {
			if n == at {
				fmt.Fprintf(os.Stderr, "platen: %s at fault point %d: %s\n", what, n, point)
				die(signal)
			}
		}
	default:
		return fmt.Errorf("%s must be kill@N, stop@N or record@FILE", faultVariable)
	}
	fmt.Fprintf(os.Stderr, "platen: REHEARSAL: %s=%s is set\n", faultVariable, spec)
	_, err = fault.Arm(hit)
	return err
}

// die sends this process a signal and goes no further until the signal has done its work.
func die(signal syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), signal); err != nil {
		fmt.Fprintln(os.Stderr, "platen:", err)
		os.Exit(1)
	}
	if signal == syscall.SIGKILL {
		select {}
	}
}
