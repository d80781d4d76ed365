package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keystore"
	"platen/sql/store"
)

// What a source of a secret begins with.
const (
	fileSource  = "file:"
	tokenSource = pkcs11Module + ":"
)

func keysKBPKCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "kbpk pkcs11:LABEL | file:PATH | env:NAME",
		Short: "Put the keystore under another key-block protection key, in a PKCS#11 token for example",
		Long: `Wraps every key of the keystore anew under the key-block protection key (KBPK) that you name, and replaces the file as a whole. A key that a PKCS#11 token
lacks is made in the token, which keeps it; a file that does not exist is made with a new key in it. Stop all processes first; then let "kbpk" in the configuration name
the new one, start them again, and destroy the former KBPK together with copies of the keystore under it. Keys, versions and check values stay as they are.`,
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			target := a.config
			if target.KBPK = args[0]; strings.HasPrefix(target.KBPK, tokenSource) {
				if err := target.checkKBPK(os.Environ()); err != nil {
					return fmt.Errorf("kbpk: %w", err)
				}
			}
			kbpk, err := target.ensureKBPK()
			if err != nil {
				return err
			}
			if err := a.keys.Protect(kbpk); err != nil {
				return err
			}
			kind, _, _ := strings.Cut(target.KBPK, ":")
			err = a.store.InTx(cmd.Context(), func(tx *store.Tx) error {
				return tx.Audit(cmd.Context(), actor(), "keys.kbpk", "keystore", map[string]any{"kind": kind, "keys": len(a.keys.List())}, time.Now())
			})
			if err != nil {
				err = fmt.Errorf("the keystore is under another KBPK now, which could not be recorded: %w", err)
			}
			if s.json {
				return errors.Join(err, printJSON(cmd.OutOrStdout(), map[string]any{"kbpk": target.KBPK, "keys": len(a.keys.List())}))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d keys are under another KBPK. Now write kbpk: %s into the configuration, and destroy the former one.\n", len(a.keys.List()), target.KBPK)
			return err
		}),
	}
}

// openKBPK reads the keystore's protection key from where the configuration says.
func (c Config) openKBPK() (card.Secret, error) {
	if label, ok := strings.CutPrefix(c.KBPK, tokenSource); ok {
		return tokenKBPK(c.PKCS11, label)
	}
	return keystore.LoadKBPK(c.KBPK)
}

// ensureKBPK is openKBPK that makes the key where the configuration names a file that does not exist or a key that the token lacks.
func (c Config) ensureKBPK() (card.Secret, error) {
	if label, ok := strings.CutPrefix(c.KBPK, tokenSource); ok {
		return ensureTokenKBPK(c.PKCS11, label)
	}
	where, isFile := strings.CutPrefix(c.KBPK, fileSource)
	if !isFile || where == "" {
		return keystore.LoadKBPK(c.KBPK)
	}
	where = c.Path(where)
	if err := os.MkdirAll(filepath.Dir(where), 0o700); err != nil {
		return card.Secret{}, fmt.Errorf("make a directory for the KBPK: %w", err)
	}
	made, err := keystore.CreateKBPK(where, hsm.SystemEntropy())
	if errors.Is(err, keystore.ErrExists) {
		return keystore.LoadKBPK(fileSource + where)
	}
	return made, err
}
