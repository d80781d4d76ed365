// Package ff1 is the format-preserving permutation FF1 of NIST SP 800-38G: card numbers and tokens rest on it.
package ff1

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// ErrDomain says that FF1 cannot work on numerals of a radix and length with the arithmetic of this file.
var ErrDomain = errors.New("numeral length does not fit FF1")

const (
	rounds    = 10
	blockSize = 16
)

// Permutation is FF1 on numerals of one radix, length and tweak, under one AES key. A numeral is handled as its
// two halves, each a number below 2^63, so that no big arithmetic is needed. It holds nothing that changes and may be used by many
// goroutines, each with its own Scratch.
type Permutation struct {
	block     cipher.Block
	high, low uint64  // what the last block of Q is added to, with the tweak's end in it; the round number and the half are still to come
	roundAt   uint    // bits of low that the half takes; the round number stands before them
	long      bool    // 12 bytes of the MAC are used (d of SP 800-38G), not 8
	left      modulus // radix^u, of the left half A
	right     modulus // radix^v, of the right half B
}

// modulus is a number that is divided by in every round, and 2^64 by it, rounded down: a multiplication instead of a division.
type modulus struct{ value, inverse uint64 }

func newModulus(value uint64) modulus {
	inverse, _ := bits.Div64(1, 0, value)
	return modulus{value, inverse}
}

// of is n modulo m. The estimate of the quotient is right or one too small.
func (m modulus) of(n uint64) uint64 {
	quotient, _ := bits.Mul64(n, m.inverse)
	rest := n - quotient*m.value
	if rest >= m.value {
		rest -= m.value
	}
	return rest
}

// Scratch is one goroutine's working storage; ciphers make their arguments escape, so it is kept and not put on the stack.
type Scratch struct{ mac [blockSize]byte }

// New prepares the permutation of numerals of digits digits of radix. It fails with ErrDomain.
func New(block cipher.Block, radix uint64, digits int, tweak []byte) (*Permutation, error) {
	u := digits / 2
	v := digits - u
	if radix < 2 || radix > 1<<16 || digits < 2 || len(tweak) > 0xFFFF {
		return nil, ErrDomain
	}
	left, err := power(radix, u)
	if err != nil {
		return nil, err
	}
	right, err := power(radix, v)
	if err != nil {
		return nil, err
	}
	numberSize := (bits.Len64(right-1) + 7) / 8 // bytes of a half in Q (b of SP 800-38G)

	mac := [blockSize]byte{1, 2, 1, byte(radix >> 16), byte(radix >> 8), byte(radix), rounds, byte(u)}
	binary.BigEndian.PutUint32(mac[8:], uint32(digits))
	binary.BigEndian.PutUint32(mac[12:], uint32(len(tweak)))
	block.Encrypt(mac[:], mac[:])

	// Q is the tweak, zeros, the round number and a half. A half has eight bytes at most, so the last block holds both, and the blocks before it
	// never change.
	q := append([]byte(nil), tweak...)
	for (len(q)+1+numberSize)%blockSize != 0 {
		q = append(q, 0)
	}
	q = append(q, make([]byte, 1+numberSize)...)
	for ; len(q) > blockSize; q = q[blockSize:] {
		subtle.XORBytes(mac[:], mac[:], q[:blockSize])
		block.Encrypt(mac[:], mac[:])
	}
	subtle.XORBytes(mac[:], mac[:], q)
	return &Permutation{
		block: block, high: binary.BigEndian.Uint64(mac[:8]), low: binary.BigEndian.Uint64(mac[8:]),
		roundAt: uint(numberSize) * 8, long: numberSize > 4, left: newModulus(left), right: newModulus(right),
	}, nil
}

// Right is how many values the right half of a numeral has: a number n below radix^digits has the halves n/Right and n%Right.
func (p *Permutation) Right() uint64 { return p.right.value }

// Encrypt permutes the numeral whose halves are a and b.
func (p *Permutation) Encrypt(s *Scratch, a, b uint64) (uint64, uint64) {
	for round := range byte(rounds) {
		m := p.left
		if round%2 == 1 {
			m = p.right
		}
		c := p.sum(s, round, b, m)
		a, b = b, addMod(a, c, m.value)
	}
	return a, b
}

// Decrypt inverts Encrypt.
func (p *Permutation) Decrypt(s *Scratch, a, b uint64) (uint64, uint64) {
	for round := byte(rounds); round > 0; {
		round--
		m := p.left
		if round%2 == 1 {
			m = p.right
		}
		c := p.sum(s, round, a, m)
		a, b = addMod(b, m.value-c, m.value), a
	}
	return a, b
}

// sum is y of a round, reduced: the MAC of the tweak, the round number and a half, as a number modulo m.
func (p *Permutation) sum(s *Scratch, round byte, half uint64, m modulus) uint64 {
	high, low := p.high, p.low^half
	if p.roundAt < 64 {
		low ^= uint64(round) << p.roundAt
	} else {
		high ^= uint64(round)
	}
	binary.BigEndian.PutUint64(s.mac[:8], high)
	binary.BigEndian.PutUint64(s.mac[8:], low)
	p.block.Encrypt(s.mac[:], s.mac[:])
	high, low = binary.BigEndian.Uint64(s.mac[:8]), binary.BigEndian.Uint64(s.mac[8:])
	if p.long {
		return bits.Rem64(high>>32, high<<32|low>>32, m.value)
	}
	return m.of(high)
}

// addMod adds two numbers up to modulus < 2^63.
func addMod(a, b, modulus uint64) uint64 {
	sum := a + b
	if sum >= modulus {
		sum -= modulus
	}
	return sum
}

// power is radix^n below 2^63.
func power(radix uint64, n int) (uint64, error) {
	out := uint64(1)
	for range n {
		high, low := bits.Mul64(out, radix)
		if high != 0 || low >= 1<<63 {
			return 0, fmt.Errorf("%d digits of radix %d: %w", n, radix, ErrDomain)
		}
		out = low
	}
	return out, nil
}
