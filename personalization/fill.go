package personalization

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// Service codes that stand in the computation of a code instead of the card's own.
var (
	cvv2Service = [3]byte{'0', '0', '0'}
	icvvService = [3]byte{'9', '9', '9'}
)

// Fill computes the data of the issues into the sheet: CVV, CVV2, iCVV, or the American Express card security codes, the PIN block if the product's card file carries one, track 1, track 2
// and the chip's track 2. The same issues give the same bytes. It fails when the sheet is too small or an issue lacks what its tracks need.
func (p *Press) Fill(ctx context.Context, in []Issue, s *Sheet) error {
	if len(in) > s.box.capacity {
		return fmt.Errorf("fill sheet: %d cards in room for %d", len(in), s.box.capacity)
	}
	s.Wipe()
	for i := range in {
		s.box.pans[i], s.box.expiries[i] = in[i].PAN, in[i].Expiry
	}
	if err := p.codes(ctx, len(in), s); err != nil {
		return fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	if p.product.PIN.InCardFile {
		if err := p.pinBlocks(ctx, in, s); err != nil {
			return err
		}
	}
	for i := range in {
		if err := p.tracks(&in[i], s, i); err != nil {
			return fmt.Errorf("product %s: card %d: %w", p.product.Code, i, err)
		}
	}
	return nil
}

// codes computes the codes of the first n cards, whose numbers and expiries stand on the sheet.
func (p *Press) codes(ctx context.Context, n int, s *Sheet) error {
	pans, expiries := s.box.pans[:n], s.box.expiries[:n]
	if p.product.HasCSC() {
		return p.module.CSCs(ctx, p.keys.CSCK, pans, expiries, s.box.cscs)
	}
	requests := s.box.requests[:n]
	for i := range requests {
		requests[i] = hsm.CodeRequest{PAN: pans[i], Expiry: expiries[i]}
	}
	compute := func(service [3]byte, mmyy bool, out card.Secrets) error {
		for i := range requests {
			requests[i].ServiceCode, requests[i].MMYY = service, mmyy
		}
		return p.module.Codes(ctx, p.keys.CVK, requests, out)
	}
	if err := compute(p.service, false, s.box.cvv); err != nil {
		return err
	}
	if err := compute(cvv2Service, p.product.CVV2Order == "MMYY", s.box.cvv2); err != nil {
		return err
	}
	if !p.product.Technology.HasChip() {
		return nil
	}
	return compute(icvvService, false, s.box.icvv)
}

func (p *Press) pinBlocks(ctx context.Context, in []Issue, s *Sheet) error {
	if err := p.need(p.keys.ZPK, "zone PIN key"); err != nil {
		return err
	}
	if err := p.need(p.keys.Storage, "PIN storage key"); err != nil {
		return err
	}
	pans, pins := s.box.pans[:len(in)], s.box.pins[:len(in)]
	for i := range in {
		pins[i] = in[i].PIN
	}
	if err := p.module.ExportPINs(ctx, p.keys.Storage, p.keys.ZPK, p.keys.PINFormat, pans, pins, pans, s.box.pinBlock); err != nil {
		return fmt.Errorf("product %s: %w", p.product.Code, err)
	}
	return nil
}

// tracks writes the tracks of one card.
func (p *Press) tracks(issue *Issue, s *Sheet, i int) error {
	b := s.box
	v := values{code: s.stripe(i), psn: issue.PSN, offset: issue.Offset.Digits[:issue.Offset.N]}
	if issue.HasPVV {
		v.pvv = issue.PVV[:]
	}
	line, err := p.appendTrack1(b.line[:0], issue, &v)
	if err != nil {
		return fmt.Errorf("track 1: %w", err)
	}
	b.track1.Set(i, line)
	if line, err = p.appendTrack2(b.line[:0], issue, '=', &v); err != nil {
		return fmt.Errorf("track 2: %w", err)
	}
	b.track2.Set(i, line)
	if !p.product.Technology.HasChip() {
		return nil
	}
	v.code = s.chip(i)
	if line, err = p.appendTrack2(b.line[:0], issue, 'D', &v); err != nil {
		return fmt.Errorf("chip track 2: %w", err)
	}
	if len(line)%2 == 1 {
		line = append(line, 'F')
	}
	b.chipTrack2.Set(i, line)
	return nil
}

// appendTrack1 writes track 1, format B.
func (p *Press) appendTrack1(dst []byte, issue *Issue, v *values) ([]byte, error) {
	dst = append(dst, 'B')
	dst = append(dst, issue.PAN.Reveal()...)
	dst = append(dst, '^')
	emboss := issue.Name
	if p.product.Anonymous && issue.Surname == "" {
		emboss = "" // what an anonymous card shows is no holder's name
	}
	dst = appendTrackName(dst, issue.Surname, issue.GivenNames, emboss)
	dst = append(dst, '^')
	return p.appendEnd(dst, issue, &p.track1, v, maxTrack1)
}

// appendTrack2 writes track 2 with a separator.
func (p *Press) appendTrack2(dst []byte, issue *Issue, separator byte, v *values) ([]byte, error) {
	dst = append(dst, issue.PAN.Reveal()...)
	dst = append(dst, separator)
	return p.appendEnd(dst, issue, &p.track2, v, maxTrack2)
}

// appendEnd writes what both tracks end with: expiry, service code, discretionary data.
func (p *Press) appendEnd(dst []byte, issue *Issue, d *discretionary, v *values, limit int) ([]byte, error) {
	expiry := issue.Expiry.YYMM()
	dst = append(dst, expiry[:]...)
	dst = append(dst, p.service[:]...)
	dst, err := d.append(dst, v)
	if err != nil {
		return nil, err
	}
	if len(dst) > limit {
		return nil, fmt.Errorf("%w: %d characters, the most is %d", ErrTrack, len(dst), limit)
	}
	return dst, nil
}
