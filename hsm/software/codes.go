package software

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/arguments"
	"platen/hsm/keyblock"
)

// Codes implements hsm.Module.
func (m *Module) Codes(ctx context.Context, cvk card.KeyRef, in []hsm.CodeRequest, out card.Secrets) error {
	if err := arguments.Codes(in, out); err != nil {
		return err
	}
	key, err := m.keys.tdesFor(cvk, keyblock.CVK)
	if err != nil {
		return fmt.Errorf("card verification values: %w", err)
	}
	return m.each(ctx, "card verification value", len(in), func(i int) card.PAN { return in[i].PAN }, func(b *bench, i int) error {
		r := &in[i]
		expiry := r.Expiry.YYMM()
		if r.MMYY {
			expiry = r.Expiry.MMYY()
		}
		out.Set(i, b.codes.Code(key, r.PAN.Reveal(), expiry, r.ServiceCode))
		return nil
	})
}

// CSCs implements hsm.Module.
func (m *Module) CSCs(ctx context.Context, csck card.KeyRef, pans []card.PAN, expiries []card.Expiry, out card.Secrets) error {
	if err := arguments.CSCs(pans, expiries, out); err != nil {
		return err
	}
	key, err := m.keys.tdesFor(csck, keyblock.CVK)
	if err != nil {
		return fmt.Errorf("card security codes: %w", err)
	}
	return m.each(ctx, "card security code", len(pans), numbers(pans), func(b *bench, i int) error {
		out.Set(i, b.cscs.Code(key, pans[i].Reveal(), expiries[i].YYMM()))
		return nil
	})
}
