package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"platen/batch"
	"platen/sql/store"
)

// withdrawalJSON is what became of an order that was cancelled, paused or resumed, as commands print it.
type withdrawalJSON struct {
	Order     orderJSON    `json:"order"`
	Held      string       `json:"held,omitempty"`
	Cancelled int64        `json:"cancelled"` // cards, by this call
	InFiles   []inFileJSON `json:"in_files"`
}

type inFileJSON struct {
	fileJSON
	Cards int64 `json:"cards"` // of the order
}

// interrupting is what CancelOrder, PauseOrder and ResumeOrder have in common.
type interrupting func(p *batch.Plant, ctx context.Context, i store.Institution, number int64, reason, actor string) (batch.Withdrawal, error)

func orderInterrupts(s *shared, institution *string) []*cobra.Command {
	return []*cobra.Command{
		orderInterrupt(s, institution, "cancel", "Take back every card of an order whose file is not rendered yet", `Stops the order within one chunk of minting. Cards whose file is being rendered or was made stay in it: the answer names these files. A file left without
lines is void, or goes to its bureau empty, as the bureau's zero_file says. What was cancelled stays cancelled.`, (*batch.Plant).CancelOrder),
		orderInterrupt(s, institution, "pause", "Let no more of an order be planned, minted or rendered", `Files that carry cards of it wait, with the cards of other orders in them. Files that are being rendered or were made go on: the answer names them.`, (*batch.Plant).PauseOrder),
		orderInterrupt(s, institution, "resume", "End the pause of an order", "", (*batch.Plant).ResumeOrder),
	}
}

func orderInterrupt(s *shared, institution *string, verb, short, long string, do interrupting) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: verb + " ID|REFERENCE --reason TEXT", Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: withOrder(s, institution, func(cmd *cobra.Command, a *app, i store.Institution, o store.Order) error {
			w, err := do(a.plant, cmd.Context(), i, o.Number, reason, actor())
			if err != nil {
				return err
			}
			return printWithdrawal(cmd, s, a, verb, w)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it stands in the order's history (needed)")
	cobra.CheckErr(c.MarkFlagRequired("reason"))
	return c
}

func printWithdrawal(cmd *cobra.Command, s *shared, a *app, verb string, w batch.Withdrawal) error {
	f, err := a.store.FatesOf(cmd.Context(), w.Order)
	if err != nil {
		return err
	}
	if s.json {
		v := withdrawalJSON{Order: orderView(w.Order, f), Held: w.Order.Held, Cancelled: w.Cancelled, InFiles: []inFileJSON{}}
		for _, in := range w.InFiles {
			v.InFiles = append(v.InFiles, inFileJSON{fileView(in.File), in.Cards})
		}
		return printJSON(cmd.OutOrStdout(), v)
	}
	out := cmd.OutOrStdout()
	switch verb {
	case "cancel":
		fmt.Fprintf(out, "Order %s: %d cards cancelled, state %s.\n", w.Order.Reference, w.Cancelled, w.Order.State)
	case "pause":
		fmt.Fprintf(out, "Order %s is paused.\n", w.Order.Reference)
	default:
		fmt.Fprintf(out, "Order %s goes on.\n", w.Order.Reference)
	}
	if verb == "resume" {
		return nil
	}
	for _, in := range w.InFiles {
		fmt.Fprintf(out, "%d cards are in file %d (%s, bureau %s, %s).\n", in.Cards, in.File.Number, in.File.Name, in.File.BureauCode, in.File.State)
	}
	return nil
}
