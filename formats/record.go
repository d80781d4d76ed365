package formats

import (
	"fmt"
	"strconv"

	"github.com/rs/zerolog"
)

// mask is what a record shows of itself.
const mask = "[record]"

// Record holds the values of one line of a file. Its buffers are kept from one use to the next, so that filling it costs no allocation.
// It prints as a mask in every verb; Get is the only way to its values. The zero Record is empty and ready. A Record belongs to one
// goroutine at a time, and a copy of it shares its values.
type Record struct{ box *recordBox }

// recordBox points to its values instead of holding them: where fmt meets a verb that does not fit, it prints what one pointer leads to.
type recordBox struct{ values *[numFields + 1][]byte }

func (r *Record) open() *recordBox {
	if r.box == nil {
		r.box = &recordBox{values: new([numFields + 1][]byte)}
	}
	return r.box
}

// Reset empties the record and overwrites what it held.
func (r *Record) Reset() {
	if r.box == nil {
		return
	}
	for f := range r.box.values {
		v := r.box.values[f]
		clear(v[:cap(v)])
		r.box.values[f] = v[:0]
	}
}

// forget empties the record and keeps its buffers as they are.
func (b *recordBox) forget() {
	for f := range b.values {
		b.values[f] = b.values[f][:0]
	}
}

// Set copies v into field f. An empty v makes the value absent.
func (r *Record) Set(f Field, v []byte) {
	box := r.open()
	box.values[f] = append(box.values[f][:0], v...)
}

// SetString is Set for text.
func (r *Record) SetString(f Field, v string) {
	box := r.open()
	box.values[f] = append(box.values[f][:0], v...)
}

// SetInt sets the decimal digits of v.
func (r *Record) SetInt(f Field, v int64) {
	box := r.open()
	box.values[f] = strconv.AppendInt(box.values[f][:0], v, 10)
}

// Get returns the value of f itself, not a copy; it is valid until f is set again. An absent value is empty.
func (r *Record) Get(f Field) []byte {
	if r.box == nil {
		return nil
	}
	return r.box.values[f]
}

// Has tells whether f has a value.
func (r *Record) Has(f Field) bool { return len(r.Get(f)) > 0 }

// String implements fmt.Stringer with the mask.
func (r Record) String() string { return mask }

// GoString implements fmt.GoStringer with the mask.
func (r Record) GoString() string { return mask }

// Format implements fmt.Formatter: every verb prints the mask.
func (r Record) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalJSON implements json.Marshaler with the mask.
func (r Record) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalText implements encoding.TextMarshaler with the mask.
func (r Record) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalZerologObject implements zerolog.LogObjectMarshaler with the mask.
func (r Record) MarshalZerologObject(e *zerolog.Event) { e.Str("record", mask) }
