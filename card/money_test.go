package card_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/card"
)

func currency(t testing.TB, code string) card.Currency {
	t.Helper()
	c, err := card.ParseCurrency(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCurrenciesAreThoseOfISO4217(t *testing.T) {
	for code, want := range map[string]struct {
		number string
		places int
	}{"EUR": {"978", 2}, "USD": {"840", 2}, "JPY": {"392", 0}, "BHD": {"048", 3}, "ALL": {"008", 2}, "ZWG": {"924", 2}, "AED": {"784", 2}} {
		c := currency(t, code)
		if c.Number() != want.number || c.Exponent() != want.places || currency(t, want.number) != c {
			t.Errorf("%s has the number %s and %d decimals", code, c.Number(), c.Exponent())
		}
	}
	for _, bad := range []string{"", "eur", "EU", "EURO", "XTS", "000", "9999", "78 ", "4 2", ",AF", "2,A", "97", "R 9"} {
		if _, err := card.ParseCurrency(bad); !errors.Is(err, card.ErrCurrency) {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
}

func TestAmountsAreReadAsTheyAreWritten(t *testing.T) {
	for _, c := range []struct {
		text, currency string
		minor          int64
		err            error
	}{
		{"1", "EUR", 100, nil}, {"1.5", "EUR", 150, nil}, {"1.50", "EUR", 150, nil}, {"0.01", "EUR", 1, nil}, {"1.500", "EUR", 150, nil}, {"007", "JPY", 7, nil}, {"7.0", "JPY", 7, nil},
		{"1.234", "BHD", 1234, nil}, {"10000000000000.00", "EUR", card.MaxAmount, nil}, {strings.Repeat("0", 100) + "1", "EUR", 100, nil},
		{"10000000000000.01", "EUR", 0, card.ErrAmountLarge}, {"99999999999999999999", "JPY", 0, card.ErrAmountLarge}, {"1.505", "EUR", 0, card.ErrPrecision}, {"7.1", "JPY", 0, card.ErrPrecision},
		{"", "EUR", 0, card.ErrAmount}, {"0", "EUR", 0, card.ErrAmount}, {"0.00", "EUR", 0, card.ErrAmount}, {"-1", "EUR", 0, card.ErrAmount}, {"+1", "EUR", 0, card.ErrAmount},
		{".5", "EUR", 0, card.ErrAmount}, {"5.", "EUR", 0, card.ErrAmount}, {"1,50", "EUR", 0, card.ErrAmount}, {"1e3", "EUR", 0, card.ErrAmount}, {"1 000", "EUR", 0, card.ErrAmount},
		{"1.2.3", "EUR", 0, card.ErrAmount}, {"٣", "EUR", 0, card.ErrAmount}, {"NaN", "EUR", 0, card.ErrAmount}, {"0x10", "EUR", 0, card.ErrAmount},
	} {
		got, err := card.ParseAmount(c.text, currency(t, c.currency))
		if got.Minor != c.minor || !errors.Is(err, c.err) {
			t.Errorf("%q in %s is %d, %v", c.text, c.currency, got.Minor, err)
		}
	}
}

func TestAnAmountThatIsWrittenIsReadAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := card.Amount{Minor: rapid.Int64Range(1, card.MaxAmount).Draw(rt, "minor"), Currency: currency(t, rapid.SampledFrom([]string{"EUR", "JPY", "BHD", "CLP"}).Draw(rt, "currency"))}
		again, err := card.ParseAmount(a.String(), a.Currency)
		if err != nil || again != a {
			rt.Errorf("%s is read as %+v, %v", a, again, err)
		}
	})
	if got := card.FormatMinor(-5, 2) + " " + card.FormatMinor(0, 2) + " " + card.FormatMinor(-120, 0); got != "-0.05 0.00 -120" {
		t.Error(got)
	}
}
