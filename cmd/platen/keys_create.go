package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/hsm/keystore"
)

func keysCreateCommand(s *shared) *cobra.Command {
	var environment string
	c := &cobra.Command{
		Use:   "create --environment test|production",
		Short: "Make the empty keystore that the configuration names, and its key-block protection key",
		Long: `Makes the keystore at "keystore" in the configuration, for test keys or for production keys: all that comes into it later is of that environment, for ever.
The key-block protection key (KBPK) is the one that "kbpk" names. A file that does not exist is made, with a new key in it and mode 0600; keep it apart from the keystore
and from the database. A key that a PKCS#11 token lacks is made in the token. A keystore that exists is left alone. It needs no database.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			env := keystore.Environment(environment)
			if env != keystore.Test && env != keystore.Production {
				return fmt.Errorf("environment must be %s or %s", keystore.Test, keystore.Production)
			}
			config, kbpk, err := prepareKeystore(s.config)
			if err != nil {
				return err
			}
			defer kbpk.Wipe()
			if _, err := keystore.Create(config.Keystore, kbpk, env); err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"keystore": config.Keystore, "environment": environment})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Made %s for %s keys. Next: platen keys generate, platen keys import\n", config.Keystore, env)
			return err
		},
	}
	c.Flags().StringVar(&environment, "environment", "", "test or production (needed)")
	cobra.CheckErr(c.MarkFlagRequired("environment"))
	return c
}

// prepareKeystore makes what a keystore needs beside it: its directory, and the file that a configuration names for its key-block protection key.
func prepareKeystore(path string) (Config, card.Secret, error) {
	config, err := readConfig(path, os.Environ())
	if err != nil {
		return config, card.Secret{}, err
	}
	if _, err := os.Stat(config.Path(config.Keystore)); !errors.Is(err, fs.ErrNotExist) {
		return config, card.Secret{}, errors.Join(err, fmt.Errorf("keystore %s: %w", config.Keystore, keystore.ErrExists))
	}
	if err := os.MkdirAll(filepath.Dir(config.Path(config.Keystore)), 0o700); err != nil {
		return config, card.Secret{}, err
	}
	if strings.HasPrefix(config.KBPK, fileSource) {
		made, err := config.ensureKBPK()
		if err != nil {
			return config, card.Secret{}, err
		}
		made.Wipe()
	}
	// Now that there is a KBPK the whole configuration can be held to its rules.
	if config, err = Load(path, os.Environ()); err != nil {
		return config, card.Secret{}, err
	}
	kbpk, err := config.ensureKBPK()
	return config, kbpk, err
}
