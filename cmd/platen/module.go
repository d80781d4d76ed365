package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/payshield"
	"platen/hsm/software"
)

// carrier puts keys of the keystore into a security module of its own keys.
type carrier interface {
	// carry takes one key over, which the module lacks.
	carry(ctx context.Context, keys *keystore.Store, k keystore.Key) error
	// storage makes the key of stored PINs, which never comes from outside, and tells whether it had to.
	storage(ctx context.Context, label card.KeyLabel) (made bool, err error)
	// algorithms are the letters of those whose keys the module takes.
	algorithms() string
}

// openModule makes the security module that the configuration names.
func (a *app) openModule() (err error) {
	switch a.config.Module.Kind {
	case payShieldModule:
		a.module, a.carrier, err = a.openPayShield()
	case pkcs11Module:
		entropy := hsm.Entropy(nil) // the token's own
		if a.config.Seed != "" {
			entropy = a.entropy()
		}
		a.module, a.carrier, err = openToken(a.config.PKCS11, string(a.keys.Environment()), entropy)
	default:
		a.module, err = software.New(a.keys, a.entropy(), software.Options{AllowRealBINs: a.config.Module.AllowRealBINs})
	}
	return err
}

// closeModule ends the connections of a module that has any.
func (a *app) closeModule() {
	if c, ok := a.module.(interface{ Close() }); ok {
		c.Close()
	}
}

func (a *app) openPayShield() (hsm.Module, carrier, error) {
	c := a.config.PayShield
	keys, err := payshield.ReadKeys(c.Keys)
	if err != nil {
		return nil, nil, err
	}
	has := func(label card.KeyLabel) bool {
		return slices.ContainsFunc(keys, func(k payshield.Key) bool { return k.Label == label })
	}
	options := payshield.Options{Addresses: c.addresses(), Connections: c.Connections, InFlight: c.InFlight, Header: c.Header, LMK: c.LMK, Timeout: c.Timeout}
	if options.TLS, err = c.tls(); err != nil {
		return nil, nil, err
	}
	if options.Keys = keys; !has(a.config.Keys.PINStorage) {
		options.Keys = append(slices.Clone(keys), payshield.Key{Label: a.config.Keys.PINStorage, Usage: keyblock.PINStorage})
	}
	switch {
	case has(c.Transfer):
		options.Transfer = c.Transfer
	case c.Transfer != "":
		a.log.Warn().Str("key", string(c.Transfer)).Msg("payshield.transfer names a key that payshield.keys lacks: run `platen keys provision`")
	}
	m, err := payshield.New(options)
	if err != nil {
		return nil, nil, err
	}
	return m, &payShieldCarrier{module: m, config: c, keys: keys}, nil
}

// tls is nil for plain TCP.
func (c PayShieldConfig) tls() (*tls.Config, error) {
	if c.TLSCA == "" {
		return nil, nil
	}
	body, err := os.ReadFile(c.TLSCA)
	if err != nil {
		return nil, fmt.Errorf("payshield.tls_ca: %w", err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !out.RootCAs.AppendCertsFromPEM(body) {
		return nil, errors.New("payshield.tls_ca: holds no certificate")
	}
	if c.TLSCert != "" {
		identity, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("payshield.tls_cert: %w", err)
		}
		out.Certificates = []tls.Certificate{identity}
	}
	return out, nil
}

// payShieldCarrier takes keys over under the ZMK that keystore and module share, and keeps what comes back in the file of keys.
type payShieldCarrier struct {
	module *payshield.Module
	config PayShieldConfig
	keys   []payshield.Key
}

func (c *payShieldCarrier) algorithms() string { return string(rune(keyblock.TDES)) }

func (c *payShieldCarrier) carry(ctx context.Context, keys *keystore.Store, k keystore.Key) error {
	wrapped, err := keys.ExportVariant(k.Ref(), card.KeyRef{Label: c.config.ZMK}, 'U')
	if err != nil {
		return err
	}
	taken, err := c.module.Import(ctx, payshield.Key{Label: k.Label, Version: k.Version, Usage: k.Usage, CheckValue: k.KCV}, c.config.ZMK, wrapped)
	if err != nil {
		return err
	}
	c.keys = append(c.keys, taken)
	return payshield.WriteKeys(c.config.Keys, c.keys)
}

// storage needs no key: PINs are kept under the LMK.
func (c *payShieldCarrier) storage(context.Context, card.KeyLabel) (bool, error) { return false, nil }
