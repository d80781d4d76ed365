package jobs_test

import (
	"path/filepath"
	"testing"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/sql/store"
	"platen/testbed"
)

// BenchmarkBuild takes anonymous cards from planned to sealed: minted, rendered, read back, encrypted. One operation is one card.
func BenchmarkBuild(b *testing.B) {
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "platen.db") },
		"PostgreSQL": func(t testing.TB) string { return testbed.Postgres(t) },
	} {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, address(b), bureau.Dice{})
			s.submit("MASS", 1, mass(max(b.N, 1)))
			run, _, err := s.plant.RunNow(b.Context(), s.inst, "nightly", "one", "bench")
			s.must(err)
			s.must(s.plant.Plan(b.Context(), run.Number))
			var due []store.Due
			s.must(s.store.InTx(b.Context(), func(tx *store.Tx) (err error) {
				due, err = tx.ClaimStale(b.Context(), 20*batch.Lease, card.FilePlanned)
				return err
			}))
			b.ResetTimer()
			for _, d := range due {
				s.must(s.plant.Build(b.Context(), d.Number, d.Epoch))
			}
		})
	}
}
