package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"platen/batch"
)

func checkCommand(s *shared) *cobra.Command {
	var list bool
	c := &cobra.Command{
		Use: "check", Short: "Prove from database, ledger and spool that every card is somewhere, once",
		Long: `Looks at the whole database as it is at one moment, at the high-water ledger, and at this machine's spool, and holds them against everything
that must be true whatever died: no card lost, none issued twice, no file sent twice by itself, every state with its evidence, every count
with its rows. It changes nothing and may run beside workers. Exit code 1 if something does not hold; each finding says what to do.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			checked, err := a.plant.Check(cmd.Context())
			if err != nil {
				return err
			}
			if s.json {
				err = printJSON(cmd.OutOrStdout(), checkedView(checked))
			} else {
				err = printChecked(cmd, checked, list)
			}
			if err == nil && len(checked.Findings) > 0 {
				err = exitError(1)
			}
			return err
		}),
	}
	c.Flags().BoolVar(&list, "list", false, "show everything that is proved, too")
	return c
}

func printChecked(cmd *cobra.Command, checked batch.Checked, list bool) error {
	w := cmd.OutOrStdout()
	if list {
		t := newTable(w, "invariant", "what must hold")
		for _, p := range checked.Invariants {
			t.row(p.Name, p.Says)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	for _, f := range checked.Findings {
		alarm(w, "%s: %s %s: %s", f.Invariant, f.Object, findingName(f), f.Detail)
		fmt.Fprintf(w, "  %s\n", f.Do)
	}
	fmt.Fprintf(w, "%d things must hold; %d breaches found.\n", len(checked.Invariants), len(checked.Findings))
	return nil
}

// findingName names the object of a finding: a card by its token.
func findingName(f batch.Finding) string {
	if f.Token != "" {
		return f.Token
	}
	return fmt.Sprint(f.Number)
}

func checkedView(checked batch.Checked) map[string]any {
	proofs, findings := make([]map[string]string, 0, len(checked.Invariants)), make([]map[string]string, 0, len(checked.Findings))
	for _, p := range checked.Invariants {
		proofs = append(proofs, map[string]string{"name": p.Name, "says": p.Says})
	}
	for _, f := range checked.Findings {
		findings = append(findings, map[string]string{"invariant": f.Invariant, "object": f.Object, "name": findingName(f), "detail": f.Detail, "do": f.Do})
	}
	return map[string]any{"holds": len(findings) == 0, "invariants": proofs, "findings": findings}
}
