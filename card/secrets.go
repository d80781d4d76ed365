package card

import (
	"database/sql/driver"
	"fmt"

	"github.com/rs/zerolog"
)

// secretsBox points to its cells for the same reason as secretBox.
type secretsBox struct{ *secretsCells }

type secretsCells struct {
	width int
	cells []byte
	used  []uint16
}

// Secrets is storage for many short secrets of at most width bytes each (security codes, PIN blocks) in few allocations, so that a
// batch of cards costs no allocation a card. It prints as a mask like Secret.
type Secrets struct{ box *secretsBox }

// maxCell is the widest cell: what a security module takes of one value at once.
const maxCell = 1024

// NewSecrets makes n cells of width bytes (1 to 1024).
func NewSecrets(n, width int) Secrets {
	if width < 1 || width > maxCell {
		panic("card: a secret's cell is 1 to 1024 bytes wide")
	}
	return Secrets{box: &secretsBox{&secretsCells{width: width, cells: make([]byte, n*width), used: make([]uint16, n)}}}
}

// Len is the count of cells, Width the most bytes a cell holds.
func (s Secrets) Len() int   { return len(s.box.used) }
func (s Secrets) Width() int { return s.box.width }

// Set copies b into cell i. More bytes than the width is a programming error and panics.
func (s Secrets) Set(i int, b []byte) {
	if len(b) > s.box.width {
		panic("card: a secret is wider than its cell")
	}
	copy(s.box.cells[i*s.box.width:], b)
	s.box.used[i] = uint16(len(b))
}

// Reveal returns the bytes of cell i themselves, not a copy.
func (s Secrets) Reveal(i int) []byte {
	at := i * s.box.width
	return s.box.cells[at : at+int(s.box.used[i])]
}

// Wipe overwrites every cell with zeros and empties it.
func (s Secrets) Wipe() {
	clear(s.box.cells)
	clear(s.box.used)
}

// String implements fmt.Stringer with the mask.
func (s Secrets) String() string { return mask }

// GoString implements fmt.GoStringer with the mask.
func (s Secrets) GoString() string { return mask }

// Format implements fmt.Formatter: every verb prints the mask.
func (s Secrets) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalJSON implements json.Marshaler with the mask.
func (s Secrets) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalText implements encoding.TextMarshaler with the mask.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalZerologObject implements zerolog.LogObjectMarshaler with the mask.
func (s Secrets) MarshalZerologObject(e *zerolog.Event) { e.Str("secrets", mask) }

// Value implements driver.Valuer and always fails.
func (s Secrets) Value() (driver.Value, error) { return nil, ErrSecretInSQL }
