package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/hsm/keystore"
)

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// cutSQLite tells whether a database address is a SQLite file, and which.
func cutSQLite(address string) (string, bool) { return strings.CutPrefix(address, "sqlite:") }

func keysCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "Make, take in, hand out, rotate and retire keys"}
	c.AddCommand(keysListCommand(s), keysShowCommand(s), keysCheckCommand(s), keysGenerateCommand(s), keysRotateCommand(s), keysRetireCommand(s),
		keysImportCommand(s), keysExportCommand(s), keysSealCommand(s), keysProvisionCommand(s), keysCreateCommand(s), keysKBPKCommand(s))
	return c
}

func keysListCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show every key: label, version, usage, check value; never the key", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error { return printKeys(cmd, s.json, a.keys.List()) }),
	}
}

func keysShowCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "show LABEL", Short: "Show every version of one key; never the key", Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			keys := slices.DeleteFunc(a.keys.List(), func(k keystore.Key) bool { return string(k.Label) != args[0] })
			if len(keys) == 0 {
				_, err := a.keys.Lookup(card.KeyRef{Label: card.KeyLabel(args[0])})
				return err
			}
			return printKeys(cmd, s.json, keys)
		}),
	}
}

func printKeys(cmd *cobra.Command, asJSON bool, keys []keystore.Key) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), keys)
	}
	t := newTable(cmd.OutOrStdout(), "label", "version", "usage", "algorithm", "kcv", "environment", "exportable", "state", "expires")
	for _, k := range keys {
		expires := "-"
		if !k.Expires.IsZero() {
			expires = k.Expires.Format(time.DateOnly)
		}
		t.row(k.Label, k.Version, k.Usage, k.Algorithm, k.KCV, k.Environment, yes(k.Exportable), keyState(k, time.Now()), expires)
	}
	return t.flush()
}

func keyState(k keystore.Key, now time.Time) string {
	switch {
	case !k.Retired.IsZero():
		return "retired"
	case now.Before(k.Activates):
		return "waiting"
	case k.InForce(now) != nil:
		return "expired"
	}
	return "in force"
}

// expiryWarning is how long before the end of a key its end is told.
const expiryWarning = 30 * 24 * time.Hour

func keysCheckCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Prove every key block and tell which labels have no key in force; exit 1 when one has none", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			keys := a.keys.List() // each was proved when the keystore was opened
			now, last := time.Now(), map[card.KeyLabel]keystore.Key{}
			for _, k := range keys {
				if k.InForce(now) == nil || last[k.Label].Label == "" {
					last[k.Label] = k
				}
			}
			missing, ending := []string{}, []string{}
			for _, k := range keys {
				switch newest := last[k.Label]; {
				case newest.Version != k.Version:
				case k.InForce(now) != nil:
					missing = append(missing, string(k.Label))
				case !k.Expires.IsZero() && k.Expires.Sub(now) < expiryWarning:
					ending = append(ending, string(k.Label))
				}
			}
			if s.json {
				if err := printJSON(cmd.OutOrStdout(), map[string]any{"proved": len(keys), "not_in_force": missing, "ending": ending}); err != nil {
					return err
				}
			} else {
				for _, l := range missing {
					fmt.Fprintf(cmd.OutOrStdout(), "%s has no version in force.\n", l)
				}
				for _, l := range ending {
					fmt.Fprintf(cmd.OutOrStdout(), "%s expires within 30 days.\n", l)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d keys proved, all %s.\n", len(keys), a.keys.Environment())
			}
			if len(missing) > 0 {
				return exitError(1)
			}
			return nil
		}),
	}
}
