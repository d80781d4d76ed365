package main

import (
	"net"
	"strconv"
	"strings"
	"time"

	"platen/card"
)

// Kinds of security module.
const (
	softwareModule  = "software"
	payShieldModule = "payshield"
	pkcs11Module    = "pkcs11"
)

// checkModule checks the choice of the security module and its section; the sections of the others may say anything.
func (c Config) checkModule(environ []string, fault func(key, format string, args ...any)) {
	switch c.Module.Kind {
	case softwareModule:
	case payShieldModule:
		c.PayShield.check(fault)
	case pkcs11Module:
		c.PKCS11.check(c, environ, fault)
	default:
		fault("module.kind", "must be %s, %s or %s", softwareModule, payShieldModule, pkcs11Module)
	}
	if c.Module.AllowRealBINs && c.Module.Kind != softwareModule {
		fault("module.allow_real_bins", "is for the software module: the others refuse no card number")
	}
}

func (p PayShieldConfig) addresses() []string {
	return strings.FieldsFunc(p.Addresses, func(r rune) bool { return r == ',' || r == ' ' })
}

func (p PayShieldConfig) check(fault func(key, format string, args ...any)) {
	if len(p.addresses()) == 0 {
		fault("payshield.addresses", "is missing: give HOST:PORT, or several with commas between them")
	}
	for _, a := range p.addresses() {
		host, port, err := net.SplitHostPort(a)
		if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || host == "" || n < 1 || n > 65535 {
			fault("payshield.addresses", "must be HOST:PORT, or several with commas between them")
			break
		}
	}
	if p.TLSCert != "" && p.TLSCA == "" || (p.TLSCert == "") != (p.TLSKey == "") {
		fault("payshield.tls_cert", "and payshield.tls_key belong together, and with payshield.tls_ca")
	}
	for _, n := range []struct {
		key                string
		value, least, most int
	}{{"connections", p.Connections, 1, 64}, {"in_flight", p.InFlight, 1, 1024}, {"header", p.Header, 3, 32}} {
		if n.value < n.least || n.value > n.most {
			fault("payshield."+n.key, "must be %d to %d", n.least, n.most)
		}
	}
	if p.LMK != "" && (len(p.LMK) != 2 || strings.Trim(p.LMK, "0123456789") != "") {
		fault("payshield.lmk", "must be two digits, or empty for the one of the port")
	}
	if p.Timeout < 10*time.Millisecond || p.Timeout > time.Minute {
		fault("payshield.timeout", "must be 10ms to 1m")
	}
	if p.Keys == "" {
		fault("payshield.keys", "is missing: give a path")
	}
	if _, err := card.NewKeyLabel(string(p.ZMK)); err != nil {
		fault("payshield.zmk", "%v", card.ErrKeyLabel)
	}
	if _, err := card.NewKeyLabel(string(p.Transfer)); p.Transfer != "" && err != nil {
		fault("payshield.transfer", "%v", card.ErrKeyLabel)
	}
}

func (p PKCS11Config) check(c Config, environ []string, fault func(key, format string, args ...any)) {
	if p.Library == "" {
		fault("pkcs11.library", "is missing: give the path of the token's PKCS#11 library")
	}
	if p.Token == "" {
		fault("pkcs11.token", "is missing: give the token's label")
	}
	if p.Sessions < 1 || p.Sessions > 1024 {
		fault("pkcs11.sessions", "must be 1 to 1024")
	}
	if err := c.checkSource(p.PIN, environ); err != nil {
		fault("pkcs11.pin", "%v", err)
	}
}
