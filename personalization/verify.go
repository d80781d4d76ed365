package personalization

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// Printed is what a record of a card file says of a card. An empty field is one that the file's layout does not carry, and is not checked.
type Printed struct {
	PAN                        card.PAN
	Expiry                     card.Expiry
	PSN                        card.PSN
	HasPSN                     bool
	CVV, CVV2, ICVV            []byte
	CSC5, CSC4, CSC3           []byte
	PINBlock                   []byte // binary
	Track1, Track2, ChipTrack2 []byte // without sentinels; ChipTrack2 as Sheet.ChipTrack2
}

// Format implements fmt.Formatter: every verb prints a mask.
func (Printed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[card record]")) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (Printed) MarshalText() ([]byte, error) { return []byte("[card record]"), nil }

// Names of what VerifyCodes reports as wrong.
const (
	WrongCVV        = "cvv"
	WrongCVV2       = "cvv2"
	WrongICVV       = "icvv"
	WrongCSC5       = "csc5"
	WrongCSC4       = "csc4"
	WrongCSC3       = "csc3"
	WrongTrack1     = "track1"
	WrongTrack2     = "track2"
	WrongChipTrack2 = "chip_track2"
	WrongPINBlock   = "pin_block"
)

// VerifyCodes checks records as their receiver would: codes are computed again, tracks are taken apart and compared with card number, expiry,
// service code and codes, PIN blocks are opened and their PVV compared with the tracks'. The sheet is working storage and is wiped. wrong is
// called with the record's index and the name of each thing that is not right; the error is only for a check that could not be made.
func (p *Press) VerifyCodes(ctx context.Context, in []Printed, s *Sheet, wrong func(i int, what string)) error {
	if len(in) > s.box.capacity {
		return fmt.Errorf("verify codes: %d cards in room for %d", len(in), s.box.capacity)
	}
	s.Wipe()
	defer s.Wipe()
	for i := range in {
		s.box.pans[i], s.box.expiries[i] = in[i].PAN, in[i].Expiry
	}
	if err := p.codes(ctx, len(in), s); err != nil {
		return fmt.Errorf("verify codes of product %s: %w", p.product.Code, err)
	}
	pvvs := make([][]byte, len(in))
	for i := range in {
		pvvs[i] = p.verifyRecord(&in[i], s, i, wrong)
	}
	return p.verifyPINs(ctx, in, s, pvvs, wrong)
}

// verifyRecord checks everything of a record but its PIN block and returns the PVV of its tracks, if they have one.
func (p *Press) verifyRecord(r *Printed, s *Sheet, i int, wrong func(int, string)) []byte {
	for _, code := range [...]struct {
		printed, computed []byte
		name              string
	}{
		{r.CVV, s.CVV(i), WrongCVV}, {r.CVV2, s.CVV2(i), WrongCVV2}, {r.ICVV, s.ICVV(i), WrongICVV},
		{r.CSC5, s.CSC5(i), WrongCSC5}, {r.CSC4, s.CSC4(i), WrongCSC4}, {r.CSC3, s.CSC3(i), WrongCSC3},
	} {
		if len(code.printed) > 0 && !equal(code.printed, code.computed) {
			wrong(i, code.name)
		}
	}
	var pvv []byte
	for _, track := range [...]struct {
		printed, code []byte
		read          func(r *Printed) (end []byte, ok bool)
		layout        *discretionary
		name          string
	}{
		{r.Track1, s.stripe(i), readTrack1, &p.track1, WrongTrack1},
		{r.Track2, s.stripe(i), readTrack2, &p.track2, WrongTrack2},
		{r.ChipTrack2, s.chip(i), readChipTrack2, &p.track2, WrongChipTrack2},
	} {
		if len(track.printed) == 0 {
			continue
		}
		end, ok := track.read(r)
		v, fits := p.matchEnd(end, r, track.layout)
		ok = ok && fits && (v.code == nil || equal(v.code, track.code)) && (v.pvv == nil || pvv == nil || equal(v.pvv, pvv))
		if !ok {
			wrong(i, track.name)
		} else if v.pvv != nil {
			pvv = v.pvv
		}
	}
	return pvv
}

// matchEnd checks expiry, service code and discretionary data.
func (p *Press) matchEnd(end []byte, r *Printed, d *discretionary) (values, bool) {
	if len(end) < dateAndCode {
		return values{}, false
	}
	expiry := r.Expiry.YYMM()
	if !bytes.Equal(end[:4], expiry[:]) || !bytes.Equal(end[4:dateAndCode], p.service[:]) {
		return values{}, false
	}
	return d.match(end[dateAndCode:], r.PSN, r.HasPSN)
}

// CheckTracks takes the tracks apart and compares them with number and expiry, as far as that goes without keys and product. wrong is called
// with the name of each that is not right.
func (r *Printed) CheckTracks(wrong func(what string)) {
	expiry := r.Expiry.YYMM()
	for _, track := range [...]struct {
		printed []byte
		read    func(r *Printed) ([]byte, bool)
		name    string
	}{{r.Track1, readTrack1, WrongTrack1}, {r.Track2, readTrack2, WrongTrack2}, {r.ChipTrack2, readChipTrack2, WrongChipTrack2}} {
		if len(track.printed) == 0 {
			continue
		}
		end, ok := track.read(r)
		if !ok || len(end) < dateAndCode || !bytes.Equal(end[:4], expiry[:]) {
			wrong(track.name)
		}
	}
}

// readTrack1 checks track 1 up to the expiry and returns the rest.
func readTrack1(r *Printed) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(r.Track1, []byte{'B'})
	if !ok || len(r.Track1) > maxTrack1 {
		return nil, false
	}
	rest, ok = bytes.CutPrefix(rest, r.PAN.Reveal())
	if !ok || len(rest) == 0 || rest[0] != '^' {
		return nil, false
	}
	name, end, ok := bytes.Cut(rest[1:], []byte{'^'})
	if !ok || len(name) < minNameSize || len(name) > maxNameSize || !bytes.ContainsRune(name, '/') {
		return nil, false
	}
	for _, c := range name {
		if c < ' ' || c > '_' || c == '%' || c == '?' {
			return nil, false
		}
	}
	return end, true
}

