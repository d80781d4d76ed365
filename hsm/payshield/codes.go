package payshield

import (
	"context"
	"fmt"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/hsm/amex"
	"platen/hsm/arguments"
	"platen/hsm/cvv"
	"platen/hsm/keyblock"
)

// Codes implements hsm.Module (CW).
func (m *Module) Codes(ctx context.Context, cvk card.KeyRef, in []hsm.CodeRequest, out card.Secrets) error {
	if err := arguments.Codes(in, out); err != nil {
		return err
	}
	key, err := m.keys.resolve(cvk, keyblock.CVK)
	if err != nil {
		return fmt.Errorf("card verification values: %w", err)
	}
	return m.pool.each(ctx, len(in), func(ctx context.Context, i int) error {
		r := &in[i]
		expiry := r.Expiry.YYMM()
		if r.MMYY {
			expiry = r.Expiry.MMYY()
		}
		value, err := m.pool.do(ctx, command{
			name: "CW", fields: key.Value + string(r.PAN.Reveal()) + ";" + string(expiry[:]) + string(r.ServiceCode[:]),
			fits: func(f string) bool { return isDecimal(f, cvv.Digits) },
		})
		if err != nil {
			return fmt.Errorf("card verification value %d: %w", i, err)
		}
		out.Set(i, []byte(value))
		return nil
	})
}

// What RY is told: to generate, by version 1. The card number stands left in room for 19 digits, with zeros behind it.
const (
	generateCSC = "3"
	cscVersion1 = "0"
	cscFill     = "0000"
)

// CSCs implements hsm.Module (RY).
func (m *Module) CSCs(ctx context.Context, csck card.KeyRef, pans []card.PAN, expiries []card.Expiry, out card.Secrets) error {
	if err := arguments.CSCs(pans, expiries, out); err != nil {
		return err
	}
	key, err := m.keys.resolve(csck, keyblock.CVK)
	if err != nil {
		return fmt.Errorf("card security codes: %w", err)
	}
	return m.pool.each(ctx, len(pans), func(ctx context.Context, i int) error {
		expiry := expiries[i].YYMM()
		codes, err := m.pool.do(ctx, command{
			name: "RY", fields: generateCSC + cscVersion1 + key.Value + string(pans[i].Reveal()) + cscFill + string(expiry[:]),
			fits: func(f string) bool {
				return strings.HasPrefix(f, generateCSC) && isDecimal(f, len(generateCSC)+amex.Digits)
			},
		})
		if err != nil {
			return fmt.Errorf("card security code %d: %w", i, err)
		}
		out.Set(i, []byte(codes[len(generateCSC):]))
		return nil
	})
}
