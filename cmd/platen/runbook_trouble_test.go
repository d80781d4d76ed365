package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// doubt kills the process with SIGKILL when the bureau has answered the rename and before that is on record, and lets the bureau take the file away at once.
func doubt(d *desk) {
	d.t.Helper()
	d.order()
	for range 5 {
		rehearsed := &desk{t: d.t, dir: copyDir(d.t, d.dir), bureau: d.bureau}
		record := filepath.Join(d.t.TempDir(), "points")
		rehearsed.command([]string{"PLATEN_FAULT=record@" + record}, "work", "--once")
		points := strings.Split(string(read(d.t, record)), "\n")
		must(d.t, os.Remove(d.at("in", d.file(1).Name)))
		at := slices.IndexFunc(points, func(p string) bool { return strings.HasPrefix(p, "upload: renamed") }) + 1
		if at == 0 {
			d.t.Fatalf("nothing was sent: %v", points)
		}
		before := copyDir(d.t, d.dir)
		d.command([]string{"PLATEN_FAULT=kill@" + strconv.Itoa(at)}, "work", "--once")
		if _, err := os.Stat(d.at("in", d.file(1).Name)); err == nil && d.file(1).State == "SENDING" {
			must(d.t, os.Rename(d.at("in", d.file(1).Name), d.at("taken")))
			d.becomes(1, "IN_DOUBT")
			return
		}
		d.dir = before // a lease was renewed in between, and the point was another one
	}
	d.t.Fatal("the process never died behind the rename")
}

// taken is the file that the bureau took away.
func (d *desk) taken() []byte { return read(d.t, d.at("taken")) }

// gpgKey lets GnuPG draw a key that lives so long, as the runbook says, and exports it.
func (d *desk) gpgKey(life, export string) []byte {
	d.t.Helper()
	home, err := os.MkdirTemp("", "gpg") // a short path: gpg-agent's socket lies in it
	must(d.t, err)
	defer func() {
		if out, err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").CombinedOutput(); err != nil {
			d.t.Errorf("stop gpg-agent: %v: %s", err, out)
		}
		must(d.t, os.RemoveAll(home))
	}()
	gpg := func(args ...string) []byte {
		c := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		var out, said bytes.Buffer
		c.Stdout, c.Stderr = &out, &said
		if err := c.Run(); err != nil {
			d.t.Fatalf("gpg (apt-get install -y gnupg): %v\n%s", err, &said)
		}
		return out.Bytes()
	}
	gpg("--quick-generate-key", "Key <key@example.test>", "default", "default", life)
	return gpg("--armor", export)
}
