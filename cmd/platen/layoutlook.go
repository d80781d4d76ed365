package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"platen/formats"
)

// loadLayout reads the layout of one file.
// loadLayoutFor reads a layout of the files that an audience gets.
func loadLayoutFor(name, audience string) (*formats.Layout, error) {
	whom, ok := formats.ParseAudience(audience)
	if !ok {
		return nil, fmt.Errorf("--audience %q: it is bureau, issuer-masked or issuer-cutdown", audience)
	}
	l, err := loadLayout(name)
	if err != nil {
		return nil, err
	}
	return l.For(whom), nil
}

func audienceFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "audience", formats.ForBureau.String(), "whom the file is for: bureau, issuer-masked or issuer-cutdown")
}

func loadLayout(name string) (*formats.Layout, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the layout: %w", err)
	}
	return formats.Load(name, src)
}

// lintResult is what linting found of one layout.
type lintResult struct {
	File    string           `json:"file"`
	Layout  string           `json:"layout,omitempty"`
	Fault   string           `json:"fault,omitempty"` // why it does not load
	Shape   string           `json:"shape,omitempty"`
	Advice  []formats.Advice `json:"advice,omitempty"`
	Missing []string         `json:"not_carried,omitempty"` // usual fields of its kind
}

func layoutLint(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "lint FILE|DIRECTORY...", Short: "Check layouts: faults with file, line and reason, then advice",
		Long: `A layout that would fail later fails here: overlaps, gaps, unknown fields and functions, wrong types, impossible lengths, values that
the clearance does not cover. Exit code 1 when one does not load. Advice is about layouts that load: what may be cut, what may not fit,
which usual fields are not carried.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var results []lintResult
			failed := false
			for _, name := range args {
				files, err := layoutFiles(name)
				if err != nil {
					return err
				}
				for _, f := range files {
					r := lint(f)
					failed = failed || r.Fault != ""
					results = append(results, r)
				}
			}
			if err := printLint(cmd, s.json, results); err != nil {
				return err
			}
			if failed {
				return exitError(1)
			}
			return nil
		},
	}
}

func lint(file string) lintResult {
	l, err := loadLayout(file)
	if err != nil {
		return lintResult{File: file, Fault: err.Error()}
	}
	r := lintResult{File: file, Layout: l.String(), Shape: l.Shape(), Advice: l.Lint()}
	for _, f := range l.Coverage() {
		r.Missing = append(r.Missing, f.String())
	}
	return r
}

func printLint(cmd *cobra.Command, asJSON bool, results []lintResult) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, results)
	}
	for _, r := range results {
		if r.Fault != "" {
			fmt.Fprintf(out, "%s\n", r.Fault)
			continue
		}
		fmt.Fprintf(out, "%s: %s loads: %s\n", r.File, r.Layout, r.Shape)
		for _, a := range r.Advice {
			fmt.Fprintf(out, "  line %d: %s\n", a.Line, strings.TrimPrefix(a.Field+": "+a.Reason, ": "))
		}
		if len(r.Missing) > 0 {
			fmt.Fprintf(out, "  not carried: %s\n", strings.Join(r.Missing, ", "))
		}
	}
	return nil
}

func layoutSheet(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "sheet FILE", Short: "Write the field table that a bureau asks for (Markdown)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := loadLayout(args[0])
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"layout": l.Name(), "version": l.Version(), "checksum": l.Checksum(), "fields": l.Sheet()})
			}
			return l.WriteSheet(cmd.OutOrStdout())
		},
	}
}

// maxPreview bounds how many records a preview shows.
const maxPreview = 1000

func layoutPreview(s *shared) *cobra.Command {
	var records int
	var audience string
	c := &cobra.Command{
		Use: "preview FILE", Short: "Write made-up cards with a layout and show them masked, under a ruler with positions",
		Long: `The cards are made up, with names and addresses of many lengths and scripts. Card numbers show six and four digits; tracks, codes and PIN
blocks are stars in their length, so that every position is that of a real file. What the layout refuses is left out and told.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := loadLayoutFor(args[0], audience)
			if err != nil {
				return err
			}
			if records < 0 || records > maxPreview {
				return fmt.Errorf("--records %d: at most %d are shown", records, maxPreview)
			}
			p, err := l.Preview(formats.SampleCards(l.Kind(), records))
			if err != nil {
				return fmt.Errorf("preview %s: %w", args[0], err)
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), p)
			}
			return p.Write(cmd.OutOrStdout(), l)
		},
	}
	c.Flags().IntVar(&records, "records", 3, "how many records to show")
	audienceFlag(c, &audience)
	return c
}
