package formats

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
)

// maxLine bounds one record of a file that is read.
const maxLine = 64 << 10

// ReadError says where a file is not what its layout says. It names line and field, never a value.
type ReadError struct {
	Line   int64 // 1 is the first; records are counted where a file has no line ends
	Reason error
}

// Error prints line n: reason.
func (e *ReadError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Reason) }

// Unwrap gives the reason.
func (e *ReadError) Unwrap() error { return e.Reason }

// What a file as a whole can lack.
var (
	ErrIncomplete  = errors.New("the file ends before it is complete")
	errLineTooLong = errors.New("the line is longer than any that a layout allows")
	errLineEnd     = errors.New("the line does not end as its layout says")
	errAfterEnd    = errors.New("the file goes on after its trailer")
	errSection     = errors.New("the line begins as no section of the layout does here")
	errNotRunning  = errors.New("does not count on from the line before")
	errMissing     = errors.New("is missing")
	errNotGroups   = errors.New("is not the group's that it stands in")
)

// source finds the records of a file. It puts the next one into the reader's record and says which section it is; io.EOF where the file
// may end if nothing is missing.
type source interface {
	next(r *Reader) (Section, error)
}

// Reader reads a file with its layout. Memory is bounded by one record.
type Reader struct {
	layout  *Layout
	in      *bufio.Reader
	source  source
	line    int64
	record  Record
	seen    [numFields]bool
	totals  Totals
	header  [3]int64 // what it says of the count of cards, of products and of carriers, -1 for nothing
	last    Section
	inGroup bool
	groups  int64
	product string // of the last detail
	members int64  // details of the open group
	group   Record
	crc     hash.Hash32
	sha     hash.Hash
	raw     []byte // a record as the file has it, for the sums over bytes
	broken  bool   // the input failed, which is not the file's fault
	err     error
}

// NewReader reads a file from r. The Reader buffers; it reads r to its end.
func (l *Layout) NewReader(r io.Reader) *Reader {
	if l.page != nil {
		r = &pageReader{l.page, r}
	}
	buffered := 16 << 10
	if l.spec.mode == segmentsMode {
		buffered = 2 * maxLine // a record is looked at as a whole
	}
	out := &Reader{layout: l, in: bufio.NewReaderSize(r, buffered), header: [3]int64{-1, -1, -1}}
	if l.summed() {
		out.crc, out.sha = crc32.NewIEEE(), sha256.New()
	}
	switch l.spec.mode {
	case segmentsMode:
		out.source = segmentSource{}
	case jsonMode:
		out.source = &jsonSource{}
	case xmlMode:
		out.source = newXMLSource(out)
	default:
		out.source = &lineSource{}
	}
	return out
}

// Next returns the next section and its record, which is used again by the next call. A detail also has the values of the group that it
// stands in. It proves as it goes: the order of sections, the constants, running record numbers, and at the end that totals are what was
// read. It returns io.EOF only after a complete file, *ReadError for what the file does wrong, and the error of the input, wrapped, if that
// fails; an error stays.
func (r *Reader) Next() (Section, *Record, error) {
	if r.err != nil {
		return 0, nil, r.err
	}
	which, err := r.next()
	if err != nil {
		r.err = err
		if !r.broken && !errors.Is(err, io.EOF) {
			r.err = &ReadError{Line: r.line, Reason: err}
		}
		return 0, nil, r.err
	}
	return which, &r.record, nil
}

// Layout is the layout that the file is read with.
func (r *Reader) Layout() *Layout { return r.layout }

// Audience is whom the file is read for: a copy for the issuer lacks what its audience may not see, and is refused where it does not.
func (r *Reader) Audience() Audience { return r.layout.audience }

func (r *Reader) next() (Section, error) {
	r.forget()
	which, err := r.source.next(r)
	if errors.Is(err, io.EOF) {
		return 0, r.atEnd()
	}
	if err != nil {
		return 0, err
	}
	r.last = which
	return which, r.count(which)
}

// forget empties the record for the next section.
func (r *Reader) forget() {
	r.record.open().forget()
	clear(r.seen[:])
}

