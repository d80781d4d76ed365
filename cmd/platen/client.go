package main

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"platen/api"
	"platen/sql/store"
)

func clientCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{Use: "client", Short: "Manage the programs that may call the API"}
	create := &cobra.Command{
		Use: "create NAME", Short: "Make an API client and show its key, once",
		Long: "Makes a client of one institution. The key is shown now and never again: only its SHA-256 is kept.",
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			key, sum, err := api.NewClientKey()
			if err != nil {
				return err
			}
			id, err := uuid.NewV7()
			if err != nil {
				return fmt.Errorf("make an id: %w", err)
			}
			err = a.store.InTx(cmd.Context(), func(tx *store.Tx) error {
				if err := tx.InsertClient(cmd.Context(), store.Client{ID: id, Institution: i.ID, Name: args[0], KeySHA256: sum, CreatedAt: a.now()}); err != nil {
					return err
				}
				return tx.Audit(cmd.Context(), actor(), "client.create", args[0], map[string]any{"id": id.String()}, a.now())
			})
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"id": id.String(), "name": args[0], "key": key})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Client %s of %s. Its key, shown only now:\n%s\n", args[0], i.Code, key)
			return nil
		}),
	}
	create.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.AddCommand(create)
	return c
}
