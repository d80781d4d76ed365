package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"platen/testbed"
)

// runbook is one section of docs/operations.md under Runbooks: its alarm, if it has one, and its commands as they are written.
type runbook struct {
	title, alarm string
	commands     []string
}

var (
	runbookHead    = regexp.MustCompile("(?m)^### (.*)$")
	runbookAlarm   = regexp.MustCompile("`([A-Z_]+)`$")
	runbookCommand = regexp.MustCompile("`(platen [^`]+)`|(?m:^(platen .*)$)")
)

func runbooks(t *testing.T) []runbook {
	t.Helper()
	page := string(read(t, "../../docs/operations.md"))
	_, page, found := strings.Cut(page, "\n## Runbooks\n")
	if !found {
		t.Fatal("docs/operations.md has no runbooks")
	}
	var all []runbook
	heads := runbookHead.FindAllStringSubmatchIndex(page, -1)
	for i, at := range heads {
		end := len(page)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		b := runbook{title: page[at[2]:at[3]]}
		if alarm := runbookAlarm.FindStringSubmatch(b.title); alarm != nil {
			b.alarm = alarm[1]
		}
		for _, c := range runbookCommand.FindAllStringSubmatch(page[at[1]:end], -1) {
			if text := c[1] + c[2]; !slices.Contains(b.commands, text) {
				b.commands = append(b.commands, text)
			}
		}
		all = append(all, b)
	}
	return all
}

// rehearsal is one way through a runbook: what brings the trouble about, and what a person does about it then.
type rehearsal struct {
	runbook  string // alarm, or title where it has none
	name     string
	about    string // of the item in the inbox
	programs func(*desk)
	trouble  func(*desk)
	way      func(*desk)
	stays    bool // the runbook does not end the trouble, on purpose
}

// TestEachRunbookIsTriedAsWritten brings every alarm about, in a directory of its own with a bureau at a real OpenSSH server that the test plays by hand, follows its
// runbook command by command as written, and expects that the alarm is gone. A command of a runbook that no rehearsal tries is a fault, and so is one that it does not have.
func TestEachRunbookIsTriedAsWritten(t *testing.T) {
	t.Parallel()
	server := testbed.SSHD(t)
	base := runbookBase(t, server)
	rehearsals := slices.Concat(bureauRehearsals, fileRehearsals, answerRehearsals, cardRehearsals, houseRehearsals)
	for _, b := range runbooks(t) {
		name := b.alarm
		if name == "" {
			name = b.title
		}
		tried := map[string]bool{}
		ways, ran := 0, 0
		for _, r := range rehearsals {
			if r.runbook != name {
				continue
			}
			ways++
			t.Run(name+": "+r.name, func(t *testing.T) {
				ran++
				d := newDesk(t, base, server, b, tried)
				r.rehearse(d)
			})
		}
		if ways == 0 {
			t.Errorf("nobody tries the runbook %q", b.title)
		}
		for _, c := range b.commands {
			if ran == ways && !tried[c] && !t.Failed() {
				t.Errorf("the runbook %q says `%s`, and nobody tries it", b.title, c)
			}
		}
	}
}

func (r rehearsal) rehearse(d *desk) {
	if r.programs != nil {
		r.programs(d)
	}
	d.platen("apply", "-f", "programs")
	r.trouble(d)
	if r.about == "" {
		r.way(d)
		return
	}
	d.listed(d.book.alarm, r.about, true)
	d.platen("inbox", "take", d.book.alarm, r.about, "--owner", "asha")
	if got := d.inbox()[d.book.alarm+" "+r.about]; got.Owner != "asha" {
		d.t.Errorf("%s %s belongs to %q after it was taken", d.book.alarm, r.about, got.Owner)
	}
	r.way(d)
	d.listed(d.book.alarm, r.about, r.stays)
}

// desk is where a runbook is tried: a directory with a press, and the bureau's side of it.
type desk struct {
	t      *testing.T
	dir    string
	bureau string // where the bureau keeps in, out and archive
	server *testbed.SSHServer
	book   runbook
	tried  map[string]bool
}

// runbookBase makes a directory with one product and one bureau, south.
func runbookBase(t *testing.T, server *testbed.SSHServer) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "base")
	platen(t, "init", dir)
	must(t, os.Remove(filepath.Join(dir, "programs", "bureaus", "north.yaml")))
	names, err := filepath.Glob(filepath.Join(dir, "programs", "products", "*.yaml"))
	must(t, err)
	for _, name := range names {
		if filepath.Base(name) != "prepaid-mag.yaml" {
			must(t, os.Remove(name))
		}
	}
	institution := filepath.Join(dir, "programs", "institution.yaml")
	put(t, institution, regexp.MustCompile(`(?s)\ndialects:\n.*?\n\n`).ReplaceAllLiteral(read(t, institution), []byte("\n"))) // they name the other products
	put(t, filepath.Join(dir, "programs", "schedules.yaml"), []byte("- code: nightly\n  cron: \"30 20 * * *\"\n  bureaus: [south]\n  disabled: true\n"))
	put(t, filepath.Join(dir, "keys", "south-host.pub"), []byte(server.HostKey+"\n"))
	put(t, filepath.Join(dir, "keys", "south-sftp"), server.IdentityPEM)
	put(t, filepath.Join(dir, "mass.csv"), []byte("product,quantity\nprepaid-mag,12\n"))
	platen(t, "db", "migrate", config(dir))
	return dir
}

