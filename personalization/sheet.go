package personalization

import (
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/amex"
)

// Issue is what the store knows of one card issue, with its PAN.
type Issue struct {
	PAN                 card.PAN
	Expiry              card.Expiry
	PSN                 card.PSN
	Name                string // embossed, already fitted; "" for none
	Surname, GivenNames string // for track 1
	PIN                 hsm.PIN
	PVV                 hsm.PVV
	HasPVV              bool
	Offset              hsm.Offset
}

// Format implements fmt.Formatter: every verb prints a mask, for an issue names a person.
func (Issue) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[card issue]")) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (Issue) MarshalText() ([]byte, error) { return []byte("[card issue]"), nil }

// Sheet holds the computed data of a chunk of cards. It is made once and filled again and again; what it returns is valid until then. It
// prints as a mask.
type Sheet struct{ box *sheetBox }

// sheetBox points to the data instead of holding it: where fmt meets a verb that does not fit, it prints what one pointer leads to.
type sheetBox struct{ *sheetData }

type sheetData struct {
	capacity                   int
	cvv, cvv2, icvv            card.Secrets
	cscs                       card.Secrets // the three codes of American Express, one behind the other
	pinBlock                   card.Secrets
	track1, track2, chipTrack2 card.Secrets
	requests                   []hsm.CodeRequest
	expiries                   []card.Expiry
	pans                       []card.PAN
	pins                       []hsm.PIN
	line                       []byte
}

const (
	codeSize       = 3
	pinBlockSize   = 16
	chipTrack2Size = 38 // 19 bytes of tag 57 in hexadecimal
)

// NewSheet makes room for n cards.
func NewSheet(n int) *Sheet {
	return &Sheet{box: &sheetBox{&sheetData{
		capacity: n,
		cvv:      card.NewSecrets(n, codeSize), cvv2: card.NewSecrets(n, codeSize), icvv: card.NewSecrets(n, codeSize),
		cscs:     card.NewSecrets(n, amex.Digits),
		pinBlock: card.NewSecrets(n, pinBlockSize),
		track1:   card.NewSecrets(n, maxTrack1), track2: card.NewSecrets(n, maxTrack2), chipTrack2: card.NewSecrets(n, chipTrack2Size),
		requests: make([]hsm.CodeRequest, n), expiries: make([]card.Expiry, n), pans: make([]card.PAN, n), pins: make([]hsm.PIN, n),
		line: make([]byte, 0, 2*maxTrack1),
	}}}
}

// CVV is the code of the magnetic stripe.
func (s *Sheet) CVV(i int) []byte { return s.box.cvv.Reveal(i) }

// CVV2 is the printed code.
func (s *Sheet) CVV2(i int) []byte { return s.box.cvv2.Reveal(i) }

// ICVV is the code of the chip's track; empty without chip.
func (s *Sheet) ICVV(i int) []byte { return s.box.icvv.Reveal(i) }

// CSC5, CSC4 and CSC3 are the American Express codes of the stripe, of the front and of the signature panel; empty for other schemes.
func (s *Sheet) CSC5(i int) []byte { return amex.Five(s.box.cscs.Reveal(i)) }
func (s *Sheet) CSC4(i int) []byte { return amex.Four(s.box.cscs.Reveal(i)) }
func (s *Sheet) CSC3(i int) []byte { return amex.Three(s.box.cscs.Reveal(i)) }

// noCSC stands in a chip's track where the stripe has its code: version 1 of the American Express codes knows none of a chip, and who reads the chip's data must not
// find what a stripe is made with.
var noCSC = []byte("00000")

// stripe and chip are the codes in the discretionary data of the stripe's tracks and of the chip's.
func (s *Sheet) stripe(i int) []byte {
	if five := s.CSC5(i); five != nil {
		return five
	}
	return s.CVV(i)
}

func (s *Sheet) chip(i int) []byte {
	if s.CSC5(i) != nil {
		return noCSC
	}
	return s.ICVV(i)
}

// PINBlock is the PIN under the bureau's zone key in binary; empty when the card file carries none.
func (s *Sheet) PINBlock(i int) []byte { return s.box.pinBlock.Reveal(i) }

// Track1 and Track2 are the tracks without sentinels and LRC.
func (s *Sheet) Track1(i int) []byte { return s.box.track1.Reveal(i) }
func (s *Sheet) Track2(i int) []byte { return s.box.track2.Reveal(i) }

// ChipTrack2 is the track-2 equivalent data of the chip (EMV tag 57) in hexadecimal: separator D, filled with F to whole bytes, with iCVV.
// It is empty without chip.
func (s *Sheet) ChipTrack2(i int) []byte { return s.box.chipTrack2.Reveal(i) }

// Wipe overwrites everything the sheet holds.
func (s *Sheet) Wipe() {
	b := s.box
	for _, secrets := range [...]card.Secrets{b.cvv, b.cvv2, b.icvv, b.cscs, b.pinBlock, b.track1, b.track2, b.chipTrack2} {
		secrets.Wipe()
	}
	clear(b.requests)
	clear(b.expiries)
	clear(b.pans)
	clear(b.pins)
	clear(b.line[:cap(b.line)])
}

// Format implements fmt.Formatter: every verb prints a mask.
func (s Sheet) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[card data]")) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (s Sheet) MarshalText() ([]byte, error) { return []byte("[card data]"), nil }
