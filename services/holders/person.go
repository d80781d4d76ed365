package holders

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/records"
)

// Person is what is handed in of a holder. What stands behind IDKind is asked of consumers only.
type Person struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Birthday  string `json:"birthday"`  // YYYY-MM-DD
	AreaCode  string `json:"area_code"` // of the mobile number, such as +33
	Mobile    string `json:"mobile"`
	Email     string `json:"email"`
	Country   string `json:"country"` // ISO 3166-1 alpha-2
	Town      string `json:"town"`    // code
	Address   string `json:"address"`
	Postcode  string `json:"postcode"`

	IDKind         string `json:"id_kind,omitempty"`
	IDNumber       string `json:"id_number,omitempty"`
	IDIssued       string `json:"id_issued,omitempty"`  // YYYY-MM-DD
	IDExpires      string `json:"id_expires,omitempty"` // YYYY-MM-DD; empty = never
	Nationality    string `json:"nationality,omitempty"`
	Gender         string `json:"gender,omitempty"` // M or F
	Occupation     string `json:"occupation,omitempty"`
	AnnualSalary   string `json:"annual_salary,omitempty"`
	AccountPurpose string `json:"account_purpose,omitempty"`
	MonthlyVolume  string `json:"monthly_volume,omitempty"`
	IDFront        string `json:"id_front,omitempty"` // names of pictures that the institution keeps
	IDBack         string `json:"id_back,omitempty"`
	IDHold         string `json:"id_hold,omitempty"`
	IPAddress      string `json:"ip_address,omitempty"`
}

// IDKinds lists the kinds of documents that identify a person.
func IDKinds() []string { return []string{"PASSPORT", "HK_HKID", "DLN", "GOVERNMENT_ISSUED_ID_CARD"} }

// Codes of faults beside those of order rows.
const (
	faultLength = "bad_length"
	faultForm   = "bad_form"
	faultDate   = "bad_date"
	faultRegion = "region_not_supported"
)

// rule is what a member must be: its length, and its form behind that.
type rule struct {
	name     string
	value    func(*Person) string
	min, max int
	form     *regexp.Regexp
	hint     string
}

