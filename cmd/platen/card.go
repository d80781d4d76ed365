package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

func cardCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{Use: "card", Short: "Ask where a card is, and have it made again"}
	explain := &cobra.Command{
		Use: "explain TOKEN|ORDER-REFERENCE#UNIT", Short: "Tell one card's story: orders, files, what the bureaus said, and when",
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			story, err := a.plant.ExplainCard(cmd.Context(), i, args[0])
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), storyView(story))
			}
			return printStory(cmd.OutOrStdout(), story)
		}),
	}
	c.PersistentFlags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.AddCommand(explain, cardRemake(s, &institution), cardClose(s, &institution), cardKeep(s, &institution), cardAwaitPIN(s, &institution), cardReleasePIN(s, &institution))
	return c
}

func cardRemake(s *shared, institution *string) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "remake TOKEN|ORDER-REFERENCE#UNIT --reason WHY", Short: "Have a card or PIN mailer made again, as it was, that its bureau spoiled, rejected or destroyed",
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			if err := a.plant.RemakeCard(cmd.Context(), i, args[0], reason, actor()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s waits for the next file.\n", args[0])
			return nil
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	cobra.CheckErr(c.MarkFlagRequired("reason"))
	return c
}

func storyView(s batch.Story) map[string]any {
	issues := make([]map[string]any, 0, len(s.Issues))
	for _, i := range s.Issues {
		issues = append(issues, map[string]any{"issue": i.Issue.Issue, "order": i.Order, "reason": i.Reason.String(), "psn": i.PSN.String(), "expiry": expiryText(i.Expiry),
			"state": i.Effective, "use": i.Use.String(), "file": fileName(i.File), "line": i.Line,
			"moves": movesView(i.Moves), "deliveries": attemptsView(i.Attempts), "said": saidView(i.Said)})
	}
	mailers := make([]map[string]any, 0, len(s.Mailers))
	for _, m := range s.Mailers {
		mailers = append(mailers, map[string]any{"issue": m.Issue, "attempt": m.Attempt, "state": m.Effective, "file": fileName(m.File), "line": m.Line,
			"moves": movesView(m.Moves), "deliveries": attemptsView(m.Attempts), "said": saidView(m.Said)})
	}
	return map[string]any{"closing": closingView(s.Closing), "awaiting_pin": awaitingView(s.Awaiting), "token": s.Token, "product": s.Product, "status": s.Card.Status.String(), "closed_for": closedFor(s.Card), "replaced_by": s.ReplacedBy, "issues": issues, "pin_mailers": mailers}
}

func closedFor(c store.Card) string {
	if c.ClosedFor == 0 {
		return ""
	}
	return c.ClosedFor.String()
}

func fileName(f *store.File) string {
	if f == nil {
		return ""
	}
	return f.Name
}

func expiryText(yymm int) string {
	e, err := card.ExpiryFromInt(yymm)
	if err != nil {
		return ""
	}
	return e.String()
}

func saidView(lines []store.ReturnLine) []map[string]any {
	all := make([]map[string]any, 0, len(lines))
	for _, l := range lines {
		all = append(all, map[string]any{"status": l.Status, "outcome": l.Outcome.String(), "reason": l.Reason, "bureau_reason": l.BureauReason,
			"occurred_at": l.OccurredAt.UTC().Format(time.RFC3339), "return_file": l.Return, "line": l.Line, "shipment": l.Shipment})
	}
	return all
}

func movesView(moves []store.Event) []map[string]any {
	all := make([]map[string]any, 0, len(moves))
	for _, e := range moves {
		all = append(all, map[string]any{"at": e.RecordedAt.UTC().Format(time.RFC3339), "event": e.Kind, "data": json.RawMessage(e.Data)})
	}
	return all
}

func attemptsView(attempts []store.Attempt) []map[string]any {
	all := make([]map[string]any, 0, len(attempts))
	for _, a := range attempts {
		all = append(all, map[string]any{"attempt": a.Attempt, "state": a.State, "started_at": a.StartedAt.UTC().Format(time.RFC3339), "code": a.Code, "detail": a.Detail, "copy": a.Copy})
	}
	return all
}

func printStory(w io.Writer, s batch.Story) error {
	fmt.Fprintf(w, "Card %s, product %s, %s", s.Token, s.Product, s.Card.Status)
	if why := closedFor(s.Card); why != "" {
		fmt.Fprintf(w, " (%s)", why)
	}
	if s.ReplacedBy != "" {
		fmt.Fprintf(w, ", replaced by %s", s.ReplacedBy)
	}
	if at := s.Closing; at != nil {
		fmt.Fprintf(w, ", to be closed at %s (%s)", at.At.UTC().Format(time.RFC3339), at.For)
	}
	if l := s.Awaiting; l != nil {
		fmt.Fprintf(w, ", its next plastic (%s) waits for a PIN since %s", l.Reason, l.PINHeldAt.UTC().Format(time.RFC3339))
	}
	fmt.Fprint(w, "\n\n")
	t := newTable(w, "issue", "reason", "order", "psn", "expiry", "state", "file", "line")
	for _, i := range s.Issues {
		t.row(i.Issue.Issue, i.Reason, i.Order, i.PSN, expiryText(i.Expiry), i.Effective, fileName(i.File), lineText(i.Line))
		tellFile(t, i.Moves, i.Attempts)
		tellSaid(t, i.Said)
	}
	for _, m := range s.Mailers {
		t.row(fmt.Sprintf("%d (PIN mailer)", m.Issue), "", "", "", "", m.Effective, fileName(m.File), lineText(m.Line))
		tellFile(t, m.Moves, m.Attempts)
		tellSaid(t, m.Said)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if len(s.Events) == 0 {
		return nil
	}
	return printEvents(w, s.Events)
}

// tellFile tells how the file moved that carries the card, and of every try to deliver it.
func tellFile(t *table, moves []store.Event, attempts []store.Attempt) {
	for _, e := range moves {
		t.row("", "", "file:", e.Kind, e.RecordedAt.UTC().Format(time.RFC3339), "", "", strings.Trim(e.Data, "{}"))
	}
	for _, a := range attempts {
		t.row("", "", "delivery:", a.State, a.StartedAt.UTC().Format(time.RFC3339), fmt.Sprintf("attempt %d", a.Attempt), a.Code, a.Detail)
	}
}

func tellSaid(t *table, lines []store.ReturnLine) {
	for _, l := range lines {
		t.row("", "", "bureau:", l.Status, l.OccurredAt.UTC().Format(time.RFC3339), l.Outcome, l.BureauReason, fmt.Sprintf("return %d line %d", l.Return, l.Line))
	}
}

func lineText(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}
