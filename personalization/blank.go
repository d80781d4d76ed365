package personalization

import (
	"fmt"

	"platen/card"
	"platen/hsm"
)

// What stands for a PIN block and for digits in a blank.
var noBlock [pinBlockSize]byte

const noDigits = "000000000000"

// Blank fills the sheet as Fill does, with zeros for all that a security module computes, and gives the issues zeros for what a PIN is verified with, so that every
// value has the length and form of a real one. It asks no module: what it makes is for trying a layout and nothing else.
func (p *Press) Blank(in []Issue, s *Sheet) error {
	if len(in) > s.box.capacity {
		return fmt.Errorf("fill sheet with zeros: %d cards in room for %d", len(in), s.box.capacity)
	}
	s.Wipe()
	block, zeros := p.BlankBlock(), []byte(noDigits)
	for i := range in {
		p.blankCodes(s, i)
		if p.product.PIN.InCardFile {
			s.box.pinBlock.Set(i, block)
		}
		switch p.product.PIN.Method {
		case card.RandomPIN:
			in[i].PVV, in[i].HasPVV = hsm.PVV(zeros[:4]), true
		case card.DerivedPIN:
			in[i].Offset = hsm.Offset{N: uint8(p.product.PIN.Length), Digits: [12]byte(zeros)}
		}
		if err := p.tracks(&in[i], s, i); err != nil {
			return fmt.Errorf("product %s: card %d: %w", p.product.Code, i, err)
		}
	}
	return nil
}

func (p *Press) blankCodes(s *Sheet, i int) {
	zeros := []byte(noDigits)
	if p.product.HasCSC() {
		s.box.cscs.Set(i, zeros)
		return
	}
	s.box.cvv.Set(i, zeros[:codeSize])
	s.box.cvv2.Set(i, zeros[:codeSize])
	if p.product.Technology.HasChip() {
		s.box.icvv.Set(i, zeros[:codeSize])
	}
}

// BlankBlock has the length of a PIN block of the press (ISO 9564-1), and nothing in it.
func (p *Press) BlankBlock() []byte {
	if p.keys.PINFormat == hsm.ISO4 {
		return noBlock[:]
	}
	return noBlock[:len(noBlock)/2]
}
