package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func inboxCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{
		Use: "inbox", Short: "List everything that needs a person: since when, whose business it is, and where to begin",
		Long: `One list of what does not mend by itself: files in doubt or refused, answers that are overdue, quarantined returns, bureaus that cannot be reached, keys that
end, rows that wait for a correction, ranges that run out, stock that does not add up. The runbooks of the manual stand under the same names. Exit code 0
whether it is empty or not.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			items, err := a.plant.Attention(cmd.Context(), i)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if s.json {
				return printJSON(w, items)
			}
			if len(items) == 0 {
				fmt.Fprintln(w, "Nothing needs a person.")
				return nil
			}
			t := newTable(w, "what", "about", "age", "owner", "detail", "begin with")
			for _, x := range items {
				t.row(x.What, x.About, x.Age, x.Owner, x.Detail, x.Do)
			}
			return t.flush()
		}),
	}
	var owner string
	take := &cobra.Command{
		Use: "take WHAT ABOUT", Short: "Say who takes an item on, for example: take FILE_IN_DOUBT 'file 2'", Args: cobra.ExactArgs(2),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			return a.plant.TakeItem(cmd.Context(), i, args[0]+":"+args[1], or(owner, actor()), actor())
		}),
	}
	take.Flags().StringVar(&owner, "owner", "", "who takes it on; left out, who runs the command")
	c.PersistentFlags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.AddCommand(take)
	return c
}
