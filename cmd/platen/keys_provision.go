package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
)

func keysProvisionCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "provision",
		Short: "Put the card keys that the keystore has and the security module lacks into the module",
		Long: `Takes every key of usage C0, V1, V2, P0 and D3 over that may leave the keystore, proves each by its check value, and makes the key of stored PINs
where the module keeps one. A payShield takes them under the ZMK that both sides hold (payshield.zmk, command A6) and gives them back under its LMK, in
payshield.keys; a PKCS#11 token unwraps them under an RSA key of its own. What a module has already is left alone. Restart running processes afterwards.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			if a.carrier == nil {
				return errors.New("the software module works with the keystore itself: there is nothing to provision")
			}
			took, err := a.provision(cmd.Context())
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), took)
			}
			for _, k := range took.Skipped {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: the security module takes no %s key of usage %s.\n", k.Ref(), k.Algorithm, k.Usage)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d keys put in, %d were there.\n", len(took.Taken), took.Had)
			return nil
		}),
	}
}

// provisioned is what became of the keystore's card keys.
type provisioned struct {
	Taken   []string       `json:"taken"`
	Skipped []keystore.Key `json:"skipped"`
	Had     int            `json:"had"`
}

// provision puts into the module what it lacks. It may be stopped anywhere and called again.
func (a *app) provision(ctx context.Context) (out provisioned, err error) {
	out = provisioned{Taken: []string{}, Skipped: []keystore.Key{}}
	for _, k := range a.keys.List() {
		if !cardUsage(k.Usage) || !k.Retired.IsZero() || time.Now().Before(k.Activates) {
			continue
		}
		_, kcv, err := a.module.KeyVersion(ctx, k.Ref())
		had := err == nil
		if err != nil && !errors.Is(err, hsm.ErrUnknownKey) {
			return out, err
		}
		switch {
		case had && kcv != k.KCV:
			return out, fmt.Errorf("key %s: the security module holds another one, of check value %s", k.Ref(), kcv)
		case had:
			out.Had++
			continue
		case !strings.Contains(a.carrier.algorithms(), k.Algorithm[:1]):
			out.Skipped = append(out.Skipped, k)
			continue
		}
		if err := a.carrier.carry(ctx, a.keys, k); err != nil {
			return out, fmt.Errorf("provision key %s: %w", k.Ref(), err)
		}
		out.Taken = append(out.Taken, k.Ref().String())
		if err := a.auditKey(ctx, "keys.provision", k, map[string]any{"module": a.config.Module.Kind}); err != nil {
			return out, err
		}
	}
	made, err := a.carrier.storage(ctx, a.config.Keys.PINStorage)
	if made {
		out.Taken = append(out.Taken, card.KeyRef{Label: a.config.Keys.PINStorage, Version: 1}.String())
	}
	return out, err
}

// cardUsage tells whether keys of a usage serve the security module.
func cardUsage(u keystore.Usage) bool {
	switch u {
	case keyblock.CVK, keyblock.IBMPVK, keyblock.VisaPVK, keyblock.ZPK, keyblock.ZEK:
		return true
	}
	return false
}
