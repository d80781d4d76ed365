package pinblock

import (
	"fmt"

	"platen/hsm"
)

// Sealed says how a block is sealed.
type Sealed struct {
	Format hsm.PINFormat
	Key    Key
}

// Permitted tells whether a PIN may go from one format to another (ISO 9564-1, 9.4): between 0, 3 and 4, which bind it to the same account; from
// 1, which binds it to none, to those; and never back, for that would let a PIN be tried against any account. Format 2 is for a card's chip
// and no end of a translation.
func Permitted(from, to hsm.PINFormat) bool {
	bound := func(f hsm.PINFormat) bool { return f == ISO0 || f == ISO3 || f == ISO4 }
	return bound(to) && (bound(from) || from == ISO1)
}

// Translate opens a block and seals its PIN again for the same account, under another key, in another format, or both. The formats must be a
// permitted pair. random is what Bench says of its Random.
func Translate(from, to Sealed, block []byte, account string, random [16]byte) ([]byte, error) {
	if !Permitted(from.Format, to.Format) {
		return nil, &hsm.InputError{Field: "format", Reason: fmt.Sprintf("%d may not be translated to format %d", from.Format, to.Format)}
	}
	p, err := Open(from.Format, from.Key, block, account)
	if err != nil {
		return nil, err
	}
	return Seal(to.Format, to.Key, p, account, random)
}
