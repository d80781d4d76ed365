package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"platen/bench"
	"platen/programs"
)

// benchServer names the variable that holds the address of a PostgreSQL server to measure on.
const benchServer = "PLATEN_TEST_POSTGRES_DSN"

func benchCommand(s *shared) *cobra.Command {
	var quick bool
	var server string
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the pipeline on this machine beside what bounds it",
		Long: `Makes installations of test cards on databases of its own, on a PostgreSQL server and on SQLite, and measures intake, minting, rendering,
sealing and answers, beside raw COPY and raw inserts of the same rows in the same run. Everything is removed at the end. A full run takes
up to twenty minutes and some gigabytes of disk, --quick about two minutes. The server must be one that nobody else uses:
  go run ./testbed/with go run ./cmd/platen bench`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if server == "" {
				return fmt.Errorf("a PostgreSQL server is needed to measure on: name one with --server or %s", benchServer)
			}
			dir, err := os.MkdirTemp("", "platen-bench-")
			if err != nil {
				return fmt.Errorf("make a directory to measure in: %w", err)
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			size := bench.Full
			if quick {
				size = bench.Quick
			}
			progress := newProgress(cmd.ErrOrStderr())
			defer progress.done()
			table, err := bench.Run(cmd.Context(), bench.House{Dir: dir, Server: server, Open: openBench, Worker: benchProcess, Say: progress.say}, size)
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), table)
			}
			return table.Print(cmd.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "smaller rounds: what is only promised of large ones gets no verdict")
	c.Flags().StringVar(&server, "server", os.Getenv(benchServer), "postgres://... of a server on which databases may be made")
	c.AddCommand(benchWorker(s))
	return c
}

// openBench makes an installation to measure on.
func openBench(ctx context.Context, dir, database string) (*bench.Site, error) {
	if err := bench.Lay(dir); err != nil {
		return nil, fmt.Errorf("lay out the programs of the bench: %w", err)
	}
	where := layoutOf(dir, database, "")
	where.anyPort = true
	if err := initialise(ctx, where); err != nil {
		return nil, err
	}
	config, err := Load(filepath.Join(dir, "platen.yaml"), nil)
	if err != nil {
		return nil, err
	}
	a, err := wire(ctx, config, true)
	if err != nil {
		return nil, err
	}
	site := &bench.Site{Dir: dir, Database: config.Database, Plant: a.plant, Close: a.close}
	set, err := programs.LoadDir(config.Path("programs"))
	if err == nil {
		_, err = a.plant.Apply(ctx, set, actor(), false)
	}
	if err == nil {
		site.Institution, err = a.institution(ctx, set.Institution.Code)
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return site, nil
}

// benchProcess is the command that runs a worker of an installation.
func benchProcess(ctx context.Context, dir string, delay time.Duration) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0] // it says itself that it cannot be started
	}
	return exec.CommandContext(ctx, exe, "bench", "worker", "--config", filepath.Join(dir, "platen.yaml"), "--delay", delay.String()) //nolint:gosec // it starts itself
}

func benchWorker(s *shared) *cobra.Command {
	var delay time.Duration
	c := &cobra.Command{
		Use: "worker", Short: "Build the files that the bench names on standard input", Args: cobra.NoArgs, Hidden: true,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			plant := *a.plant
			if delay > 0 {
				plant.Module = &bench.MockModule{Module: a.module, Delay: delay}
			}
			return bench.Serve(cmd.Context(), plant, cmd.InOrStdin(), cmd.OutOrStdout())
		}),
	}
	c.Flags().DurationVar(&delay, "delay", 0, "put a mock before the security module that takes this long for a command; 0 = none")
	return c
}
