// Package payshield is the security module in a Thales payShield, driven by host commands over TCP or TLS (payShield Host Command Reference). Keys
// stand in the configuration under the module's local master key (LMK) and are worth nothing elsewhere; PINs are kept as the module returns them,
// enciphered under its LMK, and are never taken apart here. Many commands are in flight on each connection; a connection on which anything
// unexpected arrives is dropped with all that it still owes, and never used again.
package payshield

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// tag is the first byte of every PIN this module stores.
const tag = 'P'

// Errors beside those of package hsm.
var (
	// ErrUnavailable says that no module answered within the attempts; nothing was made.
	ErrUnavailable = errors.New("payShield: the module does not answer")
	// ErrNoTransfer says that a PIN should be bound to another account and no transfer key is configured. No single host command does it.
	ErrNoTransfer = errors.New("payShield: a PIN can be bound to another account only with a transfer key, and none is configured")
	// ErrFormat says that a PIN-block format cannot be had: the module fills format 4 at random, so a file with it could not be made twice alike.
	ErrFormat = errors.New("payShield: only PIN blocks of format 0 can be made, and of formats 0, 1 and 3 opened")
	// ErrCheckValue says that a key in the configuration is not the one that its check value names.
	ErrCheckValue = errors.New("payShield: a key has another check value than its configuration says")
)

// Options are where the module is and how it is spoken to. Zero values take the defaults.
type Options struct {
	Addresses   []string      // host:port; connections spread over them and go on to the next when one does not answer
	TLS         *tls.Config   // nil for plain TCP
	Connections int           // 4; the module refuses more than its licence, at most 64
	InFlight    int           // commands in flight on each connection; 16
	Header      int           // characters of a message header, as set in the module; 4
	PINSize     int           // characters of every PIN under the LMK, so that a damaged one is seen; any that can be when 0
	LMK         string        // two digits to name an LMK other than the connection's own; may be empty
	DialTimeout time.Duration // 5 s
	Timeout     time.Duration // of one command; 5 s
	Attempts    int           // how often a command is sent before the module counts as away; 8
	Keys        []Key
	// Transfer labels a ZPK that serves only to bind PINs to other accounts: for PINs that follow their holder to a new card number, and for PIN
	// mailers. Between two commands such a PIN is a format 1 block under that key, bound to nothing, so the module must permit format 05 there,
	// and no other system may hold the key. Empty: those operations fail with ErrNoTransfer.
	Transfer card.KeyLabel
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value *int
		ready int
	}{{&o.Connections, 4}, {&o.InFlight, 16}, {&o.Header, 4}, {&o.Attempts, 8}} {
		if *d.value == 0 {
			*d.value = d.ready
		}
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 5 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	return o
}

func (o Options) check() error {
	switch {
	case len(o.Addresses) == 0:
		return errors.New("payShield: no address")
	case o.Connections < 1 || o.Connections > 64:
		return errors.New("payShield: connections must be 1 to 64")
	case o.InFlight < 1 || o.InFlight > 1024:
		return errors.New("payShield: commands in flight must be 1 to 1024")
	case o.Header < 3 || o.Header > 32:
		return errors.New("payShield: message header must have 3 to 32 characters")
	case o.PINSize != 0 && (o.PINSize < leastUnderLMK || o.PINSize > mostPINSize):
		return errors.New("payShield: PIN size must be 5 to 40")
	case o.Attempts < 1, o.Timeout < 0, o.DialTimeout < 0:
		return errors.New("payShield: attempts and timeouts must be positive")
	case o.LMK != "" && hsm.CheckDigits("lmk", o.LMK, 2, 2) != nil:
		return errors.New("payShield: LMK must be two digits")
	}
	return nil
}

// Module implements hsm.Module on a payShield.
type Module struct {
	keys     keyring
	transfer card.KeyLabel
	pinSize  int
	pool     *pool

	mu     sync.Mutex
	values map[card.KeyRef]string // check values that the module told
}

var _ hsm.Module = (*Module)(nil)

// New checks the configuration. It connects to nothing: the first command does, and any later one connects again after a loss.
func New(options Options) (*Module, error) {
	options = options.withDefaults()
	if err := options.check(); err != nil {
		return nil, err
	}
	keys, err := newKeyring(options.Keys)
	if err != nil {
		return nil, err
	}
	if options.Transfer != "" {
		if _, err := keys.resolve(card.KeyRef{Label: options.Transfer}, keyblock.ZPK); err != nil {
			return nil, fmt.Errorf("payShield: transfer key: %w", err)
		}
	}
	return &Module{keys: keys, transfer: options.Transfer, pinSize: options.PINSize, pool: newPool(options), values: map[card.KeyRef]string{}}, nil
}

// Close drops all connections. Commands in flight fail.
func (m *Module) Close() { m.pool.close() }

// Tag implements hsm.Module.
func (m *Module) Tag() byte { return tag }

// Formats implements hsm.Module: the module fills format 4 at random.
func (m *Module) Formats() []hsm.PINFormat { return []hsm.PINFormat{hsm.ISO0} }

// IncomingFormats implements hsm.Module.
func (m *Module) IncomingFormats() []hsm.PINFormat {
	return []hsm.PINFormat{hsm.ISO0, hsm.ISO1, hsm.ISO3}
}

// Ready implements hsm.Module: the module passes its diagnostics (NC).
func (m *Module) Ready(ctx context.Context) error {
	_, err := m.lmkCheck(ctx)
	return err
}

// lmkCheckSize is the length of an LMK's check value in hexadecimal digits; the firmware number stands behind it.
const lmkCheckSize = 16

func (m *Module) lmkCheck(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	fields, err := m.pool.do(ctx, command{name: "NC", fits: func(f string) bool { return len(f) >= lmkCheckSize && isHex(f[:lmkCheckSize]) }})
	if err != nil {
		return "", err
	}
	return fields[:lmkCheckSize], nil
}

// KeyVersion implements hsm.Module. The check value is the module's own word (BU; NC for the LMK under which PINs are kept), or the
// configuration's for Thales key blocks. A configured value that is another fails with ErrCheckValue.
func (m *Module) KeyVersion(ctx context.Context, ref card.KeyRef) (version int, kcv string, err error) {
	k, err := m.keys.find(ref)
	if err != nil {
		return 0, "", err
	}
	m.mu.Lock()
	kcv, known := m.values[k.ref()]
	m.mu.Unlock()
	if known {
		return k.Version, kcv, nil
	}
	if kcv, err = m.askCheckValue(ctx, k); err != nil {
		return 0, "", fmt.Errorf("check value of key %s: %w", k.ref(), err)
	}
	if k.CheckValue != "" && k.CheckValue != kcv {
		return 0, "", fmt.Errorf("key %s: %w: %w", k.ref(), ErrCheckValue, hsm.ErrKeyUsage)
	}
	m.mu.Lock()
	m.values[k.ref()] = kcv
	m.mu.Unlock()
	return k.Version, kcv, nil
}

func (m *Module) askCheckValue(ctx context.Context, k *Key) (string, error) {
	switch {
	case k.Usage == keyblock.PINStorage:
		value, err := m.lmkCheck(ctx)
		if err != nil {
			return "", err
		}
		return value[:checkValueSize], nil
	case k.Value[0] == keyBlockScheme:
		return k.CheckValue, nil
	}
	return m.pool.do(ctx, command{
		name: "BU", fields: k.Type[:1] + k.Type[2:] + k.lengthFlag() + k.Value + ";001",
		fits: func(f string) bool { return len(f) == checkValueSize && isHex(f) },
	})
}
