package payshield

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
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
