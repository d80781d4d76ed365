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
	key    []byte
	totals Totals
}

// run is neighbouring details of one group.
type run struct {
	end     int // in the body
	records int64
	head    *Record // what the group shows; nil where the layout has no groups
}

// NewPart makes an empty part.
func (l *Layout) NewPart() *Part { return &Part{layout: l} }

// Add appends one detail. It allocates nothing while the part has room. What does not fit is a *ValueError that names the field, and the
// part is then of no use.
func (p *Part) Add(rec *Record) error {
	l := p.layout
	if len(p.runs) == 0 || p.changes(rec) {
		p.begin(rec)
	} else {
		p.body = append(p.body, l.join...)
	}
	var err error
	if p.body, err = l.appendSection(p.body, Detail, rec); err != nil {
		return err
	}
	r := &p.runs[len(p.runs)-1]
	r.end = len(p.body)
	r.records++
	p.totals.Add(rec)
	return nil
}

// Len is how many bytes the part has.
func (p *Part) Len() int { return len(p.body) }

// Wipe empties the part and overwrites what it held.
func (p *Part) Wipe() {
	clear(p.body)
	clear(p.runs)
	*p = Part{layout: p.layout, body: p.body[:0], runs: p.runs[:0], key: p.key[:0]}
}

// changes tells whether a detail begins another group.
func (p *Part) changes(rec *Record) bool {
	by := p.layout.spec.groupBy
	if len(by) == 0 {
		return false
	}
	key := p.key
	for _, f := range by {
		v := rec.Get(f)
		if len(key) < len(v)+1 || string(key[:len(v)]) != string(v) || key[len(v)] != 0 {
			return true
		}
		key = key[len(v)+1:]
	}
	return false
}

func (p *Part) begin(rec *Record) {
	l := p.layout
	r := run{end: len(p.body)}
	if len(l.spec.groupBy) > 0 {
		p.key = appendKey(p.key[:0], l.spec.groupBy, rec)
		r.head = new(Record)
		for which := GroupOpen; which <= GroupClose; which += GroupClose - GroupOpen {
			if s := l.sections[which]; s != nil {
				s.copyFields(r.head, rec)
			}
		}
		for _, f := range l.spec.groupBy {
			r.head.Set(f, rec.Get(f))
		}
	}
	p.runs = append(p.runs, r)
}

// appendKey makes the key of a group; no value holds the byte that ends each.
func appendKey(dst []byte, by []Field, rec *Record) []byte {
	for _, f := range by {
		dst = append(append(dst, rec.Get(f)...), 0)
	}
	return dst
}

// copyFields copies what a section shows.
func (s *section) copyFields(to, from *Record) {
	for i := range s.columns {
		for _, c := range append([]column{s.columns[i]}, s.columns[i].parts...) {
			if c.field != 0 {
				to.Set(c.field, from.Get(c.field))
			}
			if c.when != nil {
				to.Set(c.when.field, from.Get(c.when.field))
			}
		}
	}
}

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
	group   *Record // of the group that is open
	key     string
	records int64 // of the open group
	crc     hash.Hash32
	sha     hash.Hash
}

// flushAt is when details that are written one by one go out.
const flushAt = 32 << 10

// NewWriter writes the header of a file to w. head holds what is true of the whole file; the Writer sets its totals.
func (l *Layout) NewWriter(w io.Writer, head *Record) (*Writer, error) {
	out := &Writer{layout: l, out: w, head: head, single: l.NewPart()}
	if l.summed() {
		out.crc, out.sha = crc32.NewIEEE(), sha256.New()
	}
	if err := out.section(Header, head); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return out, nil
}

// Write adds one detail.
func (w *Writer) Write(rec *Record) error {
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
	if len(w.single.runs) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return w.append(p)
}

func (w *Writer) append(p *Part) error {
	start := 0
	for i := range p.runs {
		r := &p.runs[i]
		if err := w.join(r); err != nil {
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
func (w *Writer) join(r *run) error {
	key := ""
	if r.head != nil {
		key = string(appendKey(nil, w.layout.spec.groupBy, r.head))
	}
	first := !w.started
	w.started = true
	if !first && key == w.key {
		return w.write(w.layout.join)
	}
	if r.head == nil {
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
	w.key, w.group, w.records = key, r.head, 0
	if err := w.section(GroupOpen, r.head); err != nil {
		return fmt.Errorf("group: %w", err)
	}
	return nil
}

func (w *Writer) closeGroup() error {
	if w.group == nil {
		return nil
	}
	w.group.SetInt(GroupRecords, w.records)
	if err := w.section(GroupClose, w.group); err != nil {
		return fmt.Errorf("end of a group: %w", err)
	}
	w.group = nil
	return nil
}

// Close writes the trailer. It does not close what the file is written to.
func (w *Writer) Close() error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.closeGroup(); err != nil {
		return err
	}
	w.totals.Put(w.head)
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
