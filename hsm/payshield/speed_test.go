package payshield_test

import (
	"context"
	"fmt"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
	"platen/hsm/payshield"
	"platen/hsm/payshield/mock"
)

// BenchmarkCodesAtALicensedSpeed tells what part of a module's 2,500 commands a second the client gets, with one call of many cards.
func BenchmarkCodesAtALicensedSpeed(b *testing.B) {
	const ceiling = 2500
	m := newModule(b, payshield.Options{}, mock.Start(b, mock.Options{PerSecond: ceiling}))
	in := make([]hsm.CodeRequest, b.N)
	for i := range in {
		payload := fmt.Appendf(nil, "400000%09d", i)
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			b.Fatal(err)
		}
		in[i] = hsm.CodeRequest{PAN: pan, Expiry: card.Expiry{Year: 2030, Month: 1}, ServiceCode: [3]byte{'2', '0', '1'}}
	}
	out := card.NewSecrets(b.N, 3)
	if err := m.Ready(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if err := m.Codes(context.Background(), card.KeyRef{Label: conformance.CVK}, in, out); err != nil {
		b.Fatal(err)
	}
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "commands/s")
	b.ReportMetric(rate/ceiling, "of-ceiling")
}
