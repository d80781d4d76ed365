package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"platen/batch"
	"platen/formats"
	"platen/sql/store"
)

func fileReplay(s *shared, institution *string) *cobra.Command {
	var output, reason string
	var inClear bool
	c := &cobra.Command{
		Use: "replay ID|NUMBER", Short: "Render a sealed file again from the database, compare its hash, and write it where asked",
		Long: `Makes the file's plaintext again from stored data and pinned keys, and compares its SHA-256 with the one it was sealed with. Exit code 1 when they differ.
With --output it is also written, to a new file that only its owner may read: encrypted to its bureau and signed as it travels, or with --in-clear as
the bureau reads it, which is card data in clear. A copy needs a reason, which stands in the file's history and in the audit log.`,
		Args: cobra.ExactArgs(1),
		RunE: withFile(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, f store.File) error {
			if output != "" {
				form := batch.ReplaySealed
				if inClear {
					form = batch.ReplayInClear
				}
				return writeReplay(cmd, a, f, output, form, reason)
			}
			same, sum, err := a.plant.Replay(cmd.Context(), f.Number, nil)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if s.json {
				err = printJSON(w, map[string]any{"id": f.ID, "same": same, "plaintext_sha256": hex.EncodeToString(sum), "sealed_sha256": hex.EncodeToString(f.PlaintextSHA)})
			} else {
				fmt.Fprintf(w, "sealed    %s\nreplayed  %s\nsame      %s\n", hex.EncodeToString(f.PlaintextSHA), hex.EncodeToString(sum), yes(same))
			}
			if err == nil && !same {
				err = exitError(1)
			}
			return err
		}),
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write the file there; it must not exist")
	c.Flags().BoolVar(&inClear, "in-clear", false, "write it unencrypted")
	c.Flags().StringVar(&reason, "reason", "", "why a copy is taken (needed with --output)")
	c.MarkFlagsRequiredTogether("output", "reason")
	return c
}

// writeReplay writes a replayed file.
func writeReplay(cmd *cobra.Command, a *app, f store.File, output string, form batch.ReplayForm, reason string) error {
	err := writeNew(output, func(to io.Writer) error { return a.plant.ReplayTo(cmd.Context(), f.Number, to, form, reason, actor()) })
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "File %d was rendered to the bytes that it was sealed with, and written to %s.\n", f.Number, output)
	if form == batch.ReplayInClear {
		alarm(w, "PLAINTEXT: %s holds card data in clear. Delete it as soon as it has served.", output)
	}
	return nil
}

// writeNew writes a file that must not exist and that only its owner may read. One that did not come to its end is removed.
func writeNew(output string, write func(io.Writer) error) (err error) {
	to, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("begin the copy: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(output))
		}
	}()
	if err := write(to); err != nil {
		return errors.Join(err, to.Close())
	}
	if err := errors.Join(to.Sync(), to.Close()); err != nil {
		return fmt.Errorf("finish the copy: %w", err)
	}
	return nil
}

func fileCopy(s *shared, institution *string) *cobra.Command {
	var output, audience string
	c := &cobra.Command{
		Use: "copy ID|NUMBER --audience issuer-masked|issuer-cutdown --output FILE", Short: "Write a file as others than its bureau may see it",
		Long: `The same layout writes the same file for an audience: issuer-masked has no tracks, codes, PIN blocks and chip data, and of card numbers the first six and last four digits;
issuer-cutdown has no card numbers either. What an audience sees is a property of each field, which no layout can change. Names and addresses stay: the copy is written to a new
file that only its owner may read. It stands in the file's history and in the audit log.`,
		Args: cobra.ExactArgs(1),
		RunE: withFile(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, f store.File) error {
			whom, ok := formats.ParseAudience(audience)
			if !ok || whom == formats.ForBureau {
				return fmt.Errorf("--audience is issuer-masked or issuer-cutdown, not %q", audience)
			}
			if err := writeNew(output, func(to io.Writer) error { return a.plant.CopyFor(cmd.Context(), f.Number, whom, to, actor()) }); err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"id": f.ID, "audience": whom.String(), "output": output})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "File %d was written to %s for %s.\n", f.Number, output, whom)
			return nil
		}),
	}
	c.Flags().StringVar(&audience, "audience", "", "issuer-masked or issuer-cutdown (needed)")
	c.Flags().StringVarP(&output, "output", "o", "", "write the copy there; it must not exist (needed)")
	cobra.CheckErr(errors.Join(c.MarkFlagRequired("audience"), c.MarkFlagRequired("output")))
	return c
}

func fileResend(s *shared, institution *string) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "resend ID|NUMBER --reason WHY", Short: "Send a file that has left once more, under a duplicate's name",
		Long: `The bureau has lost a file that it had, and asks for it again. The same plaintext goes, and while it is spooled the same ciphertext, under the file's name with
_DUPLICATE1 (2, 3 …) before its ending, so that nobody takes it for a new file. The file's own state and counts stay as they are. It is sent at once, by this command; if
the connection breaks, call it again: a duplicate that arrived is found.`,
		Args: cobra.ExactArgs(1),
		RunE: withFile(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, f store.File) error {
			name, receipt, err := a.plant.Resend(cmd.Context(), f.Number, reason, actor())
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"file": f.Number, "name": name, "evidence": receipt.Evidence})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "File %d lies at bureau %s as %s.\n", f.Number, f.BureauCode, name)
			return nil
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	cobra.CheckErr(c.MarkFlagRequired("reason"))
	return c
}
