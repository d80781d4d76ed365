package formats

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
)

// Part is a run of details of one file that are put into bytes on their own, beside other parts. A Writer joins parts in order. A Part
// belongs to one goroutine at a time.
type Part struct {
	layout *Layout
	body   []byte
	runs   []run
	packed []byte  // what is kept of the runs
	kept   []Field // which values these are
	by     []Field // what details of one run are alike in
	key    []byte
	each   each // what a run is one detail of, if it is one
	totals Totals
}

// run is neighbouring details of one group, or neighbouring cards that one detail stands for.
type run struct {
	end      int // in the body
	records  int64
	from, to int    // in the packed values
	last     []byte // record.uid of the last card of a detail
}

// NewPart makes an empty part.
func (l *Layout) NewPart() *Part {
	if e := l.spec.each(); e.gathers() {
		return &Part{layout: l, kept: l.gathered, by: e.key(), each: e}
	}
	return l.newPart()
}

// newPart makes a part for details as they stand in the file.
func (l *Layout) newPart() *Part { return &Part{layout: l, kept: l.kept, by: l.spec.groupBy} }

// Add appends one detail, or one card of several that a detail stands for; then record.cards and record.last_uid of the record are the part's to
// set. It allocates nothing while the part has room. What does not fit is a *ValueError that names the field, and the part is then of no use.
func (p *Part) Add(rec *Record) error {
	l := p.layout
	switch {
	case len(p.runs) == 0 || len(p.by) > 0 && !hasKey(p.key, p.by, rec):
		p.begin(rec)
	case p.each > 0: // the detail is begun
	default:
		p.body = append(p.body, l.join...)
	}
	r := &p.runs[len(p.runs)-1]
	r.records++
	if p.each > 0 {
		r.last = append(r.last[:0], rec.Get(RecordUID)...)
		if r.records > 1 {
			return nil
		}
		p.tryOn(rec)
	}
	var err error
	if p.body, err = l.appendSection(p.body, Detail, rec); err != nil {
		return err
	}
	l.spend(rec)
	r.end = len(p.body)
	p.totals.Add(rec)
	p.totals.addControls(l.spec.controls, rec)
	return nil
}

// tryOn makes a record one that is written only to see whether it can be: with counts as high as those of its detail may become. A file has one
// product.
func (p *Part) tryOn(rec *Record) {
	p.body = p.body[:0]
	rec.Set(RecordCards, rec.Get(RecordNumber))
	rec.Set(RecordLastUID, rec.Get(RecordUID))
	if p.each == eachProduct {
		rec.SetInt(RecordNumber, 1)
	}
}

// Len is how many bytes the part has.
func (p *Part) Len() int { return len(p.body) }

// Wipe empties the part and overwrites what it held.
func (p *Part) Wipe() {
	clear(p.body)
	clear(p.runs)
	clear(p.packed)
	p.body, p.runs, p.packed, p.key, p.totals = p.body[:0], p.runs[:0], p.packed[:0], p.key[:0], Totals{}
}

func (p *Part) begin(rec *Record) {
	r := run{end: len(p.body), from: len(p.packed)}
	if len(p.by) > 0 {
		p.key = appendKey(p.key[:0], p.by, rec)
		p.packed = packValues(p.packed, p.kept, rec)
	}
	r.to = len(p.packed)
	p.runs = append(p.runs, r)
}

// show sets what is kept of a run.
func (p *Part) show(r *run, rec *Record) { unpackValues(p.packed[r.from:r.to], p.kept, rec) }

// Writer puts a file together: the header, details in order with what stands between them, the trailer with its totals. Equal records give
// equal bytes, however they are divided into parts.
type Writer struct {
	layout  *Layout
	out     io.Writer
	head    *Record
	totals  Totals
	single  *Part
	buffer  []byte
	started bool
	group   Record // of the group that is open
	grouped bool   // one is
	key     []byte
	records int64 // of the open group
	groups  int64
	cards   *Part  // where a detail stands for several cards, those that are added one by one
	held    Record // the detail that may stand for more cards
	heldKey []byte
	holding int64 // how many it stands for
	next    Record
	crc     hash.Hash32
	sha     hash.Hash
}

// flushAt is when details that are written one by one go out.
const flushAt = 32 << 10

// NewWriter writes the header of a file to w. head holds what is true of the whole file; the Writer sets its totals.
func (l *Layout) NewWriter(w io.Writer, head *Record) (*Writer, error) {
	out := &Writer{layout: l, out: w, head: head, single: l.newPart(), cards: l.NewPart()}
	if l.summed() {
		out.crc, out.sha = crc32.NewIEEE(), sha256.New()
	}
	if err := out.section(Header, head); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return out, nil
}

