package vault

import (
	"encoding/binary"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/ff1"
)

// minDigits is the shortest numeral that FF1 hides well: 10^6 is the least domain of SP 800-38G.
const minDigits = 6

// rangeKey is everything that decides a range's permutation.
type rangeKey struct {
	pinned       card.KeyRef
	number       int32
	prefix       string
	length       int
	first, limit int64
}

// permutation maps the sequences of one range to the bodies of its numbers.
type permutation struct {
	*ff1.Permutation
	size uint64
}

// permutationOf returns a range's permutation, built once a key and range.
func (v *Vault) permutationOf(r card.Range, key card.KeyRef) (*permutation, error) {
	pinned, err := v.pin(key)
	if err != nil {
		return nil, err
	}
	id := rangeKey{pinned: pinned, number: r.Number, prefix: r.Prefix, length: r.Length, first: r.First, limit: r.Size}
	v.mu.RLock()
	p, ok := v.ranges[id]
	v.mu.RUnlock()
	if ok {
		return p, nil
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Number < 1 || r.Number > card.MaxRange {
		return nil, fmt.Errorf("range %s: %w", r.Code, card.ErrID)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	block, err := v.cipherOf(pinned)
	if err != nil {
		return nil, err
	}
	f, err := ff1.New(block, 10, numeralDigits(r), binary.BigEndian.AppendUint32(nil, uint32(r.Number)))
	if err != nil {
		return nil, fmt.Errorf("range %s: %w", r.Code, err)
	}
	p = &permutation{Permutation: f, size: uint64(r.Size)}
	v.ranges[id] = p
	return p, nil
}

// numeralDigits is the length of the numerals that FF1 permutes for a range: as many as its highest sequence has, and at least six where
// the number has room for six. It is part of what a card's number is and may never change.
func numeralDigits(r card.Range) int {
	digits := 0
	for n := r.Size - 1; n > 0; n /= 10 {
		digits++
	}
	// FF1 needs two digits; cycle-walking brings the excess back.
	return max(digits, min(minDigits, r.BodyDigits()), 2)
}

// forward permutes a sequence, walking along its cycle until it is inside the range again. Since the sequence itself is inside,
// the walk always ends.
func (p *permutation) forward(s *ff1.Scratch, n uint64) uint64 {
	for {
		a, b := p.Encrypt(s, n/p.Right(), n%p.Right())
		if n = a*p.Right() + b; n < p.size {
			return n
		}
	}
}

// backward inverts forward.
func (p *permutation) backward(s *ff1.Scratch, n uint64) uint64 {
	for {
		a, b := p.Decrypt(s, n/p.Right(), n%p.Right())
		if n = a*p.Right() + b; n < p.size {
			return n
		}
	}
}

// PANs implements hsm.Vault. A sequence outside the range fails with hsm.ErrNotInRange.
func (v *Vault) PANs(r card.Range, key card.KeyRef, sequences []int64, out []card.PAN, store *card.PANs) error {
	if len(out) != len(sequences) {
		return fmt.Errorf("card numbers of range %s: %d sequences and room for %d", r.Code, len(sequences), len(out))
	}
	p, err := v.permutationOf(r, key)
	if err != nil {
		return fmt.Errorf("card numbers of range %s: %w", r.Code, err)
	}
	s := v.borrow()
	defer v.give(s)
	var digits [19]byte
	defer clear(digits[:])
	number := digits[:r.Length-1]
	copy(number, r.Prefix)
	for i, sequence := range sequences {
		if sequence < 0 || sequence >= r.Size {
			return fmt.Errorf("card number %d of range %s: %w", sequence, r.Code, hsm.ErrNotInRange)
		}
		body := uint64(r.First) + p.forward(s, uint64(sequence))
		for at := len(number) - 1; at >= len(r.Prefix); at-- {
			number[at] = '0' + byte(body%10)
			body /= 10
		}
		if out[i], err = store.Complete(i, number); err != nil {
			return fmt.Errorf("card number %d of range %s: %w", sequence, r.Code, err)
		}
	}
	return nil
}

// Sequence implements hsm.Vault.
func (v *Vault) Sequence(r card.Range, key card.KeyRef, pan card.PAN) (int64, error) {
	p, err := v.permutationOf(r, key)
	if err != nil {
		return 0, fmt.Errorf("sequence in range %s: %w", r.Code, err)
	}
	digits := pan.Reveal()
	if len(digits) != r.Length || string(digits[:len(r.Prefix)]) != r.Prefix {
		return 0, fmt.Errorf("range %s: %w", r.Code, hsm.ErrNotInRange)
	}
	body := int64(0)
	for _, c := range digits[len(r.Prefix) : r.Length-1] {
		body = body*10 + int64(c-'0')
	}
	if body < r.First || body-r.First >= r.Size {
		return 0, fmt.Errorf("range %s: %w", r.Code, hsm.ErrNotInRange)
	}
	s := v.borrow()
	defer v.give(s)
	return int64(p.backward(s, uint64(body-r.First))), nil
}
