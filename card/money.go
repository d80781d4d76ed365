package card

import (
	"errors"
	"strconv"
	"strings"
)

// Errors of amounts.
var (
	ErrAmount      = errors.New("an amount is digits, and a point with decimals where its currency has them; it is more than nothing")
	ErrPrecision   = errors.New("an amount has no more decimals than its currency")
	ErrAmountLarge = errors.New("an amount is too large")
)

// MaxAmount bounds one amount, in minor units, so that no sum of what one account ever sees can leave int64.
const MaxAmount int64 = 1e15

// Amount is an amount of money in minor units of its currency: 12345 of EUR is 123.45.
type Amount struct {
	Minor    int64
	Currency Currency
}

// IsZeroAmount tells whether a text is an amount of nothing, such as 0 or 0.00.
func IsZeroAmount(text string) bool {
	whole, decimals, pointed := strings.Cut(text, ".")
	return isDigits(whole) && (!pointed || isDigits(decimals)) && strings.Trim(whole+decimals, "0") == ""
}

// ParseAmount reads an amount of a currency as people write it, such as 123.45: without sign, blanks, exponent or thousands. It fails with ErrAmount,
// ErrPrecision or ErrAmountLarge.
func ParseAmount(text string, currency Currency) (Amount, error) {
	whole, decimals, pointed := strings.Cut(text, ".")
	if !isDigits(whole) || pointed && !isDigits(decimals) {
		return Amount{}, ErrAmount
	}
	places := currency.Exponent()
	if len(decimals) > places {
		if strings.Trim(decimals[places:], "0") != "" {
			return Amount{}, ErrPrecision
		}
		decimals = decimals[:places]
	}
	digits := strings.TrimLeft(whole+decimals+strings.Repeat("0", places-len(decimals)), "0")
	if digits == "" {
		return Amount{}, ErrAmount
	}
	if len(digits) > 16 {
		return Amount{}, ErrAmountLarge
	}
	minor, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Amount{}, ErrAmount
	}
	if minor > MaxAmount {
		return Amount{}, ErrAmountLarge
	}
	return Amount{minor, currency}, nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// String is the amount with its decimals, such as -0.05, without its currency.
func (a Amount) String() string { return FormatMinor(a.Minor, a.Currency.Exponent()) }

// FormatMinor writes minor units with a decimal point before so many places.
func FormatMinor(minor int64, places int) string {
	digits, sign := strconv.FormatInt(minor, 10), ""
	if minor < 0 {
		digits, sign = digits[1:], "-"
	}
	if short := places + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	if places == 0 {
		return sign + digits
	}
	at := len(digits) - places
	return sign + digits[:at] + "." + digits[at:]
}