// atEnd tells whether the file may end here.
func (r *Reader) atEnd() error {
	r.line++
	if r.layout.Has(Trailer) && r.last != Trailer || r.layout.Has(Header) && r.last == 0 || r.inGroup && r.layout.Has(GroupClose) {
		return ErrIncomplete
	}
	return r.endTotals(io.EOF)
}

// enter checks that a section may stand here: a header first and once, groups around details, a trailer last.
func (r *Reader) enter(which Section) error {
	l := r.layout
	grouped := l.Has(GroupOpen)
	switch {
	case r.last == Trailer:
		return errAfterEnd
	case which == Header && r.last != 0, which != Header && r.last == 0 && l.Has(Header):
		return errSection
	case which == Detail && grouped && !r.inGroup:
		return errSection
	case which == GroupClose && r.last != Detail, r.last == GroupOpen && which != Detail:
		return errSection
	case (which == GroupOpen || which == Trailer) && r.inGroup && l.Has(GroupClose):
		return errSection
	}
	switch {
	case which == GroupOpen, which == Detail && l.Has(GroupClose) && !r.inGroup:
		r.inGroup, r.members = true, 0
		r.groups++
	case which == GroupClose, which == Trailer:
		r.inGroup = false
	}
	return nil
}

// count adds a detail up and compares what the other sections say.
func (r *Reader) count(which Section) error {
	switch which {
	case Header:
		return r.takeHeader()
	case GroupOpen:
		r.group.open().forget()
		for _, f := range r.layout.kept {
			r.group.Set(f, r.record.Get(f))
		}
	case Detail:
		r.totals.Add(&r.record)
		r.totals.addControls(r.layout.spec.controls, &r.record)
		r.members++
		if said := r.record.Get(RecordCards); len(said) > 0 && decimal(said) == 0 {
			return &ValueError{Field: RecordCards.String(), Reason: errTotals}
		}
		r.changeProduct()
		if said := r.record.Get(RecordNumber); len(said) > 0 && decimal(said) != r.totals.Records() {
			return &ValueError{Field: RecordNumber.String(), Reason: errNotRunning}
		}
		if err := r.needed(); err != nil {
			return err
		}
		return r.inherit()
	case GroupClose:
		if said := r.record.Get(GroupRecords); len(said) > 0 && decimal(said) != r.members {
			return &ValueError{Field: GroupRecords.String(), Reason: errTotals}
		}
	case Trailer:
		return r.checkTrailer()
	}
	return nil
}

// inherit gives a detail the values of its group; what both say must be the same.
func (r *Reader) inherit() error {
	s := r.layout.sections[GroupOpen]
	if s == nil {
		return nil
	}
	for i := range s.columns {
		f := s.columns[i].field
		if f == 0 || !r.group.Has(f) {
			continue
		}
		if !r.record.Has(f) {
			r.record.Set(f, r.group.Get(f))
		} else if string(r.record.Get(f)) != string(r.group.Get(f)) {
			return &ValueError{Field: f.String(), Reason: errNotGroups}
		}
	}
	return nil
}

// needed refuses a card without its number, and a PIN mailer without its reference: nothing else of the record could be believed.
func (r *Reader) needed() error {
	f := Field(0)
	switch r.layout.spec.kind {
	case CardFile:
		f = CardPAN
	case PINMailer:
		f = MailerReference
	}
	if f == 0 || r.record.Has(f) || r.layout.audience != ForBureau {
		return nil
	}
	return &ValueError{Field: f.String(), Reason: errMissing}
}

// changeProduct counts the products of a file that tells of them and does not group by them.
func (r *Reader) changeProduct() {
	if r.header[1] < 0 || !r.layout.countsProducts() || len(r.layout.spec.groupBy) > 0 {
		return
	}
	if design := r.record.Get(ProductDesign); string(design) != r.product {
		r.product = string(design)
		r.groups++
	}
}

