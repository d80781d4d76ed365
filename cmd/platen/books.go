package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"platen/batch"
)

func booksCommand(s *shared) *cobra.Command {
	var institution, file, at string
	var of batch.BooksOf
	c := &cobra.Command{
		Use: "books", Short: "Draw the trial balance: every order's cards by fate, every file's columns side by side",
		Long: `Recounts every order and file. The columns of a file come from independent places: planned (slices), minted (cursor), sealed (records
read back), acked (the bureau's own count), and the lines by evidence. Exit code 1 while anything is open or differs.

--file, --order and --bureau narrow them down. --at draws the files, or with --order one order, as they were known at a moment of the past: by the events, and
by the answers that had come.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), institution)
			if err != nil {
				return err
			}
			if file != "" {
				f, err := a.findFile(cmd.Context(), i, file)
				if err != nil {
					return err
				}
				of.File = f.Number
			}
			if at != "" {
				if of.At, err = momentOf(at, i.Timezone); err != nil {
					return err
				}
			}
			b, err := a.plant.BalanceOf(cmd.Context(), i, of)
			if err != nil {
				return err
			}
			if s.json {
				err = printJSON(cmd.OutOrStdout(), booksView(b))
			} else {
				err = printBooks(cmd.OutOrStdout(), b)
			}
			if err == nil && !b.Balanced {
				err = exitError(1)
			}
			return err
		}),
	}
	c.Flags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.Flags().StringVar(&file, "file", "", "only this file, by id or number")
	c.Flags().StringVar(&of.Order, "order", "", "only this order, by reference, and the files with its cards")
	c.Flags().StringVar(&of.Bureau, "bureau", "", "only the files of this bureau")
	c.Flags().StringVar(&at, "at", "", "a moment of the past: 2026-11-25T18:00:00Z, or 2026-11-25 18:00 in the institution's timezone")
	c.MarkFlagsMutuallyExclusive("file", "order", "bureau")
	return c
}

// momentOf reads a moment: with its zone, or in the institution's.
func momentOf(text, timezone string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	loc, err := time.LoadLocation(timezone)
	if err != nil {
		return time.Time{}, fmt.Errorf("timezone %s: %w", timezone, err)
	}
	for _, form := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a moment such as 2026-11-25T18:00:00Z or 2026-11-25 18:00", text)
}

// booksJSON are the books: the sums, and the orders and files that they are of.
type booksJSON struct {
	Balanced  bool  `json:"balanced"`
	Requested int64 `json:"requested"`
	Produced  int64 `json:"produced"`
	Rejected  int64 `json:"rejected"`
	Cancelled int64 `json:"cancelled"`
	Spoiled   int64 `json:"spoiled"`
	Remade    int64 `json:"remade"`
	Open      int64 `json:"open"`
	Waiting   int64 `json:"waiting"`

	Orders []orderJSON     `json:"orders"`
	Files  []fileBooksJSON `json:"files"`
}

// fileBooksJSON is a file as the books show it.
type fileBooksJSON struct {
	fileJSON
	Open     int64  `json:"open"`
	Balanced bool   `json:"balanced"`
	Problem  string `json:"problem,omitempty"`
}

func booksView(b batch.Books) booksJSON {
	v := booksJSON{Balanced: b.Balanced, Requested: b.Requested, Produced: b.Produced, Rejected: b.Rejected, Cancelled: b.Cancelled, Spoiled: b.Spoiled,
		Remade: b.Remade, Open: b.Open, Waiting: b.Waiting, Orders: orderViews(b.Orders), Files: make([]fileBooksJSON, 0, len(b.Files))}
	for _, f := range b.Files {
		v.Files = append(v.Files, fileBooksJSON{fileJSON: fileView(f.File), Open: f.Open, Balanced: f.Balanced, Problem: f.Problem})
	}
	return v
}

func orderViews(orders []batch.OrderBooks) []orderJSON {
	all := make([]orderJSON, 0, len(orders))
	for _, o := range orders {
		all = append(all, orderView(o.Order, o.Fates))
	}
	return all
}

func printBooks(w io.Writer, b batch.Books) error {
	if !b.OfLines {
		if err := printOrderTable(w, orderViews(b.Orders)); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	t := newTable(w, "file", "name", "kind", "bureau", "state", "planned", "minted", "sealed", "acked", "produced", "rejected", "spoiled", "open", "balanced")
	for _, f := range b.Files {
		t.row(f.File.Number, f.File.Name, f.File.Purpose, f.File.BureauCode, stateText(f.File), f.Planned, f.Minted, dash(f.Sealed), dash(f.Acked), f.Produced, f.Rejected, f.Spoiled, f.Open, yes(f.Balanced))
		if f.Problem != "" && f.Open == 0 {
			t.row("", "  "+f.Problem)
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if b.OfLines {
		fmt.Fprintf(w, "\nplanned %d = produced %d + rejected %d + spoiled %d + open %d;  books balanced: %s\n", b.Requested, b.Produced, b.Rejected, b.Spoiled, b.Open, yes(b.Balanced))
		return nil
	}
	fmt.Fprintf(w, "\nrequested %d = fulfilled %d + rejected %d + cancelled %d + in work %d;  %d waiting for a file;  books balanced: %s\n",
		b.Requested, b.Produced, b.Rejected, b.Cancelled, b.Open, b.Waiting, yes(b.Balanced))
	return nil
}
