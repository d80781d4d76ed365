package software_test

import (
	"context"
	"testing"

	"platen/card"
	"platen/hsm"
)

const chunk = 1000

// hotLoops are the calls that a file makes for every card.
func hotLoops(t testing.TB) map[string]func() error {
	m := newModule(t, newStore(t), hsm.SeededEntropy("speed"))
	ctx := context.Background()
	pans := pansOf(t, "400000", chunk)
	pins, pvvs := generate(t, m, 5, pans), make([]hsm.PVV, chunk)
	requests := make([]hsm.CodeRequest, chunk)
	for i := range requests {
		requests[i] = hsm.CodeRequest{PAN: pans[i], Expiry: card.Expiry{Year: 2029, Month: 11}, ServiceCode: [3]byte{'2', '0', '1'}}
	}
	codes, blocks, fresh := card.NewSecrets(chunk, 3), card.NewSecrets(chunk, 16), make([]hsm.PIN, chunk)
	numbers, offsets := objects(chunk), make([]hsm.Offset, chunk)
	return map[string]func() error{
		"Codes":    func() error { return m.Codes(ctx, ref("cvk"), requests, codes) },
		"Generate": func() error { return m.GeneratePINs(ctx, ref("pins"), 5, pans, numbers, fresh) },
		"Derive":   func() error { return m.DerivePINs(ctx, ref("pins"), ref("pvk.ibm"), scheme, pans, fresh) },
		"PVVs":     func() error { return m.PVVs(ctx, ref("pins"), ref("pvk.visa"), 1, pans, pins, pvvs) },
		"Offsets":  func() error { return m.Offsets(ctx, ref("pins"), ref("pvk.ibm"), scheme, pans, pins, offsets) },
		"Export0":  func() error { return m.ExportPINs(ctx, ref("pins"), ref("zpk.t"), hsm.ISO0, pans, pins, pans, blocks) },
		"Export4":  func() error { return m.ExportPINs(ctx, ref("pins"), ref("zpk.a"), hsm.ISO4, pans, pins, pans, blocks) },
	}
}

func TestACardCostsNoAllocation(t *testing.T) {
	for name, run := range hotLoops(t) {
		allocations := testing.AllocsPerRun(10, func() {
			if err := run(); err != nil {
				t.Fatal(err)
			}
		})
		if allocations > chunk/50 {
			t.Errorf("%s: %v allocations for %d cards", name, allocations, chunk)
		}
	}
}

func BenchmarkModule(b *testing.B) {
	for name, run := range hotLoops(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunk, "ns/card")
		})
	}
}
