package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"platen/api"
	"platen/api/signature"
	"platen/sql/store"
)

func clientCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "client", Short: "Manage the programs that may call the API"}
	c.AddCommand(clientCreateCommand(s), clientListCommand(s), clientRevokeCommand(s))
	return c
}

// clientSecretSize is the length of a secret that both sides hold: that of the hash of HMAC-SHA256.
const clientSecretSize = 32

func clientCreateCommand(s *shared) *cobra.Command {
	var institution, roles, publicKey string
	var secret bool
	var rate int
	c := &cobra.Command{
		Use: "create NAME", Short: "Make an API client and show its key, once",
		Long: `Makes a client of one institution. Every client may look at what its institution has; --roles adds what it may do besides.

It proves who it is in one of three ways:
  a bearer key      the default; only the SHA-256 of the key is kept
  a shared secret   --secret: requests are signed (RFC 9421, hmac-sha256); the secret is kept encrypted
  a key pair        --public-key FILE: requests are signed (RFC 9421); its private half never comes here

Key and secret are shown now and never again.`,
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			if rate < 0 {
				return errors.New("--rate cannot be negative")
			}
			id, err := uuid.NewV7()
			if err != nil {
				return fmt.Errorf("make an id: %w", err)
			}
			client := store.Client{ID: id, Institution: i.ID, Name: args[0], Rate: rate, CreatedAt: a.now()}
			given, err := api.ParseRoles(roles)
			if err != nil {
				return err
			}
			client.Roles = api.RoleNames(given)
			shown, err := credential(a, &client, secret, publicKey)
			if err != nil {
				return err
			}
			err = a.store.InTx(cmd.Context(), func(tx *store.Tx) error {
				if err := tx.InsertClient(cmd.Context(), client); err != nil {
					return err
				}
				data := map[string]any{"id": id.String(), "roles": client.Roles, "method": client.Method}
				return tx.Audit(cmd.Context(), actor(), "client.create", args[0], data, a.now())
			})
			if errors.Is(err, store.ErrConflict) {
				return fmt.Errorf("%s has a client %q already, perhaps a revoked one: take another name", i.Code, args[0])
			}
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"id": id.String(), "name": args[0], "roles": client.Roles, "method": client.Method, "key": shown})
			}
			return tellClient(cmd.OutOrStdout(), i, client, shown)
		}),
	}
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.Flags().StringVar(&roles, "roles", "submit,operate", "what it may do: "+api.RoleNames(api.Roles())+"; empty = only look")
	c.Flags().BoolVar(&secret, "secret", false, "make a secret that requests are signed with")
	c.Flags().StringVar(&publicKey, "public-key", "", "PEM file of the key that requests are signed with")
	c.Flags().IntVar(&rate, "rate", 0, "requests a second; 0 = the default")
	c.MarkFlagsMutuallyExclusive("secret", "public-key")
	return c
}

// credential makes what a client proves itself with, and returns what only the client may know.
func credential(a *app, c *store.Client, secret bool, publicKey string) (string, error) {
	switch {
	case publicKey != "":
		c.Method = store.KeyPairClient
		pem, err := os.ReadFile(publicKey)
		if err != nil {
			return "", fmt.Errorf("read the public key: %w", err)
		}
		k, err := signature.PublicKey(pem)
		if err != nil {
			return "", fmt.Errorf("%s: %w", publicKey, err)
		}
		c.PublicKey, err = k.DER()
		return "", err
	case secret:
		c.Method = store.SecretClient
		var random [clientSecretSize]byte
		if _, err := rand.Read(random[:]); err != nil {
			return "", fmt.Errorf("make a secret: %w", err)
		}
		var err error
		c.Secret, err = a.secrets().Seal(c.ID, random[:])
		return base64.StdEncoding.EncodeToString(random[:]), err
	}
	c.Method = store.BearerClient
	key, sum, err := api.NewClientKey()
	c.KeySHA256 = sum
	return key, err
}

func tellClient(w io.Writer, i store.Institution, c store.Client, shown string) error {
	fmt.Fprintf(w, "Client %s of %s, roles: %s.\n", c.Name, i.Code, orNone(c.Roles))
	switch c.Method {
	case store.BearerClient:
		fmt.Fprintf(w, "Its key, shown only now:\n%s\n", shown)
	case store.SecretClient:
		fmt.Fprintf(w, "It signs with keyid %q.\nIts secret in base 64, shown only now:\n%s\n", c.ID, shown)
	default:
		fmt.Fprintf(w, "It signs with keyid %q.\n", c.ID)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func clientListCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{
		Use: "list", Short: "List the API clients of an institution", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			all, err := a.store.Clients(cmd.Context(), i.ID)
			if err != nil {
				return err
			}
			views := make([]map[string]any, 0, len(all))
			t := newTable(cmd.OutOrStdout(), "name", "keyid", "method", "roles", "state", "since")
			for _, c := range all {
				state := "active"
				if c.RevokedAt != nil {
					state = "revoked"
				}
				views = append(views, map[string]any{"name": c.Name, "id": c.ID, "method": c.Method, "roles": c.Roles, "state": state, "rate": c.Rate, "created_at": c.CreatedAt.UTC()})
				if !s.json {
					t.row(c.Name, c.ID, c.Method, orNone(c.Roles), state, c.CreatedAt.UTC().Format("2006-01-02"))
				}
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), views)
			}
			return t.flush()
		}),
	}
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	return c
}

func clientRevokeCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{
		Use: "revoke NAME", Short: "End an API client's access at once", Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			err = a.store.InTx(cmd.Context(), func(tx *store.Tx) error {
				if err := tx.RevokeClient(cmd.Context(), i.ID, args[0], a.now()); err != nil {
					return err
				}
				return tx.Audit(cmd.Context(), actor(), "client.revoke", args[0], map[string]any{}, a.now())
			})
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("%s has no active client %q: see platen client list", i.Code, args[0])
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Client %s of %s is revoked.\n", args[0], i.Code)
			return nil
		}),
	}
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	return c
}
