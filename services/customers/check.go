package customers

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"platen/batch"
	"platen/formats"
)

// ContentError says what is wrong with the content of a customer or an account. It names no value.
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
	faultNegative  = "negative"
	faultName      = "bad_name"
	faultTwice     = "twice"
	faultTooMany   = "too_many"
	hintCardNumber = "a card number must not stand here"
)

// checker collects what is wrong with a content.
type checker struct{ faults []formats.Fault }

func (c *checker) fault(field, code, hint string) {
	if !slices.ContainsFunc(c.faults, func(f formats.Fault) bool { return f.Field == field }) {
		c.faults = append(c.faults, formats.Fault{Field: field, Code: code, Hint: hint})
	}
}

func (c *checker) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	return &ContentError{c.faults}
}

// text checks a text of so many characters at most.
func (c *checker) text(field, v string, limit int) {
	switch {
	case !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
		c.fault(field, formats.FaultControl, "remove line breaks, tabs and other control characters")
	case utf8.RuneCountInString(v) > limit:
		c.fault(field, formats.FaultTooLong, "shorten it")
	case batch.HoldsCardNumber(v):
		c.fault(field, faultNumber, hintCardNumber)
	}
}

// row checks what has a column in order files by the rules of those, so that a card can be sent where it says.
func (c *checker) row(r formats.Row) {
	for _, f := range formats.CheckRow(formats.BulkOrder, &r) {
		if f.Code != formats.FaultRequired {
			c.fault(f.Field, f.Code, f.Hint)
		}
	}
}

func (c *checker) date(field, v string) {
	if v == "" {
		return
	}
	if _, err := time.Parse(time.DateOnly, v); err != nil {
		c.fault(field, faultDate, "give a date as YYYY-MM-DD")
	}
}

func (c *checker) currency(field, v string) {
	if v != "" && (len(v) != 3 || strings.Trim(v, "0123456789") != "") {
		c.fault(field, faultCurrency, "three digits of ISO 4217, such as 978")
	}
}

// Limits of attributes.
const (
	maxAttributes     = 30
	maxAttributeName  = 36
	maxAttributeValue = 200
)

// attributes checks data that mean something to the institution only.
func (c *checker) attributes(all map[string]string) {
	if len(all) > maxAttributes {
		c.fault("attributes", faultTooMany, "30 at most")
		return
	}
	for name, value := range all {
		if !isName(name, maxAttributeName) {
			c.fault("attributes", faultName, "names are 1 to 36 letters, digits, dots, dashes or underscores")
			continue
		}
		c.text("attributes."+name, value, maxAttributeValue)
	}
}

func isName(s string, limit int) bool {
	return s != "" && len(s) <= limit && checkReference(s) == nil
}
