package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// trial writes lines as the files of their product will, with zeros for what a security module computes. What a layout cannot write is so found before an order
// stands, not in the night, when a file of others' cards would wait for it.
type trial struct {
	files []trialFile
	sheet *personalization.Sheet
	issue [1]personalization.Issue
	pan   card.PAN
	order string // the reference of the lines' order
}

// trialFile is one layout in its place: a card file, a PIN mailer, or what goes along with them.
type trialFile struct {
	*job
	part   *formats.Part
	record *formats.Record // what is true of the whole file; each line is put over the last
}

// A trial's file number and token. File numbers grow: a layout must have room for them for years.
const (
	trialNumber = 99_999
	trialToken  = "T000000000000000000"
)

// declarations finds what is declared by name; nil for what is not.
type declarations struct {
	layout func(name string) *formats.Layout
	bureau func(code string) *programs.Bureau
	pans   func(code string) (card.Range, bool)
}

// newTrial makes a product's layouts ready. A product without plastic has none.
func (p *Plant) newTrial(i store.Institution, product *card.Product, d declarations, order, day string) (*trial, error) {
	t := &trial{sheet: personalization.NewSheet(1), order: order}
	if product.Technology == card.Virtual {
		return t, nil
	}
	of, ok := d.pans(product.Range)
	if !ok {
		return nil, fmt.Errorf("product %s: range %q is not declared", product.Code, product.Range)
	}
	var err error
	digits := append([]byte(of.Prefix), bytes.Repeat([]byte{'0'}, of.BodyDigits())...)
	if t.pan, err = card.NewPAN(append(digits, card.CheckDigit(digits))); err != nil {
		return nil, fmt.Errorf("product %s: %w", product.Code, err)
	}
	if err := t.add(p, i, product, d, store.CardPurpose, day); err != nil {
		return nil, err
	}
	if !product.PIN.Mailer {
		return t, nil
	}
	return t, t.add(p, i, product, d, store.MailerPurpose, day)
}

// add makes one kind of file ready, with what goes along with it.
func (t *trial) add(p *Plant, i store.Institution, product *card.Product, d declarations, purpose store.Purpose, day string) error {
	bureauCode, name := product.Bureau, product.Layout
	if purpose == store.MailerPurpose {
		bureauCode, name = product.MailerBureau, product.MailerLayout
	}
	bureau, layout := d.bureau(bureauCode), d.layout(name)
	if bureau == nil || layout == nil {
		return fmt.Errorf("product %s: bureau %q or layout %q is not declared", product.Code, bureauCode, name)
	}
	keys := personalization.KeysOf(product)
	keys.PINFormat = hsm.PINFormat(bureau.PINFormat)
	press, err := personalization.NewPress(p.Module, *product, keys)
	if err != nil {
		return err
	}
	names, err := formats.NewNames(product.Names, product.NameLimit)
	if err != nil {
		return fmt.Errorf("product %s: %w", product.Code, err)
	}
	most := int64(1)
	for _, limit := range []int{bureau.MaxRecords, layout.MaxRecords()} {
		if limit > 0 && (most == 1 || int64(limit) < most) {
			most = int64(limit)
		}
	}
	size := int64(0)
	f := store.File{Number: trialNumber, Institution: i.ID, Purpose: purpose, BureauCode: bureau.Code, Sequence: 1, Name: "trial", BusinessDate: day, FileTime: "000000", Stamp: p.Stamp,
		Planned: most, PlaintextSHA: make([]byte, 32), PlaintextBytes: &size}
	for _, sidecar := range append([]string{""}, layout.Sidecars()...) {
		l := layout
		if sidecar != "" {
			if l = d.layout(sidecar); l == nil {
				return fmt.Errorf("layout %s: sidecar %q is not declared", layout.Name(), sidecar)
			}
		}
		l = l.Blank()
		j := &job{Plant: p, inst: i, file: f, product: product, bureau: bureau, layout: l, press: press, names: names, letters: most, zpkKCV: "000000"}
		for range l.Keys() {
			j.zekKCVs = append(j.zekKCVs, j.zpkKCV)
		}
		t.files = append(t.files, trialFile{job: j, part: l.NewPart(), record: j.head()})
	}
	return nil
}

// refusalError is what a layout does not take of a line. It names no value.
type refusalError struct {
	layout, bureau string
	field          string // of the catalogue of fields; empty for the record as a whole
	reason         error
}

// Error implements error.
func (r *refusalError) Error() string {
	return fmt.Sprintf("layout %s of bureau %s: %s: %v", r.layout, r.bureau, orWord(r.field, "the record"), r.reason)
}

// Unwrap gives the reason.
func (r *refusalError) Unwrap() error { return r.reason }

func orWord(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}

// try writes a line for a reason in every file that it would stand in. What a layout refuses is a *refusalError.
func (t *trial) try(l *store.OrderLine, reason card.Reason, expiry card.Expiry) error {
	for i := range t.files {
		f := &t.files[i]
		if f.layout.EachFile() {
			continue // no line stands in it
		}
		if f.file.Purpose == store.MailerPurpose {
			if a, ok := f.product.Action(reason); !ok || !a.Mailer {
				continue
			}
		}
		record, err := t.line(f, l, reason, expiry)
		if err != nil {
			return err
		}
		if err := f.part.Add(record); err != nil {
			return f.refusal(record, err)
		}
		f.part.Wipe()
	}
	return nil
}

