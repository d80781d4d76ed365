package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"platen/jobs"
	"platen/programs"
)

// withApp runs a command with an opened process.
func withApp(s *shared, run func(*cobra.Command, *app, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a, err := openApp(cmd.Context(), s, false)
		if err != nil {
			return err
		}
		return errors.Join(run(cmd, a, args), a.close())
	}
}

func runCommand(s *shared) *cobra.Command {
	var cycle, slot, institution string
	c := &cobra.Command{
		Use:   "run --cycle NAME",
		Short: "Run one cycle now: lock its open lines and plan its files",
		Long: `Opens a window of the cycle for today, the same way a cut-off does, and plans its files. Workers (platen serve or
platen work) build and send them. A window with a --slot is opened once: calling again finds the same batch.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			ctx := cmd.Context()
			i, err := a.institution(ctx, institution)
			if err != nil {
				return err
			}
			b, won, err := a.plant.RunNow(ctx, i, cycle, slot, actor())
			if err != nil {
				return err
			}
			if err := jobs.Plan(ctx, a.plant, b.Number); err != nil {
				return err
			}
			if b, err = a.store.BatchByNumber(ctx, b.Number); err != nil {
				return err
			}
			files, err := a.store.FilesOfBatch(ctx, b.Number)
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), batchView(b, files))
			}
			what := "opened"
			if !won {
				what = "was opened before"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Batch %d of cycle %s for %s %s: %d files planned.\n", b.Number, b.Schedule, b.BusinessDate, what, len(files))
			if b.Exceptions != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "Exceptions: %s\n", b.Exceptions)
			}
			return printFiles(cmd.OutOrStdout(), files)
		}),
	}
	c.Flags().StringVar(&cycle, "cycle", "", "code of the schedule (needed)")
	c.Flags().StringVar(&slot, "slot", "", "name of the window; empty = the next of today")
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	cobra.CheckErr(c.MarkFlagRequired("cycle"))
	return c
}

func applyCommand(s *shared) *cobra.Command {
	var dir string
	var dryRun bool
	c := &cobra.Command{
		Use:   "apply -f DIR",
		Short: "Declare institutions, ranges, products, bureaus, layouts and schedules",
		Long: `Reads a directory of programs, checks all of it, and stores what changed as new versions, in one transaction.
With --dry-run it shows what would change and changes nothing.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			set, err := programs.LoadDir(filepath.Clean(dir))
			if err != nil {
				return err
			}
			changes, err := a.plant.Apply(cmd.Context(), set, actor(), dryRun)
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"dry_run": dryRun, "changes": changes})
			}
			if len(changes) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "Nothing changed.")
				return nil
			}
			for _, line := range changes {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			if dryRun {
				fmt.Fprintln(cmd.OutOrStdout(), "Dry run: nothing was stored.")
			}
			return nil
		}),
	}
	c.Flags().StringVarP(&dir, "file", "f", "", "directory of programs (needed)")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change")
	cobra.CheckErr(c.MarkFlagRequired("file"))
	return c
}

func dbCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "db", Short: "Care for the database"}
	c.AddCommand(&cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema to this version's; safe to call from several machines at once",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := openApp(cmd.Context(), s, true)
			if err != nil {
				return err
			}
			if s.json {
				err = printJSON(cmd.OutOrStdout(), map[string]bool{"current": true})
			} else {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "The schema is current.")
			}
			return errors.Join(err, a.close())
		},
	})
	return c
}

func rangeCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{Use: "range", Short: "Look at PAN ranges and release held ones"}
	list := &cobra.Command{
		Use: "list", Short: "Show every range, how far it is used, and why it is held", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			ranges, err := a.plant.Outlooks(cmd.Context())
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), rangeViews(ranges))
			}
			t := newTable(cmd.OutOrStdout(), "range", "prefix", "length", "size", "used", "left", "days left", "held")
			for _, r := range ranges {
				t.row(r.Code, r.Prefix, r.Length, r.Size, r.Next, r.Left(), dash(int64(r.DaysLeft)), r.Held)
			}
			return t.flush()
		}),
	}
	advance := &cobra.Command{
		Use: "advance CODE", Short: "Move a held range past every number that the ledger knows, and release it",
		Long: `After a database was restored from a backup, the high-water ledger knows numbers that the database does not. The range is
held so that no number is given twice. This moves its counter past all of them; the skipped numbers are never used.`,
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			from, to, err := a.plant.AdvanceRange(cmd.Context(), i, args[0], actor())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Range %s went on from %d to %d and may mint.\n", args[0], from, to)
			return nil
		}),
	}
	advance.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.AddCommand(list, advance)
	return c
}

func versionCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version and Go release", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			goVersion := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				goVersion = info.GoVersion
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"version": version, "go": goVersion})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "platen %s (%s)\n", version, goVersion)
			return nil
		},
	}
}
