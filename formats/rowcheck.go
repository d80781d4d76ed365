package formats

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"platen/card"
)

// CheckRow tells what is wrong with a row in itself: what a kind requires, lengths, characters, forms. It serves rows of JSON as well as of
// CSV. It knows no clock, product or card; those checks are intake's.
func CheckRow(kind OrderKind, row *Row) []Fault {
	var faults []Fault
	for i := range orderColumns {
		c := &orderColumns[i]
		value := *c.value(row)
		if c.kinds[kind] == 0 {
			if value != "" {
				faults = append(faults, Fault{row.Line, c.name, FaultBadCode, "a " + kind.String() + " order does not take this"})
			}
			continue
		}
		if value == "" {
			if c.kinds[kind] == must || c.completesAddress(row) {
				faults = append(faults, Fault{row.Line, c.name, FaultRequired, "a value is needed here"})
			}
			continue
		}
		if code, hint := c.faultOf(value); code != "" {
			faults = append(faults, Fault{row.Line, c.name, code, hint})
		}
	}
	return append(faults, checkExtra(row)...)
}

// completesAddress tells whether an address that was begun needs the column.
func (c *orderColumn) completesAddress(row *Row) bool {
	return row.Address1 != "" && (c.name == "city" || c.name == "country")
}

func (c *orderColumn) faultOf(value string) (code, hint string) {
	length, roman := len(value), true
	switch shapeOf(value) {
	case controlled:
		return FaultControl, "remove line breaks, tabs and other control characters"
	case foreign:
		in := defaultLetters().inspect(value)
		if !in.valid {
			return FaultUnmappable, "the file must be UTF-8"
		}
		if in.controls {
			return FaultControl, "remove line breaks, tabs and other control characters"
		}
		length, roman = max(in.runes, in.written), in.roman
	}
	switch {
	case length > c.limit:
		return FaultTooLong, fmt.Sprintf("at most %d characters, counted after transliteration; this has %d", c.limit, length)
	case !roman && c.letters == FaultNameUnmappable:
		return c.letters, "write the name in Latin, Greek or Cyrillic letters" + proposedLetters(value)
	case !roman && c.letters != "":
		return c.letters, "write it in Latin, Greek or Cyrillic letters"
	case c.check == nil:
		return "", ""
	}
	return c.check(value)
}

// proposedLetters ends a hint with how a name might be written; it is empty where nobody can tell.
func proposedLetters(value string) string {
	n := undeclaredNames()
	if proposal := n.propose(Holder{Surname: value}, nameSets()["ascii"], maxNameInput); proposal != "" {
		return ", such as " + proposal
	}
	return ""
}

func checkQuantity(v string) (string, string) {
	for _, c := range []byte(v) {
		if c < '0' || c > '9' {
			return FaultNotANumber, "a whole number without signs or separators"
		}
	}
	if len(v) > 12 {
		return FaultNotANumber, "a number of at most twelve digits"
	}
	return "", ""
}

// MaxOrderReference bounds the reference of an order, which cards of it are named by.
const MaxOrderReference = 64

var (
	tokenForm  = regexp.MustCompile(`^[0-9A-Z]{19}$`)
	ofUnitForm = regexp.MustCompile(fmt.Sprintf(`^[!-"$-~]{1,%d}#[1-9][0-9]{0,11}$`, MaxOrderReference))
	branchForm = regexp.MustCompile(`^[0-9A-Za-z-]+$`)
	expiryForm = regexp.MustCompile(`^20[0-9]{2}-(0[1-9]|1[0-2])$`)
)

func checkCard(v string) (string, string) {
	if tokenForm.MatchString(v) || ofUnitForm.MatchString(v) {
		return "", ""
	}
	return FaultBadCard, "give the card's token, or ORDER-REFERENCE#UNIT; never its number"
}

func checkCountry(v string) (string, string) {
	if len(v) == 2 && v[0]-'A' < 26 && v[1]-'A' < 26 && isCountry()[v[0]-'A'][v[1]-'A'] {
		return "", ""
	}
	return FaultUnknownCountry, "give the two capital letters of ISO 3166-1, such as FR"
}

func checkDelivery(v string) (string, string) {
	switch v {
	case "STANDARD", "REGISTERED", "COURIER", "BRANCH":
		return "", ""
	}
	return FaultUnknownMethod, "STANDARD, REGISTERED, COURIER or BRANCH"
}

func checkBranch(v string) (string, string) {
	if branchForm.MatchString(v) {
		return "", ""
	}
	return FaultBadCode, "letters, digits and dashes"
}

func checkLanguage(v string) (string, string) {
	if len(v) == 2 && v[0] >= 'a' && v[0] <= 'z' && v[1] >= 'a' && v[1] <= 'z' {
		return "", ""
	}
	return FaultUnknownLang, "give the two small letters of ISO 639-1, such as fr"
}

func checkExpiry(v string) (string, string) {
	if _, err := card.ParseExpiry(strings.ReplaceAll(strings.TrimPrefix(v, "20"), "-", "")); err == nil && expiryForm.MatchString(v) {
		return "", ""
	}
	return FaultBadExpiry, "give year and month as YYYY-MM"
}

func checkSameDay(v string) (string, string) {
	if v == "true" || v == "false" {
		return "", ""
	}
	return FaultBadFlag, "true or false"
}

// isCountry is indexed by the two letters of a code, A as 0.
var isCountry = sync.OnceValue(func() *[26][26]bool {
	var all [26][26]bool
	for code := range strings.FieldsSeq(countries) {
		all[code[0]-'A'][code[1]-'A'] = true
	}
	return &all
})

// countries are the codes of ISO 3166-1 alpha-2, and XK, which post and banks use for Kosovo.
const countries = " AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ" +
	" CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR" +
	" GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP" +
	" KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ" +
	" NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW" +
	" SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ" +
	" UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "
