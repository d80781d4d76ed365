package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"platen/sql/store"
	"platen/testbed"
)

const tightRange = "- code: prepaid\n  prefix: \"401288\"\n  length: 16\n  first: 500_000_000\n  size: 20\n  accept_small: true\n  permutation_key: permutation\n  token_key: token\n"

// smallRange leaves room for one order of twelve cards, and not for two.
func smallRange(d *desk) {
	put(d.t, filepath.Join(d.dir, "programs", "ranges.yaml"), []byte(tightRange))
}

// anotherRange declares a second range and points the product at it.
func anotherRange(d *desk) {
	d.t.Helper()
	second := strings.NewReplacer("prepaid", "prepaid-2", "500_000_000", "600_000_000", "size: 20\n  accept_small: true", "size: 2_000_000").Replace(tightRange)
	put(d.t, filepath.Join(d.dir, "programs", "ranges.yaml"), []byte(tightRange+second))
	d.edit("programs/products/prepaid-mag.yaml", `(?m)^range: .*$`, "range: prepaid-2")
}

// twoOrders is one order that fits and one that does not.
func twoOrders(d *desk) {
	d.t.Helper()
	d.order()
	d.produced(1)
	d.platen("order", "submit", "mass.csv", "--reference", "MORE")
	d.platen("run", "--cycle", "nightly")
	d.work()
}

// keysWithout copies a keystore and leaves a key out.
func keysWithout(t *testing.T, from, to, label string) {
	t.Helper()
	var doc map[string]any
	must(t, json.Unmarshal(read(t, from), &doc))
	keys, ok := doc["keys"].([]any)
	if !ok {
		t.Fatal("the keystore has no keys")
	}
	doc["keys"] = slices.DeleteFunc(keys, func(k any) bool { entry, ok := k.(map[string]any); return ok && entry["label"] == label })
	body, err := json.Marshal(doc)
	must(t, err)
	must(t, os.WriteFile(to, body, 0o600))
}

var houseRehearsals = []rehearsal{
	{
		runbook: "BATCH_WITH_EXCEPTIONS", name: "a range has too few numbers", about: "batch 2", programs: smallRange, trouble: twoOrders,
		way: func(d *desk) {
			d.says(d.inbox()["BATCH_WITH_EXCEPTIONS batch 2"].Detail, "order MORE waits: range prepaid has 8 numbers left")
			anotherRange(d)
			d.platen("apply", "-f", "programs")
			d.as("platen run --cycle nightly")
			d.produced(2)
		},
	},
	{
		runbook: "BATCH_WITH_EXCEPTIONS", name: "a key is missing", about: "batch 1",
		trouble: func(d *desk) {
			d.edit("programs/products/prepaid-mag.yaml", `(?m)cvk: .*$`, "cvk: cvk-of-the-night")
			d.platen("keys", "generate", "cvk-of-the-night", "--usage", "C0", "--algorithm", "tdes")
			d.platen("apply", "-f", "programs")
			// As if it had been given up by mistake: the programs stand, the key does not.
			path := filepath.Join(d.dir, "keys", "keystore.json")
			must(d.t, os.Rename(path, path+".whole"))
			keysWithout(d.t, path+".whole", path, "cvk-of-the-night")
			d.order()
			d.work()
		},
		way: func(d *desk) {
			d.says(d.inbox()["BATCH_WITH_EXCEPTIONS batch 1"].Detail, "key cvk-of-the-night cannot serve")
			d.as("platen keys list")
			d.as("platen keys generate -f DIR", "DIR", "programs")
			d.as("platen keys rotate LABEL", "LABEL", "cvk-of-the-night")
			d.as("platen run --cycle nightly")
			d.produced(1)
		},
	},
	{
		runbook: "BATCH_LATE", name: "nobody works, then the order is paused, then the bureau is away", about: "batch 1",
		programs: func(d *desk) {
			d.edit("programs/schedules.yaml", `disabled: true`, "disabled: true\n  sent_within: 1ms")
			d.edit("programs/bureaus/south.yaml", `address: \S+`, "address: 127.0.0.1:1")
		},
		trouble: (*desk).order,
		way: func(d *desk) {
			late := func() string { return d.inbox()["BATCH_LATE batch 1"].Detail }
			d.says(late(), "1 files are not begun")
			d.as("platen workers")
			d.platen("order", "pause", "MASS", "--reason", "the design is being checked")
			d.work()
			d.says(late(), "of these 1 are held")
			d.as("platen order resume REFERENCE --reason WHY", "REFERENCE", "MASS", "WHY", "it is right")
			d.work()
			d.says(late(), "1 ready and not sent")
			d.says(d.as("platen file list"), "RELEASED")
			d.says(d.as("platen bureau list"), "unreachable")
			d.edit("programs/bureaus/south.yaml", `address: \S+`, "address: "+d.server.Addr)
			d.as("platen apply -f programs")
			d.becomes(1, "SENT")
		},
	},
	{
		runbook: "RANGE_RUNS_OUT", name: "another range", about: "range prepaid", programs: smallRange, trouble: twoOrders,
		way: func(d *desk) {
			anotherRange(d)
			d.as("platen keys generate -f programs")
			d.says(d.as("platen apply -f programs --dry-run"), "prepaid-2")
			d.as("platen apply -f programs")
			d.as("platen run --cycle nightly")
			d.produced(2)
			d.platen("books")
		},
	},
	{
		runbook: "RANGE_HELD", name: "go on", about: "range prepaid",
		trouble: func(d *desk) {
			d.platen("order", "submit", "mass.csv", "--reference", "MASS")
			backup := copyDir(d.t, d.dir)
			d.platen("run", "--cycle", "nightly")
			d.produced(1)
			for _, name := range []string{"platen.db", "platen.db-wal", "platen.db-shm"} {
				must(d.t, os.RemoveAll(filepath.Join(d.dir, name)))
			}
			put(d.t, filepath.Join(d.dir, "platen.db"), read(d.t, filepath.Join(backup, "platen.db")))
			d.work()
		},
		way: func(d *desk) {
			d.says(d.as("platen range list"), "restored from a backup")
			must(d.t, os.RemoveAll(filepath.Join(d.dir, "queue.db")))
			d.as("platen db migrate")
			d.as("platen file advance")
			d.says(d.as("platen range advance CODE", "CODE", "prepaid"), "12")
			d.platen("run", "--cycle", "nightly")
			d.produced(2)
			d.platen("books")
		},
	},
	{
		runbook: "Our disk is full", name: "the spool",
		trouble: func(d *desk) {
			d.order()
			must(d.t, os.MkdirAll(filepath.Join(d.dir, "spool"), 0o700))
			id := d.file(1).ID
			// Every write to /dev/full finds the disk full; the next claim writes under another name.
			must(d.t, os.Symlink("/dev/full", filepath.Join(d.dir, "spool", id+"-1.pgp.part")))
			d.work()
		},
		way: func(d *desk) {
			if f := d.file(1); f.State != "BUILDING" || !strings.Contains(f.Reason, "no space left on device") {
				d.t.Errorf("the file is %s: %q", f.State, f.Reason)
			}
			d.produced(1)
			must(d.t, os.RemoveAll(filepath.Join(d.dir, "spool"))) // of balanced files only
			d.platen("file", "replay", "1")
			d.platen("books")
		},
	},
	{
		runbook: "A process does not start", name: "each thing that it says", trouble: func(*desk) {}, way: doesNotStart,
	},
}

