package formats

import (
	"errors"
	"fmt"
)

const (
	panHashDigits  = 12
	panHashModulus = 1_000_000_000_000
	panHashLast    = 9 // digits of each PAN that count
)

// Totals counts what a file's details hold. It sums the last nine digits of every card number, modulo 10^12. The zero Totals is empty;
// totals of parts merge in any order; a copy shares its sums. It prints as a mask: the sum over one card is most of its number.
type Totals struct{ box *totalsBox }

// totalsBox is behind two pointers for the same reason as recordBox.
type totalsBox struct{ sums *sums }

type sums struct {
	records, cards, panHash uint64
	controls                [maxControls]uint64
	over                    [maxControls]bool
}

func (t *Totals) open() *sums {
	if t.box == nil {
		t.box = &totalsBox{sums: new(sums)}
	}
	return t.box.sums
}

// Add counts one detail, and the cards that it stands for.
func (t *Totals) Add(rec *Record) {
	box := t.open()
	box.records++
	cards := rec.Get(RecordCards)
	if len(cards) > 0 {
		box.cards += uint64(decimal(cards))
	} else {
		box.cards++
	}
	pan := rec.Get(CardPAN)
	if len(pan) > panHashLast {
		pan = pan[len(pan)-panHashLast:]
	}
	n := uint64(0)
	for _, c := range pan {
		n = n*10 + uint64(c-'0')
	}
	box.panHash = (box.panHash + n) % panHashModulus
}

// Merge adds the totals of another part of the same file.
func (t *Totals) Merge(other *Totals) {
	if other.box == nil {
		return
	}
	box, more := t.open(), other.open()
	box.records += more.records
	box.cards += more.cards
	box.panHash = (box.panHash + more.panHash) % panHashModulus
	for i, n := range more.controls {
		box.addControl(i, n)
		box.over[i] = box.over[i] || more.over[i]
	}
}

// Records is the count of details.
func (t *Totals) Records() int64 { return int64(t.open().records) }

// Cards is the count of cards that the details stand for.
func (t *Totals) Cards() int64 { return int64(t.open().cards) }

// Put sets totals.records, totals.cards and totals.pan_hash (twelve digits).
func (t *Totals) Put(rec *Record) {
	box := t.open()
	rec.SetInt(TotalsRecords, int64(box.records))
	rec.SetInt(TotalsCards, int64(box.cards))
	sum := box.hashDigits()
	rec.Set(TotalsPANHash, sum[:])
}

func (b *sums) hashDigits() [panHashDigits]byte {
	var out [panHashDigits]byte
	n := b.panHash
	for i := panHashDigits - 1; i >= 0; i-- {
		out[i] = byte('0' + n%10)
		n /= 10
	}
	return out
}

// errTotals says that a file's totals are not those of its lines.
var errTotals = errors.New("is not what the lines add up to")

// check compares what a header or trailer says; a total that it does not carry is absent.
func (t *Totals) check(rec *Record, f Field) error {
	said := rec.Get(f)
	if len(said) == 0 {
		return nil
	}
	box := t.open()
	var counted []byte
	switch f {
	case TotalsPANHash:
		sum := box.hashDigits()
		counted = sum[:]
	case TotalsCards:
		counted = fmt.Appendf(nil, "%d", box.cards)
	default:
		counted = fmt.Appendf(nil, "%d", box.records)
	}
	if string(said) != string(counted) {
		return errTotals
	}
	return nil
}

// String implements fmt.Stringer with the mask.
func (t Totals) String() string { return "[totals]" }

// GoString implements fmt.GoStringer with the mask.
func (t Totals) GoString() string { return "[totals]" }

// Format implements fmt.Formatter: every verb prints the mask.
func (t Totals) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[totals]")) }
