package card

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/rs/zerolog"
)

// mask is what every secret shows instead of itself.
const mask = "[hidden]"

// ErrSecretInSQL says that somebody tried to hand card data to a database driver.
var ErrSecretInSQL = errors.New("card data may not be a database value")

// Secret holds sensitive text (a track, a security code, a clear key) behind pointers, so that no printing verb,
// encoder or logger can reach it: reflection sees an address and every formatting interface sees the mask.
//
// The zero Secret is empty. Secrets are compared inside a security module, never with ==.
type Secret struct{ box *secretBox }

// secretBox points to its bytes instead of holding them: where fmt meets a verb that does not fit, it prints what one pointer leads to.
type secretBox struct{ bytes *[]byte }

// NewSecret takes ownership of b; the caller must not use b afterwards.
func NewSecret(b []byte) Secret { return Secret{box: &secretBox{bytes: &b}} }

// Reveal returns the hidden bytes themselves, not a copy. It is the only way to them.
func (s Secret) Reveal() []byte {
	if s.box == nil {
		return nil
	}
	return *s.box.bytes
}

// IsZero tells whether nothing was ever put in.
func (s Secret) IsZero() bool { return s.box == nil }

// Wipe overwrites the hidden bytes with zeros. It reaches every copy of s.
func (s Secret) Wipe() {
	if s.box != nil {
		clear(*s.box.bytes)
		*s.box.bytes = (*s.box.bytes)[:0]
	}
}

// String implements fmt.Stringer with the mask.
func (s Secret) String() string { return mask }

// GoString implements fmt.GoStringer with the mask.
func (s Secret) GoString() string { return mask }

// Format implements fmt.Formatter: every verb and flag prints the mask.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalJSON implements json.Marshaler with the mask.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalText implements encoding.TextMarshaler with the mask; it also covers JSON map keys, XML and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalZerologObject implements zerolog.LogObjectMarshaler with the mask.
func (s Secret) MarshalZerologObject(e *zerolog.Event) { e.Str("secret", mask) }

// Value implements driver.Valuer and always fails: secrets are not database values.
func (s Secret) Value() (driver.Value, error) { return nil, ErrSecretInSQL }
