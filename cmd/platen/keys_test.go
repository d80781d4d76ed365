package main_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"platen/card"
)

// keyDesk is a new directory with test keys and an empty database.
func keyDesk(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "press")
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	return dir
}

// terminal opens a pseudo terminal: what a person has, and what the process gets.
func terminal(t *testing.T) (person, process *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { _ = person.Close() })
	must(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	must(t, err)
	process, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { _ = process.Close() })
	return person, process
}

// sitting is a ceremony at a terminal.
type sitting struct {
	t      *testing.T
	person *os.File
	p      *process
	seen   int // how much of the screen the last answer was given to
}

func sit(t *testing.T, args ...string) *sitting {
	t.Helper()
	binary, err := program()
	must(t, err)
	return sitAt(t, exec.Command(binary, args...))
}

// sitAt begins a command at a terminal of its own.
func sitAt(t *testing.T, command *exec.Cmd) *sitting {
	t.Helper()
	person, tty := terminal(t)
	p := &process{t: t, command: command, ended: make(chan struct{})}
	p.command.Stdin, p.command.Stdout, p.command.Stderr = tty, tty, tty
	p.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, p.command.Start())
	must(t, tty.Close())
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := person.Read(buf)
			_, _ = p.stdout.Write(buf[:n])
			if err != nil {
				return // the last process that had the terminal is gone
			}
		}
	}()
	go func() {
		p.err = p.command.Wait()
		<-read
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return &sitting{t: t, person: person, p: p}
}

// answer waits for a question and types a line.
func (s *sitting) answer(question, line string) {
	s.t.Helper()
	until(s.t, question, func() bool {
		if !s.p.running() {
			s.t.Fatalf("ended before %q:\n%s", question, &s.p.stdout)
		}
		return strings.Contains(s.p.stdout.String()[s.seen:], question)
	})
	s.seen = len(s.p.stdout.String())
	_, err := s.person.WriteString(line + "\n")
	must(s.t, err)
}

func (s *sitting) end() (screen string, code int) {
	s.t.Helper()
	s.p.wait()
	return s.p.stdout.String(), s.p.command.ProcessState.ExitCode()
}

// Two components of the key 0123456789ABCDEFFEDCBA9876543210, whose check value is published.
const (
	adaPart    = "1F3D5B79A8C6E402DCBA98765432100E"
	gracePart  = "1E1E1E1E216D29ED226622EE2266221E"
	enteredHex = "0123456789ABCDEFFEDCBA9876543210"
)

func TestKeysCeremonyOfTwoCustodiansShowsNoComponent(t *testing.T) {
	t.Parallel()
	dir := keyDesk(t)
	s := sit(t, "keys", "import", "cvk.entered", config(dir), "--components", "2", "--usage", "C0", "--algorithm", "tdes", "--kcv", "08D7B4")
	s.answer("custodian: ", "Ada")
	s.answer("not shown): ", adaPart)
	s.answer("yes or no): ", "yes")
	s.answer("custodian: ", "Grace")
	s.answer("not shown): ", gracePart)
	for _, what := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.p.command.Process.Pid, what))
		must(t, err)
		showsNothing(t, "the process's "+what, b)
	}
	s.answer("yes or no): ", "yes")
	s.answer("Check value of the key: 08D7B4. Is it right?", "yes")
	screen, code := s.end()
	if code != 0 || !strings.Contains(screen, "cvk.entered") {
		t.Fatalf("exit code %d:\n%s", code, screen)
	}
	showsNothing(t, "the screen", []byte(screen))
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		showsNothing(t, path, b)
		return err
	}))
	keys := loose[[]struct {
		KCV string `json:"kcv"`
	}](t, platen(t, "keys", "show", "cvk.entered", config(dir), "--json"))
	if len(keys) != 1 || keys[0].KCV != "08D7B4" {
		t.Errorf("the keystore has %v", keys)
	}
	var data string
	must(t, database(t, dir).DB().QueryRowContext(t.Context(), `SELECT data FROM audit_log WHERE action = 'keys.import' AND object = 'cvk.entered@1'`).Scan(&data))
	if !strings.Contains(data, "Ada") || !strings.Contains(data, "Grace") || !strings.Contains(data, "08D7B4") {
		t.Errorf("audited %s", data)
	}
}