// doesNotStart brings about what the table of the runbook names, and puts it right as the table says.
func doesNotStart(d *desk) {
	refused := func(want string) {
		d.t.Helper()
		if o := d.command(nil, "work", "--once"); o.code == 0 || !strings.Contains(o.stderr, want) {
			d.t.Errorf("want %q, exit code %d: %s", want, o.code, o.stderr)
		}
	}
	aside := func(name string, change func([]byte) []byte) (back func()) {
		path := filepath.Join(d.dir, filepath.FromSlash(name))
		right := read(d.t, path)
		put(d.t, path, change(right))
		return func() { put(d.t, path, right) }
	}
	d.order()
	d.produced(1)

	for name, says := range map[string]string{"keystore.json": "must be a regular file with mode 0600", "kbpk.hex": "may be read by others"} {
		path := filepath.Join(d.dir, "keys", name)
		must(d.t, os.Chmod(path, 0o644))
		refused(says)
		must(d.t, os.Chmod(path, 0o600))
	}

	back := aside("platen.yaml", func(b []byte) []byte { return append(b, "colour: red\n"...) })
	refused("unknown key")
	back()
	back = aside("platen.yaml", func(b []byte) []byte { return append(b, "workers: 0\n"...) })
	refused("must be")
	back()
	back = aside("keys/keystore.json", func(b []byte) []byte { return []byte(strings.Replace(string(b), "D0", "D1", 1)) })
	refused("key block cannot be opened")
	back()

	ledgers, err := filepath.Glob(filepath.Join(d.dir, "ledger", "*"))
	must(d.t, err)
	name, err := filepath.Rel(d.dir, ledgers[0])
	must(d.t, err)
	back = aside(name, func(b []byte) []byte { return append([]byte("X"), b...) })
	refused("cannot be read")
	back()

	fresh := filepath.Join(d.dir, "fresh.db")
	d.edit("platen.yaml", `database: .*`, "database: sqlite:"+fresh)
	refused("the database schema is not current")
	d.as("platen db migrate")
	server := testbed.Postgres(d.t)
	d.edit("platen.yaml", `database: .*`, "database: "+server)
	d.as("platen db migrate")
	s, err := store.Open(d.t.Context(), server)
	must(d.t, err)
	_, err = s.DB().ExecContext(d.t.Context(), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	must(d.t, errors.Join(err, s.Close()))
	refused("PostgreSQL must run with fsync")
	d.edit("platen.yaml", `database: .*`, "database: sqlite:platen.db")

	first := start(d.t, []string{"PLATEN_HTTP__LISTEN=127.0.0.1:0", "PLATEN_LOG__LEVEL=info"}, "serve", config(d.dir))
	until(d.t, "the first process", func() bool { return strings.Contains(first.stderr.String(), "platen serves") })
	refused("another process works on")
	first.stop()
	d.work()
}
