package personalization

import (
	"bytes"
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// SecurityValues are the codes of one card. ICVV is zero for a card without a chip. An American Express card has CSC5, CSC4 and CSC3 and none of the others.
type SecurityValues struct{ CVV, CVV2, ICVV, CSC5, CSC4, CSC3 card.Secret }

// Wipe forgets the codes.
func (v *SecurityValues) Wipe() {
	for _, s := range []card.Secret{v.CVV, v.CVV2, v.ICVV, v.CSC5, v.CSC4, v.CSC3} {
		s.Wipe()
	}
}

// Printed is the code that a holder reads from the card to pay without it: CVV2, or the four digits on the front of an American Express card.
func (v *SecurityValues) Printed() card.Secret {
	if v.CVV2.IsZero() {
		return v.CSC4
	}
	return v.CVV2
}

// SecurityValues computes the codes of one card: those that its files carry.
func (p *Press) SecurityValues(ctx context.Context, pan card.PAN, expiry card.Expiry) (SecurityValues, error) {
	s := NewSheet(1)
	defer s.Wipe()
	s.box.pans[0], s.box.expiries[0] = pan, expiry
	if err := p.codes(ctx, 1, s); err != nil {
		return SecurityValues{}, fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	kept := func(code []byte) card.Secret {
		if len(code) == 0 {
			return card.Secret{}
		}
		return card.NewSecret(bytes.Clone(code))
	}
	return SecurityValues{CVV: kept(s.CVV(0)), CVV2: kept(s.CVV2(0)), ICVV: kept(s.ICVV(0)), CSC5: kept(s.CSC5(0)), CSC4: kept(s.CSC4(0)), CSC3: kept(s.CSC3(0))}, nil
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
