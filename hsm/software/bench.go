package software

import (
	"sync"

	"platen/hsm/cvv"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
)

// bench is one call's working storage. Ciphers make their arguments escape, so it is kept in a pool instead of the stack and a card
// costs no allocation. It may hold a clear PIN and is wiped before it goes back.
type bench struct {
	codes   cvv.Bench
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
