package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

func orderCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "order", Short: "Submit, correct and watch orders"}
	var institution string
	c.PersistentFlags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.AddCommand(orderSubmit(s, &institution), orderList(s, &institution), orderShow(s, &institution), orderErrors(s, &institution), orderWatch(s, &institution))
	c.AddCommand(orderInterrupts(s, &institution)...)
	return c
}

// openInput opens a file, or standard input for "-".
func openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(name)
}

// orderRows reads an order file, with a mapping one of another system. Corrected rows belong to the order that they continue, and would be made twice as
// a new one.
func orderRows(m *formats.Mapping) func(io.Reader) (batch.Rows, error) {
	return func(r io.Reader) (batch.Rows, error) {
		rows, err := formats.NewOrderRows(r, m)
		if err == nil && rows.IsCorrection() {
			return nil, errors.New("this is a correction file: submit it without --reference, and it continues its order")
		}
		return rows, err
	}
}

// correctionRows reads a correction file.
func correctionRows(r io.Reader) (batch.Rows, error) { return formats.NewOrderReader(r) }

func orderSubmit(s *shared, institution *string) *cobra.Command {
	var reference, mapping string
	c := &cobra.Command{
		Use:   "submit FILE|-",
		Short: "Submit an order file (CSV, JSON or JSON Lines): mass, bulk or card actions; a correction file continues its order",
		Long: `Checks the header first, then row by row: good rows are accepted, bad ones wait for a correction (order errors).
The kind of order follows from the columns:
  mass         product, quantity, ...
  bulk         product, first_name, last_name, address1, city, country, ...
  card action  card, reason, ...
A file that begins with [ is a JSON list of rows, one that begins with { JSON Lines. --mapping names a declared mapping, by which the file of
another system is taken as it is.
The same reference with the same content answers the first result; with other content it is refused.`,
		Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			f, err := openInput(args[0])
			if err != nil {
				return fmt.Errorf("open the order file: %w", err)
			}
			defer func() { _ = f.Close() }() // it was only read
			r, err := a.submit(cmd.Context(), i, reference, mapping, f)
			header, unreadable := new(formats.HeaderError), new(formats.ReadError)
			if errors.As(err, &header) || errors.As(err, &unreadable) {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err != nil {
				return err
			}
			return printReceipt(cmd, s, r)
		}),
	}
	c.Flags().StringVarP(&reference, "reference", "r", "", "your own name for the order, unique for ever (needed, but not for a correction)")
	c.Flags().StringVar(&mapping, "mapping", "", "declared mapping of another system's files")
	return c
}

// submit takes an order or a correction: a correction's rows name their order.
func (a *app) submit(ctx context.Context, i store.Institution, reference, mapping string, body io.Reader) (batch.Receipt, error) {
	var m *formats.Mapping
	if mapping != "" {
		var err error
		if m, err = a.plant.Mapping(ctx, i, mapping); err != nil {
			return batch.Receipt{}, err
		}
	}
	if reference != "" {
		return a.plant.Submit(ctx, batch.Submission{Institution: i, Reference: reference, Actor: actor(), Body: body, Rows: orderRows(m)})
	}
	peek, whole, err := peekOrder(body)
	if err != nil {
		return batch.Receipt{}, err
	}
	if peek == "" {
		return batch.Receipt{}, errors.New("an order needs --reference, your own name for it")
	}
	id, err := uuid.Parse(peek)
	if err != nil {
		return batch.Receipt{}, errors.New("the correction's order column is not an order's id")
	}
	return a.plant.Correct(ctx, i, id, whole, correctionRows, actor())
}

type receiptJSON struct {
	Order   orderJSON     `json:"order"`
	Repeat  bool          `json:"repeat"`
	Refused int64         `json:"refused_rows"`
	Cutoff  *batch.Cutoff `json:"cutoff,omitempty"`
}

func printReceipt(cmd *cobra.Command, s *shared, r batch.Receipt) error {
	w := cmd.OutOrStdout()
	if s.json {
		return printJSON(w, receiptJSON{Order: orderView(r.Order, store.Fates{Requested: r.Order.Requested}), Repeat: r.Repeat, Refused: r.Refused, Cutoff: r.Cutoff})
	}
	verb := "Accepted"
	switch {
	case r.Repeat:
		verb = "Known already"
	case r.Order.State == card.OrderRejected:
		verb = "Every row was refused"
	}
	fmt.Fprintf(w, "%s: order %s (%s), %d cards, %d rows refused, state %s.\n", verb, r.Order.Reference, r.Order.ID, r.Order.Requested, r.Order.RefusedRows, r.Order.State)
	if r.Order.RefusedRows > 0 {
		fmt.Fprintf(w, "See and correct the refused rows: platen order errors %s > corrections.csv\n", r.Order.ID)
	}
	if r.Cutoff != nil {
		printCutoff(w, r.Cutoff.Schedule, r.Cutoff.BusinessDate, r.Cutoff.At)
	}
	if r.Order.State == card.OrderRejected {
		return exitError(1)
	}
	return nil
}