func newDesk(t *testing.T, base string, server *testbed.SSHServer, b runbook, tried map[string]bool) *desk {
	d := &desk{t: t, dir: copyDir(t, base), bureau: t.TempDir(), server: server, book: b, tried: tried}
	for _, sub := range []string{"in", "out", "archive"} {
		must(t, os.Mkdir(filepath.Join(d.bureau, sub), 0o700))
	}
	d.edit("programs/bureaus/south.yaml", `address: \S+`, "address: "+server.Addr)
	d.edit("programs/bureaus/south.yaml", `user: \S+`, "user: "+server.User)
	for _, sub := range []string{"in", "out", "archive"} {
		d.edit("programs/bureaus/south.yaml", `(?m)^  `+sub+`: \S+$`, "  "+sub+": "+filepath.Join(d.bureau, sub))
	}
	d.edit("programs/bureaus/south.yaml", `(?s)calendar:.*?\nreturns:`, "returns:")
	return d
}

// edit replaces what matches a pattern in a file of the directory.
func (d *desk) edit(name, pattern, to string) {
	d.t.Helper()
	path := filepath.Join(d.dir, filepath.FromSlash(name))
	before := read(d.t, path)
	expression := regexp.MustCompile(pattern)
	if !expression.Match(before) {
		d.t.Fatalf("%s has nothing that matches %s:\n%s", name, pattern, before)
	}
	put(d.t, path, expression.ReplaceAllLiteral(before, []byte(to)))
}

// command runs platen in the directory, as a person there does.
func (d *desk) command(environ []string, args ...string) outcome {
	d.t.Helper()
	binary, err := program()
	must(d.t, err)
	c := exec.CommandContext(d.t.Context(), binary, args...)
	c.Dir = d.dir
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "PLATEN_") {
			c.Env = append(c.Env, line)
		}
	}
	c.Env = append(c.Env, environ...)
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	var ended *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &ended) {
		d.t.Fatal(err)
	}
	return outcome{stdout: stdout.String(), stderr: stderr.String(), code: c.ProcessState.ExitCode()}
}

