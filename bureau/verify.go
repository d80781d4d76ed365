package bureau

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/personalization"
)

// Keys are what a bureau needs to check files: its zone key and the products that it makes, whose keys are named by label.
type Keys struct {
	ZPK       card.KeyRef
	PINFormat hsm.PINFormat
	Products  map[string]card.Product
}

// Codes of a Fault, beside the names that personalization gives to what it finds wrong (cvv, cvv2, icvv, csc5, csc4, csc3, track1, track2, chip_track2,
// pin_block).
const (
	FaultProduct     = "unknown_product"
	FaultPAN         = "pan"
	FaultExpiry      = "expiry"
	FaultPSN         = "psn"
	FaultServiceCode = "service_code"
	FaultTracks      = "tracks_missing"
	FaultChip        = "chip_data_missing"
	FaultPIN         = "pin_block_missing"
	FaultReference   = "mailer_reference"
	FaultPANShown    = "card_number_in_mailer"
	FaultBIN         = "bin_not_allowed"
	FaultTwice       = "uid_twice"
)

// Fault is what is wrong with one record. It carries no value of it.
type Fault struct {
	Record int64  `json:"record"` // 1 is the first detail
	UID    string `json:"uid"`
	Code   string `json:"code"`
}

// Line is what a bureau keeps of a record: how to speak of it.
type Line struct {
	UID     string
	Product string // code; empty if it is unknown
	Last4   string // empty for a PIN mailer
}

// maxFaults is how many faults a verdict names; all are counted.
const maxFaults = 20

// Verdict is what checking a file found.
type Verdict struct {
	Kind    formats.Kind    // of the file
	Head    *formats.Record // the public values of the file's header; never nil
	Lines   []Line
	Bad     int64   // records with at least one fault
	Faults  []Fault // the first ones
	Unread  error   // why the file could not be read to its end; nil if it could
	faulted map[int64]bool
}

// Good tells whether the file was read whole and every record is right.
func (v *Verdict) Good() bool { return v.Unread == nil && v.Bad == 0 }

// Reason says in one line what is wrong.
func (v *Verdict) Reason() string {
	switch {
	case v.Unread != nil:
		return v.Unread.Error()
	case v.Bad > 0:
		f := v.Faults[0]
		return fmt.Sprintf("%d bad records; record %d: %s", v.Bad, f.Record, f.Code)
	}
	return ""
}

func (v *Verdict) fault(record int64, code string) {
	if !v.faulted[record] {
		v.Bad++
		v.faulted[record] = true
	}
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, Fault{Record: record, UID: v.Lines[record-1].UID, Code: code})
	}
}

// Verify reads a card file or a PIN-mailer file to its end and checks every record: in a card file the card number's check digit, the
// expiry, tracks against number, expiry and service code, CVV, CVV2, iCVV and card security codes by computing them again, the PIN block by opening it and comparing its
// PVV with the tracks'; in a mailer file that the PIN block opens for the mailer's reference and that no card number is shown.
//
// Without a module nothing is computed: then the check digit, the expiry, and the tracks against number and expiry are checked. Of a copy for the issuer
// only what its reader proves is.
//
// What is wrong with the file stands in the verdict. The error is only for checks that could not be made: a key that is missing, a module
// that does not answer, a cancelled ctx.
func Verify(ctx context.Context, in *formats.Reader, kind formats.Kind, module hsm.Module, keys Keys) (Verdict, error) {
	c := &checker{module: module, sealed: newDecipherer(module, in.Layout()), keys: keys, verdict: Verdict{Kind: kind, Head: new(formats.Record), faulted: map[int64]bool{}}, uids: map[string]bool{}, copied: in.Audience() != formats.ForBureau}
	defer c.wipe()
	for {
		section, rec, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return c.verdict, c.flush(ctx)
		case err != nil && ctx.Err() != nil:
			return c.verdict, ctx.Err()
		case err != nil:
			c.verdict.Unread = err
			return c.verdict, nil
		}
		switch section {
		case formats.Header:
			err = c.head(ctx, rec)
		case formats.Detail:
			err = c.detail(ctx, rec, kind)
		}
		switch {
		case errors.Is(err, errOtherKey):
			c.verdict.Unread = err
			return c.verdict, nil
		case err != nil:
			return c.verdict, err
		}
	}
}

// checkChunk is how many records go to the module together.
const checkChunk = 256

