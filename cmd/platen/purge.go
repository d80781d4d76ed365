package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"platen/batch"
)

// purgeJSON is what a purge takes away, took away, or has left.
type purgeJSON struct {
	Before      string   `json:"before"`
	Done        bool     `json:"done"` // false of --dry-run and --verify
	Files       int      `json:"files"`
	Orders      int      `json:"orders"`
	Returns     int      `json:"returns"`
	OrderLines  int64    `json:"order_lines"`
	RefusedRows int64    `json:"refused_rows"`
	ReturnLines int64    `json:"return_lines"`
	ReturnBytes int64    `json:"return_bytes"`
	Events      int64    `json:"events"`
	Holders     int64    `json:"holders"`
	PINs        int64    `json:"pins"`
	PINsInUse   int64    `json:"pins_in_use"` // of purged files, that a later card may take over
	Spooled     int      `json:"spooled"`
	Against     []string `json:"against"`
}

func purgeCommand(s *shared) *cobra.Command {
	var before string
	var dryRun, verify, again bool
	c := &cobra.Command{
		Use: "purge --before YYYY-MM", Short: "Take away what files, orders and return files before a month were made of: PINs, personal data, spool, events",
		Long: `Files go from BALANCED over CLOSED to PURGED; PINs that no later card takes over are cleared; order lines, return files and events before the month are
dropped, on PostgreSQL with the partitions of their months; this machine's spool forgets the files. Cards, counts and the audit log stay, so the books still balance. A
purged file cannot be made or sent again. Without --dry-run=false nothing is taken away, only shown. Refused while something before the month has not ended or needs a person. Killed at any moment, it goes on when called again.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			month, err := time.Parse("2006-01", before)
			if err != nil {
				return fmt.Errorf("--before %q is not a month such as 2026-03", before)
			}
			plan, err := a.plant.PlanPurge(cmd.Context(), month)
			if err != nil {
				return err
			}
			done := !dryRun && !verify
			if done {
				if err := a.plant.Purge(cmd.Context(), plan, again, actor()); err != nil {
					return err
				}
			}
			return printPurge(cmd.OutOrStdout(), s, plan, done, verify)
		}),
	}
	c.Flags().StringVar(&before, "before", "", "the first month that stays, such as 2026-03 (needed)")
	c.Flags().BoolVar(&dryRun, "dry-run", true, "only show what would be taken away and what stands against it; exit code 1 if something does. --dry-run=false carries it out")
	c.Flags().BoolVar(&verify, "verify", false, "show what is left from before the month; exit code 1 if anything is")
	c.Flags().BoolVar(&again, "again", false, "go through files that were purged before, too: cards of them may have been closed since")
	cobra.CheckErr(c.MarkFlagRequired("before"))
	c.MarkFlagsMutuallyExclusive("dry-run", "verify")
	c.MarkFlagsMutuallyExclusive("again", "verify")
	return c
}

func printPurge(out io.Writer, s *shared, plan batch.PurgePlan, done, verify bool) error {
	l := plan.Left
	v := purgeJSON{Before: plan.Before.Format("2006-01"), Done: done, Files: len(plan.Files), Orders: plan.Orders, Returns: plan.Returns, OrderLines: l.OrderLines, RefusedRows: l.RefusedRows,
		ReturnLines: l.ReturnLines, ReturnBytes: l.ReturnBytes, Events: l.Events, Holders: l.Holders, PINs: l.PINs, PINsInUse: l.PINsInUse, Spooled: len(plan.Spooled), Against: append([]string{}, plan.Against...)}
	if s.json {
		if err := printJSON(out, v); err != nil {
			return err
		}
	} else if err := printPurgeTable(out, v, verify); err != nil {
		return err
	}
	if verify && !plan.Empty() || !verify && len(plan.Against) > 0 {
		return exitError(1)
	}
	return nil
}

func printPurgeTable(out io.Writer, v purgeJSON, verify bool) error {
	title := "to purge"
	switch {
	case v.Done:
		title = "purged"
	case verify:
		title = "left"
	}
	t := newTable(out, "before "+v.Before, title)
	t.row("files", v.Files)
	t.row("orders", v.Orders)
	t.row("return files", v.Returns)
	t.row("order lines", v.OrderLines)
	t.row("refused and corrected rows", v.RefusedRows)
	t.row("return lines", v.ReturnLines)
	t.row("bytes of return files", v.ReturnBytes)
	t.row("events", v.Events)
	t.row("holders of prepaid cards", v.Holders)
	t.row("files in this machine's spool", v.Spooled)
	if verify {
		t.row("PINs that no later card takes over", v.PINs)
		t.row("PINs that a later card may take over (they stay)", v.PINsInUse)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, why := range v.Against {
		alarm(out, "%s", why)
	}
	return nil
}
