package records

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"platen/batch"
	"platen/formats"
)

// ContentError says what is wrong with the content of a record. It names no value.
type ContentError struct{ Faults []formats.Fault }

// Error implements error.
func (e *ContentError) Error() string {
	all := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		all[i] = f.Field + ": " + f.Code
	}
	return "the content is refused: " + strings.Join(all, ", ")
}

// Codes of faults beside those of order rows.
const (
	faultNumber    = "card_number"
	faultDate      = "bad_date"
	faultCurrency  = "bad_currency"
	FaultName      = "bad_name"
	FaultTooMany   = "too_many"
	hintCardNumber = "a card number must not stand here"
)

// Checker collects what is wrong with a content.
type Checker struct{ faults []formats.Fault }

// Fault adds what is wrong with a member; only the first of each is kept.
func (c *Checker) Fault(field, code, hint string) {
	if !slices.ContainsFunc(c.faults, func(f formats.Fault) bool { return f.Field == field }) {
		c.faults = append(c.faults, formats.Fault{Field: field, Code: code, Hint: hint})
	}
}

// Err is a ContentError, or nil where nothing is wrong.
func (c *Checker) Err() error {
	if len(c.faults) == 0 {
		return nil
	}
	return &ContentError{c.faults}
}

// Text checks a text of so many characters at most.
func (c *Checker) Text(field, v string, limit int) {
	switch {
	case !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
		c.Fault(field, formats.FaultControl, "remove line breaks, tabs and other control characters")
	case utf8.RuneCountInString(v) > limit:
		c.Fault(field, formats.FaultTooLong, "shorten it")
	case batch.HoldsCardNumber(v):
		c.Fault(field, faultNumber, hintCardNumber)
	}
}

// Row checks what has a column in order files by the rules of those, so that a card can be sent where it says.
func (c *Checker) Row(r formats.Row) {
	for _, f := range formats.CheckRow(formats.BulkOrder, &r) {
		if f.Code != formats.FaultRequired {
			c.Fault(f.Field, f.Code, f.Hint)
		}
	}
}

// Date checks a date, or nothing.
func (c *Checker) Date(field, v string) {
	if v == "" {
		return
	}
	if _, err := time.Parse(time.DateOnly, v); err != nil {
		c.Fault(field, faultDate, "give a date as YYYY-MM-DD")
	}
}

// Currency checks a currency, or nothing.
func (c *Checker) Currency(field, v string) {
	if v != "" && (len(v) != 3 || strings.Trim(v, "0123456789") != "") {
		c.Fault(field, faultCurrency, "three digits of ISO 4217, such as 978")
	}
}

// Limits of attributes.
const (
	maxAttributes = 30
	MaxName       = 36 // characters of a name
	MaxText       = 200
)

// Attributes checks data that mean something to the institution only.
func (c *Checker) Attributes(all map[string]string) {
	if len(all) > maxAttributes {
		c.Fault("attributes", FaultTooMany, "30 at most")
		return
	}
	for name, value := range all {
		if !IsName(name, MaxName) {
			c.Fault("attributes", FaultName, "names are 1 to 36 letters, digits, dots, dashes or underscores")
			continue
		}
		c.Text("attributes."+name, value, MaxText)
	}
}

// IsName tells whether a text may name an attribute or a limit of so many characters at most.
func IsName(s string, limit int) bool {
	return s != "" && len(s) <= limit && CheckReference(s) == nil
}
