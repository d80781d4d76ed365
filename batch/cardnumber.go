package batch

import (
	"reflect"
	"strings"

	"github.com/google/uuid"

	"platen/card"
	"platen/formats"
)

// Card numbers have no place in an order, a reason or a bureau's words: whoever types one into a name or a reference would have it stored and printed. A value is taken for one when it
// holds 13 to 19 digits, with blanks or dashes between at most, that begin like a scheme's number and pass the check digit.

// checkNumbers refuses fields that hold a card number.
func (c *checker) checkNumbers() {
	eachText(&c.row, func(field string, v *string) {
		if HoldsCardNumber(*v) {
			c.fault(field, "card_number", "a card number must not stand in an order: name the card by its token or by ORDER-REFERENCE#UNIT")
		}
	})
}

// HoldsCardNumber tells whether a text holds what may be a card number: no record keeps one.
func HoldsCardNumber(text string) bool {
	start, _ := findNumber(text)
	return start >= 0
}

// ReferenceHoldsCardNumber is HoldsCardNumber for what a client names things by: a UUID at its end may be all digits, and holds nobody's number.
func ReferenceHoldsCardNumber(reference string) bool {
	const length = 36
	if n := len(reference) - length; n >= 0 && uuid.Validate(reference[n:]) == nil {
		reference = reference[:n]
	}
	return HoldsCardNumber(reference)
}

// withoutNumbers is a row as it may be kept: every card number shows its last four digits only.
func withoutNumbers(row formats.Row) formats.Row {
	if row.Extra != nil {
		own := *row.Extra
		row.Extra = &own
	}
	eachText(&row, func(_ string, v *string) {
		*v = withoutNumber(*v)
	})
	return row
}

// withoutNumber is a text as it may be kept: every card number in it shows its last four digits only.
func withoutNumber(text string) string {
	for {
		start, end := findNumber(text)
		if start < 0 {
			return text
		}
		text = text[:start] + strings.Repeat("*", end-start-4) + text[end-4:]
	}
}

// eachText calls f for every text column of a row, by the name that the column has in files.
func eachText(row *formats.Row, f func(field string, v *string)) {
	r := reflect.ValueOf(row).Elem()
	for i := range r.NumField() {
		if r.Field(i).Kind() != reflect.String {
			continue
		}
		name, _, _ := strings.Cut(r.Type().Field(i).Tag.Get("json"), ",")
		f(name, r.Field(i).Addr().Interface().(*string))
	}
	if row.Extra == nil {
		return
	}
	for _, x := range formats.ExtraFields {
		f(x.Field.String(), x.Value(row.Extra))
	}
}

// findNumber finds the first card number in a text: the place of its first digit and the place after its last; -1 when there is none.
func findNumber(s string) (start, end int) {
	var digits []byte
	var places []int
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] >= '0' && s[i] <= '9' {
			digits, places = append(digits, s[i]), append(places, i)
			continue
		}
		if i < len(s) && (s[i] == ' ' || s[i] == '-') && len(digits) > 0 {
			continue
		}
		if from, n := numberIn(digits); n > 0 {
			return places[from], places[from+n-1] + 1
		}
		digits, places = digits[:0], places[:0]
	}
	return -1, -1
}

// numberIn finds a card number in a run of digits: a whole run of 13 to 19, or part of a longer one, so that it cannot hide behind other digits.
func numberIn(digits []byte) (from, n int) {
	if len(digits) >= 13 && len(digits) <= 19 && isNumber(digits) {
		return 0, len(digits)
	}
	for from = 0; len(digits) > 19 && from+13 <= len(digits); from++ {
		for n = min(19, len(digits)-from); n >= 13; n-- {
			if isNumber(digits[from : from+n]) {
				return from, n
			}
		}
	}
	return 0, 0
}

func isNumber(digits []byte) bool {
	if digits[0] < '2' || digits[0] > '6' || digits[0] == '2' && (digits[1] < '2' || digits[1] > '7') { // of those with 2, 22 to 27 are schemes'; a date of this century is none
		return false
	}
	last := len(digits) - 1
	return card.CheckDigit(digits[:last]) == digits[last]
}
