package personalization

import (
	"errors"
	"fmt"
	"time"

	"platen/card"
)

// ErrExpiryPast says that a card would end with the month it is issued in, or before.
var ErrExpiryPast = errors.New("expiry must lie in the future")

// ExpiryOf is a new issue's expiry: the end of the month that lies ValidityMonths after the month of issue. issued is a date in the issuer's
// zone. An override replaces the rule; it must be later than the month of issue, or ErrExpiryPast.
func ExpiryOf(p card.Product, issued time.Time, override card.Expiry) (card.Expiry, error) {
	month, err := card.NewExpiry(issued.Year(), int(issued.Month()))
	if err != nil {
		return card.Expiry{}, fmt.Errorf("month of issue: %w", err)
	}
	if override != (card.Expiry{}) {
		if _, err := card.NewExpiry(override.Year, override.Month); err != nil {
			return card.Expiry{}, err
		}
		if !month.Before(override) {
			return card.Expiry{}, ErrExpiryPast
		}
		return override, nil
	}
	if p.ValidityMonths < 1 {
		return card.Expiry{}, fmt.Errorf("product %s: validity of %d months: %w", p.Code, p.ValidityMonths, ErrExpiryPast)
	}
	expiry, err := month.AddMonths(p.ValidityMonths)
	if err != nil {
		return card.Expiry{}, fmt.Errorf("product %s: %w", p.Code, err)
	}
	return expiry, nil
}
