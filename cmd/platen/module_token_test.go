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
	describeToken(t, dir, hsm)
	configure(t, dir, "module:\n  kind: pkcs11\n")
}

// describeToken tells a directory where its token is, and no more.
func describeToken(t *testing.T, dir string, hsm testbed.SoftHSM) {
	t.Helper()
	put(t, filepath.Join(dir, "keys", "token.pin"), []byte(hsm.PIN+"\n"))
	configure(t, dir, fmt.Sprintf("pkcs11:\n  library: %s\n  token: platen\n  pin: file:keys/token.pin\n", hsm.Library))
}

// tokenRun carries a command out in the environment of a token.
func tokenRun(t *testing.T, hsm testbed.SoftHSM, args ...string) outcome {
	t.Helper()
	p := start(t, []string{"SOFTHSM2_CONF=" + hsm.Conf}, args...)
	p.wait()
	return outcome{stdout: p.stdout.String(), stderr: p.stderr.String(), code: p.command.ProcessState.ExitCode()}
}

// withToken carries a command out in the environment of a token, and expects exit code 0.
func withToken(t *testing.T, hsm testbed.SoftHSM, args ...string) outcome {
	t.Helper()
	o := tokenRun(t, hsm, args...)
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

// The keystore's protection key is made in the token and never leaves it; the keystore that was under a file is taken over, and a night with it makes
// the same files.
func TestTheProtectionKeyStaysInTheToken(t *testing.T) {
	t.Parallel()
	want, _ := softwareNight(t)
	hsm := testbed.StartSoftHSM(t, "platen")
	dir := modulePress(t)
	before := platen(t, "keys", "list", "--json", config(dir))
	describeToken(t, dir, hsm)
	withToken(t, hsm, "keys", "kbpk", "pkcs11:platen-kbpk", config(dir))
	if o := run(t, "keys", "list", config(dir)); o.code == 0 || !strings.Contains(o.stderr, "keystore") {
		t.Errorf("under the former key: exit code %d, %s", o.code, o.stderr)
	}
	path := filepath.Join(dir, "platen.yaml")
	moved := strings.Replace(string(read(t, path)), "kbpk: file:keys/kbpk.hex", "kbpk: pkcs11:platen-kbpk", 1)
	put(t, path, []byte(moved))
	must(t, os.Remove(filepath.Join(dir, "keys", "kbpk.hex")))
	if got := withToken(t, hsm, "keys", "list", "--json", config(dir)).stdout; got != before {
		t.Errorf("keys before %s and after %s", before, got)
	}
	withToken(t, hsm, "keys", "check", config(dir))
	o := withToken(t, hsm, "demo", "--json", "--dir", dir, "--seed", moduleSeed, "--cards", fmt.Sprint(moduleSize.mass))
	got := decode[demoResult](t, o.stdout)
	if diff := cmp.Diff(want.hashes(), got.hashes()); diff != "" {
		t.Errorf("files under a file's key (-) and a token's (+):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "keys", "kbpk.hex")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a protection key beside the token's: %v", err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"no token": {"token: platen", "token: other", "no slot holds such a token: \"other\""},
		"no key":   {"pkcs11:platen-kbpk", "pkcs11:absent", "KBPK absent: PKCS#11: the token has no key of this label"},
		"the PIN":  {"file:keys/token.pin", "file:keys/other.pin", "the token refused the user PIN"},
		"library":  {"library: " + hsm.Library, "library: no-such.so", "the library cannot be loaded: no-such.so"},
		"no PIN":   {"  pin: file:keys/token.pin\n", "", "needs pkcs11.library, pkcs11.token and pkcs11.pin"},
	} {
		put(t, filepath.Join(dir, "keys", "other.pin"), []byte("00000000\n"))
		put(t, path, []byte(strings.Replace(moved, c.old, c.new, 1)))
		if o := tokenRun(t, hsm, "keys", "list", config(dir)); o.code == 0 || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%s: exit code %d, %s", name, o.code, o.stderr)
		}
	}
	put(t, path, []byte(moved))
	t.Run("and it can be a file's again", func(t *testing.T) {
		withToken(t, hsm, "keys", "kbpk", "file:keys/again.hex", config(dir))
		put(t, path, []byte(strings.Replace(moved, "pkcs11:platen-kbpk", "file:keys/again.hex", 1)))
		if got := platen(t, "keys", "list", "--json", config(dir)); got != before {
			t.Errorf("keys before %s and after %s", before, got)
		}
	})
}

// A keystore may begin in a token; a second one takes the key that is there.
func TestAKeystoreIsMadeUnderAKeyOfTheToken(t *testing.T) {
	t.Parallel()
	hsm := testbed.StartSoftHSM(t, "platen")
	dir := modulePress(t)
	describeToken(t, dir, hsm)
	path := filepath.Join(dir, "platen.yaml")
	put(t, path, []byte(strings.NewReplacer("kbpk: file:keys/kbpk.hex", "kbpk: pkcs11:new-kbpk", "keystore: keys/keystore.json", "keystore: vault/first.json").Replace(string(read(t, path)))))
	withToken(t, hsm, "keys", "create", "--environment", "test", config(dir))
	withToken(t, hsm, "keys", "generate", "cvk", "--usage", "C0", "--algorithm", "tdes", config(dir))
	put(t, path, []byte(strings.Replace(string(read(t, path)), "vault/first.json", "vault/second.json", 1)))
	withToken(t, hsm, "keys", "create", "--environment", "test", config(dir))
	put(t, filepath.Join(dir, "vault", "second.json"), read(t, filepath.Join(dir, "vault", "first.json")))
	if got := withToken(t, hsm, "keys", "list", config(dir)).stdout; !strings.Contains(got, "cvk") {
		t.Errorf("the second keystore is under another key: %s", got)
	}
}

// A token that is lost between two nights, with every session that was open, stops the second one's files and makes no card twice or half; when it is
// back, the process that lost it goes on by itself.
func TestATokenThatIsLostDelaysTheNightAndLosesNothing(t *testing.T) {
	hsm := testbed.StartSoftHSM(t, "platen")
	t.Setenv("SOFTHSM2_CONF", hsm.Conf)
	dir := modulePress(t)
	useToken(t, dir, hsm)
	platen(t, "keys", "provision", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	simulateBureaus(t, dir, "--reject", "0", "--spoil", "0")
	s := serve(t, dir, "--no-schedules")
	orders := moduleSize.orders(t)
	s.order("MASS", orders[massFile])
	platen(t, "run", "--cycle", "nightly", config(dir))
	inBooks := func() books { return loose[books](t, run(t, "books", "--json", config(dir)).stdout) }
	done := func() bool {
		return balanced(append(filesOf(t, dir, "north"), filesOf(t, dir, "south")...)) && inBooks().Balanced
	}
	until(t, "the balance of the first night", done)

	// The service has sessions and key handles now. Other processes reach the token elsewhere.
	home := filepath.Join(filepath.Dir(hsm.Conf), "tokens")
	away := home + "-away"
	must(t, os.Rename(home, away))
	elsewhere := hsm.Conf + ".away"
	put(t, elsewhere, []byte(strings.Replace(string(read(t, hsm.Conf)), home, away, 1)))
	t.Setenv("SOFTHSM2_CONF", elsewhere)
	s.order("BULK", orders[bulkFile])
	platen(t, "run", "--cycle", "nightly", config(dir))
	until(t, "the loss of the token", func() bool { return strings.Contains(s.process.stderr.String(), "PKCS#11: the token does not answer") })
	if inBooks().Balanced {
		t.Error("the books balance without a token")
	}
	must(t, os.Rename(away, home))
	t.Setenv("SOFTHSM2_CONF", hsm.Conf)
	until(t, "the balance of the second night", done)
	b := inBooks()
	if b.Produced != b.Requested || b.Requested == 0 {
		t.Errorf("the books say %+v", b)
	}
	if !s.process.running() {
		t.Error("the service ended")
	}
	proveOnce(t, dir, b)
}

// The recipe of the manual, step by step: only the library is where it lies here.
func TestTheRecipeForATokenMakesTheSampleCards(t *testing.T) {
	t.Parallel()
	hsm := testbed.StartSoftHSM(t, "platen")
	dir := prepare(t, sizes{mass: 20, bulk: 30, actions: 5})
	put(t, filepath.Join(dir, "keys", "token.pin"), []byte(hsm.PIN+"\n"))
	var got demoResult
	cook(t, dir, "The samples with a PKCS#11 token", strings.NewReplacer("/usr/lib/softhsm/libsofthsm2.so", hsm.Library), func(args []string) {
		if args[0] == "demo" {
			args = append(args, "--json", "--cards", "20")
		}
		if o := withToken(t, hsm, args...); args[0] == "demo" {
			got = decode[demoResult](t, o.stdout)
		}
	})
	if !got.Books.Balanced || got.Books.Produced == 0 {
		t.Errorf("books %+v", got.Books)
	}
	proveTaken(t, dir, got)
}

func TestApplyRefusesWrongKeysWithAToken(t *testing.T) {
	t.Parallel()
	hsm := testbed.StartSoftHSM(t, "platen")
	dir := modulePress(t)
	useToken(t, dir, hsm)
	withToken(t, hsm, "keys", "provision", config(dir))
	refusesWrongKeys(t, dir, func(args ...string) outcome { return tokenRun(t, hsm, args...) })
	respell(t, dir, "bureaus/north.yaml", "pin_format: 0", "pin_format: 4")
	o := tokenRun(t, hsm, "apply", config(dir), "-f", filepath.Join(dir, "programs"), "--dry-run")
	if o.code != 1 || !strings.Contains(o.stderr, "bureau north: zpk: key zpk-north cannot serve") {
		t.Errorf("a key of another algorithm: exit code %d\n%s", o.code, o.stderr)
	}
}