// The ceremony as two custodians hold it: one of them types the command at a shell that keeps a history.
func TestKeysCeremonyLeavesNoComponentInTheHistoryOfTheShell(t *testing.T) {
	t.Parallel()
	dir := keyDesk(t)
	binary, err := program()
	must(t, err)
	history := filepath.Join(dir, "history")
	shell := exec.Command("bash", "--norc", "--noprofile", "-i")
	shell.Env = []string{"HISTFILE=" + history, "HISTCONTROL=", "PS1=desk> ", "PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb"}
	s := sitAt(t, shell)
	s.answer("desk> ", binary+" keys import cvk.entered "+config(dir)+" --components 2 --usage C0 --algorithm tdes")
	s.answer("custodian: ", "Ada")
	s.answer("not shown): ", adaPart)
	s.answer("yes or no): ", "yes")
	s.answer("custodian: ", "Grace")
	s.answer("not shown): ", gracePart)
	s.answer("yes or no): ", "yes")
	s.answer("Check value of the key: 08D7B4. Is it right?", "yes")
	s.answer("desk> ", "exit")
	screen, code := s.end()
	if code != 0 || !strings.Contains(screen, "cvk.entered") {
		t.Fatalf("exit code %d:\n%s", code, screen)
	}
	showsNothing(t, "the screen", []byte(screen))
	kept, err := os.ReadFile(history)
	must(t, err)
	if !strings.Contains(string(kept), "keys import cvk.entered") {
		t.Errorf("the shell kept no history: %q", kept)
	}
	showsNothing(t, "the history", kept)
	if keys := platen(t, "keys", "show", "cvk.entered", config(dir), "--json"); !strings.Contains(keys, "08D7B4") {
		t.Errorf("the keystore has %s", keys)
	}
}

// showsNothing looks for both components and the key, as text and as bytes.
func showsNothing(t *testing.T, where string, b []byte) {
	t.Helper()
	text := strings.ToUpper(string(b))
	for _, secret := range []string{adaPart, gracePart, enteredHex} {
		raw, err := hex.DecodeString(secret)
		must(t, err)
		for at := 0; at+16 <= len(secret); at += 8 {
			if strings.Contains(text, secret[at:at+16]) {
				t.Errorf("%s shows part of a key", where)
			}
		}
		if strings.Contains(string(b), string(raw[:8])) || strings.Contains(string(b), string(raw[8:])) {
			t.Errorf("%s holds bytes of a key", where)
		}
	}
}

func TestKeysCeremonyStoresNothingThatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	dir := keyDesk(t)
	begin := func(t *testing.T) *sitting {
		s := sit(t, "keys", "import", "refused", config(dir), "--components", "2", "--usage", "C0", "--algorithm", "tdes")
		s.answer("custodian: ", "Ada")
		return s
	}
	for name, c := range map[string]struct {
		enter func(s *sitting)
		says  string
	}{
		"a component denied": {func(s *sitting) { s.answer("not shown): ", adaPart); s.answer("yes or no): ", "no") }, "kcv: was not confirmed"},
		"one custodian twice": {func(s *sitting) {
			s.answer("not shown): ", adaPart)
			s.answer("yes or no): ", "yes")
			s.answer("custodian: ", "ada")
		}, "custodian: "},
		"mistyped": {func(s *sitting) {
			s.answer("not shown): ", "E19B073B4007541FAB76B04370451031")
			s.answer("yes or no): ", "yes")
			s.answer("custodian: ", "Grace")
			s.answer("not shown): ", "4CBF5D51EA8525EF045EFED6E386D9D9")
			s.answer("yes or no): ", "yes")
		}, "key: TDES key must have odd parity"},
		"a component for a name": {func(s *sitting) {
			s.answer("not shown): ", adaPart)
			s.answer("yes or no): ", "yes")
			s.answer("custodian: ", gracePart)
		}, "custodian: what was given for a name looks like a component"},
		"no hex":      {func(s *sitting) { s.answer("not shown): ", "G"+adaPart[1:]) }, "component: must be hex"},
		"interrupted": {func(s *sitting) { s.answer("not shown): ", adaPart[:8]+"\x03") }, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			c.enter(s)
			screen, code := s.end()
			if code != 1 || !strings.Contains(screen, c.says) {
				t.Errorf("exit code %d, want %q:\n%s", code, c.says, screen)
			}
			showsNothing(t, "the screen", []byte(screen))
			if o := run(t, "keys", "show", "refused", config(dir)); o.code != 1 {
				t.Error("a key was stored")
			}
		})
	}
	t.Run("no terminal", func(t *testing.T) {
		o := run(t, "keys", "import", "refused", config(dir), "--components", "2", "--usage", "C0", "--algorithm", "tdes")
		if o.code != 1 || !strings.Contains(o.stderr, "terminal") {
			t.Errorf("exit code %d: %s", o.code, o.stderr)
		}
	})
}

