package batch

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"platen/card"
	"platen/sql/store"
)

// reconcile compares a file's columns, which come from independent places: planned (slices), minted (cursor), sealed (records read back), the bureau's own
// count, and lines by evidence, recounted. When all are equal and none is open, the file is BALANCED, and its orders may be fulfilled. It belongs to the
// transaction that brings the last evidence: nothing looks at the file again after that.
func (p *Plant) reconcile(ctx context.Context, tx *store.Tx, number int64) error {
	f, err := tx.LockFile(ctx, number)
	if err != nil || f.State != card.FileReconciling {
		return err
	}
	if f.Produced+f.Rejected+f.Spoiled != f.Planned {
		return nil
	}
	lines, err := tx.RecountLines(ctx, f)
	if err != nil {
		return err
	}
	if wrong := imbalance(f, lines); wrong != "" {
		p.Log.Error().Int64("file", f.Number).Str("reason", wrong).Msg("the books of a file do not balance")
		return tx.Explain(ctx, f.Number, wrong)
	}
	if err := tx.MoveFile(ctx, &f, card.FileBalanced, ""); err != nil {
		return err
	}
	if err := tx.StampFile(ctx, f.Number, store.BalancedAt, p.Now()); err != nil {
		return err
	}
	data := map[string]any{"produced": f.Produced, "rejected": f.Rejected, "spoiled": f.Spoiled}
	if err := tx.Record(ctx, f.Institution, "file", f.Number, card.FileBalanced.String(), data, p.Now()); err != nil {
		return err
	}
	p.Observe.FileMoved(card.FileBalanced)
	return p.settleOrders(ctx, tx, f)
}

// imbalance names the first column of a finished file that differs; empty when all agree.
func imbalance(f store.File, lines store.LineCounts) string {
	sealed, read := int64(-1), int64(-1)
	if f.Sealed != nil {
		sealed = *f.Sealed
	}
	if f.AckRead != nil {
		read = *f.AckRead
	}
	for _, c := range []struct {
		name string
		n    int64
	}{{"minted", f.Minted}, {"sealed", sealed}, {"read by the bureau", read}, {"lines with an issue", lines.Lines}} {
		if c.n != f.Planned {
			return fmt.Sprintf("%d planned, %d %s", f.Planned, c.n, c.name)
		}
	}
	if lines.Produced != f.Produced || lines.Rejected != f.Rejected || lines.Spoiled != f.Spoiled {
		return fmt.Sprintf("counted %d produced, %d rejected, %d spoiled; recounted %d, %d, %d",
			f.Produced, f.Rejected, f.Spoiled, lines.Produced, lines.Rejected, lines.Spoiled)
	}
	return ""
}

// settleOrders ends orders whose cards all have their fate.
func (p *Plant) settleOrders(ctx context.Context, tx *store.Tx, f store.File) error {
	if f.Purpose != store.CardPurpose {
		return nil
	}
	orders, err := tx.OrdersWithLinesIn(ctx, f.Number)
	if err != nil {
		return err
	}
	for _, number := range orders {
		if err := p.settleOrder(ctx, tx, number); err != nil {
			return err
		}
	}
	return nil
}

// settleOrdersOf looks again at the orders that waited for cards which were just closed and are never made again.
func (p *Plant) settleOrdersOf(ctx context.Context, tx *store.Tx, closed []card.ID) error {
	newest, err := tx.NewestIssues(ctx, closed)
	if err != nil {
		return err
	}
	orders := map[int64]bool{}
	for _, i := range newest {
		if i.State == card.IssueSpoiled || i.State == card.IssueCancelled {
			orders[i.Order] = true
		}
	}
	for _, number := range slices.Sorted(maps.Keys(orders)) {
		if err := p.settleOrder(ctx, tx, number); err != nil {
			return err
		}
	}
	return nil
}

// settleOrder ends an order whose cards all have their fate.
func (p *Plant) settleOrder(ctx context.Context, tx *store.Tx, number int64) error {
	o, err := tx.LockOrder(ctx, number)
	if err != nil || (o.State != card.OrderInProduction && o.State != card.OrderPartlyFulfilled) {
		return err
	}
	// What files have counted says quickly that something is still in work; that nothing is, the cards themselves must say.
	if o.State == card.OrderInProduction {
		if counted, err := tx.FatesOf(ctx, o); err != nil || counted.InWork() > 0 {
			return err
		}
	}
	fates, err := tx.RecountFates(ctx, o)
	if err != nil || fates.InWork() > 0 {
		return err
	}
	if err := tx.SettleFates(ctx, &o, fates); err != nil {
		return err
	}
	next := card.OrderFulfilled
	if fates.Rejected+fates.Cancelled+o.RefusedRows > 0 {
		next = card.OrderPartlyFulfilled
	}
	if next == o.State {
		return nil
	}
	if err := tx.MoveOrder(ctx, &o, next); err != nil {
		return err
	}
	data := map[string]any{"fulfilled": fates.Fulfilled, "rejected": fates.Rejected, "refused_rows": o.RefusedRows}
	return tx.Record(ctx, o.Institution, "order", o.Number, next.String(), data, p.Now())
}