// checker is one run of Verify. The records that wait for the module are all of one product.
type checker struct {
	module  hsm.Module
	keys    Keys
	verdict Verdict
	uids    map[string]bool

	product string
	press   *personalization.Press
	sheet   *personalization.Sheet
	waiting []personalization.Printed
	records []int64 // of waiting
	mailers *mailers
	sealed  *decipherer
	copied  bool // the file is a copy for the issuer, without card data
}

// head keeps the public values of the header, and finds the keys that it names.
func (c *checker) head(ctx context.Context, rec *formats.Record) error {
	for _, f := range formats.Fields() {
		if f.Sensitivity() == formats.Public && rec.Has(f) {
			c.verdict.Head.Set(f, rec.Get(f))
		}
	}
	if c.module == nil {
		return nil
	}
	return c.sealed.head(ctx, rec)
}

func (c *checker) detail(ctx context.Context, rec *formats.Record, kind formats.Kind) error {
	line := Line{UID: string(rec.Get(formats.RecordUID))}
	if pan := rec.Get(formats.CardPAN); len(pan) > 4 {
		line.Last4 = string(pan[len(pan)-4:])
	}
	c.verdict.Lines = append(c.verdict.Lines, line)
	record := int64(len(c.verdict.Lines))
	if line.UID != "" && c.uids[line.UID] {
		c.verdict.fault(record, FaultTwice)
	}
	c.uids[line.UID] = true
	if c.module == nil {
		c.plain(rec, record, kind)
		return nil
	}
	product, known := c.productOf(rec)
	if !known {
		c.verdict.fault(record, FaultProduct)
		return nil
	}
	c.verdict.Lines[record-1].Product = product.Code
	if product.Code != c.product || len(c.records) == checkChunk {
		if err := c.change(ctx, product); err != nil {
			return err
		}
	}
	good, err := c.sealed.open(ctx, rec)
	switch {
	case err != nil:
		return err
	case !good:
		c.verdict.fault(record, FaultEnciphered)
	case kind == formats.PINMailer:
		c.mailer(rec, record)
	default:
		c.card(rec, record, &product)
	}
	return nil
}

// plain checks a record by itself.
func (c *checker) plain(rec *formats.Record, record int64, kind formats.Kind) {
	switch {
	case c.copied: // that it has no card data its reader proves
	case kind == formats.CardFile:
		if p, ok := c.printed(rec, record); ok {
			p.CheckTracks(func(what string) { c.verdict.fault(record, what) })
			c.waiting = append(c.waiting[:0], p)
			c.wipe()
		}
	case kind == formats.PINMailer && rec.Has(formats.CardPAN):
		c.verdict.fault(record, FaultPANShown)
	}
}

// productOf finds a record's product by the code or the design that it or the header names. Where neither is said there must be only one.
func (c *checker) productOf(rec *formats.Record) (card.Product, bool) {
	said := func(f formats.Field) string {
		if v := rec.Get(f); len(v) > 0 {
			return string(v)
		}
		return string(c.verdict.Head.Get(f))
	}
	if code := said(formats.ProductCode); code != "" {
		p, ok := c.keys.Products[code]
		return p, ok
	}
	design := said(formats.ProductDesign)
	var found card.Product
	matches := 0
	for _, p := range c.keys.Products {
		if design == "" || p.Design == design {
			found = p
			matches++
		}
	}
	return found, matches == 1
}

// change finishes what waits and goes on with a product.
func (c *checker) change(ctx context.Context, product card.Product) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	if c.sheet == nil {
		c.sheet, c.mailers = personalization.NewSheet(checkChunk), newMailers(checkChunk)
	}
	c.product = product.Code
	c.mailers.length = product.PIN.Length
	var err error
	keys := personalization.KeysOf(&product)
	keys.ZPK, keys.PINFormat = c.keys.ZPK, c.keys.PINFormat
	c.press, err = personalization.NewPress(c.module, product, keys)
	if err != nil {
		return fmt.Errorf("check the records of a file: %w", err)
	}
	return nil
}

// card reads what a record prints of a card and lets it wait for the module.
func (c *checker) card(rec *formats.Record, record int64, product *card.Product) {
	p, ok := c.printed(rec, record)
	if !ok {
		return
	}
	if code := rec.Get(formats.CardServiceCode); len(code) > 0 && string(code) != product.ServiceCode {
		c.verdict.fault(record, FaultServiceCode)
	}
	if !rec.Has(formats.CardTrack1) && !rec.Has(formats.CardTrack2) {
		c.verdict.fault(record, FaultTracks)
	}
	if product.Technology.HasChip() && !rec.Has(formats.CardChipTrack2) && !rec.Has(formats.CardICVV) {
		c.verdict.fault(record, FaultChip)
	}
	if product.PIN.InCardFile && !rec.Has(formats.CardPINBlock) {
		c.verdict.fault(record, FaultPIN)
	}
	c.waiting, c.records = append(c.waiting, p), append(c.records, record)
}

