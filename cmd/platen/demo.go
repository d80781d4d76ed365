package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"platen/batch"
	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

func demoCommand(s *shared) *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole night on this machine: orders in, files to a bureau, answers back, books balanced",
		Long: `Makes a directory with SQLite, test keys and sample programs, starts a simulated bureau for each declared one, submits three
orders, runs the nightly cycle, sends, lets the bureaus answer with rejects and spoilage, and runs cycles with the remakes and
reissues until every file balances. Exit code 0 only if the books balance. It may be killed at any moment and started again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			started := time.Now()
			d.progress = newProgress(cmd.ErrOrStderr())
			result, err := d.run(cmd.Context())
			d.progress.done()
			if err != nil {
				return err
			}
			result.Seconds = time.Since(started).Seconds()
			return d.tell(cmd.OutOrStdout(), s.json, result)
		},
	}
	c.Flags().StringVar(&d.dir, "dir", "platen-demo", "directory to work in; made if needed")
	c.Flags().Int64Var(&d.cards, "cards", 10_000, "cards of the anonymous mass order")
	c.Flags().StringVar(&d.seed, "seed", "", "make clock, keys, PINs and dice functions of this seed: two runs in fresh directories give the same files")
	return c
}

// demo is one run of the demonstration. Every step can be repeated: orders by their reference, windows by their slot.
type demo struct {
	dir      string
	cards    int64
	seed     string
	progress *progress
	app      *app
	inst     store.Institution
	run0     int // how many runs this directory has finished
	books    batch.Books
}

// demoResult is what --json prints.
type demoResult struct {
	Cards        int64       `json:"cards"`
	Orders       []orderJSON `json:"orders"`
	Files        []demoFile  `json:"files"`
	Books        demoBooks   `json:"books"`
	RejectedRows int64       `json:"rejected_rows"`
	Seconds      float64     `json:"seconds"`
}

// demoFile is a file as the demonstration shows it.
type demoFile struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	Kind            string `json:"kind"`
	Bureau          string `json:"bureau"`
	Lines           int64  `json:"lines"`
	PlaintextSHA256 string `json:"plaintext_sha256"`
	State           string `json:"state"`
}

// demoBooks are the sums of the books as the demonstration shows them.
type demoBooks struct {
	Balanced  bool  `json:"balanced"`
	Requested int64 `json:"requested"`
	Produced  int64 `json:"produced"`
	Rejected  int64 `json:"rejected"`
	Spoiled   int64 `json:"spoiled"`
	Remade    int64 `json:"remade"`
	Open      int64 `json:"open"`
}

// found is what a directory remembers of its finished runs.
type found struct {
	Runs int `json:"runs"`
}

func (d *demo) run(ctx context.Context) (result demoResult, err error) {
	if d.cards < 1 || d.cards > 1_000_000 {
		return result, errors.New("--cards must be 1 to 1000000")
	}
	if err := d.open(ctx); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, d.app.close()) }()
	if err := d.lookAround(ctx); err != nil {
		return result, err
	}
	quiet := zerolog.New(zerolog.SyncWriter(d.logFile())).With().Timestamp().Logger()
	// The bureaus open first and close last, so that nobody works against a bureau that is not there.
	sims, err := simulate(ctx, d.app.config, dials{seed: "demo" + d.seed, reject: 3, spoil: 8, poll: 200 * time.Millisecond, programs: "programs"}, quiet)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, sims.Close()) }()
	runner, err := d.app.start(ctx, false, true)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, runner.stop(ctx)) }()
	if err := d.night(ctx); err != nil {
		return result, err
	}
	return d.result(ctx, result)
}

// logFile takes the log of the simulated bureaus; the demonstration shows only its own steps.
func (d *demo) logFile() io.Writer {
	f, err := os.OpenFile(filepath.Join(d.dir, "bureaus.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return os.Stderr
	}
	return f
}

func (d *demo) open(ctx context.Context) error {
	d.progress.say("Preparing %s: configuration, test keys, programs, bureaus.", d.dir)
	path := filepath.Join(d.dir, "platen.yaml")
	if _, err := os.Stat(path); err == nil {
		if _, err := Load(path, nil); err != nil { // before anything is written beside it
			return fmt.Errorf("%s has a configuration that cannot be used, correct it or use another --dir: %w", d.dir, err)
		}
	}
	where := layoutOf(d.dir, "sqlite:platen.db", d.seed)
	where.anyPort = true
	if err := initialise(ctx, where); err != nil {
		return err
	}
	config, err := Load(path, nil)
	if err != nil {
		return err
	}
	if config.Seed != d.seed {
		return fmt.Errorf("%s was made with another seed: use the same --seed, or another --dir", d.dir)
	}
	config.Poll = PollConfig{Returns: 250 * time.Millisecond, Queue: 100 * time.Millisecond}
	if d.app, err = wire(ctx, config, true); err != nil {
		return err
	}
	if err := d.provision(ctx, config); err != nil {
		return err
	}
	if err := d.alone(ctx); err != nil {
		return errors.Join(err, d.app.close())
	}
	set, err := programs.LoadDir(config.Path("programs"))
	if err != nil {
		return errors.Join(err, d.app.close())
	}
	if _, err := d.app.plant.Apply(ctx, set, actor(), false); err != nil {
		return errors.Join(err, d.app.close())
	}
	if d.inst, err = d.app.institution(ctx, set.Institution.Code); err != nil {
		return errors.Join(err, d.app.close())
	}
	return nil
}

// alone refuses an installation with orders that no demonstration submitted: they would go to simulated bureaus.
func (d *demo) alone(ctx context.Context) error {
	institutions, err := d.app.store.Institutions(ctx)
	if err != nil {
		return err
	}
	for _, i := range institutions {
		b, err := d.app.plant.Balance(ctx, i)
		if err != nil {
			return err
		}
		for _, o := range b.Orders {
			if !strings.HasPrefix(o.Order.Reference, demoPrefix) {
				return fmt.Errorf("%s holds orders that no demonstration submitted, such as %s, and would send them to simulated bureaus: use another --dir", d.dir, o.Order.Reference)
			}
		}
	}
	return nil
}

// demoPrefix begins the reference of every order that a demonstration submits.
const demoPrefix = "DEMO-"

// memory is the file in which a directory remembers its finished runs.
func (d *demo) memory() string { return filepath.Join(d.dir, "demo.json") }

// provision brings the test keys into a security module of its own, and begins again with them.
func (d *demo) provision(ctx context.Context, config Config) error {
	if d.app.carrier == nil {
		return nil
	}
	took, err := d.app.provision(ctx)
	if err = errors.Join(err, d.app.close()); err != nil {
		return err
	}
	d.progress.say("The security module is %s: %d keys put in, %d were there.", config.Module.Kind, len(took.Taken), took.Had)
	d.app, err = wire(ctx, config, true)
	return err
}

// lookAround tells what earlier runs left. A finished run is never touched again; an unfinished one is continued.
func (d *demo) lookAround(ctx context.Context) error {
	var f found
	body, err := os.ReadFile(d.memory())
	if err == nil {
		err = json.Unmarshal(body, &f)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read demo.json: %w", err)
	}
	d.run0 = f.Runs
	b, err := d.app.plant.Balance(ctx, d.inst)
	if err != nil {
		return err
	}
	if len(b.Orders) > 0 {
		d.progress.say("Found %d finished runs, %d orders for %d cards, %d open; their numbers are never given again.", f.Runs, len(b.Orders), b.Requested, b.Open)
	}
	return nil
}

// name makes a reference of this run: the first run's orders have plain names.
func (d *demo) name(base string) string {
	if d.run0 == 0 {
		return base
	}
	return fmt.Sprintf("%s-%d", base, d.run0+1)
}

func (d *demo) night(ctx context.Context) error {
	if err := d.submitMass(ctx); err != nil {
		return err
	}
	bulk, err := os.ReadFile(filepath.Join(d.dir, "orders", "bulk-1000.csv"))
	if err != nil {
		return fmt.Errorf("read the sample order: %w", err)
	}
	if err := d.submit(ctx, "DEMO-BULK", bulk); err != nil {
		return err
	}
	if err := d.cycle(ctx, 1); err != nil {
		return err
	}
	actions, err := os.ReadFile(filepath.Join(d.dir, "orders", "card-actions-200.csv"))
	if err != nil {
		return fmt.Errorf("read the sample order: %w", err)
	}
	for _, base := range []string{"DEMO-BULK", "DEMO-MASS"} {
		actions = bytes.ReplaceAll(actions, []byte(base+"#"), []byte(d.name(base)+"#"))
	}
	if err := d.submit(ctx, "DEMO-ACTIONS", actions); err != nil {
		return err
	}
	for n := 2; n <= 12; n++ {
		if err := d.cycle(ctx, n); err != nil {
			return err
		}
		if d.books, err = d.app.plant.Balance(ctx, d.inst); err != nil {
			return err
		}
		if d.books.Balanced {
			return d.finished()
		}
	}
	return nil
}

// finished remembers that this run is over, so that the next one makes new orders.
func (d *demo) finished() error { return d.remember(d.run0 + 1) }

func (d *demo) remember(runs int) error {
	body, err := json.Marshal(found{Runs: runs})
	if err != nil {
		return fmt.Errorf("remember the run: %w", err)
	}
	if err := os.WriteFile(d.memory()+".part", body, 0o600); err != nil {
		return fmt.Errorf("remember the run: %w", err)
	}
	return os.Rename(d.memory()+".part", d.memory())
}

func (d *demo) submitMass(ctx context.Context) error {
	body, err := os.ReadFile(filepath.Join(d.dir, "orders", "mass-10000.csv"))
	if err != nil {
		return fmt.Errorf("read the sample order: %w", err)
	}
	if body, err = resizeMass(body, d.cards); err != nil {
		return err
	}
	return d.submit(ctx, "DEMO-MASS", body)
}

func (d *demo) submit(ctx context.Context, base string, body []byte) error {
	r, err := d.app.plant.Submit(ctx, batch.Submission{Institution: d.inst, Reference: d.name(base), Actor: "demo", Body: bytes.NewReader(body), Rows: orderRows(nil)})
	if err != nil {
		return fmt.Errorf("submit %s: %w", d.name(base), err)
	}
	d.progress.say("Order %s: %d cards accepted, %d rows refused.", r.Order.Reference, r.Order.Requested, r.Refused)
	return nil
}

// cycle runs the nightly cycle once and waits until every file of it is balanced.
func (d *demo) cycle(ctx context.Context, n int) error {
	b, _, err := d.app.plant.RunNow(ctx, d.inst, "nightly", fmt.Sprintf("demo-%d-%d", d.run0+1, n), "demo")
	if err != nil {
		return err
	}
	label := fmt.Sprintf("Night %d", n)
	for stuck := time.Now(); ; {
		files, done, total, err := d.progressOf(ctx, b.Number)
		if err != nil {
			return err
		}
		if b, err = d.app.store.BatchByNumber(ctx, b.Number); err != nil {
			return err
		}
		if total > 0 {
			d.progress.step(label, done, total)
		}
		if b.State != card.BatchOpen && done == total {
			d.progress.say("%s: %d files, %d lines, all balanced.", label, len(files), total/3)
			return nil
		}
		if refused := firstStuck(files); refused != "" && time.Since(stuck) > time.Minute {
			return errors.New(refused)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// progressOf counts three steps a line: made, sent, answered.
func (d *demo) progressOf(ctx context.Context, number int64) (files []store.File, done, total int64, err error) {
	if files, err = d.app.store.FilesOfBatch(ctx, number); err != nil {
		return nil, 0, 0, err
	}
	for _, f := range files {
		total += 3 * f.Planned
		done += f.Minted
		switch {
		case f.State >= card.FileBalanced:
			done += 2 * f.Planned
		case f.State >= card.FileSent:
			done += f.Planned
		}
	}
	return files, done, total, nil
}

// firstStuck names a file that no worker can move on any more.
func firstStuck(files []store.File) string {
	for _, f := range files {
		if f.State == card.FileRefused || f.State == card.FileInDoubt {
			return fmt.Sprintf("file %s is %s: %s", f.Name, f.State, f.Reason)
		}
	}
	return ""
}

func (d *demo) result(ctx context.Context, r demoResult) (demoResult, error) {
	var err error
	if d.books, err = d.app.plant.Balance(ctx, d.inst); err != nil {
		return r, err
	}
	b := d.books
	r.Books = demoBooks{Balanced: b.Balanced, Requested: b.Requested, Produced: b.Produced, Rejected: b.Rejected, Spoiled: b.Spoiled, Remade: b.Remade, Open: b.Open}
	r.RejectedRows = d.books.Refused
	for _, o := range d.books.Orders {
		r.Orders = append(r.Orders, orderView(o.Order, o.Fates))
	}
	for _, f := range d.books.Files {
		v := fileView(f.File)
		r.Files = append(r.Files, demoFile{ID: v.ID, Name: v.Name, Kind: v.Kind, Bureau: v.Bureau, Lines: v.Lines, PlaintextSHA256: v.PlaintextSHA256, State: v.State})
	}
	r.Cards, err = d.app.store.CardCount(ctx)
	return r, err
}

func (d *demo) tell(w io.Writer, asJSON bool, r demoResult) error {
	var err error
	if asJSON {
		err = printJSON(w, r)
	} else {
		err = d.tellBooks(w, r)
	}
	if err == nil && !r.Books.Balanced {
		err = exitError(1)
	}
	return err
}

func (d *demo) tellBooks(w io.Writer, r demoResult) error {
	fmt.Fprintln(w)
	if err := printBooks(w, d.books); err != nil {
		return err
	}
	config := filepath.Join(d.dir, "platen.yaml")
	fmt.Fprintf(w, `
%d cards in %.1f seconds. The bureaus' sides lie in %s, our encrypted copies in %s.
Try next:
  %[5]s card explain -c %[6]s '%[7]s#1'
  %[5]s order errors -c %[6]s %[7]s
  %[5]s file replay -c %[6]s 1
`, r.Cards, r.Seconds, filepath.Join(d.dir, "bureaus"), filepath.Join(d.dir, "spool"), invocation(), config, d.name("DEMO-BULK"))
	return nil
}

// invocation is how this program was started, for commands to copy.
func invocation() string {
	if exe, err := os.Executable(); err == nil && strings.Contains(exe, "go-build") {
		return "go run ./cmd/platen"
	}
	return os.Args[0]
}
