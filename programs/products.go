package programs

import (
	"maps"
	"slices"
	"strings"
	"time"

	"platen/card"
	"platen/formats"
	"platen/hsm/dynamic"
)

// Limits of products.
const (
	maxValidityMonths = 120
	maxQuantity       = 10_000_000
)

// schemes are the card schemes whose rules Platen knows.
var schemes = [...]string{"visa", "mastercard", card.Amex, "discover", "diners", "jcb", "unionpay"}

// CVV2 expiry orders.
const (
	MMYY = "MMYY"
	YYMM = "YYMM"
)

func (l *loader) checkProducts() {
	l.checkNoTwins("product", l.from.products, func(i int) string { return l.set.Products[i].Code })
	for i := range l.set.Products {
		p, from := &l.set.Products[i], l.from.products[i]
		l.checkCardOf(p, from)
		l.checkNameOf(p, from)
		l.checkTracks(p, from)
		l.checkPIN(p, from)
		l.checkDynamicCVV2(p, from)
		l.checkDestinations(p, from)
		l.checkActions(p, from)
		l.checkPrepaid(p, from)
	}
}

// checkCardOf checks what every card of the product is.
func (l *loader) checkCardOf(p *card.Product, from source) {
	l.checkName(from, p.Name)
	if !slices.Contains(schemes[:], p.Scheme) {
		l.at(from, "scheme")("scheme: %s", oneOf(schemes[:]))
	}
	if p.Technology == 0 {
		l.at(from, "technology")("technology: is missing")
	}
	code, err := card.ParseServiceCode(p.ServiceCode)
	switch {
	case err != nil:
		l.at(from, "service_code")("service_code: %v", err)
	case p.Technology.HasChip() && !code.Chip():
		l.at(from, "service_code")("service_code: a card with a chip needs 2xx or 6xx")
	case p.Technology == card.Magstripe && code[0] != '1' && code[0] != '5':
		l.at(from, "service_code")("service_code: a card with only a stripe needs 1xx or 5xx")
	}
	l.checkBounds(from, int64(p.ValidityMonths), 1, maxValidityMonths, "validity_months")
	l.checkBounds(from, int64(p.FirstPSN), 0, 99, "first_psn")
	l.checkBounds(from, p.MaxQuantity, 1, maxQuantity, "max_quantity")
	switch r := l.rangeOf(p); {
	case r == nil:
		l.at(from, "range")("range: there is no range %q", p.Range)
	case p.HasCSC() != amexRange(r):
		l.at(from, "range")("range: numbers of 15 digits that begin with 34 or 37 are of the scheme %s, and no others are", card.Amex)
	}
	l.checkImported(p, from)
	if p.Design == "" {
		l.at(from, "design")("design: is missing")
	}
	if len(p.Currency) != 3 || strings.Trim(p.Currency, "0123456789") != "" {
		l.at(from, "currency")("currency: must be three digits (ISO 4217)")
	}
	l.checkCodesOf(p, from)
}

// amexRange tells whether a range holds American Express numbers.
func amexRange(r *Range) bool {
	return r.Length == 15 && (strings.HasPrefix(r.Prefix, "34") || strings.HasPrefix(r.Prefix, "37"))
}

// checkCodesOf holds the keys of a product's codes, and what they are computed of, to its scheme.
func (l *loader) checkCodesOf(p *card.Product, from source) {
	if !p.HasCSC() {
		if p.CVV2Order != MMYY && p.CVV2Order != YYMM {
			l.at(from, "cvv2_order")("cvv2_order: %s", oneOf([]string{MMYY, YYMM}))
		}
		if p.Keys.CSCK != "" {
			l.at(from, "keys", "csck")("csck: makes the codes of the scheme %s and of no other: leave it out", card.Amex)
		}
		l.checkLabel(from, p.Keys.CVK, "to make card verification values", "keys", "cvk")
		return
	}
	if p.CVV2Order != "" {
		l.at(from, "cvv2_order")("cvv2_order: American Express cards have no CVV2, and their codes take the expiry as YYMM: leave it out")
	}
	if p.Keys.CVK != "" {
		l.at(from, "keys", "cvk")("cvk: American Express cards have codes of a csck instead: leave it out")
	}
	if p.DynamicCVV2 != (card.DynamicCVV2{}) {
		l.at(from, "dynamic_cvv2")("dynamic_cvv2: American Express cards have no CVV2: leave it out")
	}
	l.checkLabel(from, p.Keys.CSCK, "to make card security codes", "keys", "csck")
}

