package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/formats"
	"platen/personalization"
	"platen/programs"
)

func nameCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "name", Short: "See what a card will show of a name"}
	c.AddCommand(namePreview(s))
	return c
}

// shownName is what would become of one name.
type shownName struct {
	Original string `json:"original"`
	formats.CardNames
	Track string         `json:"track1,omitempty"` // ISO/IEC 7813
	Fault *formats.Fault `json:"fault,omitempty"`
}

func namePreview(s *shared) *cobra.Command {
	var product, title, dir, institution string
	var asGiven bool
	c := &cobra.Command{
		Use: "preview NAME...", Short: "Show names as a product's cards will: embossed lines, printed name, track 1",
		Long: `Each name is made as intake makes it, by the rules of the product (names): transliterated, and fitted where it is too long. Its last word is the
surname, unless | stands between given names and surname: "Ana Maria|Garcia Lopez". What cannot be shown is told with code and hint, and the
hint may propose another form, which intake never takes by itself. Exit code 1 when a name cannot be shown.

With -f the rules are those of a directory of programs, before they are applied.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := productNamed(cmd.Context(), s, dir, institution, product)
			if err != nil {
				return err
			}
			rules, err := formats.NewNames(p.Names, p.NameLimit)
			if err != nil {
				return fmt.Errorf("names of product %s: %w", product, err)
			}
			shown := make([]shownName, len(args))
			refused := false
			for i, name := range args {
				shown[i] = showName(rules, holderOf(name, title, asGiven), name)
				refused = refused || shown[i].Fault != nil
			}
			if err := printNames(cmd.OutOrStdout(), s.json, shown); err != nil {
				return err
			}
			if refused {
				return exitError(1)
			}
			return nil
		},
	}
	c.Flags().StringVar(&product, "product", "", "product whose cards show the names")
	c.Flags().StringVar(&title, "title", "", "title of every holder")
	c.Flags().StringVarP(&dir, "file", "f", "", "directory of programs to take the product from, instead of what is applied")
	c.Flags().StringVar(&institution, "institution", "", "institution of the product, where several are declared")
	c.Flags().BoolVar(&asGiven, "emboss-name", false, "take the names as the emboss_name of a row")
	_ = c.MarkFlagRequired("product") // it fails only for a flag that is not there
	return c
}

// productNamed finds a product in a directory of programs, or among what is applied.
func productNamed(ctx context.Context, s *shared, dir, institution, code string) (_ *card.Product, err error) {
	if dir != "" {
		set, err := programs.LoadDir(dir)
		if err != nil {
			return nil, err
		}
		for i := range set.Products {
			if set.Products[i].Code == code {
				return &set.Products[i], nil
			}
		}
		return nil, fmt.Errorf("%s has no product %q", dir, code)
	}
	a, err := openApp(ctx, s, false)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closing := a.close(); err == nil {
			err = closing
		}
	}()
	i, err := a.institution(ctx, institution)
	if err != nil {
		return nil, err
	}
	return a.plant.Product(ctx, i, code)
}

// holderOf reads a name as the command line has it.
func holderOf(name, title string, asGiven bool) formats.Holder {
	h := formats.Holder{Title: title}
	given, surname, parted := strings.Cut(name, "|")
	if !parted {
		given, surname = formats.SplitName(name)
	}
	h.GivenNames, h.Surname = strings.TrimSpace(given), strings.TrimSpace(surname)
	if asGiven {
		h.Shown = strings.TrimSpace(name)
	}
	return h
}

func showName(rules *formats.Names, h formats.Holder, original string) shownName {
	shown := shownName{Original: original}
	if shown.CardNames, shown.Fault = rules.Fit(h); shown.Fault == nil {
		surname, given := rules.Latin(h.Surname, h.GivenNames)
		shown.Track = personalization.TrackName(surname, given, shown.Whole())
	}
	return shown
}

func printNames(out io.Writer, asJSON bool, names []shownName) error {
	if asJSON {
		return printJSON(out, names)
	}
	t := newTable(out, "original", "line 1", "line 2", "printed", "track 1")
	for _, n := range names {
		if n.Fault != nil {
			t.row(n.Original, n.Fault.Code+": "+n.Fault.Hint)
			continue
		}
		t.row(n.Original, n.Line1, n.Line2, n.Print, n.Track)
	}
	return t.flush()
}
