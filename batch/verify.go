package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"platen/card"
	"platen/formats"
	"platen/personalization"
	"platen/sql/store"
)

// verify reads a file's plaintext back with the layout that wrote it: structure, counts and totals by the reader, and of each record that its number
// belongs to the card of its line and that tracks, expiry and codes fit together. A sample, or all by setting, is recomputed through the module.
func (j *job) verify(ctx context.Context, r io.Reader, rows rowsOf) (int64, error) {
	in := j.layout.NewReader(r)
	records := int64(0)
	check := &recordCheck{job: j, find: rows, number: card.NewPANs(1)}
	for {
		section, rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return records, check.recompute(ctx)
		}
		if err != nil {
			return records, fmt.Errorf("read back: %w", err)
		}
		if section != formats.Detail {
			continue
		}
		if records++; j.sidecar > 0 {
			continue // it has no card data to check
		}
		if err := check.add(ctx, records, rec); err != nil {
			return records, err
		}
	}
}

// rowsOf finds the rows of lines first to last, of which none is missing.
type rowsOf func(ctx context.Context, first, last int64) ([]store.PrintRow, error)

// rendered finds rows among those that were shown while they were rendered, a chunk at a time.
func rendered(shown <-chan []store.PrintRow) rowsOf {
	return func(_ context.Context, first, last int64) ([]store.PrintRow, error) {
		select {
		case rows := <-shown: // before its first record was written
			if rows[0].Position == first && int64(len(rows)) == last-first+1 {
				return rows, nil
			}
		default:
		}
		return nil, fmt.Errorf("records %d to %d were not rendered as they were read back", first, last)
	}
}

// recordCheck compares each record that is read back with the row that it was made of.
type recordCheck struct {
	*job
	find   rowsOf
	rows   []store.PrintRow // of the chunk that is being read
	text   []byte           // what a value should be
	number *card.PANs       // the number that was read
	sample sample
}

func (c *recordCheck) add(ctx context.Context, line int64, rec *formats.Record) error {
	at := (line - 1) % renderChunk
	if at == 0 {
		if err := c.turn(ctx, line); err != nil {
			return err
		}
	}
	if at >= int64(len(c.rows)) {
		return fmt.Errorf("record %d: the file has only %d lines", line, c.file.Planned)
	}
	if err := c.one(&c.rows[at], rec); err != nil {
		return fmt.Errorf("record %d: %w", line, err)
	}
	return nil
}

// turn ends a chunk and begins the one whose first record is line.
func (c *recordCheck) turn(ctx context.Context, line int64) (err error) {
	if err = c.recompute(ctx); err != nil {
		return err
	}
	if line > c.file.Planned {
		c.rows = nil
		return nil
	}
	c.rows, err = c.find(ctx, line, min(line+renderChunk-1, c.file.Planned))
	return err
}

// sample is the records of a chunk that are made once more.
type sample struct {
	issues []personalization.Issue
	got    []readBack
	lines  []int64
	sealed sealedSample
}

// readBack is what one record showed.
type readBack struct{ track1, track2, cvv2, csc4 card.Secret }

func keep(rec *formats.Record, f formats.Field) card.Secret {
	return card.NewSecret(bytes.Clone(rec.Get(f)))
}

func (c *recordCheck) one(row *store.PrintRow, rec *formats.Record) error {
	if uid := rec.Get(formats.RecordUID); len(uid) > 0 {
		if c.text = appendUID(c.text[:0], c.file.Number, row.Position); !bytes.Equal(uid, c.text) {
			return errors.New("its identifier is not its line's")
		}
	}
	if c.file.Purpose == store.MailerPurpose {
		if rec.Has(formats.CardPAN) {
			return errors.New("a PIN mailer shows a card number")
		}
		return nil
	}
	return c.oneCard(row, rec)
}