// Write adds one detail, or one card of several that a detail stands for.
func (w *Writer) Write(rec *Record) error {
	if w.cards.each > 0 {
		err := w.cards.Add(rec)
		if err == nil {
			err = w.gather(w.cards)
		}
		w.cards.Wipe()
		return err
	}
	return w.detail(rec)
}

func (w *Writer) detail(rec *Record) error {
	if err := w.single.Add(rec); err != nil {
		return err
	}
	if w.single.Len() < flushAt {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	err := w.append(w.single)
	w.single.Wipe()
	return err
}

// Append adds the details of a part behind all that were added before.
func (w *Writer) Append(p *Part) error {
	if p.each > 0 {
		return w.gather(p)
	}
	if len(w.single.runs) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return w.append(p)
}

// gather joins the cards of a part to those of the parts before: a detail stands for all that follow each other and are alike.
func (w *Writer) gather(p *Part) error {
	for i := range p.runs {
		r := &p.runs[i]
		p.show(r, &w.next)
		if w.holding == 0 || !hasKey(w.heldKey, p.by, &w.next) {
			if err := w.release(); err != nil {
				return err
			}
			w.held, w.next = w.next, w.held
			w.heldKey = appendKey(w.heldKey[:0], p.by, &w.held)
		}
		w.holding += r.records
		w.held.Set(RecordLastUID, r.last)
	}
	return nil
}

// release writes the detail that waited for more cards.
func (w *Writer) release() error {
	if w.holding == 0 {
		return nil
	}
	w.held.SetInt(RecordNumber, w.Records()+1)
	w.held.SetInt(RecordCards, w.holding)
	w.holding = 0
	return w.detail(&w.held)
}

func (w *Writer) append(p *Part) error {
	start := 0
	for i := range p.runs {
		r := &p.runs[i]
		if err := w.join(p, r); err != nil {
			return err
		}
		if err := w.write(p.body[start:r.end]); err != nil {
			return err
		}
		w.records += r.records
		start = r.end
	}
	w.totals.Merge(&p.totals)
	return nil
}

// join writes what stands before a run: the end of a group and the beginning of the next, or what parts two details.
func (w *Writer) join(p *Part, r *run) error {
	first := !w.started
	w.started = true
	grouping := len(p.by) > 0
	if grouping {
		p.show(r, &w.next)
	}
	if !first && (!grouping || hasKey(w.key, p.by, &w.next)) {
		return w.write(w.layout.join)
	}
	if !grouping {
		return nil
	}
	if !first {
		if err := w.closeGroup(); err != nil {
			return err
		}
		if err := w.write(w.layout.join); err != nil {
			return err
		}
	}
	w.group, w.next = w.next, w.group
	w.key, w.grouped, w.records = appendKey(w.key[:0], p.by, &w.group), true, 0
	w.groups++
	if err := w.section(GroupOpen, &w.group); err != nil {
		return fmt.Errorf("group: %w", err)
	}
	return nil
}

func (w *Writer) closeGroup() error {
	if !w.grouped {
		return nil
	}
	w.group.SetInt(GroupRecords, w.records)
	if err := w.section(GroupClose, &w.group); err != nil {
		return fmt.Errorf("end of a group: %w", err)
	}
	w.grouped = false
	return nil
}

// Close writes the trailer. It does not close what the file is written to.
func (w *Writer) Close() error {
	if err := w.release(); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.closeGroup(); err != nil {
		return err
	}
	w.totals.Put(w.head)
	if err := w.totals.putControls(w.layout.spec.controls, w.head); err != nil {
		return fmt.Errorf("trailer: %w", err)
	}
	if w.layout.CarrierWise() {
		w.head.SetInt(TotalsCarriers, w.layout.carriers(&w.totals, w.groups))
	}
	if w.crc != nil {
		w.head.SetString(TotalsCRC32, fmt.Sprintf("%08X", w.crc.Sum32()))
		w.head.SetString(TotalsSHA256, strings.ToUpper(hex.EncodeToString(w.sha.Sum(nil))))
		w.crc = nil
	}
	if err := w.section(Trailer, w.head); err != nil {
		return fmt.Errorf("trailer: %w", err)
	}
	return nil
}

// Records is how many details were added.
func (w *Writer) Records() int64 { return w.totals.Records() + w.single.totals.Records() }

func (w *Writer) section(which Section, rec *Record) error {
	var err error
	if w.buffer, err = w.layout.appendSection(w.buffer[:0], which, rec); err != nil {
		return err
	}
	err = w.write(w.buffer)
	clear(w.buffer)
	return err
}

func (w *Writer) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if w.crc != nil {
		_, _ = w.crc.Write(b)
		_, _ = w.sha.Write(b)
	}
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
