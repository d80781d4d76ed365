package software

import "sync"

// bench is one call's working storage. Ciphers make their arguments escape, so it is kept in a pool instead of the stack and a card
// costs no allocation. It may hold a clear PIN and is wiped before it goes back.
type bench struct {
	block   [16]byte // what a cipher works on
	account [16]byte // the second operand
	nibbles [16]byte
	random  [32]byte
	pin     clearPIN
	natural clearPIN
}

// clearPIN is a PIN as digits 0 to 9.
type clearPIN struct {
	n      int
	digits [maxPIN]byte
}

// Lengths of PINs (ISO 9564-1).
const (
	minPIN = 4
	maxPIN = 12
)

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

// splitNibbles writes the hexadecimal digits of src into dst, twice as long.
func splitNibbles(dst, src []byte) {
	for i, c := range src {
		dst[2*i], dst[2*i+1] = c>>4, c&0x0F
	}
}

// joinNibbles inverts splitNibbles.
func joinNibbles(dst, src []byte) {
	for i := range dst {
		dst[i] = src[2*i]<<4 | src[2*i+1]
	}
}

func xorInto(dst, src []byte) {
	for i, c := range src {
		dst[i] ^= c
	}
}
