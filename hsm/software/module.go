// Package software is the security module in this process: card cryptography on the local keystore, for test cards and for issuers who
// accept software keys. It refuses card numbers outside the published test BINs unless it is told otherwise by name. Clear PINs live in
// working storage that is wiped after every call.
package software

import (
	"context"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keystore"
)

// tag is the first byte of every PIN this module stores.
const tag = 'S'

// Options are the module's named settings.
type Options struct {
	// AllowRealBINs lets card numbers outside the published test BINs in. Whoever sets it stamps it into audit log and files.
	AllowRealBINs bool
}

// Module implements hsm.Module in software. Its methods may be called by many goroutines at once.
type Module struct {
	store   *keystore.Store
	entropy hsm.Entropy
	bins    testBINs
	anyBIN  bool
	keys    keyring
	benches benchPool
}

var _ hsm.Module = (*Module)(nil)

// New makes a module on a keystore. It computes known answers first and fails when one is wrong or when the process is in a mode that
// forbids the ciphers of the card schemes.
func New(store *keystore.Store, entropy hsm.Entropy, options Options) (*Module, error) {
	bins, err := loadTestBINs()
	if err != nil {
		return nil, fmt.Errorf("software module: %w", err)
	}
	if err := selfTest(); err != nil {
		return nil, fmt.Errorf("software module: %w", err)
	}
	return &Module{
		store: store, entropy: entropy, bins: bins, anyBIN: options.AllowRealBINs,
		keys: newKeyring(store), benches: newBenchPool(),
	}, nil
}

// Tag implements hsm.Module.
func (m *Module) Tag() byte { return tag }

// Formats implements hsm.Module.
func (m *Module) Formats() []hsm.PINFormat { return []hsm.PINFormat{hsm.ISO0, hsm.ISO4} }

// IncomingFormats implements hsm.Module.
func (m *Module) IncomingFormats() []hsm.PINFormat {
	return []hsm.PINFormat{hsm.ISO0, hsm.ISO1, hsm.ISO3, hsm.ISO4}
}

// KeyVersion implements hsm.Module.
func (m *Module) KeyVersion(_ context.Context, key card.KeyRef) (version int, kcv string, err error) {
	k, err := m.store.Lookup(key)
	if err != nil {
		return 0, "", err
	}
	return k.Version, k.KCV, nil
}

// Ready implements hsm.Module: a module that was made works.
func (m *Module) Ready(ctx context.Context) error { return ctx.Err() }

// admit refuses a card number outside the test BINs.
func (m *Module) admit(b *bench, i int, pan card.PAN) error {
	digits := pan.Reveal()
	// Neighbours mostly share a BIN.
	if bin := [binDigits]byte(digits); bin != b.admitted {
		if !m.anyBIN && !m.bins.contain(digits) {
			return fmt.Errorf("card %d: %w", i, hsm.ErrRealBIN)
		}
		b.admitted = bin
	}
	return nil
}

// checkEvery is after how many cards a call looks whether it was cancelled.
const checkEvery = 256

func cancelled(ctx context.Context, i int) error {
	if i%checkEvery != 0 {
		return nil
	}
	return ctx.Err()
}
