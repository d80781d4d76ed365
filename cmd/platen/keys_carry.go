package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/hsm/keystore"
)

func keysImportCommand(s *shared) *cobra.Command {
	var in keystore.Incoming
	var period keyPeriod
	var components int
	var usage, algorithm, block, variant, under string
	c := &cobra.Command{
		Use:   "import LABEL",
		Short: "Take in a key: from components at the terminal, as a key block, or in payShield scheme U or T under a ZMK",
		Long: `With --components two or three custodians enter the parts of a key, one after another, at this terminal. Nothing they type is shown,
and no part is taken from arguments, the environment, a file or a pipe. Each confirms the check value of his part, and all that of the key.

With --block the key comes as a key block (X9.143) under a key of usage K1, with --variant in payShield scheme U or T under a key of usage K0; both
are wrapped already and stand in a file ("-" is standard input).`,
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) (err error) {
			defer func() { err = withFlag(err, usage, algorithm) }()
			in.Label, in.Usage = card.KeyLabel(args[0]), keystore.Usage(usage)
			if in.Period, err = period.read(); err != nil {
				return err
			}
			var k keystore.Key
			data := map[string]any{}
			switch {
			case components != 0 && block == "" && variant == "":
				alg, err := parseAlgorithm(algorithm)
				if err != nil {
					return err
				}
				k, err = enterComponents(cmd, a, in, alg, components, data)
				if err != nil {
					return err
				}
			case components == 0 && (block == "") != (variant == "") && under != "":
				if k, err = importWrapped(cmd, a, in, block, variant, under); err != nil {
					return err
				}
				data["under"] = under
			default:
				return errors.New("take one of --components, --block with --under, --variant with --under")
			}
			return errors.Join(a.auditKey(cmd.Context(), "keys.import", k, data), printKeys(cmd, s.json, []keystore.Key{k}))
		}),
	}
	c.Flags().IntVar(&components, "components", 0, "enter the key in so many components (2 or 3) at this terminal")
	c.Flags().StringVar(&block, "block", "", "file with a key block")
	c.Flags().StringVar(&variant, "variant", "", "file with a key in payShield scheme U or T")
	c.Flags().StringVar(&under, "under", "", "key of the keystore that it is wrapped under")
	c.Flags().StringVar(&usage, "usage", "", "usage of the key; with --block it must be the block's")
	c.Flags().StringVar(&algorithm, "algorithm", "", "tdes or aes, with --components")
	c.Flags().StringVar(&in.KCV, "kcv", "", "check value that the key must have; needed with --variant")
	c.Flags().BoolVar(&in.Legacy, "legacy", false, "take forms that bind a key weakly: --variant, blocks of versions A and C")
	period.flags(c)
	return c
}

// withFlag adds to a refusal the flag that helps.
func withFlag(err error, usage, algorithm string) error {
	var field *keystore.FieldError
	if !errors.As(err, &field) {
		return err
	}
	hint := ""
	switch {
	case errors.Is(err, keystore.ErrLegacy):
		hint = "--legacy"
	case errors.Is(err, keystore.ErrNoKCV):
		hint = "--kcv"
	case field.Field == "usage" && usage == "":
		hint = "--usage"
	case field.Field == "algorithm" && algorithm == "":
		hint = "--algorithm"
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w: say it with %s", err, hint)
}

func importWrapped(cmd *cobra.Command, a *app, in keystore.Incoming, block, variant, under string) (keystore.Key, error) {
	ref := keyRef(under)
	if block != "" {
		text, err := readWrapped(cmd, block)
		if err != nil {
			return keystore.Key{}, err
		}
		return a.keys.ImportBlock(in, ref, text)
	}
	text, err := readWrapped(cmd, variant)
	if err != nil {
		return keystore.Key{}, err
	}
	return a.keys.ImportVariant(in, ref, text)
}

// maxWrapped is more than the longest key block.
const maxWrapped = 16 << 10

func readWrapped(cmd *cobra.Command, name string) (string, error) {
	from := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }() // it was only read
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxWrapped))
	if err != nil {
		return "", fmt.Errorf("read the wrapped key: %w", err)
	}
	return string(b), nil
}

func keysExportCommand(s *shared) *cobra.Command {
	var under, scheme string
	c := &cobra.Command{
		Use:   "export LABEL[@VERSION] --under LABEL",
		Short: "Print a key wrapped under another: as a key block under a key of usage K1, or with --scheme under a ZMK of usage K0",
		Args:  cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			k, err := a.keys.Lookup(keyRef(args[0]))
			if err != nil {
				return err
			}
			carrier, err := a.keys.Lookup(keyRef(under))
			if err != nil {
				return err
			}
			var text string
			switch scheme {
			case "":
				text, err = a.keys.ExportBlock(k.Ref(), carrier.Ref())
			case "U", "T":
				text, err = a.keys.ExportVariant(k.Ref(), carrier.Ref(), scheme[0])
			default:
				err = &keystore.FieldError{Field: "scheme", Err: errors.New("must be U or T")}
			}
			if err != nil {
				return err
			}
			// What leaves is recorded before it leaves.
			if err := a.auditKey(cmd.Context(), "keys.export", k, map[string]any{"under": carrier.Ref().String()}); err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"key": k.Ref().String(), "kcv": k.KCV, "under": carrier.Ref().String(), "wrapped": text})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		}),
	}
	c.Flags().StringVar(&under, "under", "", "key of the keystore to wrap it under (needed)")
	c.Flags().StringVar(&scheme, "scheme", "", "U or T: payShield's variant scheme for double and triple length")
	cobra.CheckErr(c.MarkFlagRequired("under"))
	return c
}

// keyRef reads a label with or without a version.
func keyRef(text string) card.KeyRef {
	if ref, err := card.ParseKeyRef(text); err == nil {
		return ref
	}
	return card.KeyRef{Label: card.KeyLabel(text)}
}
