package main_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/formats"
	"platen/samples"
	"platen/sql/store"
)

// sizes say how much of the sample orders a test submits.
type sizes struct {
	mass    int // cards of the mass order
	bulk    int // rows of the named order
	actions int // card actions, as far as their cards are among the others
}

// prepare makes a directory with shortened orders and bureaus on ports of their own. Init and demo keep what is there.
func prepare(t *testing.T, s sizes) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "press")
	for name, body := range s.orders(t) {
		put(t, filepath.Join(dir, "orders", name), body)
	}
	bureaus, err := fs.Glob(samples.FS, "programs/bureaus/*.yaml")
	must(t, err)
	for _, name := range bureaus {
		body, err := fs.ReadFile(samples.FS, name)
		must(t, err)
		put(t, filepath.Join(dir, name), address.ReplaceAll(body, fmt.Appendf(nil, "address: 127.0.0.1:%d", freePort(t))))
	}
	return dir
}

var address = regexp.MustCompile(`address: \S+`)

func put(t *testing.T, path string, body []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, body, 0o600))
}

const (
	massFile    = "mass-10000.csv"
	bulkFile    = "bulk-1000.csv"
	actionsFile = "card-actions-200.csv"
)

// orders shortens the sample orders.
func (s sizes) orders(t *testing.T) map[string][]byte {
	t.Helper()
	mass, bulk, actions := sample(t, massFile), sample(t, bulkFile), sample(t, actionsFile)
	mass = mass[:3]
	mass[1][1], mass[2][1] = strconv.Itoa(s.mass-s.mass/3), strconv.Itoa(s.mass/3)
	bulk = bulk[:1+s.bulk]
	kept := actions[:1]
	for _, row := range actions[1:] {
		order, unit, _ := strings.Cut(row[0], "#")
		n, err := strconv.Atoi(unit)
		known := err == nil && (order == "DEMO-BULK" && n <= s.bulk || order == "DEMO-MASS" && n <= s.mass)
		if known && len(kept) <= s.actions {
			kept = append(kept, row)
		}
	}
	return map[string][]byte{massFile: table(t, mass), bulkFile: table(t, bulk), actionsFile: table(t, kept)}
}

// sample reads a sample order as it is shipped.
func sample(t *testing.T, name string) [][]string {
	t.Helper()
	body, err := fs.ReadFile(samples.FS, "orders/"+name)
	must(t, err)
	r := csv.NewReader(bytes.NewReader(body))
	r.FieldsPerRecord = -1 // one of the bad rows has too few
	rows, err := r.ReadAll()
	must(t, err)
	return rows
}

func table(t *testing.T, rows [][]string) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, csv.NewWriter(&out).WriteAll(rows))
	return out.Bytes()
}

// books are the sums that the program prints of its books.
type books struct {
	Balanced  bool  `json:"balanced"`
	Requested int64 `json:"requested"`
	Produced  int64 `json:"produced"`
	Rejected  int64 `json:"rejected"`
	Spoiled   int64 `json:"spoiled"`
	Remade    int64 `json:"remade"`
	Open      int64 `json:"open"`
}

// demoFile is one of files[] of `platen demo --json`.
type demoFile struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Bureau string `json:"bureau"`
	Lines  int64  `json:"lines"`
	SHA256 string `json:"plaintext_sha256"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// demoOrder is one of orders[].
type demoOrder struct {
	ID          string `json:"id"`
	Reference   string `json:"reference"`
	Kind        string `json:"kind"`
	State       string `json:"state"`
	Requested   int64  `json:"requested"`
	Fulfilled   int64  `json:"fulfilled"`
	Rejected    int64  `json:"rejected"`
	Cancelled   int64  `json:"cancelled"`
	InWork      int64  `json:"in_work"`
	RefusedRows int64  `json:"refused_rows"`
	Remade      int64  `json:"remade"`
	CreatedAt   string `json:"created_at"`
}

// demoResult is everything that `platen demo --json` prints.
type demoResult struct {
	Cards        int64       `json:"cards"`
	Orders       []demoOrder `json:"orders"`
	Files        []demoFile  `json:"files"`
	Books        books       `json:"books"`
	RejectedRows int64       `json:"rejected_rows"`
	Seconds      float64     `json:"seconds"`
}

// hashes are the plaintext hashes by file name.
func (r demoResult) hashes() map[string]string {
	all := map[string]string{}
	for _, f := range r.Files {
		all[f.Name] = f.SHA256
	}
	return all
}

// demo runs the demonstration in dir, expects that its books balance, and returns its answer and what it told on standard error.
func demo(t *testing.T, dir string, args ...string) (demoResult, string) {
	t.Helper()
	o := run(t, append([]string{"demo", "--json", "--dir", dir}, args...)...)
	if o.code != 0 {
		t.Fatalf("the demonstration ends with exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	r := decode[demoResult](t, o.stdout)
	if !r.Books.Balanced || r.Books.Open != 0 || r.Books.Produced+r.Books.Rejected != r.Books.Requested {
		t.Fatalf("the books do not balance: %+v", r.Books)
	}
	return r, o.stderr
}

// config is the --config flag of a directory.
func config(dir string) string { return "--config=" + filepath.Join(dir, "platen.yaml") }

// leaveIntake leaves an order behind as a process does that dies while it takes it in: nobody else may take it for so many seconds.
func leaveIntake(t *testing.T, dir, reference string, seconds int) {
	t.Helper()
	s := database(t, dir)
	all, err := s.Institutions(t.Context())
	must(t, err)
	must(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.InsertOrder(t.Context(), store.Order{ID: uuid.New(), Institution: all[0].ID, Reference: reference, Kind: int(formats.MassOrder), SubmittedBy: "test",
			CreatedAt: time.Now()}, seconds)
		return err
	}))
}

// copyDir copies a directory with everything in it, modes included.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		must(t, err)
		put(t, filepath.Join(to, name), read(t, path))
		return nil
	}))
	return to
}
