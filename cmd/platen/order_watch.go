package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"platen/sql/store"
)

const (
	watchEvery  = 500 * time.Millisecond
	ratesWindow = 30 * time.Second // of what is seen lately, so that a rate tells what workers do now
)

func orderWatch(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "watch ID|REFERENCE", Short: "Follow an order until every card has its fate",
		Long: `Shows how many cards are minted, sealed in files, sent, and answered for by the bureau. Until all are sealed the bar stands for minting and rendering, half
each; its rate is what workers did in the last half minute, and the time left is what that rate takes for the rest. A worker that dies takes the rendering of
its open file back, and the bar with it. What a bureau does has no rate.`,
		Args: cobra.ExactArgs(1),
		RunE: withOrder(s, institution, func(cmd *cobra.Command, a *app, i store.Institution, o store.Order) error {
			p := newProgress(cmd.ErrOrStderr())
			defer p.done()
			var r rates
			tick := time.NewTicker(watchEvery)
			defer tick.Stop()
			for {
				f, err := a.store.FatesOf(cmd.Context(), o)
				if err != nil {
					return err
				}
				if f.InWork() == 0 && o.State.Ended() {
					p.done()
					return printOrders(cmd, s, []orderJSON{orderView(o, f)})
				}
				how, err := a.store.ProgressOf(cmd.Context(), o.Number)
				if err != nil {
					return err
				}
				p.follow(watched(o, f, how, &r, time.Now()))
				select {
				case <-cmd.Context().Done():
					return nil
				case <-tick.C:
				}
				if o, err = a.store.OrderByNumber(cmd.Context(), i.ID, o.Number); err != nil {
					return err
				}
			}
		}),
	}
}

// stand is what a bar shows: how much of a step is done, and in words what is behind it.
type stand struct {
	label       string
	done, total int64
	detail      string
}

// watched puts in words how far an order has come.
func watched(o store.Order, f store.Fates, how store.Progress, r *rates, now time.Time) stand {
	label := fmt.Sprintf("order %s %s", o.Reference, o.State)
	if o.Held != "" {
		label += " PAUSED"
	}
	wanted := f.Requested - f.Cancelled
	counts := fmt.Sprintf("minted %d, sealed %d in %d of %d files, sent %d, answered %d", how.Minted, how.Sealed, how.FilesSealed, how.Files, how.Sent, f.Fulfilled+f.Rejected)
	if f.Cancelled > 0 {
		counts += fmt.Sprintf(", cancelled %d", f.Cancelled)
	}
	if how.PINHeld > 0 {
		counts += fmt.Sprintf(", waiting for their PINs %d", how.PINHeld)
	}
	if how.Sealed >= wanted {
		return stand{label: label + ", with its bureaus", done: f.Fulfilled + f.Rejected, total: wanted, detail: counts}
	}
	work := how.Minted + how.Rendered // each card is minted once and rendered once
	r.see(now, work)
	pace := "no worker is at it"
	if how.FilesHeld > 0 || r.perSecond() > 0 {
		pace = r.String(2*wanted-work, 2)
	}
	return stand{label: label, done: work / 2, total: wanted, detail: counts + "; " + pace}
}

// rates tell how fast a count grows, from what was seen of it lately.
type rates struct{ seen []seen }

type seen struct {
	at    time.Time
	count int64
}

// see keeps a count. One that falls, because work was lost with a worker, begins anew.
func (r *rates) see(now time.Time, count int64) {
	if n := len(r.seen); n > 0 && count < r.seen[n-1].count {
		r.seen = r.seen[:0]
	}
	r.seen = append(r.seen, seen{now, count})
	for len(r.seen) > 2 && now.Sub(r.seen[0].at) > ratesWindow {
		r.seen = r.seen[1:]
	}
}

// perSecond is 0 while nothing moves, or nothing is known yet.
func (r *rates) perSecond() float64 {
	if len(r.seen) < 2 {
		return 0
	}
	first, last := r.seen[0], r.seen[len(r.seen)-1]
	if last.at.Sub(first.at) < time.Second {
		return 0
	}
	return float64(last.count-first.count) / last.at.Sub(first.at).Seconds()
}

// String tells the pace, where a card is so many counts, and how long what is left takes at it.
func (r *rates) String(left int64, perCard float64) string {
	pace := r.perSecond()
	if pace <= 0 {
		return "no pace yet"
	}
	return fmt.Sprintf("%.0f cards/s, %s left", pace/perCard, time.Duration(float64(left)/pace*float64(time.Second)).Round(time.Second))
}
