package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"platen/card"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/programs"
	"platen/sql/store"
)

// keyPeriod are the flags of a key's dates.
type keyPeriod struct{ activates, expires string }

func (p *keyPeriod) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.activates, "activates", "", "first day (YYYY-MM-DD, UTC) on which the key begins something new; now when left out")
	c.Flags().StringVar(&p.expires, "expires", "", "day (YYYY-MM-DD, UTC) from which on it begins nothing new; never when left out")
}

func (p *keyPeriod) read() (out keystore.Period, err error) {
	for _, d := range []struct {
		field, text string
		to          *time.Time
	}{{"activates", p.activates, &out.Activates}, {"expires", p.expires, &out.Expires}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = time.Parse(time.DateOnly, d.text); err != nil {
			return out, &keystore.FieldError{Field: d.field, Err: errors.New("must be a date YYYY-MM-DD")}
		}
	}
	return out, nil
}

func parseAlgorithm(name string) (keystore.Algorithm, error) {
	switch strings.ToLower(name) {
	case "tdes":
		return keyblock.TDES, nil
	case "aes":
		return keyblock.AES, nil
	}
	return 0, &keystore.FieldError{Field: "algorithm", Err: errors.New("must be tdes or aes")}
}

// auditKey records a change of a key that was made. A change without its record is told as an error, since it cannot be taken back.
func (a *app) auditKey(ctx context.Context, action string, k keystore.Key, data map[string]any) error {
	if data == nil {
		data = map[string]any{}
	}
	data["usage"], data["algorithm"], data["kcv"], data["environment"] = k.Usage, k.Algorithm, k.KCV, k.Environment
	err := a.store.InTx(ctx, func(tx *store.Tx) error {
		return tx.Audit(ctx, actor(), action, k.Ref().String(), data, time.Now())
	})
	if err != nil {
		return fmt.Errorf("%s of %s was done and could not be recorded: %w", action, k.Ref(), err)
	}
	return nil
}

// newest is the highest version of a label, in force or not.
func (a *app) newest(label card.KeyLabel) (found keystore.Key) {
	for _, k := range a.keys.List() {
		if k.Label == label && k.Version > found.Version {
			found = k
		}
	}
	return found
}

func keysGenerateCommand(s *shared) *cobra.Command {
	var dir, usage, algorithm string
	var period keyPeriod
	c := &cobra.Command{
		Use:   "generate LABEL --usage CODE --algorithm NAME | generate -f DIR",
		Short: "Make one key, or every key that a directory of programs names and the keystore lacks",
		Args:  cobra.MaximumNArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			if (dir == "") == (len(args) == 0) {
				return errors.New("name one key, or a directory of programs with -f")
			}
			if dir != "" {
				return generateDirectory(cmd, s, a, dir)
			}
			alg, err := parseAlgorithm(algorithm)
			if err != nil {
				return err
			}
			within, err := period.read()
			if err != nil {
				return err
			}
			label := card.KeyLabel(args[0])
			if err := a.keys.GenerateWithin(label, keystore.Usage(usage), alg, within, a.entropy()); err != nil {
				return err
			}
			k := a.newest(label)
			return errors.Join(a.auditKey(cmd.Context(), "keys.generate", k, nil), printKeys(cmd, s.json, []keystore.Key{k}))
		}),
	}
	c.Flags().StringVarP(&dir, "file", "f", "", "directory of programs")
	c.Flags().StringVar(&usage, "usage", "", "usage of the key: C0, V1, V2, P0, D3, D0, K0, K1 or 10 (docs/keys.md)")
	c.Flags().StringVar(&algorithm, "algorithm", "", "tdes or aes")
	period.flags(c)
	return c
}

func generateDirectory(cmd *cobra.Command, s *shared, a *app, dir string) error {
	set, err := programs.LoadDir(dir)
	if err != nil {
		return err
	}
	made, err := generateMissing(a.keys, keysNeeded(set, a.config.Keys), a.entropy())
	for _, label := range made {
		err = errors.Join(err, a.auditKey(cmd.Context(), "keys.generate", a.newest(label), nil))
	}
	if err != nil {
		return err
	}
	if s.json {
		return printJSON(cmd.OutOrStdout(), map[string]any{"made": made})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d keys made.\n", len(made))
	return nil
}

func keysRotateCommand(s *shared) *cobra.Command {
	var period keyPeriod
	c := &cobra.Command{
		Use: "rotate LABEL", Short: "Make the next version of a key; running processes take it for what they begin", Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			within, err := period.read()
			if err != nil {
				return err
			}
			label := card.KeyLabel(args[0])
			if err := a.keys.RotateWithin(label, within, a.entropy()); err != nil {
				return err
			}
			k := a.newest(label)
			return errors.Join(a.auditKey(cmd.Context(), "keys.rotate", k, nil), printKeys(cmd, s.json, []keystore.Key{k}))
		}),
	}
	period.flags(c)
	return c
}

func keysRetireCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "retire LABEL@VERSION", Short: "End an old version of a key that no unpurged file pins", Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			ref, err := card.ParseKeyRef(args[0])
			if err != nil {
				return err
			}
			needed := func(ref card.KeyRef) error { return a.pinned(cmd.Context(), ref) }
			if err := a.keys.Retire(ref, needed); err != nil {
				return err
			}
			for _, k := range a.keys.List() {
				if k.Ref() == ref {
					return errors.Join(a.auditKey(cmd.Context(), "keys.retire", k, nil), printKeys(cmd, s.json, []keystore.Key{k}))
				}
			}
			return nil
		}),
	}
}

// pinned answers with an error that names a file which may have to be made again with this version of a key, or whose holders need it.
func (a *app) pinned(ctx context.Context, ref card.KeyRef) error {
	institutions, err := a.store.Institutions(ctx)
	if err != nil {
		return err
	}
	for _, i := range institutions {
		if err := a.pinnedIn(ctx, i.ID, ref); err != nil {
			return err
		}
		chosen, err := a.plant.ChosenUnder(ctx, i.ID, ref)
		if err != nil {
			return err
		}
		if chosen {
			return fmt.Errorf("PINs that holders of %s chose are verified with it", i.Code)
		}
	}
	return nil
}

// filesPage is how many files are looked at in one query.
const filesPage = 500

func (a *app) pinnedIn(ctx context.Context, institution uuid.UUID, ref card.KeyRef) error {
	pin := fmt.Sprintf("%q", ref.String()) // as it stands in the file's JSON
	for before := int64(0); ; {
		files, err := a.store.Files(ctx, institution, before, filesPage)
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.State != card.FilePurged && f.State != card.FileCancelled && strings.Contains(f.Keys, pin) {
				return fmt.Errorf("file %d (%s) pins it", f.Number, f.State)
			}
		}
		if len(files) < filesPage {
			return nil
		}
		before = files[len(files)-1].Number
	}
}