func TestKeysTravelUnderOthersAndEveryChangeIsAudited(t *testing.T) {
	t.Parallel()
	dir := keyDesk(t)
	for _, k := range [][]string{{"kek", "K1", "aes"}, {"zmk", "K0", "tdes"}, {"cvk.a", "C0", "tdes"}, {"pan.a", "D0", "aes"}} {
		platen(t, "keys", "generate", k[0], config(dir), "--usage", k[1], "--algorithm", k[2])
	}
	type exported struct{ KCV, Wrapped string }
	block := loose[exported](t, platen(t, "keys", "export", "cvk.a", config(dir), "--json", "--under", "kek"))
	variant := loose[exported](t, platen(t, "keys", "export", "cvk.a@1", config(dir), "--json", "--under", "zmk", "--scheme", "U"))
	if block.Wrapped[0] != 'D' || variant.Wrapped[0] != 'U' || len(variant.Wrapped) != 33 {
		t.Fatal("wrapped in other forms")
	}
	blockFile, variantFile := filepath.Join(dir, "block"), filepath.Join(dir, "variant")
	put(t, blockFile, []byte(block.Wrapped+"\n"))
	put(t, variantFile, []byte(variant.Wrapped+"\n"))
	methodA := filepath.Join(dir, "method A")
	put(t, methodA, []byte("A0072P0TE00E0000\n"))
	platen(t, "keys", "import", "cvk.b", config(dir), "--block", blockFile, "--under", "kek", "--kcv", block.KCV)
	platen(t, "keys", "import", "cvk.c", config(dir), "--variant", variantFile, "--under", "zmk", "--kcv", block.KCV, "--usage", "C0", "--legacy")
	platen(t, "keys", "rotate", "cvk.a", config(dir))
	platen(t, "keys", "retire", "cvk.a@1", config(dir))
	platen(t, "keys", "check", config(dir))
	for says, args := range map[string][]string{
		"exportability: ":      {"export", "pan.a", "--under", "kek"},
		"say it with --legacy": {"import", "x", "--variant", variantFile, "--under", "zmk", "--kcv", block.KCV, "--usage", "C0"},
		"say it with --kcv":    {"import", "x", "--variant", variantFile, "--under", "zmk", "--usage", "C0", "--legacy"},
		"say it with --usage":  {"import", "x", "--variant", variantFile, "--under", "zmk", "--kcv", block.KCV, "--legacy"},
		"method: is of a deprecated form, which is taken only when asked for: say it with --legacy": {"import", "x", "--block", methodA, "--under", "kek"},
		"kcv: ":           {"import", "x", "--block", blockFile, "--under", "kek", "--kcv", "000000"},
		"usage: ":         {"import", "x", "--block", blockFile, "--under", "kek", "--usage", "P0"},
		"expires: ":       {"rotate", "cvk.a", "--expires", "2001-01-01"},
		"depend on this":  {"rotate", "pan.a"},
		"rotate it first": {"retire", "cvk.a@2"},
		"key is retired":  {"export", "cvk.a@1", "--under", "kek"},
	} {
		o := run(t, append([]string{"keys", args[0], config(dir)}, args[1:]...)...)
		if o.code != 1 || !strings.Contains(o.stderr, says) || strings.Contains(o.stderr, block.Wrapped[16:]) {
			t.Errorf("%v: exit code %d: %s", args, o.code, o.stderr)
		}
	}
	var got string
	must(t, database(t, dir).DB().QueryRowContext(t.Context(),
		`SELECT group_concat(line, ',') FROM (SELECT action || ' ' || object AS line FROM audit_log WHERE action LIKE 'keys.%' ORDER BY 1)`).Scan(&got))
	want := "keys.export cvk.a@1,keys.export cvk.a@1,keys.generate cvk.a@1,keys.generate kek@1,keys.generate pan.a@1,keys.generate zmk@1," +
		"keys.import cvk.b@1,keys.import cvk.c@1,keys.retire cvk.a@1,keys.rotate cvk.a@2"
	if got != want {
		t.Errorf("audited %s\nwant    %s", got, want)
	}
}

