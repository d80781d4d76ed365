package main

import (
	"github.com/spf13/cobra"

	"platen/batch"
	"platen/sql/store"
)

// linesPage is how many lines of a file are read at once.
const linesPage = 500

type fileLineJSON struct {
	Line   int64  `json:"line"`
	UID    string `json:"uid"`
	Token  string `json:"token"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

func fileLines(s *shared, institution *string) *cobra.Command {
	var state string
	c := &cobra.Command{
		Use: "lines ID|NUMBER", Short: "List a file's lines with their cards: where each stands, and what the bureau said of it",
		Long: `Each line names its card by the token that card explain and card remake take. --state lists those that have come to one of these states, such as
REJECTED,SPOILED; a line that no answer spoke of yet stands where its file stands, and is listed without --state only.`,
		Args: cobra.ExactArgs(1),
		RunE: withFile(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, f store.File) error {
			states, err := batch.ParseLineStates(state)
			if err != nil {
				return err
			}
			w, views := cmd.OutOrStdout(), []fileLineJSON{}
			t := newTable(w, "line", "uid", "card", "state", "reason")
			for after, more := int64(0), true; more; {
				lines, err := a.plant.LinesOfFile(cmd.Context(), f, states, after, linesPage)
				if err != nil {
					return err
				}
				for _, l := range lines {
					after = l.Line
					if s.json {
						views = append(views, fileLineJSON{Line: l.Line, UID: l.UID, Token: l.Token, State: l.Effective, Reason: l.Reason})
						continue
					}
					t.row(l.Line, l.UID, l.Token, l.Effective, l.Reason)
				}
				more = len(lines) == linesPage
			}
			if s.json {
				return printJSON(w, views)
			}
			return t.flush()
		}),
	}
	c.Flags().StringVar(&state, "state", "", "only lines in one of these states, with commas between")
	return c
}
