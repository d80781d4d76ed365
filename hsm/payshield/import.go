package payshield

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// underSize is the length of a double-length key in scheme U.
const underSize = 33

// Import takes a double-length key that stands under a ZMK (scheme U) to under the LMK (A6), and proves it by its check value k.CheckValue. It
// answers with the key as a file of keys holds it; a module that is made with it then serves it. zmk labels a key of usage K0.
func (m *Module) Import(ctx context.Context, k Key, zmk card.KeyLabel, wrapped string) (Key, error) {
	carrier, err := m.keys.resolve(card.KeyRef{Label: zmk}, keyblock.KEK)
	if err != nil {
		return Key{}, fmt.Errorf("payShield: ZMK: %w", err)
	}
	if len(wrapped) != underSize || wrapped[0] != 'U' || !isHex(wrapped[1:]) {
		return Key{}, fmt.Errorf("payShield: key %s: %w", k.ref(), &hsm.InputError{Field: "key", Reason: "must be U and 32 hexadecimal digits"})
	}
	k.Value = wrapped // stands for what the module will answer, so that the rest can be checked first
	whole, err := k.complete()
	if err != nil {
		return Key{}, err
	}
	fields, err := m.pool.do(ctx, command{
		name: "A6", fields: whole.Type + carrier.Value + wrapped + "U",
		fits: func(f string) bool { return len(f) == underSize+checkValueSize && f[0] == 'U' && isHex(f[1:]) },
	})
	if err != nil {
		return Key{}, fmt.Errorf("payShield: import key %s: %w", k.ref(), err)
	}
	whole.Value = fields[:underSize]
	if got := fields[underSize:]; whole.CheckValue != got {
		return Key{}, fmt.Errorf("payShield: import key %s: %w", k.ref(), ErrCheckValue)
	}
	return *whole, nil
}