func TestKeysThatAFilePinsAreNotRetired(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	demo(t, dir, "--cards", "20")
	db := database(t, dir).DB()
	var body string
	must(t, db.QueryRowContext(t.Context(), `SELECT keys FROM files ORDER BY number LIMIT 1`).Scan(&body))
	var pins struct{ CVK struct{ Key string } }
	must(t, json.Unmarshal([]byte(body), &pins))
	label, _, _ := strings.Cut(pins.CVK.Key, "@")
	platen(t, "keys", "rotate", label, config(dir))
	if o := run(t, "keys", "retire", pins.CVK.Key, config(dir)); o.code != 1 || !strings.Contains(o.stderr, "pins it") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	_, err := db.ExecContext(t.Context(), `UPDATE files SET state = $1`, int64(card.FilePurged))
	must(t, err)
	platen(t, "keys", "retire", pins.CVK.Key, config(dir))
}

func TestKeysOfProductionLiveInAKeystoreOfTheirOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	declare := func(more string) {
		put(t, filepath.Join(dir, "platen.yaml"), []byte("kbpk: file:elsewhere/kbpk.hex\n"+more))
	}
	declare("")
	if o := run(t, "keys", "create", config(dir), "--environment", "staging"); o.code != 1 || !strings.Contains(o.stderr, "environment must be") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	platen(t, "keys", "create", config(dir), "--environment", "production")
	info, err := os.Stat(filepath.Join(dir, "elsewhere", "kbpk.hex"))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the KBPK has mode %o", info.Mode().Perm())
	}
	if o := run(t, "keys", "create", config(dir), "--environment", "test"); o.code != 1 || !strings.Contains(o.stderr, "already exists") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	platen(t, "db", "migrate", config(dir))
	platen(t, "keys", "generate", "kek", config(dir), "--usage", "K1", "--algorithm", "aes")
	made := loose[[]struct{ Environment string }](t, platen(t, "keys", "show", "kek", config(dir), "--json"))
	if len(made) != 1 || made[0].Environment != "production" {
		t.Errorf("made %v", made)
	}
	declare("seed: s\n")
	if o := run(t, "keys", "list", config(dir)); o.code != 1 || !strings.Contains(o.stderr, "refused with a production keystore") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	declare("module:\n  allow_real_bins: true\n")
	platen(t, "keys", "list", config(dir))
	tests := keyDesk(t)
	f, err := os.OpenFile(filepath.Join(tests, "platen.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("module:\n  allow_real_bins: true\n")
	must(t, errors.Join(err, f.Close()))
	if o := run(t, "keys", "list", config(tests)); o.code != 1 || !strings.Contains(o.stderr, "refused with a keystore of test keys") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

func TestEachKindOfUseOfAKeyIsAuditedOnceAProcess(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	demo(t, dir, "--cards", "20")
	db := database(t, dir).DB()
	var doubled int
	must(t, db.QueryRowContext(t.Context(),
		`SELECT count(*) FROM (SELECT object, data FROM audit_log WHERE action = 'keys.use' GROUP BY object, data HAVING count(*) > 1)`).Scan(&doubled))
	if doubled != 0 {
		t.Errorf("%d uses are recorded twice", doubled)
	}
	rows, err := db.QueryContext(t.Context(), `SELECT object, data FROM audit_log WHERE action = 'keys.use'`)
	must(t, err)
	defer func() { _ = rows.Close() }()
	got := map[string]bool{}
	for rows.Next() {
		var object, data string
		must(t, rows.Scan(&object, &data))
		use := loose[struct{ Operation, Result, Process string }](t, data)
		if use.Result != "done" || use.Process == "" {
			t.Errorf("%s: %s", object, data)
		}
		label, _, _ := strings.Cut(object, "@")
		got[use.Operation+" "+label] = true
	}
	must(t, rows.Err())
	for _, want := range []string{"card_numbers", "codes", "generate_pins pin-storage", "pvvs pin-storage", "export_pins pin-storage", "tokens token"} {
		found := false
		for use := range got {
			found = found || strings.HasPrefix(use, want)
		}
		if !found {
			t.Errorf("no use recorded of %s among %v", want, got)
		}
	}
}