// readTrack2 checks track 2 up to the expiry and returns the rest.
func readTrack2(r *Printed) ([]byte, bool) {
	if len(r.Track2) > maxTrack2 {
		return nil, false
	}
	return afterNumber(r.Track2, r, '=')
}

// readChipTrack2 checks the chip's track 2 up to the expiry and returns the rest without fill.
func readChipTrack2(r *Printed) ([]byte, bool) {
	if len(r.ChipTrack2)%2 != 0 || len(r.ChipTrack2) > chipTrack2Size {
		return nil, false
	}
	return afterNumber(bytes.TrimSuffix(r.ChipTrack2, []byte{'F'}), r, 'D')
}

func afterNumber(track []byte, r *Printed, separator byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(track, r.PAN.Reveal())
	if !ok || len(rest) == 0 || rest[0] != separator {
		return nil, false
	}
	return rest[1:], true
}

// verifyPINs opens the PIN blocks there are. A PVV from the track proves the PIN; without one only the block's form can be checked.
func (p *Press) verifyPINs(ctx context.Context, in []Printed, s *Sheet, pvvs [][]byte, wrong func(int, string)) error {
	var accounts []card.PAN
	var places []int
	for i := range in {
		if len(in[i].PINBlock) == 0 {
			continue
		}
		if len(in[i].PINBlock) > pinBlockSize {
			wrong(i, WrongPINBlock)
			continue
		}
		s.box.pinBlock.Set(len(places), in[i].PINBlock)
		accounts, places = append(accounts, in[i].PAN), append(places, i)
	}
	if len(places) == 0 {
		return nil
	}
	if err := p.need(p.keys.ZPK, "zone PIN key"); err != nil {
		return err
	}
	err := p.verifyBlocks(ctx, accounts, s.box.pinBlock, places, pvvs, wrong)
	if !errors.Is(err, hsm.ErrPINBlock) {
		return err
	}
	// One block is malformed, and the module does not say which: ask one at a time.
	one := card.NewSecrets(1, pinBlockSize)
	defer one.Wipe()
	for n, i := range places {
		one.Set(0, in[i].PINBlock)
		err := p.verifyBlocks(ctx, accounts[n:n+1], one, places[n:n+1], pvvs, wrong)
		switch {
		case errors.Is(err, hsm.ErrPINBlock):
			wrong(i, WrongPINBlock)
		case err != nil:
			return err
		}
	}
	return nil
}

// verifyBlocks checks blocks that are all well formed, and reports nothing when one is not.
func (p *Press) verifyBlocks(ctx context.Context, accounts []card.PAN, blocks card.Secrets, places []int, pvvs [][]byte, wrong func(int, string)) error {
	if err := p.module.CheckBlocks(ctx, p.keys.ZPK, p.keys.PINFormat, accounts, blocks, p.product.PIN.Length); err != nil {
		return fmt.Errorf("verify PIN blocks of product %s: %w", p.product.Code, err)
	}
	if p.product.PIN.Method != card.RandomPIN || p.keys.PVK.Label == "" {
		return nil
	}
	computed := make([]hsm.PVV, len(accounts))
	defer clear(computed)
	if err := p.module.BlockPVVs(ctx, p.keys.ZPK, p.keys.PINFormat, accounts, blocks, p.keys.PVK, p.product.PIN.PVKI, computed); err != nil {
		return fmt.Errorf("verify PIN blocks of product %s: %w", p.product.Code, err)
	}
	for n, i := range places {
		if pvvs[i] != nil && !equal(pvvs[i], computed[n][:]) {
			wrong(i, WrongPINBlock)
		}
	}
	return nil
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