// printed reads what a record prints of a card; false when number, expiry or PSN are none.
func (c *checker) printed(rec *formats.Record, record int64) (p personalization.Printed, ok bool) {
	var err error
	if p.PAN, err = card.NewPAN(rec.Get(formats.CardPAN)); err != nil {
		c.verdict.fault(record, FaultPAN)
		return p, false
	}
	if p.Expiry, err = expiryOf(rec); err != nil {
		c.verdict.fault(record, FaultExpiry)
		return p, false
	}
	if psn := rec.Get(formats.CardPSN); len(psn) > 0 {
		if len(psn) != 2 || strings.Trim(string(psn), "0123456789") != "" {
			c.verdict.fault(record, FaultPSN)
			return p, false
		}
		p.PSN, p.HasPSN = card.PSN(psn[0]-'0')*10+card.PSN(psn[1]-'0'), true
	}
	for _, copied := range []struct {
		to    *[]byte
		field formats.Field
	}{
		{&p.CVV, formats.CardCVV}, {&p.CVV2, formats.CardCVV2}, {&p.ICVV, formats.CardICVV}, {&p.CSC5, formats.CardCSC5}, {&p.CSC4, formats.CardCSC4},
		{&p.CSC3, formats.CardCSC3}, {&p.PINBlock, formats.CardPINBlock},
		{&p.Track1, formats.CardTrack1}, {&p.Track2, formats.CardTrack2}, {&p.ChipTrack2, formats.CardChipTrack2},
	} {
		*copied.to = append([]byte(nil), rec.Get(copied.field)...)
	}
	return p, true
}

// expiryOf is the record's own expiry, or that of its track 2 where the layout prints none.
func expiryOf(rec *formats.Record) (card.Expiry, error) {
	if yymm := rec.Get(formats.CardExpiry); len(yymm) > 0 {
		return card.ParseExpiry(string(yymm))
	}
	_, rest, found := strings.Cut(string(rec.Get(formats.CardTrack2)), "=")
	if !found || len(rest) < 4 {
		return card.Expiry{}, card.ErrExpiry
	}
	return card.ParseExpiry(rest[:4])
}

// flush checks what waits through the module.
func (c *checker) flush(ctx context.Context) error {
	defer c.wipe()
	if len(c.waiting) > 0 {
		if err := c.flushCards(ctx); err != nil {
			return err
		}
	}
	if c.mailers != nil && len(c.mailers.references) > 0 {
		return c.flushMailers(ctx)
	}
	return nil
}

func (c *checker) flushCards(ctx context.Context) error {
	err := c.press.VerifyCodes(ctx, c.waiting, c.sheet, func(i int, what string) { c.verdict.fault(c.records[i], what) })
	if err == nil || !errors.Is(err, hsm.ErrRealBIN) {
		return wrapCheck(err)
	}
	// Some number is outside the BINs that the module serves, and it does not say which: ask one at a time.
	for i := range c.waiting {
		err := c.press.VerifyCodes(ctx, c.waiting[i:i+1], c.sheet, func(_ int, what string) { c.verdict.fault(c.records[i], what) })
		switch {
		case errors.Is(err, hsm.ErrRealBIN):
			c.verdict.fault(c.records[i], FaultBIN)
		case err != nil:
			return wrapCheck(err)
		}
	}
	return nil
}

func wrapCheck(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("check the records of a file: %w", err)
}

// wipe forgets the card data that waited.
func (c *checker) wipe() {
	for i := range c.waiting {
		p := &c.waiting[i]
		for _, b := range [][]byte{p.CVV, p.CVV2, p.ICVV, p.CSC5, p.CSC4, p.CSC3, p.PINBlock, p.Track1, p.Track2, p.ChipTrack2} {
			clear(b)
		}
	}
	c.waiting, c.records = c.waiting[:0], c.records[:0]
	if c.mailers != nil {
		c.mailers.blocks.Wipe()
		c.mailers.references = c.mailers.references[:0]
	}
}
