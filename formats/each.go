package formats

import (
	varint "encoding/binary"
	"slices"
)

// each is what a detail, or a group of details, stands for.
type each uint8

const (
	eachCard each = iota + 1
	eachCarrier
	eachProduct
	eachFile
)

var eachNames = []string{eachCard: "card", eachCarrier: "carrier", eachProduct: "product", eachFile: "file"}

// carrierKey is what makes one mailing piece of cards that follow each other in a file: they go to the same addressee at the same address in
// the same way. productKey is the same of plastics.
var (
	carrierKey = []Field{CarrierName, CarrierAddress1, CarrierAddress2, CarrierAddress3, CarrierCity, CarrierRegion, CarrierPostcode, CarrierCountry, CarrierDelivery, CarrierBranch}
	productKey = []Field{ProductCode, ProductDesign}
)

// key lists the fields in which cards are alike that stand for one; nil for a card and for the file.
func (e each) key() []Field {
	switch e {
	case eachCarrier:
		return carrierKey
	case eachProduct:
		return productKey
	}
	return nil
}

// gathers tells whether one detail stands for several cards that follow each other.
func (e each) gathers() bool { return e.key() != nil }

// shows tells whether f is the same for everything that one detail stands for.
func (e each) shows(f Field) bool {
	switch {
	case e == 0, e == eachCard:
		return f != RecordCards && f != RecordLastUID
	case f >= FileReference && f <= FileRecords, f >= ProductCode && f <= ProductBIN, f == FileCarriers, f == FileProducts, f == FileSHA256, f == FileBytes, f == FileMadeAt, f == FileZPKKCV:
		return true
	case e == eachFile:
		return slices.Contains(splitters, f)
	case slices.Contains(carrierKey, f):
		return e == eachCarrier
	}
	return f == RecordNumber || f == RecordUID || f == RecordCards || f == RecordLastUID || f >= TotalsRecords && f <= TotalsPANHash || f == GroupRecords
}

// EachFile tells whether a sidecar has one detail for the file that it goes along with, instead of one a line.
func (l *Layout) EachFile() bool { return l.spec.each() == eachFile }

// EachProduct tells whether a sidecar has one detail a product.
func (l *Layout) EachProduct() bool { return l.spec.each() == eachProduct }

// EachCarrier tells whether a sidecar has one detail a carrier.
func (l *Layout) EachCarrier() bool { return l.spec.each() == eachCarrier }

// CarrierWise tells whether the file has a detail or a group for each carrier, so that file.carriers counts them. In every other file each card
// is on a carrier of its own.
func (l *Layout) CarrierWise() bool { return l.EachCarrier() || l.spec.groupEach == eachCarrier }

// Carriers counts the carriers of a file's cards, which are added in their order. The zero Carriers is empty.
type Carriers struct {
	key   []byte
	count int64
}

// Add counts a card, which is on the carrier of the one before if they go to the same addressee in the same way.
func (c *Carriers) Add(rec *Record) {
	if c.count == 0 || !hasKey(c.key, carrierKey, rec) {
		c.key = appendKey(c.key[:0], carrierKey, rec)
		c.count++
	}
}

// Count is how many there were.
func (c *Carriers) Count() int64 { return c.count }

// appendKey makes the key of a run of cards; no value holds the byte that ends each.
func appendKey(dst []byte, by []Field, rec *Record) []byte {
	for _, f := range by {
		dst = append(append(dst, rec.Get(f)...), 0)
	}
	return dst
}

// hasKey tells whether rec has a key that appendKey made.
func hasKey(key []byte, by []Field, rec *Record) bool {
	for _, f := range by {
		v := rec.Get(f)
		if len(key) < len(v)+1 || string(key[:len(v)]) != string(v) || key[len(v)] != 0 {
			return false
		}
		key = key[len(v)+1:]
	}
	return len(key) == 0
}

// packValues appends the values of fields, by which a run is known once its records are gone.
func packValues(dst []byte, fields []Field, rec *Record) []byte {
	for _, f := range fields {
		v := rec.Get(f)
		dst = append(varint.AppendUvarint(dst, uint64(len(v))), v...)
	}
	return dst
}

// unpackValues sets what packValues appended.
func unpackValues(packed []byte, fields []Field, rec *Record) {
	for _, f := range fields {
		n, width := varint.Uvarint(packed)
		packed = packed[width:]
		rec.Set(f, packed[:n])
		packed = packed[n:]
	}
}

// keptFields lists what is kept of a run of neighbouring cards: the keys and what the sections show that stand once for it.
func (l *Layout) keptFields(sections ...Section) []Field {
	kept := slices.Clone(l.spec.groupBy)
	add := func(f Field) {
		if f != 0 && !slices.Contains(kept, f) {
			kept = append(kept, f)
		}
	}
	for _, which := range sections {
		s := l.sections[which]
		if s == nil {
			continue
		}
		if which == Detail {
			for _, f := range l.spec.each().key() {
				add(f)
			}
		}
		for i := range s.columns {
			for _, c := range append([]column{s.columns[i]}, s.columns[i].parts...) {
				add(c.field)
				if c.when != nil {
					add(c.when.field)
				}
			}
		}
	}
	return kept
}

// checkEach refuses a detail for several cards that shows what is another value for each of them.
func (l *Layout) checkEach() error {
	s := l.spec
	if s.each() == eachCarrier && s.groupEach == eachCarrier || s.each() == eachProduct && (s.groupEach > 0 || s.group != nil) {
		return faultAt(s.group.node, "group: a detail for each %s stands in no group like it", eachNames[s.each()])
	}
	for which := GroupOpen; which <= GroupClose; which++ {
		if s.sections[which] == nil {
			continue
		}
		e := s.each()
		for _, f := range s.sections[which].fields {
			for _, shown := range f.shows() {
				if !e.shows(shown) {
					return faultAt(f.node, "%s: is not one value where a detail stands for a %s", shown, eachNames[max(e, eachCard)])
				}
			}
		}
	}
	return nil
}

// shows lists the fields of the catalogue that a value and its condition read.
func (f *fieldSpec) shows() []Field {
	var all []Field
	for _, p := range append([]fieldSpec{*f}, f.parts...) {
		if p.value != 0 {
			all = append(all, p.value)
		}
		if p.when != nil {
			all = append(all, p.when.field)
		}
	}
	return all
}

// each is what a detail stands for; 0 where the layout does not say it, and it stands for a card.
func (s *spec) each() each { return s.sections[Detail].each }

// countsCards tells whether a reader sees how many cards the details stand for.
func (l *Layout) countsCards() bool {
	return !l.EachFile() && (!l.spec.each().gathers() || l.sections[Detail].carries(RecordCards))
}

// checkCounts refuses counts that a reader could not prove.
func (l *Layout) checkCounts() error {
	s := l.spec
	for which := Header; which <= Trailer; which++ {
		if s.sections[which] == nil {
			continue
		}
		for _, f := range s.sections[which].fields {
			for _, shown := range f.shows() {
				switch {
				case shown == TotalsCarriers && !l.CarrierWise():
					return faultAt(f.node, "%s: needs a detail or a group for each carrier", shown)
				case (shown == TotalsCards || shown == FileRecords && which != Detail) && !l.EachFile() && !l.countsCards():
					return faultAt(f.node, "%s: needs %s in the detail", shown, RecordCards)
				}
			}
		}
	}
	for _, p := range l.name {
		if p.column.field == FileCarriers && l.CarrierWise() {
			return faultAt(s.naming, "name: %s is counted after the file has its name", FileCarriers)
		}
	}
	return nil
}
