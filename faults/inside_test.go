package faults_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// How a rehearsal in a namespace of its own is called, by one outside.
var (
	within  = flag.Bool("within", false, "this process is in a namespace of its own")
	results = flag.String("results", "", "write what was found to this file, for the process outside")
	built   = flag.String("built", "", "the program, built already")
)

// found is what a process inside tells the one outside.
type found struct {
	Done     int        `json:"done"`
	Injected int        `json:"injected"`
	Harmed   [harms]int `json:"harmed"`
}

// runInside rehearses a row in a process with a user and a mount namespace of its own. Where a machine allows none, the row says so.
func (r *result) runInside(t *testing.T, seed string) {
	if r.missing = noMounts(t); r.missing != "" {
		t.Logf("this row is NOT rehearsed: on this machine nobody may mount a file system of a limited size: %s", r.missing)
		return
	}
	binary, err := program()
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	file := filepath.Join(t.TempDir(), "results.json")
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestFaults$", "-test.v", "-test.timeout=2h", "-within", "-results", file, "-built", binary, "-seed", seed, "-rows", r.name,
		"-only", *only, fmt.Sprintf("-whole=%t", *whole), fmt.Sprint("-workers=", *workers))
	cmd.SysProcAttr = apart()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil {
		t.Errorf("inside: %v\n%s", err, out)
	}
	body, err := os.ReadFile(file)
	must(t, err)
	var f found
	must(t, json.Unmarshal(body, &f))
	r.done, r.injected, r.harmed = f.Done, f.Injected, f.Harmed
}

// hand gives what the process inside found to the one outside.
func hand(t *testing.T, all []*result) {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d rows were rehearsed inside", len(all))
	}
	body, err := json.Marshal(found{all[0].done, all[0].injected, all[0].harmed})
	must(t, err)
	must(t, os.WriteFile(*results, body, 0o600))
}

// apart puts a process into namespaces in which it may mount, as whoever it is.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// noMounts says why no file system can be mounted in a namespace of one's own, or nothing where one can.
func noMounts(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", t.TempDir())
	cmd.SysProcAttr = apart()
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%v %s", err, out)), " ")
}
