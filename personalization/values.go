package personalization

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// SecurityValues are the codes of one card. ICVV is zero for a card without a chip.
type SecurityValues struct{ CVV, CVV2, ICVV card.Secret }

// SecurityValues computes the codes of one card: those that its files carry.
func (p *Press) SecurityValues(ctx context.Context, pan card.PAN, expiry card.Expiry) (SecurityValues, error) {
	s := NewSheet(1)
	defer s.Wipe()
	s.box.requests[0] = hsm.CodeRequest{PAN: pan, Expiry: expiry}
	if err := p.codes(ctx, s.box.requests, s); err != nil {
		return SecurityValues{}, fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	kept := func(from card.Secrets) card.Secret { return card.NewSecret(append([]byte(nil), from.Reveal(0)...)) }
	v := SecurityValues{CVV: kept(s.box.cvv), CVV2: kept(s.box.cvv2)}
	if p.product.Technology.HasChip() {
		v.ICVV = kept(s.box.icvv)
	}
	return v, nil
}

// CVV2s computes the CVV2 of one card with other service codes than 000: a value for each window of a dynamic one.
func (p *Press) CVV2s(ctx context.Context, pan card.PAN, expiry card.Expiry, services [][3]byte) (card.Secrets, error) {
	requests, out := make([]hsm.CodeRequest, len(services)), card.NewSecrets(len(services), codeSize)
	for i, service := range services {
		requests[i] = hsm.CodeRequest{PAN: pan, Expiry: expiry, ServiceCode: service, MMYY: p.product.CVV2Order == "MMYY"}
	}
	if err := p.module.Codes(ctx, p.keys.CVK, requests, out); err != nil {
		return card.Secrets{}, fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	return out, nil
}
