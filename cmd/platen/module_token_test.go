//go:build pkcs11

package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"platen/testbed"
)

// buildTags are those that the program is built with.
const buildTags = "pkcs11"

// useToken makes a directory work with a SoftHSM2 token, whose configuration the process finds in its environment.
func useToken(t *testing.T, dir string, hsm testbed.SoftHSM) {
	t.Helper()
	put(t, filepath.Join(dir, "keys", "token.pin"), []byte(hsm.PIN+"\n"))
	configure(t, dir, fmt.Sprintf("module:\n  kind: pkcs11\npkcs11:\n  library: %s\n  token: platen\n  pin: file:keys/token.pin\n", hsm.Library))
}

// withToken carries a command out in the environment of a token, and expects exit code 0.
func withToken(t *testing.T, hsm testbed.SoftHSM, args ...string) outcome {
	t.Helper()
	p := start(t, []string{"SOFTHSM2_CONF=" + hsm.Conf}, args...)
	p.wait()
	o := outcome{stdout: p.stdout.String(), stderr: p.stderr.String(), code: p.command.ProcessState.ExitCode()}
	if o.code != 0 {
		t.Fatalf("platen %s: exit code %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

// With one seed a PKCS#11 token makes the same files as the software module, to the byte: only where the keys are has changed.
func TestTheDemonstrationWithATokenMakesTheSameFiles(t *testing.T) {
	t.Parallel()
	want, _ := softwareNight(t)
	hsm := testbed.StartSoftHSM(t, "platen")
	dir := modulePress(t)
	useToken(t, dir, hsm)
	o := withToken(t, hsm, "demo", "--json", "--dir", dir, "--seed", moduleSeed, "--cards", fmt.Sprint(moduleSize.mass))
	got := decode[demoResult](t, o.stdout)
	if diff := cmp.Diff(want.Books, got.Books); diff != "" {
		t.Errorf("books of software (-) and token (+):\n%s", diff)
	}
	if diff := cmp.Diff(want.hashes(), got.hashes()); diff != "" {
		t.Errorf("files of software (-) and token (+):\n%s", diff)
	}
	proveTaken(t, dir, got)
	if !strings.Contains(o.stderr, "pkcs11") {
		t.Errorf("it does not tell of its module:\n%s", o.stderr)
	}
}

func TestAProgramWithoutPKCS11SaysHowToBuildOne(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "platen")
	build := exec.Command("go", "build", "-race=false", "-tags=", "-o", plain, "platen/cmd/platen")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := modulePress(t)
	configure(t, dir, "module:\n  kind: pkcs11\npkcs11:\n  library: any.so\n  pin: file:keys/kbpk.hex\n")
	out, err := exec.Command(plain, "keys", "list", config(dir)).CombinedOutput()
	if failed := new(exec.ExitError); !errors.As(err, &failed) || !strings.Contains(string(out), "-tags pkcs11") {
		t.Errorf("%v: %s", err, out)
	}
}
