package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/sql/store"
)

// openPlain opens a file that is to be read with a layout, and refuses one that is still armoured.
func openPlain(name string) (io.ReadCloser, error) {
	f, err := openInput(name)
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	in := bufio.NewReader(f)
	head, err := in.Peek(27)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("read the file: %w", err), f.Close())
	}
	if bytes.HasPrefix(head, []byte("-----BEGIN PGP MESSAGE-----")) {
		return nil, errors.Join(errors.New("the file is PGP-encrypted: decrypt it first (gpg --decrypt)"), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{in, f}, nil
}

func fileDescribe(s *shared, institution *string) *cobra.Command {
	var records int
	var layout, audience string
	c := &cobra.Command{
		Use: "describe ID|NUMBER|PATH", Short: "Explain a file's header and first records field by field, with card data masked",
		Long: `A file that Platen made is rendered again from what is stored. With --layout any file is read, of any origin, with no database:
PATH, or - for standard input. A copy for the issuer (platen file copy) is read with its --audience.`,
		Args: cobra.ExactArgs(1),
	}
	made := withFile(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, f store.File) error {
		described, err := a.plant.Describe(cmd.Context(), f.Number, records)
		if err != nil {
			return err
		}
		return printDescribed(cmd, s, described)
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if layout == "" {
			if err := needsLayout(cmd, "audience"); err != nil {
				return err
			}
			return made(cmd, args)
		}
		l, err := loadLayoutFor(layout, audience)
		if err != nil {
			return err
		}
		f, err := openPlain(args[0])
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		described, err := batch.DescribeFile(f, l, records)
		// What could be read is shown before what is wrong.
		return errors.Join(printDescribed(cmd, s, described), wrapIn(args[0], err))
	}
	c.Flags().IntVar(&records, "records", 2, "how many records to explain")
	c.Flags().StringVar(&layout, "layout", "", "layout (YAML) to read the file at PATH with")
	audienceFlag(c, &audience)
	return c
}

// needsLayout refuses flags that are for a file at a path.
func needsLayout(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for a file at a path: name its layout with --layout", name)
		}
	}
	return nil
}

