package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"platen/formats"
	"platen/sql/store"
)

// diffSample is what --against names for made-up cards, and how many there are.
const (
	diffSample      = "sample"
	diffSampleCards = 500
)

// layoutDifference is what a change of layouts means.
type layoutDifference struct {
	Old      string           `json:"old"`
	New      string           `json:"new"`
	Changes  []formats.Change `json:"changes"`
	Against  string           `json:"against"`
	Records  int64            `json:"records"`
	Rejected int64            `json:"newly_rejected"`
	Welcome  int64            `json:"newly_accepted"`
	Effects  []formats.Effect `json:"effects"`
	More     int64            `json:"more_effects,omitempty"` // than are listed
	limit    int
}

func layoutDiff(s *shared) *cobra.Command {
	var against, institution string
	var limit int
	c := &cobra.Command{
		Use: "diff OLD NEW", Short: "Compare two layouts: which fields move, which names are shortened, which cards would be rejected",
		Long: `Names every field that moved, was resized, added, removed or is written otherwise; filler is told only where it is another character.
Then it writes records with both layouts:
  --against sample      made-up cards with names and addresses of many lengths and scripts
  --against ID|NUMBER   the cards of a file that was made
and names the records that only the new layout refuses, with field and reason, and names and addresses that it shortens or writes otherwise.
Exit code 1 when a record is newly rejected or shortened.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := loadLayout(args[0])
			if err != nil {
				return err
			}
			next, err := loadLayout(args[1])
			if err != nil {
				return err
			}
			if old.Kind() != next.Kind() {
				return fmt.Errorf("%s is of kind %s and %s of kind %s: they cannot be compared", old, old.Kind(), next, next.Kind())
			}
			d := &layoutDifference{Old: old.String(), New: next.String(), Changes: formats.Compare(old, next), Against: against, limit: limit}
			trial := formats.NewTrial(old, next)
			if err := tryRecords(cmd.Context(), s, next.Kind(), against, institution, func(r *formats.Record) { d.add(trial.Try(r)) }); err != nil {
				return err
			}
			d.Records, d.Rejected, d.Welcome = trial.Records, trial.Rejected, trial.Welcome
			if s.json {
				err = printJSON(cmd.OutOrStdout(), d)
			} else {
				err = d.print(cmd.OutOrStdout())
			}
			if err == nil && d.loses() {
				return exitError(1)
			}
			return err
		},
	}
	c.Flags().StringVar(&against, "against", diffSample, "records to write with both: sample, or the id or number of a file")
	c.Flags().StringVar(&institution, "institution", "", "institution of the file, where several are declared")
	c.Flags().IntVar(&limit, "limit", 200, "how many records to name")
	return c
}

// tryRecords hands the records that --against names over, one by one.
func tryRecords(ctx context.Context, s *shared, kind formats.Kind, against, institution string, try func(*formats.Record)) (err error) {
	if against == diffSample {
		_, records := formats.SampleCards(kind, diffSampleCards)
		for _, r := range records {
			try(r)
		}
		return nil
	}
	a, err := openApp(ctx, s, false)
	if err != nil {
		return err
	}
	defer func() {
		if closing := a.close(); err == nil {
			err = closing
		}
	}()
	i, err := a.institution(ctx, institution)
	if err != nil {
		return err
	}
	f, err := a.findFile(ctx, i, against)
	if err != nil {
		return err
	}
	if isMailer := f.Purpose == store.MailerPurpose; kind != formats.CardFile && kind != formats.PINMailer || isMailer != (kind == formats.PINMailer) {
		return fmt.Errorf("file %d is of kind %s, and the layouts are of kind %s", f.Number, f.Purpose, kind)
	}
	return a.plant.Records(ctx, f.Number, try)
}

func (d *layoutDifference) add(effects []formats.Effect) {
	for _, e := range effects {
		if len(d.Effects) >= d.limit {
			d.More++
			continue
		}
		d.Effects = append(d.Effects, e)
	}
}

// loses tells whether a record is rejected or a name loses letters.
func (d *layoutDifference) loses() bool {
	for _, e := range d.Effects {
		if e.What != formats.Altered {
			return true
		}
	}
	return d.Rejected > 0
}

func (d *layoutDifference) print(w io.Writer) error {
	fmt.Fprintf(w, "%s → %s\n\n", d.Old, d.New)
	if len(d.Changes) == 0 {
		fmt.Fprintln(w, "No field changes.")
	} else {
		t := newTable(w, "section", "field", "what", "was", "is")
		for _, c := range d.Changes {
			t.row(c.Section, c.Field, c.What, c.Was, c.Is)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	source := "made-up records"
	if d.Against != diffSample {
		source = "records of file " + d.Against
	}
	fmt.Fprintf(w, "\n%d %s: %d newly rejected, %d newly accepted.\n", d.Records, source, d.Rejected, d.Welcome)
	if len(d.Effects) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w, "record", "uid", "field", "what", "why", "was", "is")
	for _, e := range d.Effects {
		t.row(e.Record, e.UID, e.Field, e.What, e.Reason, quoted(e.Was), quoted(e.Is))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if d.More > 0 {
		fmt.Fprintf(w, "and %d more: --limit shows them\n", d.More)
	}
	return nil
}

// quoted shows a value so that nothing in it can hide or change the terminal.
func quoted(v string) string {
	if v == "" {
		return ""
	}
	return strconv.QuoteToGraphic(strings.TrimSpace(v))
}