func (f *trialFile) refusal(record *formats.Record, err error) error {
	f.part = f.layout.NewPart()
	r := &refusalError{layout: f.layout.Name(), bureau: f.bureau.Code, reason: err}
	var value *formats.ValueError
	if all := f.layout.Refusals(record); len(all) > 0 {
		value = all[0]
	} else if !errors.As(err, &value) {
		return r
	}
	r.field, r.reason = value.Field, value.Reason
	return r
}

// line is the record of a line as one file shows it.
func (t *trial) line(f *trialFile, l *store.OrderLine, reason card.Reason, expiry card.Expiry) (*formats.Record, error) {
	psn, err := card.NewPSN(f.product.FirstPSN)
	if err != nil {
		return nil, err
	}
	row := store.PrintRow{Issue: store.Issue{Issue: 1, Reason: reason, Expiry: expiry.Int(), PSN: psn}, OrderLine: l, Position: f.file.Planned, Reference: t.order}
	record := f.record
	putRow(record, &f.file, &row)
	record.SetString(formats.CardToken, trialToken)
	if f.file.Purpose == store.MailerPurpose {
		reference, err := mailerReference(f.file.Number, row.Position)
		if err != nil {
			return nil, err
		}
		record.Set(formats.MailerReference, reference.Reveal())
		record.Set(formats.MailerPINBlock, f.press.BlankBlock())
		record.SetString(formats.CardRequest, "MAILER")
		return record, nil
	}
	issue, err := f.pressIssue(&row, t.pan)
	if err != nil {
		return nil, err
	}
	t.issue[0] = issue
	if err := f.press.Blank(t.issue[:], t.sheet); err != nil {
		return nil, err
	}
	putCard(record, t.sheet, 0, &t.issue[0], f.product, trialToken)
	record.SetString(formats.CardRequest, requestOf(f.product, reason))
	record.SetString(formats.CardEffective, f.file.BusinessDate[2:4]+f.file.BusinessDate[5:7])
	return record, nil
}

// whole writes every file with one plain line, from its header to its trailer.
func (t *trial) whole(l *store.OrderLine, expiry card.Expiry) error {
	for i := range t.files {
		f := &t.files[i]
		head := f.head()
		w, err := f.layout.NewWriter(io.Discard, head)
		if err != nil {
			return fmt.Errorf("layout %s of bureau %s: %w", f.layout.Name(), f.bureau.Code, err)
		}
		record := head
		if !f.layout.EachFile() {
			if record, err = t.line(f, l, card.New, expiry); err != nil {
				return err
			}
		}
		if err := w.Write(record); err != nil {
			return f.refusal(record, err)
		}
		if err := w.Close(); err != nil {
			return fmt.Errorf("layout %s of bureau %s: %w", f.layout.Name(), f.bureau.Code, err)
		}
	}
	return nil
}

// tryProducts writes a plain line of each declared product in each of its files, for every reason that makes a card, so that a layout without room for what
// every card has is refused before an order comes.
func (d *declaration) tryProducts() error {
	loc, err := zone(d.inst)
	if err != nil {
		return err
	}
	today := d.Now().In(loc)
	for i := range d.set.Products {
		p := &d.set.Products[i]
		t, err := d.newTrial(d.inst, p, declarationsOf(d.set), "TRIAL", today.Format("2006-01-02"))
		if err == nil {
			err = t.plain(p, today)
		}
		if err != nil {
			return fmt.Errorf("product %s: %w", p.Code, err)
		}
	}
	return nil
}

// plain tries a line that any layout should take.
func (t *trial) plain(p *card.Product, today time.Time) error {
	expiry, err := personalization.ExpiryOf(*p, today, card.Expiry{})
	if err != nil {
		return err
	}
	l := &store.OrderLine{Unit: 1, Quantity: 1, EmbossName: p.AnonymousName}
	if !p.Anonymous {
		l.FirstName, l.LastName, l.EmbossName = "AN", "LI", "AN LI"
		l.Address1, l.City, l.Postcode, l.Country = "1", "A", "1", "ES"
	}
	if err := t.whole(l, expiry); err != nil {
		return err
	}
	for reason := card.New; reason <= card.Request; reason++ {
		if _, makes := p.Action(reason); !makes {
			continue
		}
		if err := t.try(l, reason, expiry); err != nil {
			return fmt.Errorf("a card for the reason %s: %w", reason, err)
		}
	}
	return nil
}

func declarationsOf(set *programs.Set) declarations {
	return declarations{
		layout: func(name string) *formats.Layout {
			for _, l := range set.Layouts {
				if l.Name() == name {
					return l
				}
			}
			return nil
		},
		bureau: func(code string) *programs.Bureau {
			for i := range set.Bureaus {
				if set.Bureaus[i].Code == code {
					return &set.Bureaus[i]
				}
			}
			return nil
		},
		pans: func(code string) (card.Range, bool) {
			for i := range set.Ranges {
				if set.Ranges[i].Code == code {
					return set.Ranges[i].Range, true
				}
			}
			return card.Range{}, false
		},
	}
}
