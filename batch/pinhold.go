package batch

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// ErrNoPlastic says that nothing is ordered of a card that could wait for its PIN.
var ErrNoPlastic = errors.New("no plastic of the card is ordered that could wait for its PIN")

// NextPlastic finds the order line that a card's next plastic comes from, which is planned or open: that of the order which made the card at once, or of an action that keeps its
// number. It tells whether the plastic takes over the PIN that the card has. It fails with ErrNoPlastic.
func (p *Plant) NextPlastic(ctx context.Context, q store.Q, i store.Institution, c store.Card) (l store.OrderLine, takesOver bool, err error) {
	l, err = q.LineForCard(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		err = ErrNoPlastic
	}
	if err != nil || l.Instant() {
		return l, false, err
	}
	product, err := p.productOf(ctx, q, i, c)
	if err != nil {
		return l, false, err
	}
	action, ok := product.value.Action(l.Reason)
	if !ok {
		return l, false, fmt.Errorf("%s makes no card", l.Reason)
	}
	if action.NewPAN {
		return l, false, ErrNoPlastic
	}
	return l, action.PIN != card.FreshPIN, nil
}

// setPINs gives issues that follow others the PINs that were set for them, with what this file's keys verify them by.
func (j *job) setPINs(ctx context.Context, issues []store.Issue, which []int) error {
	if len(which) == 0 {
		return nil
	}
	from, to := newPINSheet(len(which)), newPINSheet(len(which))
	ids := make([]card.ID, len(which))
	for n, i := range which {
		ids[n] = issues[i].Card
		var err error
		if from.pins[n], err = hsm.NewPIN(issues[i].PIN); err != nil {
			return err
		}
	}
	if err := j.numbersOf(ids, to.pans); err != nil {
		return err
	}
	if err := j.press.TransferPINs(ctx, to.pans, from.pins, to.pans, to.pins, to.pvvs, to.offsets); err != nil {
		return err
	}
	for n, i := range which {
		if err := to.put(&issues[i], j.product.PIN.Method, n); err != nil {
			return err
		}
	}
	return nil
}
