package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/hsm/keyblock"
	"platen/hsm/vault"
	"platen/sql/store"
)

// keyFilesKey is the label of the data key that key files are sealed under.
const keyFilesKey card.KeyLabel = "key-files"

func keysSealCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "seal FILE...", Short: "Seal key files that programs name, so that they are of no use without the keystore",
		Long: `Replaces each file, named as the programs name it, by its content encrypted under the keystore's data key key-files, which is made when it is missing. Private OpenPGP and
SSH keys and passwords then lie at rest under the keystore alone; every process opens them as it needs them. To put another key beside a sealed one, write the
clear file again and seal it.`,
		Args: cobra.MinimumNArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			if _, err := a.keys.Lookup(card.KeyRef{Label: keyFilesKey}); err != nil {
				if err := a.keys.Generate(keyFilesKey, keyblock.Data, keyblock.AES, a.entropy()); err != nil {
					return err
				}
				if err := a.auditKey(cmd.Context(), "keys.generate", a.newest(keyFilesKey), nil); err != nil {
					return err
				}
			}
			for _, name := range args {
				if err := a.sealKeyFile(name); err != nil {
					return fmt.Errorf("seal %s: %w", name, err)
				}
				if err := a.store.InTx(cmd.Context(), func(tx *store.Tx) error {
					return tx.Audit(cmd.Context(), actor(), "keys.seal", name, map[string]any{"under": string(keyFilesKey)}, a.now())
				}); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is sealed under %s.\n", name, keyFilesKey)
			}
			return nil
		}),
	}
}

// sealKeyFile replaces one file; a crash leaves either the clear one or the sealed one.
func (a *app) sealKeyFile(name string) (err error) {
	path := a.config.Path(name)
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if vault.IsSealed(body) {
		return errors.New("it is sealed already")
	}
	sealed, err := a.vault.SealText(keyFilesKey, name, card.NewSecret(body))
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".sealing-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	if _, err := temp.Write(sealed); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	// What was just written must open before the clear file goes.
	back, err := os.ReadFile(temp.Name())
	if err != nil {
		return err
	}
	if _, err := a.vault.OpenText(name, back); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