// oneCard inverts the number that was read and compares the card; then everything that stands twice must agree.
func (c *recordCheck) oneCard(row *store.PrintRow, rec *formats.Record) error {
	pan, err := c.number.Set(0, rec.Get(formats.CardPAN))
	if err != nil {
		return err
	}
	r, err := c.rangeOf(row.Issue.Card.Range())
	if err != nil {
		return err
	}
	sequence, err := c.Vault.Sequence(r.Range, r.PermutationKey, pan)
	if err != nil {
		return err
	}
	if id, err := card.NewID(r.Number, sequence); err != nil || id != row.Issue.Card {
		return errors.New("its number is another card's")
	}
	e, err := card.ExpiryFromInt(row.Issue.Expiry)
	if err != nil {
		return err
	}
	yymm := e.YYMM()
	if x := rec.Get(formats.CardExpiry); len(x) > 0 && !bytes.Equal(x, yymm[:]) {
		return errors.New("its expiry is not its issue's")
	}
	if t := rec.Get(formats.CardTrack2); len(t) > 0 && (len(t) > 37 || !bytes.HasPrefix(t, c.joined(pan.Reveal(), "=", yymm[:]))) {
		return errors.New("its track 2 is not its card's")
	}
	if t := rec.Get(formats.CardTrack1); len(t) > 0 && (len(t) > 76 || t[0] != 'B' || !bytes.HasPrefix(t[1:], c.joined(pan.Reveal(), "^", nil)) ||
		!bytes.Contains(t, append(c.joined([]byte("^"), "", yymm[:]), c.product.ServiceCode...))) {
		return errors.New("its track 1 is not its card's")
	}
	if n := int64(max(c.bureau.SealSample, 1)); row.Position%n != 0 {
		return nil
	}
	if pan, err = card.NewPAN(rec.Get(formats.CardPAN)); err != nil { // a copy that stays
		return err
	}
	issue, err := c.pressIssue(row, pan)
	if err != nil {
		return err
	}
	sealed, err := c.keepEnciphered(rec)
	if err != nil {
		return err
	}
	again := &c.sample
	again.sealed = append(again.sealed, sealed)
	again.issues, again.lines = append(again.issues, issue), append(again.lines, row.Position)
	again.got = append(again.got, readBack{keep(rec, formats.CardTrack1), keep(rec, formats.CardTrack2), keep(rec, formats.CardCVV2), keep(rec, formats.CardCSC4)})
	return nil
}

// recompute makes the sample's data once more through the module, from the numbers that were read, and compares tracks and codes byte for byte.
func (c *recordCheck) recompute(ctx context.Context) error {
	again := c.sample
	c.sample = sample{}
	if len(again.issues) == 0 {
		return nil
	}
	want := personalization.NewSheet(len(again.issues))
	if err := c.press.Fill(ctx, again.issues, want); err != nil {
		return err
	}
	for i, got := range again.got {
		if err := got.compare(want, i); err != nil {
			return fmt.Errorf("record %d: %w", again.lines[i], err)
		}
	}
	return c.decipher(ctx, again.sealed, func(i int, rec *formats.Record) error {
		got := readBack{keep(rec, formats.CardTrack1), keep(rec, formats.CardTrack2), keep(rec, formats.CardCVV2), keep(rec, formats.CardCSC4)}
		if err := got.compare(want, i); err != nil {
			return fmt.Errorf("record %d, enciphered: %w", again.lines[i], err)
		}
		if pan := rec.Get(formats.CardPAN); len(pan) > 0 && !bytes.Equal(pan, again.issues[i].PAN.Reveal()) {
			return fmt.Errorf("record %d, enciphered: its number is another card's", again.lines[i])
		}
		return nil
	})
}

// compare compares what one record showed with what its card has, and wipes it.
func (r readBack) compare(want *personalization.Sheet, i int) error {
	for _, pair := range []struct {
		name      string
		got, want []byte
	}{
		{"track 1", r.track1.Reveal(), want.Track1(i)}, {"track 2", r.track2.Reveal(), want.Track2(i)}, {"CVV2", r.cvv2.Reveal(), want.CVV2(i)},
		{"code on the front", r.csc4.Reveal(), want.CSC4(i)},
	} {
		if len(pair.got) > 0 && !bytes.Equal(pair.got, pair.want) {
			return fmt.Errorf("its %s cannot be recomputed", pair.name)
		}
		clear(pair.got)
	}
	return nil
}

// joined puts a value together, which is valid until the next.
func (c *recordCheck) joined(first []byte, mark string, last []byte) []byte {
	c.text = append(append(append(c.text[:0], first...), mark...), last...)
	return c.text
}