var (
	english  = regexp.MustCompile(`^[A-Za-z][A-Za-z .'-]*$`)
	address  = regexp.MustCompile(`^[A-Za-z0-9 -]+$`)
	areaCode = regexp.MustCompile(`^\+[0-9]+$`)
	digits   = regexp.MustCompile(`^[0-9]+$`)
	email    = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
	plain    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._/-]*$`)
	money    = regexp.MustCompile(`^[0-9]+( ?[A-Z]{3})?$`)
)

// everyone is asked of all holders, consumers of those that are persons of their own.
var (
	everyone = []rule{
		{"first_name", func(p *Person) string { return p.FirstName }, 2, 32, english, "English letters"},
		{"last_name", func(p *Person) string { return p.LastName }, 2, 32, english, "English letters"},
		{"area_code", func(p *Person) string { return p.AreaCode }, 2, 5, areaCode, "a plus and digits"},
		{"mobile", func(p *Person) string { return p.Mobile }, 5, 20, digits, "digits"},
		{"email", func(p *Person) string { return p.Email }, 5, 50, email, "an address"},
		{"town", func(p *Person) string { return p.Town }, 1, 32, plain, "letters, digits and -"},
		{"address", func(p *Person) string { return p.Address }, 2, 40, address, "letters, digits, blanks and -"},
		{"postcode", func(p *Person) string { return p.Postcode }, 2, 15, address, "letters, digits, blanks and -"},
	}
	consumers = []rule{
		{"id_number", func(p *Person) string { return p.IDNumber }, 2, 50, plain, "letters, digits and ._/-"},
		{"occupation", func(p *Person) string { return p.Occupation }, 1, 40, plain, "letters and digits"},
		{"annual_salary", func(p *Person) string { return p.AnnualSalary }, 1, 20, money, "digits, and a currency behind them"},
		{"account_purpose", func(p *Person) string { return p.AccountPurpose }, 1, 40, plain, "letters and digits"},
		{"monthly_volume", func(p *Person) string { return p.MonthlyVolume }, 1, 20, money, "digits, and a currency behind them"},
		{"id_front", func(p *Person) string { return p.IDFront }, 1, 64, plain, "the name of a picture"},
		{"id_back", func(p *Person) string { return p.IDBack }, 1, 64, plain, "the name of a picture"},
		{"id_hold", func(p *Person) string { return p.IDHold }, 1, 64, plain, "the name of a picture"},
	}
)

// Bounds of names: both together stand on a card.
const maxNames = 32

// check holds a person to the rules of a model and a card type, on a day.
func (p *Person) check(model card.HolderModel, t *card.Prepaid, today time.Time) error {
	var found []formats.Fault
	fault := func(field, code, hint string) { // the first of each member
		if slices.ContainsFunc(found, func(f formats.Fault) bool { return f.Field == field }) {
			return
		}
		found = append(found, formats.Fault{Field: field, Code: code, Hint: hint})
	}
	rules := everyone
	if model == card.ConsumerHolder {
		rules = slices.Concat(everyone, consumers)
	}
	for _, r := range rules {
		switch v := r.value(p); {
		case len(v) < r.min || len(v) > r.max:
			fault(r.name, faultLength, fmt.Sprintf("%d to %d characters", r.min, r.max))
		case !r.form.MatchString(v):
			fault(r.name, faultForm, r.hint)
		case batch.HoldsCardNumber(v):
			fault(r.name, "card_number", "a card number must not stand here")
		}
	}
	if len(found) == 0 && len(p.FirstName)+len(p.LastName) > maxNames {
		fault("last_name", faultLength, "both names have 32 characters at most")
	}
	if born, err := time.Parse(time.DateOnly, p.Birthday); err != nil || !born.Before(today) || born.Year() < 1900 {
		fault("birthday", faultDate, "a date in the past, as YYYY-MM-DD")
	}
	country(p.Country, "country", fault)
	if len(t.Regions) > 0 && !slices.Contains(t.Regions, p.Country) {
		fault("country", faultRegion, "holders of this card type live in "+strings.Join(t.Regions, ", "))
	}
	if model == card.ConsumerHolder {
		p.checkConsumer(today, fault)
	}
	if len(found) > 0 {
		return &records.ContentError{Faults: found}
	}
	return nil
}

func (p *Person) checkConsumer(today time.Time, fault func(field, code, hint string)) {
	country(p.Nationality, "nationality", fault)
	if p.Gender != "M" && p.Gender != "F" {
		fault("gender", faultForm, "M or F")
	}
	if !slices.Contains(IDKinds(), p.IDKind) {
		fault("id_kind", faultForm, strings.Join(IDKinds(), ", "))
	}
	if issued, err := time.Parse(time.DateOnly, p.IDIssued); err != nil || issued.After(today) {
		fault("id_issued", faultDate, "a date that has come, as YYYY-MM-DD")
	}
	if expires, err := time.Parse(time.DateOnly, p.IDExpires); p.IDExpires != "" && (err != nil || !expires.After(today)) {
		fault("id_expires", faultDate, "a date to come, as YYYY-MM-DD, or nothing")
	}
	if _, err := netip.ParseAddr(p.IPAddress); err != nil {
		fault("ip_address", faultForm, "an address of IPv4 or IPv6")
	}
}

// country asks the rules of order files.
func country(code, field string, fault func(field, code, hint string)) {
	if code == "" {
		fault(field, formats.FaultRequired, "give the two capital letters of ISO 3166-1")
		return
	}
	for _, f := range formats.CheckRow(formats.BulkOrder, &formats.Row{Country: code}) {
		if f.Field == "country" && f.Code != formats.FaultRequired {
			fault(field, f.Code, f.Hint)
		}
	}
}

// document names what identifies a consumer, nil of others.
func (p *Person) document(model card.HolderModel) *string {
	if model != card.ConsumerHolder {
		return nil
	}
	return new(p.IDKind + ":" + strings.ToUpper(p.IDNumber))
}
