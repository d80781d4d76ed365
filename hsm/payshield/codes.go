package payshield

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/cvv"
	"platen/hsm/keyblock"
)

// Codes implements hsm.Module (CW).
func (m *Module) Codes(ctx context.Context, cvk card.KeyRef, in []hsm.CodeRequest, out card.Secrets) error {
	if out.Len() < len(in) || out.Width() < cvv.Digits {
		return fmt.Errorf("card verification values: %w", errLengths)
	}
	key, err := m.keys.resolve(cvk, keyblock.CVK)
	if err != nil {
		return fmt.Errorf("card verification values: %w", err)
	}
	return m.pool.each(ctx, len(in), func(ctx context.Context, i int) error {
		r := &in[i]
		if r.PAN.IsZero() {
			return fmt.Errorf("card verification value %d: %w", i, card.ErrPANLength)
		}
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
