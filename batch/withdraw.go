package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"platen/card"
	"platen/sql/store"
)

// InFile is what of an order can no longer be stopped, because rendering of the file has begun.
type InFile struct {
	File  store.File
	Cards int64
}

// Withdrawal is what became of an order that was cancelled, paused or resumed.
type Withdrawal struct {
	Order     store.Order
	Cancelled int64    // cards taken back by this call
	InFiles   []InFile // by number
}

// ErrCancelled says that an order was cancelled, and nothing joins it any more.
var ErrCancelled = errors.New("the order was cancelled")

// ErrReason says that a person must say why, for the history.
var ErrReason = errors.New("a reason has 1 to 64 characters of printable ASCII and holds no card number")

// CheckReason checks why a person does something to an order or a card; it fails with ErrReason.
func CheckReason(text string) error {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return ErrReason
		}
	}
	if text == "" || len(text) > 64 || HoldsCardNumber(text) {
		return ErrReason
	}
	return nil
}

// ErrDecision says that an operator must say why, for the history.
var ErrDecision = errors.New("say why, in 1 to 500 characters on one line that hold no card number: it stands in the history")

// checkDecision checks why an operator decides something about a file or a return, which may take a sentence; it fails with ErrDecision.
func checkDecision(text string) error {
	control := func(c rune) bool { return unicode.IsControl(c) || c == utf8.RuneError }
	if text == "" || utf8.RuneCountInString(text) > 500 || strings.ContainsFunc(text, control) || HoldsCardNumber(text) {
		return ErrDecision
	}
	return nil
}

// CancelOrder takes back every card of an order that is not frozen: rendering of its file has not begun. Whoever works on such a file is fenced with its next
// chunk. Numbers of cards that were made already are never used. A card action that was carried out is not taken back: its old card has changed with it.
func (p *Plant) CancelOrder(ctx context.Context, i store.Institution, number int64, reason, actor string) (Withdrawal, error) {
	return p.interrupt(ctx, i, number, reason, actor, "order.cancel", func(w *withdrawing) error { return w.cancel(ctx) })
}

// PauseOrder lets no more of an order be planned, minted or rendered. A file that carries lines of it waits whole, with the lines of others in it; what is
// frozen goes on.
func (p *Plant) PauseOrder(ctx context.Context, i store.Institution, number int64, reason, actor string) (Withdrawal, error) {
	return p.interrupt(ctx, i, number, reason, actor, "order.pause", func(w *withdrawing) error { return w.pause(ctx) })
}

// ResumeOrder ends a pause.
func (p *Plant) ResumeOrder(ctx context.Context, i store.Institution, number int64, reason, actor string) (Withdrawal, error) {
	return p.interrupt(ctx, i, number, reason, actor, "order.resume", func(w *withdrawing) error { return w.resume(ctx) })
}

// withdrawing is one transaction on an order and its files.
type withdrawing struct {
	*Plant
	Withdrawal
	tx     *store.Tx
	inst   store.Institution
	reason string
	actor  string
	free   []store.File // not frozen
	voided []int64      // batches of files that were left without lines
	units  []span       // of the order, that were taken out of files
}

func (p *Plant) interrupt(ctx context.Context, i store.Institution, number int64, reason, actor, action string, do func(*withdrawing) error) (Withdrawal, error) {
	if err := CheckReason(reason); err != nil {
		return Withdrawal{}, err
	}
	var w *withdrawing
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		w = &withdrawing{Plant: p, tx: tx, inst: i, reason: reason, actor: actor}
		// A plan that runs at the same time would put lines into files that are not looked at.
		if err := tx.LockInstitution(ctx, i.ID); err != nil {
			return err
		}
		if err := w.open(ctx, number); err != nil {
			return err
		}
		if err := do(w); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, action, w.Order.ID.String(), map[string]any{"reason": reason, "cards": w.Cancelled}, p.Now())
	})
	if err != nil {
		return Withdrawal{}, fmt.Errorf("%s %d: %w", action, number, err)
	}
	p.Wake()
	return w.Withdrawal, nil
}

// open locks the order's files and the order, and tells frozen files from others.
func (w *withdrawing) open(ctx context.Context, number int64) error {
	files, err := w.tx.LockCardFilesOf(ctx, number)
	if err != nil {
		return err
	}
	if w.Order, err = w.tx.LockOrder(ctx, number); err != nil {
		return err
	}
	switch {
	case w.Order.Institution != w.inst.ID:
		return fmt.Errorf("order: %w", store.ErrNotFound)
	case w.Order.State == card.OrderReceived:
		return ErrInFlight
	}
	for _, f := range files {
		if f.State > card.FileBuilding || f.Frozen {
			if err := w.isIn(ctx, f); err != nil {
				return err
			}
			continue
		}
		w.free = append(w.free, f)
	}
	return nil
}

// isIn counts the order's cards in a file.
func (w *withdrawing) isIn(ctx context.Context, f store.File) error {
	slices, err := w.tx.Slices(ctx, f.Number)
	if err != nil {
		return err
	}
	in := InFile{File: f}
	for _, s := range slices {
		if w.owns(s) {
			in.Cards += s.Quantity
		}
	}
	if in.Cards > 0 {
		w.InFiles = append(w.InFiles, in)
	}
	return nil
}

// owns tells whether a slice's lines are of the order.
func (w *withdrawing) owns(s store.Slice) bool {
	return (s.Kind == store.NewSlice || s.Kind == store.ReissueSlice || s.Kind == store.InstantSlice) && s.Source == w.Order.Number
}