// rangeOf finds the range that a product's new cards come from.
func (l *loader) rangeOf(p *card.Product) *Range { return l.rangeNamed(p.Range) }

func (l *loader) rangeNamed(code string) *Range {
	for i := range l.set.Ranges {
		if l.set.Ranges[i].Code == code {
			return &l.set.Ranges[i]
		}
	}
	return nil
}

// checkImported keeps numbers that are drawn and numbers that are told apart: a range has one kind of them, so that no number is made twice.
func (l *loader) checkImported(p *card.Product, from source) {
	drawn := l.rangeOf(p)
	if drawn != nil && drawn.Imported {
		l.at(from, "range")("range: range %q is imported: no number of it is drawn", p.Range)
	}
	if p.ImportedRange == "" {
		return
	}
	switch told := l.rangeNamed(p.ImportedRange); {
	case told == nil:
		l.at(from, "imported_range")("imported_range: there is no range %q", p.ImportedRange)
	case !told.Imported:
		l.at(from, "imported_range")("imported_range: numbers of range %q are drawn: say imported: true of a range whose numbers are told", p.ImportedRange)
	case drawn != nil && told.Length != drawn.Length:
		l.at(from, "imported_range")("imported_range: its numbers must be as long as those of the range: files are tried with these")
	case p.HasCSC() != amexRange(told):
		l.at(from, "imported_range")("imported_range: numbers of 15 digits that begin with 34 or 37 are of the scheme %s, and no others are", card.Amex)
	}
}

func (l *loader) checkNameOf(p *card.Product, from source) {
	l.checkBounds(from, int64(p.NameLimit), 2, 26, "name_limit")
	l.checkNames(p, from)
	switch {
	case !p.Anonymous && p.AnonymousName != "":
		l.at(from, "anonymous_name")("anonymous_name: the product's cards have holders: say anonymous: true or leave it out")
	case len(p.AnonymousName) > p.NameLimit:
		l.at(from, "anonymous_name")("anonymous_name: is longer than name_limit")
	case strings.ContainsFunc(p.AnonymousName, func(r rune) bool { return r < ' ' || r > '_' }):
		l.at(from, "anonymous_name")("anonymous_name: may hold capitals, digits and the signs of ISO/IEC 7813 track 1")
	}
}

// checkPIN checks the PIN policy in itself.
func (l *loader) checkPIN(p *card.Product, from source) {
	pin := p.PIN
	switch pin.Method {
	case 0:
		l.at(from, "pin", "method")("method: is missing")
		return
	case card.NoPIN:
		if pin != (card.PINPolicy{Method: card.NoPIN}) {
			l.at(from, "pin")("pin: a product without PINs has a method and nothing else")
		}
		return
	case card.DerivedPIN:
		l.checkDerivation(pin, from)
	case card.RandomPIN:
		l.checkBounds(from, int64(pin.PVKI), 0, 6, "pin", "pvki")
		if pin.DecTable != "" || pin.Validation != "" {
			l.at(from, "pin")("dec_table and validation belong to the method %s", card.DerivedPIN)
		}
	}
	l.checkBounds(from, int64(pin.Length), 4, 12, "pin", "length")
	l.checkBounds(from, int64(pin.MaxTries), 0, card.MostPINTries, "pin", "max_tries")
	l.checkBounds(from, int64(pin.MailerDelay), 0, card.MostDelay, "pin", "mailer_delay")
	l.checkLabel(from, p.Keys.PVK, "to verify PINs", "keys", "pvk")
}

