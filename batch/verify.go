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
	check := &recordCheck{job: j, rows: rows}
	for {
		section, rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return records, check.flush(ctx)
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

// recordCheck gathers what was read back and compares it a chunk at a time.
type recordCheck struct {
	*job
	rows  rowsOf
	first int64
	read  []readBack
}

// readBack is what one record showed.
type readBack struct {
	pan, expiry, track1, track2, cvv2, uid card.Secret
}

func keep(rec *formats.Record, f formats.Field) card.Secret {
	return card.NewSecret(append([]byte(nil), rec.Get(f)...))
}

func (c *recordCheck) add(ctx context.Context, line int64, rec *formats.Record) error {
	if len(c.read) == 0 {
		c.first = line
	}
	c.read = append(c.read, readBack{pan: keep(rec, formats.CardPAN), expiry: keep(rec, formats.CardExpiry), track1: keep(rec, formats.CardTrack1),
		track2: keep(rec, formats.CardTrack2), cvv2: keep(rec, formats.CardCVV2), uid: keep(rec, formats.RecordUID)})
	if len(c.read) < renderChunk {
		return nil
	}
	return c.flush(ctx)
}

func (c *recordCheck) flush(ctx context.Context) error {
	if len(c.read) == 0 {
		return nil
	}
	rows, err := c.rows(ctx, c.first, c.first+int64(len(c.read))-1)
	if err != nil {
		return err
	}
	mailers := c.file.Purpose == store.MailerPurpose
	sample := sample{}
	for i := range rows {
		if err := c.one(&rows[i], &c.read[i], mailers, &sample); err != nil {
			return fmt.Errorf("record %d: %w", rows[i].Position, err)
		}
	}
	if err := c.recompute(ctx, &sample); err != nil {
		return err
	}
	for i := range c.read {
		c.read[i].pan.Wipe()
		c.read[i].track1.Wipe()
		c.read[i].track2.Wipe()
		c.read[i].cvv2.Wipe()
	}
	c.read = c.read[:0]
	return nil
}

// sample is the records of a chunk that are made once more.
type sample struct {
	issues []personalization.Issue
	got    []*readBack
	lines  []int64
}

func (c *recordCheck) one(row *store.PrintRow, got *readBack, mailer bool, again *sample) error {
	if uid := got.uid.Reveal(); len(uid) > 0 && string(uid) != RecordUID(c.file.Number, row.Position) {
		return errors.New("its identifier is not its line's")
	}
	if mailer {
		if len(got.pan.Reveal()) > 0 {
			return errors.New("a PIN mailer shows a card number")
		}
		return nil
	}
	return c.oneCard(row, got, again)
}

// oneCard inverts the number that was read and compares the card; then everything that stands twice must agree.
func (c *recordCheck) oneCard(row *store.PrintRow, got *readBack, again *sample) error {
	pan, err := card.NewPAN(got.pan.Reveal())
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
	if x := got.expiry.Reveal(); len(x) > 0 && !bytes.Equal(x, yymm[:]) {
		return errors.New("its expiry is not its issue's")
	}
	if t := got.track2.Reveal(); len(t) > 0 && (len(t) > 37 || !bytes.HasPrefix(t, joined(pan.Reveal(), "=", yymm[:]))) {
		return errors.New("its track 2 is not its card's")
	}
	if t := got.track1.Reveal(); len(t) > 0 && (len(t) > 76 || !bytes.HasPrefix(t, joined([]byte("B"), string(pan.Reveal()), []byte("^"))) ||
		!bytes.Contains(t, joined([]byte("^"), string(yymm[:]), []byte(c.product.ServiceCode)))) {
		return errors.New("its track 1 is not its card's")
	}
	if n := int64(max(c.bureau.SealSample, 1)); row.Position%n != 0 {
		return nil
	}
	issue, err := pressIssue(row, pan)
	if err != nil {
		return err
	}
	again.issues, again.got, again.lines = append(again.issues, issue), append(again.got, got), append(again.lines, row.Position)
	return nil
}

// recompute makes a sample's data once more through the module, from the numbers that were read, and compares tracks and codes byte for byte.
func (c *recordCheck) recompute(ctx context.Context, again *sample) error {
	if len(again.issues) == 0 {
		return nil
	}
	want := personalization.NewSheet(len(again.issues))
	if err := c.press.Fill(ctx, again.issues, want); err != nil {
		return err
	}
	for i, got := range again.got {
		for _, pair := range []struct {
			name      string
			got, want []byte
		}{
			{"track 1", got.track1.Reveal(), want.Track1(i)}, {"track 2", got.track2.Reveal(), want.Track2(i)}, {"CVV2", got.cvv2.Reveal(), want.CVV2(i)},
		} {
			if len(pair.got) > 0 && !bytes.Equal(pair.got, pair.want) {
				return fmt.Errorf("record %d: its %s cannot be recomputed", again.lines[i], pair.name)
			}
		}
	}
	return nil
}

func joined(a []byte, b string, c []byte) []byte {
	return append(append(append([]byte(nil), a...), b...), c...)
}