// platen runs a command that must end well, and returns what it prints.
func (d *desk) platen(args ...string) string {
	d.t.Helper()
	o := d.command(nil, args...)
	if o.code != 0 {
		d.t.Fatalf("platen %s: exit code %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// as runs a command of the runbook as it is written there; values are placeholders and what stands for them.
func (d *desk) as(written string, values ...string) string {
	d.t.Helper()
	o := d.ends(written, values...)
	if o.code != 0 {
		d.t.Fatalf("%s: exit code %d\n%s%s", written, o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// ends is as for a command that may end with another exit code than 0.
func (d *desk) ends(written string, values ...string) outcome {
	d.t.Helper()
	if !slices.Contains(d.book.commands, written) {
		d.t.Fatalf("the runbook %q does not say `%s`", d.book.title, written)
	}
	d.tried[written] = true
	written, _, _ = strings.Cut(written, " > ")
	args := strings.Fields(written)[1:]
	for i, a := range args {
		if at := slices.Index(values, a); at >= 0 && at%2 == 0 {
			args[i] = values[at+1]
		}
	}
	return d.command(nil, args...)
}

// says expects a text in another.
func (d *desk) says(text, want string) {
	d.t.Helper()
	if !strings.Contains(text, want) {
		d.t.Errorf("%q does not stand in\n%s", want, text)
	}
}

type inboxItem struct{ What, About, Owner, Detail, Do string }

func (d *desk) inbox() map[string]inboxItem {
	d.t.Helper()
	all := map[string]inboxItem{}
	for _, x := range loose[[]inboxItem](d.t, d.platen("inbox", "--json")) {
		all[x.What+" "+x.About] = x
	}
	return all
}

// listed expects that an item stands in the inbox, or that it does not.
func (d *desk) listed(what, about string, want bool) {
	d.t.Helper()
	all := d.inbox()
	if _, is := all[what+" "+about]; is != want {
		d.t.Fatalf("%s %s in the inbox: %v, want %v; it holds %v", what, about, is, want, all)
	}
}

// sql changes the database behind the program's back: time that passes, or what must not happen.
func (d *desk) sql(statement string) {
	d.t.Helper()
	s := database(d.t, d.dir)
	_, err := s.DB().ExecContext(d.t.Context(), statement)
	must(d.t, err)
}

// work lets every pause pass and does what is due, with what it was told on the way; failures of deliveries are its business.
func (d *desk) work() {
	d.t.Helper()
	d.sql(`UPDATE files SET retry_after = 0; UPDATE bureau_links SET retry_after = 0, look_after = 0; UPDATE return_files SET lease_until = 0`)
	o := d.command([]string{"PLATEN_POLL__RETURNS=10ms"}, "work", "--once", "--schedules")
	d.t.Logf("work: %s%s", o.stdout, o.stderr)
}

// until works until something is so.
func (d *desk) until(what string, is func() bool) {
	d.t.Helper()
	for range 12 {
		if is() {
			return
		}
		d.work()
	}
	if !is() {
		d.t.Fatalf("%s does not come: %v", what, d.files())
	}
}

type deskFile struct {
	Number        int64
	Name, State   string
	Reason, ID    string
	Lines         int64
	CiphertextSHA string `json:"ciphertext_sha256"`
}

func (d *desk) files() []deskFile {
	d.t.Helper()
	return loose[[]deskFile](d.t, d.platen("file", "list", "--json"))
}

// file is the file of a number.
func (d *desk) file(number int64) deskFile {
	d.t.Helper()
	for _, f := range d.files() {
		if f.Number == number {
			return f
		}
	}
	return deskFile{}
}

// becomes works until a file is in a state.
func (d *desk) becomes(number int64, state string) {
	d.t.Helper()
	d.until(fmt.Sprintf("file %d %s", number, state), func() bool { return d.file(number).State == state })
}

// order submits the mass order of twelve cards and locks it.
func (d *desk) order() {
	d.t.Helper()
	d.platen("order", "submit", "mass.csv", "--reference", "MASS")
	d.platen("run", "--cycle", "nightly")
}

// ordered is a trouble that begins with a file that was sent.
func ordered(d *desk) {
	d.t.Helper()
	d.order()
	d.becomes(1, "SENT")
}

// at is a path at the bureau.
func (d *desk) at(parts ...string) string {
	return filepath.Join(append([]string{d.bureau}, parts...)...)
}

// takes moves a file from the bureau's in away, as its production does, and returns it.
func (d *desk) takes(name string) []byte {
	d.t.Helper()
	body := read(d.t, d.at("in", name))
	must(d.t, os.Remove(d.at("in", name)))
	return body
}

// ack leaves the bureau's answer to a file whose ciphertext is body.
func (d *desk) ack(f deskFile, body []byte, status string) {
	d.t.Helper()
	sum := sha256.Sum256(body)
	ok, bad := f.Lines, int64(0)
	if status == "REJECTED" {
		ok, bad = 0, f.Lines
	}
	d.answer(f.Name+".ack", fmt.Sprintf("H,ack,v1,south,20261125,060000,%d", f.Number), fmt.Sprintf("D,%d,%s,%s,%s,%d,%d,%d,%s,", f.Number, f.Name,
		time.Now().UTC().Format(time.RFC3339), status, f.Lines, ok, bad, hex.EncodeToString(sum[:])))
}

// status leaves a word for every line of a file, or the given ones for the first lines.
func (d *desk) status(f deskFile, name, all string, first ...string) {
	d.t.Helper()
	lines := []string{fmt.Sprintf("H,status,v1,south,20261125,060000,%d", f.Number)}
	for i := range f.Lines {
		word := all
		if int(i) < len(first) {
			word = first[i]
		}
		if word != "" {
			lines = append(lines, fmt.Sprintf("D,%d,%d-%07d,prepaid-mag,%s,,%s,1,0000", f.Number, f.Number, i+1, word, time.Now().UTC().Format(time.RFC3339)))
		}
	}
	d.answer(name, lines...)
}

// answer leaves a file with a trailer in the bureau's out.
func (d *desk) answer(name string, lines ...string) {
	d.t.Helper()
	lines = append(lines, fmt.Sprintf("T,%d\n", len(lines)-1))
	put(d.t, d.at("out", name), []byte(strings.Join(lines, "\n")))
}

// produced lets the bureau take and make a file as it should.
func (d *desk) produced(number int64) {
	d.t.Helper()
	d.becomes(number, "SENT")
	f := d.file(number)
	d.ack(f, d.takes(f.Name), "ACCEPTED")
	d.status(f, f.Name+".status", "PRODUCED")
	d.becomes(number, "BALANCED")
}

// returnNumber is the number of a return file that has come to a state.
func (d *desk) returnNumber(name, state string) string {
	d.t.Helper()
	number := ""
	d.until(name+" "+state, func() bool {
		for _, r := range loose[[]struct {
			Number      json.Number
			Name, State string
		}](d.t, d.platen("return", "list", "--json")) {
			if r.Name == name && r.State == state {
				number = r.Number.String()
			}
		}
		return number != ""
	})
	return number
}
