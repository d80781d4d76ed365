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
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range in {
		if err := cancelled(ctx, i); err != nil {
			return err
		}
		r := &in[i]
		if err := m.admit(b, i, r.PAN); err != nil {
			return fmt.Errorf("card verification value: %w", err)
		}
		expiry := r.Expiry.YYMM()
		if r.MMYY {
			expiry = r.Expiry.MMYY()
		}
		out.Set(i, b.codes.Code(key, r.PAN.Reveal(), expiry, r.ServiceCode))
	}
	return nil
}
