package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/services/cards"
	"platen/sql/store"
)

// cardAct is a command that does something to one card, with a reason.
func cardAct(s *shared, institution *string, use, short string, do func(ctx context.Context, a *app, act cards.Act, reason string) (string, error)) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			done, err := do(cmd.Context(), a, cards.Act{Institution: i, Card: args[0], Actor: actor()}, reason)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s.\n", args[0], done)
			}
			return err
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it stands in the card's history (needed)")
	cobra.CheckErr(c.MarkFlagRequired("reason"))
	return c
}

// endings are what cards are closed for that no other card replaces.
var endings = []card.Reason{card.Request, card.Lost, card.Stolen, card.Compromised}

func cardClose(s *shared, institution *string) *cobra.Command {
	var at, ended string
	c := cardAct(s, institution, "close TOKEN|ORDER-REFERENCE#UNIT --reason WHY", "End a card for good, now or at a time",
		func(ctx context.Context, a *app, act cards.Act, reason string) (string, error) {
			because, err := card.ParseReason(ended)
			if err != nil || !slices.Contains(endings, because) {
				return "", errors.New("--for: use REQUEST, LOST, STOLEN or COMPROMISED")
			}
			service := &cards.Service{Plant: a.plant}
			if at == "" {
				return "is closed", service.Close(ctx, act, because, reason)
			}
			when, err := time.Parse(time.RFC3339, at)
			if err != nil {
				return "", fmt.Errorf("--at: give a time like %s", time.Now().UTC().Format(time.RFC3339))
			}
			return "will be closed at " + when.UTC().Format(time.RFC3339), service.ScheduleClosing(ctx, act, cards.Closing{At: when, For: because, Why: reason})
		})
	c.Flags().StringVar(&at, "at", "", "when, like 2027-03-31T22:00:00Z; left out, now")
	c.Flags().StringVar(&ended, "for", card.Request.String(), "what ends it: REQUEST, LOST, STOLEN or COMPROMISED")
	return c
}

func cardKeep(s *shared, institution *string) *cobra.Command {
	return cardAct(s, institution, "keep TOKEN|ORDER-REFERENCE#UNIT --reason WHY", "Let a card live on that was to be closed at a time",
		func(ctx context.Context, a *app, act cards.Act, reason string) (string, error) {
			return "lives on", (&cards.Service{Plant: a.plant}).CancelClosing(ctx, act, reason)
		})
}

// closingView is when a card is to be closed, as commands print it; nil when it is not.
func closingView(c *store.ScheduledClosing) map[string]any {
	if c == nil {
		return nil
	}
	return map[string]any{"at": c.At.UTC().Format(time.RFC3339), "for": c.For.String(), "by": c.By, "reason": c.Why}
}
