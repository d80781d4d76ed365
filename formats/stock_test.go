package formats_test

import (
	"testing"

	"platen/formats"
)

func TestStockDifferenceIsWhatClosingMissesOfItsArithmetic(t *testing.T) {
	for _, c := range []struct {
		closing, adjusted string
		want              int64
	}{{"1388", "-2", 0}, {"1390", "", 0}, {"1389", "", -1}, {"1402", "12", 0}, {"1500", "", 110}} {
		r := new(formats.Record)
		for f, v := range map[formats.Field]string{formats.StockOpening: "1000", formats.StockReceived: "500", formats.StockUsed: "100", formats.StockDamaged: "6",
			formats.StockScrap: "3", formats.StockDestroyed: "1", formats.StockAllocated: "700", formats.StockClosing: c.closing, formats.StockAdjusted: c.adjusted} {
			r.SetString(f, v)
		}
		if got := formats.StockDifference(r); got != c.want {
			t.Errorf("closing %s adjusted %q: %d, want %d", c.closing, c.adjusted, got, c.want)
		}
	}
}