// checkDerivation holds the IBM 3624 tables to the form that security modules take: a table of 16 digits, at least 8 of them different
// and none more than four times, and a validation template of 12 with one N, which stands for account digits.
func (l *loader) checkDerivation(pin card.PINPolicy, from source) {
	counts := map[rune]int{}
	most := 0
	for _, digit := range pin.DecTable {
		counts[digit]++
		most = max(most, counts[digit])
	}
	if len(pin.DecTable) != 16 || strings.Trim(pin.DecTable, "0123456789") != "" || len(counts) < 8 || most > 4 {
		l.at(from, "pin", "dec_table")("dec_table: must be 16 digits, at least 8 different, none more than 4 times")
	}
	if len(pin.Validation) != 12 || strings.Count(pin.Validation, "N") != 1 || strings.Trim(pin.Validation, "0123456789ABCDEFN") != "" {
		l.at(from, "pin", "validation")("validation: must be 12 characters of 0-9 A-F with one N")
	}
}

// checkDynamicCVV2 holds a CVV2 that changes to what its windows can be.
func (l *loader) checkDynamicCVV2(p *card.Product, from source) {
	d := p.DynamicCVV2
	if d == (card.DynamicCVV2{}) {
		return
	}
	l.checkBounds(from, int64(d.Minutes), 1, maxWindowMinutes, "dynamic_cvv2", "minutes")
	l.checkBounds(from, int64(d.Grace), 0, maxWindowGrace, "dynamic_cvv2", "grace")
	w := dynamic.Windows{Length: time.Duration(d.Minutes) * time.Minute, First: d.FirstCode, Count: d.Codes, Grace: d.Grace, Reserved: []string{p.ServiceCode}}
	if err := w.Check(); err != nil {
		l.at(from, "dynamic_cvv2")("dynamic_cvv2: %v", err)
	}
}

// Bounds of a CVV2 that changes: a value lasts for a month at most.
const (
	maxWindowMinutes = 31 * 24 * 60
	maxWindowGrace   = 10
)

// checkDestinations checks who prints the card and who tells the PIN: never the same house, unless the PIN is not mailed.
func (l *loader) checkDestinations(p *card.Product, from source) {
	if p.Technology == card.Virtual {
		if p.Bureau != "" || p.Layout != "" || p.PIN != (card.PINPolicy{Method: card.NoPIN}) {
			l.at(from, "technology")("technology: a VIRTUAL card has no plastic and no PIN: leave out bureau and layout, and say pin: {method: NONE}")
		}
		return
	}
	printer := l.bureau(p.Bureau)
	if printer == nil {
		l.at(from, "bureau")("bureau: there is no bureau %q", p.Bureau)
	} else if p.PIN.InCardFile && printer.ZPK == "" {
		l.at(from, "pin", "in_card_file")("in_card_file: bureau %s has no zpk to encrypt PIN blocks under", p.Bureau)
	}
	others := formats.SecurityCodes
	if p.HasCSC() {
		others = formats.VerificationValues
	}
	l.checkLayoutOf(from, p.Layout, formats.CardFile, "layout", others...)
	l.checkTransfer(from, p.Layout, printer, "layout")
	if !p.PIN.Mailer {
		if p.MailerBureau != "" || p.MailerLayout != "" {
			l.at(from, "mailer_bureau")("mailer_bureau: the product mails no PINs: say mailer: true or leave it out")
		}
		return
	}
	l.checkLayoutOf(from, p.MailerLayout, formats.PINMailer, "mailer_layout")
	mailer := l.bureau(p.MailerBureau)
	l.checkTransfer(from, p.MailerLayout, mailer, "mailer_layout")
	switch {
	case mailer == nil:
		l.at(from, "mailer_bureau")("mailer_bureau: there is no bureau %q", p.MailerBureau)
	case mailer.ZPK == "":
		l.at(from, "mailer_bureau")("mailer_bureau: bureau %s has no zpk to encrypt PIN blocks under", p.MailerBureau)
	case printer != nil && sameDestination(printer, mailer):
		l.at(from, "mailer_bureau")("mailer_bureau: the house that prints a card may not be told its PIN")
	}
}

