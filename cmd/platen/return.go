package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"platen/sql/store"
)

func returnCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{Use: "return", Short: "Look at what bureaus sent back, and decide about what is in quarantine"}
	c.PersistentFlags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.AddCommand(returnList(s, &institution), returnShow(s, &institution),
		returnDecision(s, &institution, "requeue NUMBER --reason WHY", "Read a quarantined return file again, or apply its quarantined lines, after what stood in the way was put right",
			func(a *app) decideReturn { return a.plant.RequeueReturn }),
		returnDecision(s, &institution, "discard NUMBER --reason WHY", "Give up a quarantined return file, or its quarantined and refused lines: nothing of them will count",
			func(a *app) decideReturn { return a.plant.DiscardReturn }))
	return c
}

// returnJSON is a return file as commands print it.
type returnJSON struct {
	Number      int64     `json:"number"`
	ID          string    `json:"id"`
	Bureau      string    `json:"bureau"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind"`
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	Lines       int64     `json:"lines"`
	Applied     int64     `json:"applied"`
	Duplicates  int64     `json:"duplicates"`
	Rejected    int64     `json:"rejected"`
	Quarantined int64     `json:"quarantined"`
	Archived    bool      `json:"archived"`
	CreatedAt   time.Time `json:"created_at"`
}

func returnView(r store.ReturnFile) returnJSON {
	return returnJSON{Number: r.Number, ID: r.ID.String(), Bureau: r.BureauCode, Name: r.Name, Kind: r.Kind, State: r.State.String(), Reason: r.Reason, Lines: r.Lines,
		Applied: r.Applied, Duplicates: r.Duplicates, Rejected: r.Rejected, Quarantined: r.Quarantined, Archived: r.Archived, CreatedAt: r.CreatedAt}
}

func printReturns(w io.Writer, all []store.ReturnFile) error {
	t := newTable(w, "number", "bureau", "name", "kind", "state", "lines", "applied", "duplicates", "rejected", "quarantined", "reason")
	for _, r := range all {
		t.row(r.Number, r.BureauCode, r.Name, or(r.Kind, "-"), r.State, r.Lines, r.Applied, r.Duplicates, r.Rejected, r.Quarantined, r.Reason)
	}
	return t.flush()
}

func returnList(s *shared, institution *string) *cobra.Command {
	var waiting bool
	c := &cobra.Command{
		Use: "list", Short: "Show the newest return files", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			all, err := a.store.Returns(cmd.Context(), i.ID, 0, 100)
			if err != nil {
				return err
			}
			shown := make([]store.ReturnFile, 0, len(all))
			views := make([]returnJSON, 0, len(all))
			for _, r := range all {
				if !waiting || r.Waits() {
					shown, views = append(shown, r), append(views, returnView(r))
				}
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), views)
			}
			return printReturns(cmd.OutOrStdout(), shown)
		}),
	}
	c.Flags().BoolVar(&waiting, "quarantined", false, "only what waits for a person: in quarantine, or with refused lines that nobody has decided about")
	return c
}

// findReturn reads the number of a return file of the institution.
func (a *app) findReturn(ctx context.Context, i store.Institution, text string) (store.ReturnFile, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return store.ReturnFile{}, fmt.Errorf("%q is not the number of a return file", text)
	}
	r, err := a.store.ReturnByNumber(ctx, number)
	if err == nil && r.Institution != i.ID {
		err = fmt.Errorf("return file %d: %w", number, store.ErrNotFound)
	}
	return r, err
}

func returnShow(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "show NUMBER", Short: "Show one return file, what happened to it, and its quarantined and rejected lines", Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			ctx := cmd.Context()
			i, err := a.institution(ctx, *institution)
			if err != nil {
				return err
			}
			r, err := a.findReturn(ctx, i, args[0])
			if err != nil {
				return err
			}
			lines, err := a.store.QuarantinedLines(ctx, r.Number)
			if err != nil {
				return err
			}
			rejected, err := a.store.RejectedLines(ctx, r.Number)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if s.json {
				return printJSON(w, map[string]any{"return": returnView(r), "quarantined": saidView(lines), "rejected": saidView(rejected)})
			}
			if err := printReturns(w, []store.ReturnFile{r}); err != nil {
				return err
			}
			fmt.Fprintln(w)
			t := newTable(w, "line", "outcome", "file", "line of it", "status", "why", "the bureau's reason")
			for _, l := range slices.Concat(lines, rejected) {
				t.row(l.Line, l.Outcome, optional(l.File), optional(l.FileLine), l.Status, l.Reason, l.BureauReason)
			}
			if err := t.flush(); err != nil {
				return err
			}
			events, err := a.store.Events(ctx, i.ID, "return", r.Number)
			if err != nil {
				return err
			}
			return printEvents(w, events)
		}),
	}
}

// optional shows a number that may be absent.
func optional(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

// decideReturn is what a person may decide about a return file.
type decideReturn func(ctx context.Context, i store.Institution, number int64, reason, actor string) (store.ReturnFile, error)

func returnDecision(s *shared, institution *string, use, short string, decide func(*app) decideReturn) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			r, err := a.findReturn(cmd.Context(), i, args[0])
			if err != nil {
				return err
			}
			if r, err = decide(a)(cmd.Context(), i, r.Number, reason, actor()); err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), returnView(r))
			}
			return printReturns(cmd.OutOrStdout(), []store.ReturnFile{r})
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	cobra.CheckErr(c.MarkFlagRequired("reason"))
	return c
}