// findOrder reads an order's id or reference.
func (a *app) findOrder(ctx context.Context, i store.Institution, name string) (store.Order, error) {
	if id, err := uuid.Parse(name); err == nil {
		return a.store.Order(ctx, i.ID, id)
	}
	return a.store.OrderByReference(ctx, i.ID, name)
}

// withOrder runs a command on the order that its argument names.
func withOrder(s *shared, institution *string, run func(*cobra.Command, *app, store.Institution, store.Order) error) func(*cobra.Command, []string) error {
	return withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
		i, err := a.institution(cmd.Context(), *institution)
		if err != nil {
			return err
		}
		o, err := a.findOrder(cmd.Context(), i, args[0])
		if err != nil {
			return err
		}
		return run(cmd, a, i, o)
	})
}

func orderList(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show the newest orders", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			orders, err := a.store.Orders(cmd.Context(), i.ID, 0, 50)
			if err != nil {
				return err
			}
			views := make([]orderJSON, 0, len(orders))
			for _, o := range orders {
				f, err := a.store.FatesOf(cmd.Context(), o)
				if err != nil {
					return err
				}
				views = append(views, orderView(o, f))
			}
			return printOrders(cmd, s, views)
		}),
	}
}

func printOrders(cmd *cobra.Command, s *shared, views []orderJSON) error {
	if s.json {
		return printJSON(cmd.OutOrStdout(), views)
	}
	return printOrderTable(cmd.OutOrStdout(), views)
}

// printOrderTable tells orders' cards by fate: what was requested is the sum of fulfilled, rejected, cancelled and in work.
func printOrderTable(w io.Writer, views []orderJSON) error {
	t := newTable(w, "reference", "id", "kind", "state", "requested", "fulfilled", "rejected", "cancelled", "in work", "remade", "refused rows")
	for _, v := range views {
		t.row(v.Reference, v.ID, v.Kind, v.State, v.Requested, v.Fulfilled, v.Rejected, v.Cancelled, v.InWork, v.Remade, v.RefusedRows)
	}
	return t.flush()
}

func orderShow(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "show ID|REFERENCE", Short: "Show one order: its cards by fate, and what happened to it", Args: cobra.ExactArgs(1),
		RunE: withOrder(s, institution, func(cmd *cobra.Command, a *app, i store.Institution, o store.Order) error {
			f, err := a.store.FatesOf(cmd.Context(), o)
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), orderView(o, f))
			}
			if err := printOrders(cmd, s, []orderJSON{orderView(o, f)}); err != nil {
				return err
			}
			how, err := a.store.ProgressOf(cmd.Context(), o.Number)
			if err != nil {
				return err
			}
			if how.PINHeld > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "Of its cards in work %d wait for their PINs, and no file has them.\n", how.PINHeld)
			}
			events, err := a.store.Events(cmd.Context(), i.ID, "order", o.Number)
			if err != nil {
				return err
			}
			return printEvents(cmd.OutOrStdout(), events)
		}),
	}
}

func printEvents(w io.Writer, events []store.Event) error {
	fmt.Fprintln(w)
	t := newTable(w, "time", "event", "details")
	for _, e := range events {
		t.row(e.RecordedAt.UTC().Format(time.RFC3339), e.Kind, e.Data)
	}
	return t.flush()
}

func orderErrors(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "errors ID|REFERENCE", Short: "Write the refused rows as a correction file (CSV)",
		Long: `Writes only the refused rows, with their line, field, code and hint. Put them right and submit the file
(platen order submit FILE): the order goes on.`,
		Args: cobra.ExactArgs(1),
		RunE: withOrder(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, o store.Order) error {
			rows, err := a.corrections(cmd.Context(), o)
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), rows)
			}
			return formats.WriteCorrections(cmd.OutOrStdout(), formats.OrderKind(o.Kind), o.ID.String(), rows)
		}),
	}
}

// corrections reads an order's refused rows with their faults.
func (a *app) corrections(ctx context.Context, o store.Order) ([]formats.CorrectionRow, error) {
	var all []formats.CorrectionRow
	for after := int64(0); ; {
		page, err := a.store.Refused(ctx, o.Number, after, 1000)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			var row formats.CorrectionRow
			if err := errors.Join(json.Unmarshal([]byte(r.Row), &row.Row), json.Unmarshal([]byte(r.Faults), &row.Faults)); err != nil {
				return nil, fmt.Errorf("refused row of line %d: %w", r.SourceLine, err)
			}
			row.Row.Line = r.SourceLine
			all = append(all, row)
			after = r.SourceLine
		}
		if len(page) < 1000 {
			return all, nil
		}
	}
}
