package bench

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// Files are the programs and layouts that the bench adds to the samples, as they lie in an installation's directory.
//
//go:embed files
var files embed.FS

// cycle is the schedule, product and bureau that the bench declares.
const (
	cycle   = "bench"
	product = "bench-card"
	bureau  = "bench"
)

// Lay puts the bench's own programs and layouts into an installation's directory.
func Lay(dir string) error {
	return fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(name, "files")))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, body, 0o600)
	})
}

// Site is an installation to measure on: an empty database with the samples' and the bench's programs.
type Site struct {
	Dir         string
	Database    string // as the store opens it
	Plant       *batch.Plant
	Institution store.Institution
	Close       func() error
}

// House is what the bench needs of the program that it measures.
type House struct {
	Dir    string                                                         // for installations; removed by the caller
	Server string                                                         // postgres://... on which databases may be made
	Open   func(ctx context.Context, dir, database string) (*Site, error) // makes an installation
	Worker func(ctx context.Context, dir string, delay time.Duration) *exec.Cmd
	Say    func(format string, args ...any)
}

// bench is one run.
type bench struct {
	House
	size  Size
	made  int
	table Table
}

// onPostgres opens a fresh installation on a fresh database, and removes both afterwards.
func (b *bench) onPostgres(ctx context.Context, do func(*Site) error) (err error) {
	b.made++
	name := fmt.Sprintf("platen_bench_%d_%d", os.Getpid(), b.made)
	database, err := store.CreateDatabase(ctx, b.Server, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.DropDatabase(context.WithoutCancel(ctx), b.Server, name)) }()
	return b.on(ctx, database, do)
}

// onSQLite opens a fresh installation on a file of its own.
func (b *bench) onSQLite(ctx context.Context, do func(*Site) error) error {
	b.made++
	return b.on(ctx, "sqlite:platen.db", do)
}

func (b *bench) on(ctx context.Context, database string, do func(*Site) error) (err error) {
	dir := filepath.Join(b.Dir, fmt.Sprint(b.made))
	s, err := b.Open(ctx, dir, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(), os.RemoveAll(dir)) }()
	return do(s)
}

// massRows is the order file of n anonymous cards.
func massRows(n int64) io.Reader {
	var text strings.Builder
	text.WriteString("product,quantity\n")
	for ; n > 0; n -= min(n, 1_000_000) {
		fmt.Fprintf(&text, "%s,%d\n", product, min(n, 1_000_000))
	}
	return strings.NewReader(text.String())
}

// accept takes an order in.
func (s *Site) accept(ctx context.Context, reference string, body io.Reader) (batch.Receipt, error) {
	r, err := s.Plant.Submit(ctx, batch.Submission{Institution: s.Institution, Reference: reference, Actor: "bench", Body: body,
		Rows: func(r io.Reader) (batch.Rows, error) { return formats.NewOrderReader(r) }})
	if err == nil && r.Refused > 0 {
		err = fmt.Errorf("order %s: %d rows were refused", reference, r.Refused)
	}
	return r, err
}

// plan locks what is open and divides it into files.
func (s *Site) plan(ctx context.Context, slot string) ([]store.File, error) {
	run, _, err := s.Plant.RunNow(ctx, s.Institution, cycle, slot, "bench")
	if err != nil {
		return nil, err
	}
	if err := s.Plant.Plan(ctx, run.Number); err != nil {
		return nil, err
	}
	return s.Plant.Store.FilesOfBatch(ctx, run.Number)
}

// claim takes every file in one of the states for the bench, which shares them out itself.
func (s *Site) claim(ctx context.Context, states ...card.FileState) (due []store.Due, err error) {
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		due, err = tx.ClaimStale(ctx, batch.Lease, states...)
		return err
	})
	return due, err
}

// planned accepts, plans and claims an order of n anonymous cards.
func (s *Site) planned(ctx context.Context, reference string, n int64) ([]store.Due, error) {
	if _, err := s.accept(ctx, reference, massRows(n)); err != nil {
		return nil, err
	}
	if _, err := s.plan(ctx, reference); err != nil {
		return nil, err
	}
	return s.claim(ctx, card.FilePlanned)
}