// sameDestination tells whether files for two bureaus end in one place.
func sameDestination(a, b *Bureau) bool {
	return a.Code == b.Code || a.SFTP.Address == b.SFTP.Address && a.SFTP.User == b.SFTP.User && a.SFTP.In == b.SFTP.In
}

func (l *loader) checkLayoutOf(from source, name string, kind formats.Kind, key string, never ...formats.Field) {
	switch layout := l.layout(name); {
	case layout == nil:
		l.at(from, key)("%s: there is no layout %q", key, name)
	case layout.Kind() != kind:
		l.at(from, key)("%s: layout %s is of another kind", key, name)
	case len(layout.Unfilled(never...)) > 0:
		l.at(from, key)("%s: layout %s has a place for %v, which nothing fills: every card would leave it empty; mark it optional, or leave it out", key, name, layout.Unfilled(never...))
	case !layout.NamesApart():
		l.at(from, key)("%s: layout %s gives two files one name: {file.sequence} or {file.reference} must stand in it", key, name)
	}
}

// checkTransfer holds how a layout's files, and what goes along with them, travel against what the bureau's server can do.
func (l *loader) checkTransfer(from source, name string, bureau *Bureau, key string) {
	layout := l.layout(name)
	if layout == nil || bureau == nil {
		return
	}
	for _, one := range append([]string{name}, layout.Sidecars()...) {
		of := l.layout(one)
		if of == nil {
			continue
		}
		how := of.Transfer().Under(bureau.SFTP.Transfer())
		if err := how.Check(); err != nil {
			l.at(from, key)("%s: layout %s at bureau %s: %v", key, one, bureau.Code, err)
		} else if bureau.SFTP.Rename == RenameNone && how.Content != "" && bureau.SFTP.MarkerText == "" {
			l.at(from, key)("%s: layout %s wants a marker with content, which bureau %s cannot have: its server does not rename", key, one, bureau.Code)
		}
	}
}

// actionKeys are what a row of the card-action table says. A row is written whole: what it does not say would be a guess.
var actionKeys = [...]string{"new_pan", "next_psn", "new_expiry", "pin", "mailer", "old_card"}

func (l *loader) checkActions(p *card.Product, from source) {
	for _, reason := range slices.Sorted(maps.Keys(p.Actions)) {
		at := l.at(from, "actions", reason.String())
		if _, ok := card.DefaultActions()[reason]; !ok || reason == card.Remake {
			at("actions: %s cannot be changed", reason)
			continue
		}
		_, table := find(from.node, "actions")
		_, row := find(table, reason.String())
		for _, key := range actionKeys {
			if !(source{node: row}).has(key) {
				at("actions: %s: %s is missing: a row is written whole", reason, key)
			}
		}
		a := p.Actions[reason]
		l.checkBounds(from, int64(a.CardDelay), 0, card.MostDelay, "actions", reason.String(), "card_delay")
		l.checkBounds(from, int64(a.MailerDelay), 0, card.MostDelay, "actions", reason.String(), "mailer_delay")
		switch {
		case a.NewPAN && a.NextPSN:
			at("actions: %s: a new number starts its PSN again: new_pan and next_psn exclude each other", reason)
		case a.NewPAN && a.PIN == card.KeepPIN:
			at("actions: %s: a PIN is bound to its number: with new_pan it is NEW or TRANSFER", reason)
		case !a.NewPAN && a.PIN == card.TransferPIN:
			at("actions: %s: TRANSFER needs new_pan", reason)
		}
	}
}
