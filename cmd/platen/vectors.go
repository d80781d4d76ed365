package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"platen/hsm/vectors"
)

func vectorsCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "vectors", Short: "Prove the card cryptography against files of known answers"}
	run := &cobra.Command{
		Use: "run FILE.json", Short: "Evaluate a file of known answers (docs/vectors.md); exit 1 when one does not come out", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // it was only read
			entries, err := vectors.Read(f)
			if err != nil {
				return err
			}
			report := vectors.Run(entries)
			if err := printVectors(cmd, s.json, report); err != nil {
				return err
			}
			if report.Failed > 0 {
				return exitError(1)
			}
			return nil
		},
	}
	c.AddCommand(run)
	return c
}

// printVectors prints a report: as JSON with a result for each entry, or what needs a look, what rests on a quotation, and the counts.
func printVectors(cmd *cobra.Command, asJSON bool, report vectors.Report) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, report)
	}
	for _, r := range report.Results {
		switch {
		case r.Status == vectors.Unknown:
			fmt.Fprintf(out, "unknown  %s: no algorithm %s\n", r.ID, r.Algo)
		case r.Status == vectors.Failed && r.Detail != "":
			fmt.Fprintf(out, "failed   %s: %s\n", r.ID, r.Detail)
		case r.Status == vectors.Failed:
			expected, err := json.Marshal(r.Expected)
			if err != nil {
				return err
			}
			got, err := json.Marshal(r.Got)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "failed   %s: expected %s, got %s\n", r.ID, expected, got)
		case r.Status == vectors.FormOnly:
			fmt.Fprintf(out, "form     %s: %s\n", r.ID, r.Detail)
		case r.Detail != "":
			fmt.Fprintf(out, "passed   %s: %s\n", r.ID, r.Detail)
		case r.Verified == "quoted":
			fmt.Fprintf(out, "passed   %s: quoted, and it comes out\n", r.ID)
		}
	}
	_, err := fmt.Fprintf(out, "%d passed, %d form only, %d failed, %d unknown.\n", report.Passed, report.FormOnly, report.Failed, report.Unknown)
	return err
}
