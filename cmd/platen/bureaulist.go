package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"platen/batch"
)

func bureauList(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{
		Use: "list", Short: "Show every bureau: how it is reached, how its files are protected, and when it was reached last", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			all, err := a.plant.Bureaus(cmd.Context(), i)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if s.json {
				return printJSON(w, all)
			}
			t := newTable(w, "code", "name", "address", "files", "returns", "reached", "failing since", "code of failure", "next try in")
			for _, b := range all {
				t.row(b.Code, b.Name, b.Address, b.Protection, b.Returns, moment(b.ReachedAt), moment(b.FailingSince), or(b.Failure, "-"), b.NextTry.Round(time.Second))
			}
			if err := t.flush(); err != nil {
				return err
			}
			for _, b := range all {
				if b.Protection == batch.InClear {
					alarm(w, "PLAINTEXT: bureau %s gets its files unencrypted and unsigned.", b.Code)
				}
				for _, warning := range b.Warnings {
					alarm(w, "bureau %s: %s", b.Code, warning)
				}
			}
			return nil
		}),
	}
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	return c
}

// moment shows a time, or that there is none.
func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func bureauRetry(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{
		Use: "retry CODE", Short: "End the pause of a bureau that could not be reached: what was wrong is put right", Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			if err := a.plant.RetryBureau(cmd.Context(), i, args[0], actor()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Bureau %s is tried again at the next sweep.\n", args[0])
			return nil
		}),
	}
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	return c
}

func bureauStock(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{
		Use: "stock", Short: "Show the plastics at every bureau as it counted them last", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			all, err := a.plant.StockPositions(cmd.Context(), i)
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), all)
			}
			t := newTable(cmd.OutOrStdout(), "bureau", "plastic", "site", "opening", "closing", "allocated", "reorder level", "differs by", "gap", "reported")
			for _, p := range all {
				t.row(p.Bureau, p.Plastic, or(p.Site, "-"), p.Opening, p.Closing, p.Allocated, p.ReorderLevel, p.Difference, p.Gap, moment(&p.ReportedAt))
			}
			return t.flush()
		}),
	}
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	return c
}
