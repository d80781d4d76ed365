package programs

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"platen/card"
	"platen/hsm/jwe"
	"platen/hsm/rsasign"
)

// cardKinds are what each dialect may call a kind of card.
var cardKinds = map[string]*regexp.Regexp{
	Offblocks: regexp.MustCompile(`^(virtual|physical)$`),
	Enfuce:    regexp.MustCompile(`^[A-Z][A-Z_0-9]{1,64}$`),

	// Organization and logo; the cards without plastic of a logo are of another product.
	Firstvision: regexp.MustCompile(`^[0-9]{3}/[0-9]{3}(` + DigitalCards + `)?$`),

	// Numbers of card types.
	Finhub: regexp.MustCompile(`^[1-9][0-9]{0,8}$`),
}

// DigitalCards ends what FirstVision's cards without plastic of an organization and logo are called.
const DigitalCards = "/digital"

// DialectCodes lists the dialects.
func DialectCodes() []string { return slices.Sorted(maps.Keys(cardKinds)) }

// checkDialects holds what a dialect calls a card against the products that there are.
func (l *loader) checkDialects() {
	seen := map[string]bool{}
	at := l.at(l.from.institution, "dialects")
	for _, d := range l.set.Institution.Dialects {
		kinds, known := cardKinds[d.Code]
		if !known {
			at("dialects: there is none %q: %s", d.Code, oneOf(DialectCodes()))
			continue
		}
		if seen[d.Code] {
			at("dialects: %s stands twice", d.Code)
		}
		seen[d.Code] = true
		l.checkUpstream(d)
		l.checkNumbers(d)
		if len(d.Products) == 0 {
			at("dialects: %s: products: is missing", d.Code)
		}
		for _, kind := range slices.Sorted(maps.Keys(d.Products)) {
			l.checkCardKind(d, kind, kinds)
		}
	}
}

func (l *loader) checkCardKind(d Dialect, kind string, kinds *regexp.Regexp) {
	at := l.at(l.from.institution, "dialects")
	if !kinds.MatchString(kind) {
		at("dialects: %s: products: no kind of card is called %q there", d.Code, kind)
		return
	}
	i := slices.IndexFunc(l.set.Products, func(p card.Product) bool { return p.Code == d.Products[kind] })
	switch {
	case i < 0:
		at("dialects: %s: products: there is no product %q", d.Code, d.Products[kind])
	case d.Code == Offblocks && (kind == "virtual") != (l.set.Products[i].Technology == card.Virtual),
		d.Code == Firstvision && strings.HasSuffix(kind, DigitalCards) != (l.set.Products[i].Technology == card.Virtual):
		at("dialects: %s: products: product %s has another technology than %s cards", d.Code, d.Products[kind], kind)
	case d.Code == Finhub && !l.set.Products[i].IsPrepaid():
		at("dialects: %s: products: product %s is no card type: it has no block prepaid", d.Code, d.Products[kind])
	}
}

// checkNumbers holds what card numbers come encrypted to, if they do.
func (l *loader) checkNumbers(d Dialect) {
	if d.Numbers == (Numbers{}) {
		return
	}
	at := l.at(l.from.institution, "dialects")
	if d.Code != Enfuce {
		at("dialects: %s: own_numbers: its clients send no numbers of their own", d.Code)
		return
	}
	if d.Numbers.KeyFile == "" {
		at("dialects: %s: own_numbers: key_file is needed", d.Code)
	}
	if _, err := jwe.Thumbprint(d.Numbers.Certificate); err != nil {
		at("dialects: %s: own_numbers: certificate: %v", d.Code, err)
	}
}

// checkUpstream holds where a dialect hands requests on to, if it does.
func (l *loader) checkUpstream(d Dialect) {
	u := d.Upstream
	if u == (Upstream{}) {
		return
	}
	at := l.at(l.from.institution, "dialects")
	if d.Code != Finhub {
		at("dialects: %s: upstream: requests are carried out here", d.Code)
		return
	}
	if address, err := url.Parse(u.URL); err != nil || address.Host == "" || address.User != nil || address.RawQuery != "" || address.Fragment != "" || address.Scheme != "https" && address.Scheme != "http" {
		at("dialects: %s: upstream: url: must be an address of HTTP without user, query and fragment", d.Code)
	}
	if u.Client == "" || u.KeyFile == "" {
		at("dialects: %s: upstream: client and key_file are needed", d.Code)
	}
	if _, err := rsasign.ParsePublicKey(u.PublicKey); err != nil {
		at("dialects: %s: upstream: public_key: %v", d.Code, err)
	}
}
