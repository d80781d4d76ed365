package batch

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/personalization"
	"platen/sql/store"
)

// renderChunk is how many lines one worker renders at a time; renderWorkers how many chunks are in memory at once.
const (
	renderChunk   = 1000
	renderWorkers = 3
)

// render writes a file's plaintext. It is a pure function of stored data and pinned keys: it reads no clock, draws nothing and iterates no map, so the
// same file gives the same bytes on every worker, always.
func (j *job) render(ctx context.Context, w io.Writer) error {
	return j.renderShowing(ctx, w, func([]store.PrintRow) {})
}

// renderShowing shows the rows of each chunk before the chunk is written.
func (j *job) renderShowing(ctx context.Context, w io.Writer, show func([]store.PrintRow)) error {
	if j.layout.CarrierWise() {
		if err := j.countCarriers(ctx); err != nil {
			return err
		}
	}
	head := j.head()
	out, err := j.layout.NewWriter(w, head)
	if err != nil {
		return err
	}
	if j.layout.EachFile() {
		err = out.Write(head)
	} else {
		err = j.renderLines(ctx, out, show)
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// head is what is true of the whole file; a sidecar also knows what its file was sealed with.
func (j *job) head() *formats.Record {
	r := headOf(j.inst, j.file, j.product)
	r.SetString(formats.FileZPKKCV, j.zpkKCV)
	if j.layout.Kind() != formats.Sidecar {
		for i, kcv := range j.zekKCVs {
			j.layout.SetKCV(r, i, kcv)
		}
	}
	if j.layout.Kind() == formats.Sidecar && j.file.PlaintextBytes != nil {
		r.SetString(formats.FileSHA256, hexString(j.file.PlaintextSHA))
		r.SetInt(formats.FileBytes, *j.file.PlaintextBytes)
	}
	if j.layout.CarrierWise() {
		r.SetInt(formats.FileCarriers, j.letters)
	}
	return r
}

// countCarriers counts the letters of a file before its header tells how many there are.
func (j *job) countCarriers(ctx context.Context) error {
	var carriers formats.Carriers
	var record formats.Record
	for first := int64(1); first <= j.file.Planned; first += renderChunk {
		rows, err := j.storedRows(ctx, first, min(first+renderChunk-1, j.file.Planned))
		if err != nil {
			return err
		}
		for i := range rows {
			putRow(&record, &j.file, &rows[i])
			carriers.Add(&record)
		}
	}
	record.Reset()
	j.letters = carriers.Count()
	return nil
}

// details is how many records the file has: one a line, unless its layout says otherwise.
func (j *job) details() int64 {
	switch {
	case j.layout.EachFile():
		return 1
	case j.layout.EachProduct():
		return min(j.file.Planned, 1)
	case j.layout.EachCarrier():
		return j.letters
	}
	return j.file.Planned
}

// renderLines renders chunks side by side and writes them in order: place n of a ring belongs to chunk n, so memory is bounded by the ring.
func (j *job) renderLines(ctx context.Context, w *formats.Writer, show func([]store.PrintRow)) error {
	chunks := (j.file.Planned + renderChunk - 1) / renderChunk
	ring := make([]chan page, renderWorkers)
	for i := range ring {
		ring[i] = make(chan page, 1)
	}
	used := make(chan *formats.Part, 3*renderWorkers) // one is made, one waits and one is written for each worker
	g, ctx := errgroup.WithContext(ctx)
	for worker := range int64(renderWorkers) {
		g.Go(func() error {
			d := &desk{used: used}
			for n := worker; n < chunks; n += renderWorkers {
				p, err := j.renderPage(ctx, d, n*renderChunk+1, min((n+1)*renderChunk, j.file.Planned))
				if err != nil {
					return err
				}
				select {
				case ring[worker] <- p:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for n := range chunks {
			select {
			case p := <-ring[n%renderWorkers]:
				show(p.rows)
				if err := w.Append(p.part); err != nil {
					return fmt.Errorf("write lines: %w", err)
				}
				p.part.Wipe()
				select {
				case used <- p.part:
				default:
				}
				j.printed.Store(min((n+1)*renderChunk, j.file.Planned))
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}

// page is a chunk of lines with the rows that they were made of.
type page struct {
	part *formats.Part
	rows []store.PrintRow
}

// desk is the memory that one worker renders page after page in.
type desk struct {
	used   chan *formats.Part // pages that were written; nil where none comes back
	sheet  *personalization.Sheet
	issues []personalization.Issue
	sealed []card.Secrets // what the layout enciphers, by place
}

// part is an empty page, one that was written before if there is any.
func (d *desk) part(l *formats.Layout) *formats.Part {
	select {
	case p := <-d.used:
		return p
	default:
		return l.NewPart()
	}
}

// renderPage renders lines first to last of the file.
func (j *job) renderPage(ctx context.Context, d *desk, first, last int64) (p page, err error) {
	if p.rows, err = j.storedRows(ctx, first, last); err != nil {
		return p, err
	}
	ids := make([]card.ID, len(p.rows))
	for i := range p.rows {
		ids[i] = p.rows[i].Issue.Card
	}
	views, err := j.views(ids)
	if err != nil {
		return p, err
	}
	switch {
	case j.layout.Kind() == formats.Sidecar:
		p.part, err = j.sidecarPage(ctx, d, p.rows, views)
	case j.file.Purpose == store.MailerPurpose:
		p.part, err = j.mailerPage(ctx, d, p.rows, views)
	default:
		p.part, err = j.cardPage(ctx, d, p.rows, views)
	}
	return p, err
}

// storedRows reads the rows of lines first to last; none may be missing.
func (j *job) storedRows(ctx context.Context, first, last int64) ([]store.PrintRow, error) {
	rows, err := j.Store.PrintRows(ctx, j.file.Number, j.file.Purpose == store.MailerPurpose, first, last)
	if err != nil {
		return nil, err
	}
	if int64(len(rows)) != last-first+1 {
		return nil, fmt.Errorf("file %d: %d rows for lines %d to %d", j.file.Number, len(rows), first, last)
	}
	for i := range rows {
		if rows[i].Position != first+int64(i) {
			return nil, fmt.Errorf("file %d: line %d is missing", j.file.Number, first+int64(i))
		}
	}
	return rows, nil
}

// views are the numbers and tokens of a chunk of cards.
type views struct {
	pans   []card.PAN
	tokens []string
}

// views computes the two public views of each card.
func (j *job) views(ids []card.ID) (views, error) {
	v := views{pans: make([]card.PAN, len(ids)), tokens: make([]string, len(ids))}
	for i, id := range ids {
		r, err := j.rangeOf(id.Range())
		if err != nil {
			return v, err
		}
		if v.tokens[i], err = j.Vault.Token(id, r.TokenKey); err != nil {
			return v, err
		}
	}
	return v, j.numbersOf(ids, v.pans)
}

func (j *job) cardPage(ctx context.Context, d *desk, rows []store.PrintRow, v views) (*formats.Part, error) {
	if d.sheet == nil {
		d.sheet, d.issues = personalization.NewSheet(renderChunk), make([]personalization.Issue, renderChunk)
	}
	in, sheet := d.issues[:len(rows)], d.sheet
	defer sheet.Wipe()
	for i := range rows {
		issue, err := j.pressIssue(&rows[i], v.pans[i])
		if err != nil {
			return nil, fmt.Errorf("file %d line %d: %w", j.file.Number, rows[i].Position, err)
		}
		in[i] = issue
	}
	if err := j.press.Fill(ctx, in, sheet); err != nil {
		return nil, fmt.Errorf("file %d lines from %d: %w", j.file.Number, rows[0].Position, err)
	}
	// A card is valid from the month of the day that its file is of.
	effective := j.file.BusinessDate[2:4] + j.file.BusinessDate[5:7]
	requests := map[card.Reason]string{}
	return j.appendRows(ctx, d, rows, func(r *formats.Record, i int) {
		reason := rows[i].Reason()
		if requests[reason] == "" {
			requests[reason] = requestOf(j.product, reason)
		}
		putCard(r, sheet, i, &in[i], j.product, v.tokens[i])
		r.SetString(formats.CardRequest, requests[reason])
		r.SetString(formats.CardEffective, effective)
	})
}

// mailerPage renders PIN mailers: a reference, a name, an address and the PIN block bound to the reference. No card number is set.
func (j *job) mailerPage(ctx context.Context, d *desk, rows []store.PrintRow, v views) (*formats.Part, error) {
	keys, err := pressKeys(j.file.Keys)
	if err != nil {
		return nil, err
	}
	pins := make([]hsm.PIN, len(rows))
	accounts := make([]card.PAN, len(rows))
	for i := range rows {
		if pins[i], err = hsm.NewPIN(rows[i].PIN); err != nil {
			return nil, err
		}
		if accounts[i], err = mailerReference(j.file.Number, rows[i].Position); err != nil {
			return nil, err
		}
	}
	blocks := card.NewSecrets(len(rows), 16)
	if err := j.Module.ExportPINs(ctx, keys.Storage, keys.ZPK, keys.PINFormat, v.pans, pins, accounts, blocks); err != nil {
		return nil, fmt.Errorf("file %d lines from %d: %w", j.file.Number, rows[0].Position, err)
	}
	return j.appendRows(ctx, d, rows, func(r *formats.Record, i int) {
		r.Set(formats.MailerReference, accounts[i].Reveal())
		r.Set(formats.MailerPINBlock, blocks.Reveal(i))
		r.SetString(formats.CardToken, v.tokens[i])
		r.SetString(formats.CardRequest, "MAILER")
	})
}

func (j *job) appendRows(ctx context.Context, d *desk, rows []store.PrintRow, put func(*formats.Record, int)) (*formats.Part, error) {
	p := d.part(j.layout)
	record := j.head()
	defer record.Reset()
	sealed, err := j.encipher(ctx, d, rows, put)
	defer wipeAll(sealed)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		putRow(record, &j.file, &rows[i])
		put(record, i)
		for n := range sealed {
			j.layout.SetEnciphered(record, n, sealed[n].Reveal(i))
		}
		if j.take != nil {
			j.take(record)
			continue
		}
		if err := p.Add(record); err != nil {
			return nil, fmt.Errorf("file %d line %d: %w", j.file.Number, rows[i].Position, err)
		}
	}
	return p, nil
}

// pressIssue is a stored row as personalization takes it.
func (j *job) pressIssue(row *store.PrintRow, pan card.PAN) (personalization.Issue, error) {
	e, err := card.ExpiryFromInt(row.Issue.Expiry)
	if err != nil {
		return personalization.Issue{}, err
	}
	pin, err := hsm.NewPIN(row.PIN)
	if err != nil {
		return personalization.Issue{}, err
	}
	surname, given := j.names.Latin(row.LastName, row.FirstName)
	in := personalization.Issue{PAN: pan, Expiry: e, PSN: row.PSN, Name: formats.CardNames{Line1: row.EmbossName, Line2: row.EmbossName2}.Whole(),
		Surname: surname, GivenNames: given, PIN: pin}
	if row.PVV != nil {
		in.HasPVV = true
		for i, n := len(in.PVV)-1, *row.PVV; i >= 0; i, n = i-1, n/10 {
			in.PVV[i] = byte('0' + n%10)
		}
	}
	if row.Offset != nil {
		in.Offset.N = uint8(copy(in.Offset.Digits[:], *row.Offset))
	}
	return in, nil
}
