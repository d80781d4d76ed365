package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"platen/programs"
)

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// cutSQLite tells whether a database address is a SQLite file, and which.
func cutSQLite(address string) (string, bool) { return strings.CutPrefix(address, "sqlite:") }

func keysCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "Look at the keystore and make the keys that programs name"}
	list := &cobra.Command{
		Use: "list", Short: "Show every key: label, version, usage, check value; never the key", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			keys := a.keys.List()
			if s.json {
				return printJSON(cmd.OutOrStdout(), keys)
			}
			t := newTable(cmd.OutOrStdout(), "label", "version", "usage", "algorithm", "kcv", "environment")
			for _, k := range keys {
				t.row(k.Label, k.Version, k.Usage, k.Algorithm, k.KCV, k.Environment)
			}
			return t.flush()
		}),
	}
	var dir string
	generate := &cobra.Command{
		Use: "generate -f DIR", Short: "Make every key that a directory of programs names and the keystore lacks", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			set, err := programs.LoadDir(dir)
			if err != nil {
				return err
			}
			made, err := generateMissing(a.keys, keysNeeded(set, a.config.Keys), a.entropy())
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"made": made})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d keys made.\n", len(made))
			return nil
		}),
	}
	generate.Flags().StringVarP(&dir, "file", "f", "", "directory of programs (needed)")
	cobra.CheckErr(generate.MarkFlagRequired("file"))
	c.AddCommand(list, generate)
	return c
}