func wrapIn(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func printDescribed(cmd *cobra.Command, s *shared, described []batch.Described) error {
	if s.json {
		return printJSON(cmd.OutOrStdout(), described)
	}
	for _, r := range described {
		fmt.Fprintf(cmd.OutOrStdout(), "%s %d\n", r.Section, r.Number)
		t := newTable(cmd.OutOrStdout(), "  field", "value")
		for _, v := range r.Fields {
			t.row("  "+v.Name, v.Value)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}

// fileVerdict is what verifying a file found.
type fileVerdict struct {
	File    string         `json:"file"`
	Layout  string         `json:"layout,omitempty"`
	Good    bool           `json:"good"`
	Records int64          `json:"records"`
	Bad     int64          `json:"bad_records"`
	Checked string         `json:"checked"`
	Unread  string         `json:"unread,omitempty"` // why the file cannot be read to its end
	Faults  []bureau.Fault `json:"faults,omitempty"` // the first ones
}

const (
	checkedPlain = "structure, counts, totals, check digits, expiries, tracks"
	checkedKeys  = checkedPlain + ", CVV, CVV2, iCVV or card security codes, PIN blocks"
	checkedMade  = "structure, counts, totals, numbers against cards, tracks, CVV2 or the code on the front, sealed bytes"
	checkedCopy  = "structure, counts, no more of card data than its audience may see"
	checkedPINs  = "structure, counts, totals, no card number, sealed bytes" // of PIN mailers
)

func fileVerify(s *shared, institution *string) *cobra.Command {
	var layout, keysOf, audience string
	c := &cobra.Command{
		Use: "verify ID|NUMBER|PATH", Short: "Check every record of a file as its receiver would",
		Long: `A file that Platen made is rendered again and checked as when it was sealed, and its bytes are compared with the sealed ones. With --layout
any file is checked, with no database: counts, totals, check digits, expiries, and tracks against numbers. With --keys-of a bureau's zone PIN
key and the keys of its products, as this installation has them, security values are computed again and PIN blocks opened. With --audience
a copy for the issuer (platen file copy) is checked: structure, counts, and that it shows nothing that its audience may not see.
Exit code 1 when anything is wrong.`,
		Args: cobra.ExactArgs(1),
	}
	made := withFile(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, f store.File) error {
		records, same, err := a.plant.VerifyFile(cmd.Context(), f.Number)
		if err != nil {
			return err
		}
		v := fileVerdict{File: f.Name, Good: true, Records: records, Checked: checkedMade}
		if f.Purpose == store.MailerPurpose {
			v.Checked = checkedPINs
		}
		if f.PlaintextSHA != nil && !same {
			v.Good, v.Unread = false, "the bytes are not those that were sealed"
		}
		return v.print(cmd, s)
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if layout == "" {
			if err := needsLayout(cmd, "keys-of", "audience"); err != nil {
				return err
			}
			return made(cmd, args)
		}
		l, err := loadLayoutFor(layout, audience)
		if err != nil {
			return err
		}
		if keysOf != "" && l.Audience() != formats.ForBureau {
			return errors.New("--keys-of checks card data, which a copy for the issuer does not have: leave it out")
		}
		if keysOf == "" {
			return verifyPath(cmd, s, args[0], l, nil, bureau.Keys{})
		}
		return withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			keys, err := a.keysOf(cmd.Context(), *institution, keysOf)
			if err != nil {
				return err
			}
			return verifyPath(cmd, s, args[0], l, a.module, keys)
		})(cmd, args)
	}
	c.Flags().StringVar(&layout, "layout", "", "layout (YAML) to read the file at PATH with")
	audienceFlag(c, &audience)
	c.Flags().StringVar(&keysOf, "keys-of", "", "bureau whose keys compute security values and open PIN blocks")
	return c
}

// keysOf are the keys that files to a bureau are made with.
func (a *app) keysOf(ctx context.Context, institution, code string) (bureau.Keys, error) {
	i, err := a.institution(ctx, institution)
	if err != nil {
		return bureau.Keys{}, err
	}
	b, products, err := a.plant.Known(ctx, i, code)
	return bureau.Keys{ZPK: card.KeyRef{Label: b.ZPK}, PINFormat: hsm.PINFormat(b.PINFormat), Products: products}, err
}

func verifyPath(cmd *cobra.Command, s *shared, name string, l *formats.Layout, module hsm.Module, keys bureau.Keys) error {
	f, err := openPlain(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	found, err := bureau.Verify(cmd.Context(), l.NewReader(f), l.Kind(), module, keys)
	if err != nil {
		return wrapIn(name, err)
	}
	v := fileVerdict{File: name, Layout: l.String(), Good: found.Good(), Records: int64(len(found.Lines)), Bad: found.Bad, Checked: checkedPlain, Faults: found.Faults}
	switch {
	case module != nil:
		v.Checked = checkedKeys
	case l.Audience() != formats.ForBureau:
		v.Checked = checkedCopy
	}
	if found.Unread != nil {
		v.Unread = found.Unread.Error()
	}
	return v.print(cmd, s)
}

func (v *fileVerdict) print(cmd *cobra.Command, s *shared) error {
	w := cmd.OutOrStdout()
	switch {
	case s.json:
		if err := printJSON(w, v); err != nil {
			return err
		}
	case v.Good:
		fmt.Fprintf(w, "%s: %d records, all right. Checked: %s.\n", v.File, v.Records, v.Checked)
	default:
		fmt.Fprintf(w, "%s: not right. %d records read, %d of them bad.\n", v.File, v.Records, v.Bad)
		if v.Unread != "" {
			fmt.Fprintf(w, "  %s\n", v.Unread)
		}
		for _, f := range v.Faults {
			fmt.Fprintf(w, "  record %d (%s): %s\n", f.Record, f.UID, f.Code)
		}
	}
	if !v.Good {
		return exitError(1)
	}
	return nil
}
