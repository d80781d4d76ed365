package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"platen/services/cards"
	"platen/services/pins"
	"platen/sql/store"
)

func cardAwaitPIN(s *shared, institution *string) *cobra.Command {
	c := cardAct(s, institution, "await-pin TOKEN|ORDER-REFERENCE#UNIT --reason WHY", "Keep a card's next plastic out of files until a PIN is set for it",
		func(ctx context.Context, a *app, act cards.Act, reason string) (string, error) {
			return "waits for its PIN", (&pins.Service{Plant: a.plant}).Await(ctx, act, reason)
		})
	c.Long = "Serves the plastic of a card that was made when it was ordered, and a reissue with the same number, as long as no file has it. The PIN is set over the API."
	return c
}

func cardReleasePIN(s *shared, institution *string) *cobra.Command {
	return cardAct(s, institution, "release-pin TOKEN|ORDER-REFERENCE#UNIT --reason WHY", "Have a card's next plastic made without waiting for a PIN",
		func(ctx context.Context, a *app, act cards.Act, reason string) (string, error) {
			return "waits for the next file", (&pins.Service{Plant: a.plant}).Release(ctx, act, reason)
		})
}

// awaitingView is since when a card's next plastic waits for its PIN, as commands print it; nil when it does not.
func awaitingView(l *store.OrderLine) map[string]any {
	if l == nil {
		return nil
	}
	return map[string]any{"since": l.PINHeldAt.UTC().Format(time.RFC3339), "reason": l.Reason.String()}
}
