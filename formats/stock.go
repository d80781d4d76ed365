package formats

// StockDifference is by how much a line of a stock report misses its own arithmetic: what closing says, less opening + received - used -
// damaged - scrap - destroyed + adjusted. What is allocated still lies there. An absent number counts as 0.
func StockDifference(rec *Record) int64 {
	value := func(f Field) int64 {
		v := rec.Get(f)
		if len(v) > 0 && v[0] == '-' {
			return -decimal(v[1:])
		}
		return decimal(v)
	}
	want := value(StockOpening) + value(StockReceived) - value(StockUsed) - value(StockDamaged) - value(StockScrap) - value(StockDestroyed) + value(StockAdjusted)
	return value(StockClosing) - want
}
