package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// Errors of where a webhook may go.
var (
	ErrURL     = errors.New("must be an https URL with a host, without user, password and fragment, of at most 500 characters")
	ErrAddress = errors.New("the address is not a public one, and is not allowed by the configuration")
)

// maxURL bounds what is stored.
const maxURL = 500

// notPublic are the ranges that no webhook reaches unless they are allowed: what the IANA registries of special-purpose addresses (RFC 6890 and its updates)
// call not globally reachable, and those that carry an IPv4 address inside.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7",
	"fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

// Policy says where webhooks may go besides public addresses over HTTPS.
type Policy struct {
	Allow []netip.Prefix // addresses that are reached although they are not public; plain HTTP is allowed to them, too
}

// CheckURL refuses what can never be a subscriber's address. Where its host leads is known when it is dialled.
func (p Policy) CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return ErrURL
	}
	if u.Scheme != "https" && (u.Scheme != "http" || len(p.Allow) == 0) {
		return ErrURL
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !p.reaches(ip, u.Scheme == "https") {
		return ErrAddress
	}
	return nil
}

// reaches tells whether a message may go to an address.
func (p Policy) reaches(ip netip.Addr, encrypted bool) bool {
	if ip.Zone() != "" {
		return false
	}
	plain := ip.Unmap()
	if slices.ContainsFunc(p.Allow, func(a netip.Prefix) bool { return a.Contains(plain) }) {
		return true
	}
	return encrypted && !slices.ContainsFunc(notPublic, func(r netip.Prefix) bool { return r.Contains(ip) || r.Contains(plain) })
}

// control is what a dialer asks before it connects: by then a name has become the address that is really used.
func (p Policy) control(encrypted bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("address to connect to: %w", err)
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return fmt.Errorf("address to connect to: %w", err)
		}
		if !p.reaches(ip, encrypted) {
			return ErrAddress
		}
		return nil
	}
}