func (r *Reader) takeHeader() error {
	for i, f := range headerCounts {
		if said := r.record.Get(f); len(said) > 0 {
			r.header[i] = decimal(said)
		}
	}
	if cards, carriers := r.header[0], r.header[2]; cards >= 0 && carriers >= 0 && carriers != cards && r.layout.spec.each() <= eachCard && !r.layout.CarrierWise() {
		return &ValueError{Field: FileCarriers.String(), Reason: errTotals}
	}
	return nil
}

// headerCounts are what a header may say before the file shows it.
var headerCounts = [3]Field{FileRecords, FileProducts, FileCarriers}

func (r *Reader) checkTrailer() error {
	for _, f := range []Field{TotalsRecords, TotalsCards, TotalsPANHash} {
		if err := r.totals.check(&r.record, f); err != nil {
			return &ValueError{Field: f.String(), Reason: err}
		}
	}
	if err := r.totals.checkControlSums(r.layout.spec.controls, &r.record); err != nil {
		return err
	}
	for f, counted := range r.counted() {
		if said := r.record.Get(f); len(said) > 0 && counted >= 0 && decimal(said) != counted {
			return &ValueError{Field: f.String(), Reason: errTotals}
		}
	}
	if r.crc != nil {
		for f, sum := range map[Field]string{TotalsCRC32: fmt.Sprintf("%08X", r.crc.Sum32()), TotalsSHA256: hex.EncodeToString(r.sha.Sum(nil))} {
			if said := r.record.Get(f); len(said) > 0 && !strings.EqualFold(string(said), sum) {
				return &ValueError{Field: f.String(), Reason: errTotals}
			}
		}
	}
	return r.endTotals(nil)
}

// sum adds the bytes of a record to the sums over the file. The trailer is not part of them.
func (r *Reader) sum(record []byte) {
	if r.crc == nil {
		return
	}
	r.raw = append(r.raw[:0], record...)
	r.layout.page.write(r.raw)
	_, _ = r.crc.Write(r.raw)
	_, _ = r.sha.Write(r.raw)
}

// endTotals compares the header's counts; good is what it returns when they are right.
func (r *Reader) endTotals(good error) error {
	counted := r.counted()
	for i, f := range headerCounts {
		if n := counted[f]; r.header[i] >= 0 && n >= 0 && r.header[i] != n {
			return &ValueError{Field: "header " + f.String(), Reason: errTotals}
		}
	}
	return good
}

// counted is what the file showed of what it may say of itself, -1 for what its details do not show.
func (r *Reader) counted() map[Field]int64 {
	l := r.layout
	counted := map[Field]int64{FileRecords: -1, FileProducts: -1, FileCarriers: l.carriers(&r.totals, r.groups)}
	if l.countsCards() {
		counted[FileRecords] = r.totals.Cards()
	}
	if l.countsProducts() {
		counted[FileProducts] = r.groups
	}
	if l.EachProduct() {
		counted[FileProducts] = r.totals.Records()
	}
	counted[TotalsCarriers] = counted[FileCarriers]
	return counted
}

// carriers is how many carriers so many details and groups are, -1 where the layout does not tell. A card of which nothing else is said is on a
// carrier of its own.
func (l *Layout) carriers(totals *Totals, groups int64) int64 {
	switch {
	case l.spec.groupEach == eachCarrier:
		return groups
	case l.EachCarrier():
		return totals.Records()
	case l.spec.each() <= eachCard:
		return totals.Cards()
	}
	return -1
}

// countsProducts tells whether a reader sees how many products there are: as groups, or in the details.
func (l *Layout) countsProducts() bool {
	by := l.spec.groupBy
	if l.spec.groupEach == eachProduct {
		return true
	}
	return len(by) == 0 && l.sections[Detail].carries(ProductDesign) || len(by) == 1 && (by[0] == ProductCode || by[0] == ProductDesign)
}

// decimal is the value of digits that fit the type number.
func decimal(v []byte) int64 {
	n := int64(0)
	for _, c := range v {
		n = n*10 + int64(c-'0')
	}
	return n
}

func (r *Reader) inputFailed(err error) error {
	r.broken = true
	return fmt.Errorf("read line %d: %w", r.line, err)
}
