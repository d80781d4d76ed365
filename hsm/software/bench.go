package software

import (
	"context"
	"fmt"
	"sync"

	"platen/card"
	"platen/hsm/amex"
	"platen/hsm/cvv"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
)

// bench is one call's working storage. Ciphers make their arguments escape, so it is kept in a pool instead of the stack and a card
// costs no allocation. It may hold a clear PIN and is wiped before it goes back.
type bench struct {
	codes   cvv.Bench
	cscs    amex.Bench
	blocks  pinblock.Bench // its PIN is the clear PIN in hand
	pins    pin.Bench
	natural pin.Clear
	random  pin.Randomness

	admitted [binDigits]byte // the last BIN that was let in
}

// pin is the clear PIN in hand.
func (b *bench) pin() *pin.Clear { return &b.blocks.PIN }

type benchPool struct{ pool *sync.Pool }

func newBenchPool() benchPool {
	return benchPool{pool: &sync.Pool{New: func() any { return new(bench) }}}
}

func (p benchPool) borrow() *bench {
	b, ok := p.pool.Get().(*bench)
	if !ok {
		return new(bench)
	}
	return b
}

// give wipes b and keeps it for the next call.
func (p benchPool) give(b *bench) {
	*b = bench{}
	p.pool.Put(b)
}

// each does one thing for each of n cards on a borrowed bench. It ends when the call is cancelled or a card fails, lets no card number outside the test
// BINs in where number tells it, and says in errors what was being done.
func (m *Module) each(ctx context.Context, what string, n int, number func(i int) card.PAN, do func(b *bench, i int) error) error {
	b := m.benches.borrow()
	defer m.benches.give(b)
	for i := range n {
		err := cancelled(ctx, i)
		if err == nil && number != nil {
			err = m.admit(b, i, number(i))
		}
		if err == nil {
			err = do(b, i)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// numbers tells each card's number.
func numbers(pans []card.PAN) func(i int) card.PAN {
	return func(i int) card.PAN { return pans[i] }
}