func (w *withdrawing) record(ctx context.Context, kind string) error {
	data := map[string]any{"by": w.actor, "reason": w.reason, "cards": w.Cancelled}
	if len(w.InFiles) > 0 {
		numbers := make([]int64, len(w.InFiles))
		for i, f := range w.InFiles {
			numbers[i] = f.File.Number
		}
		data["in_files"] = numbers
	}
	return w.tx.Record(ctx, w.Order.Institution, "order", w.Order.Number, kind, data, w.Now())
}

func (w *withdrawing) pause(ctx context.Context) error {
	if w.Order.State == card.OrderCancelled {
		return ErrCancelled
	}
	if w.Order.Held != "" {
		return nil
	}
	for i := range w.free {
		if err := w.tx.InterruptFile(ctx, &w.free[i], 1); err != nil {
			return err
		}
	}
	if err := w.tx.HoldOrder(ctx, &w.Order, w.reason); err != nil {
		return err
	}
	return w.record(ctx, "paused")
}

func (w *withdrawing) resume(ctx context.Context) error {
	if w.Order.Held == "" {
		return nil
	}
	for i := range w.free {
		if err := w.tx.InterruptFile(ctx, &w.free[i], -1); err != nil {
			return err
		}
	}
	if err := w.tx.HoldOrder(ctx, &w.Order, ""); err != nil {
		return err
	}
	return w.record(ctx, "resumed")
}

func (w *withdrawing) cancel(ctx context.Context) error {
	if w.Order.Held != "" {
		if err := w.resume(ctx); err != nil {
			return err
		}
	}
	if err := w.closeInstants(ctx); err != nil {
		return err
	}
	open, err := w.tx.CancelOpenLines(ctx, w.Order.Number)
	if err != nil {
		return err
	}
	unmade := open
	for _, f := range w.free {
		n, err := w.takeOut(ctx, f)
		if err != nil {
			return fmt.Errorf("file %d: %w", f.Number, err)
		}
		unmade += n
	}
	waiting, err := w.tx.CancelWaiting(ctx, w.Order.Number)
	if err != nil {
		return err
	}
	w.Cancelled = unmade + waiting
	if w.Cancelled == 0 {
		return nil
	}
	if err := w.cancelLines(ctx); err != nil {
		return err
	}
	if err := w.tx.CountCancelled(ctx, &w.Order, unmade); err != nil {
		return err
	}
	slices.SortFunc(w.InFiles, func(a, b InFile) int { return cmp.Compare(a.File.Number, b.File.Number) })
	if err := w.record(ctx, "withdrawn"); err != nil {
		return err
	}
	for _, b := range w.voided {
		if err := w.closeBatch(ctx, w.tx, b); err != nil {
			return err
		}
	}
	return w.endOrder(ctx)
}

// closeInstants closes the cards that were made when they were ordered and wait for their file.
func (w *withdrawing) closeInstants(ctx context.Context) error {
	ids, err := w.tx.OpenInstants(ctx, w.Order.Number)
	if err != nil {
		return err
	}
	for _, id := range ids {
		c, err := w.tx.LockCard(ctx, id)
		if err != nil {
			return err
		}
		if c.Status == card.CardClosed {
			continue
		}
		if err := w.CloseCard(ctx, w.tx, w.inst.ID, store.Closing{Card: id, Reason: card.Request}, map[string]any{"by": w.actor, "why": w.reason}); err != nil {
			return err
		}
	}
	return nil
}

// cancelLines cancels the order lines of which every card was taken out of a file.
func (w *withdrawing) cancelLines(ctx context.Context) error {
	slices.SortFunc(w.units, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	for i := 0; i < len(w.units); {
		run := w.units[i]
		for i++; i < len(w.units) && w.units[i].first == run.last+1; i++ {
			run.last = w.units[i].last
		}
		if err := w.tx.CancelPlannedLines(ctx, w.Order.Number, run.first, run.last); err != nil {
			return err
		}
	}
	return nil
}

// endOrder moves the order on to where what is left of it stands.
func (w *withdrawing) endOrder(ctx context.Context) error {
	fates, err := w.tx.RecountFates(ctx, w.Order)
	if err != nil {
		return err
	}
	if fates.Cancelled == fates.Requested && w.Order.State.To(card.OrderCancelled) == nil {
		if err := w.tx.SettleFates(ctx, &w.Order, fates); err != nil {
			return err
		}
		if err := w.tx.MoveOrder(ctx, &w.Order, card.OrderCancelled); err != nil {
			return err
		}
		return w.record(ctx, card.OrderCancelled.String())
	}
	if w.Order.State == card.OrderOpen {
		if err := w.tx.MoveOrder(ctx, &w.Order, card.OrderLocked); err != nil {
			return err
		}
	}
	sent := slices.ContainsFunc(w.InFiles, func(f InFile) bool { return f.File.State >= card.FileSent && f.File.State != card.FileInDoubt })
	if w.Order.State == card.OrderLocked && sent {
		if err := w.tx.MoveOrder(ctx, &w.Order, card.OrderInProduction); err != nil {
			return err
		}
	}
	if err := w.settleOrder(ctx, w.tx, w.Order.Number); err != nil {
		return err
	}
	w.Order, err = w.tx.OrderByNumber(ctx, w.Order.Institution, w.Order.Number)
	return err
}
