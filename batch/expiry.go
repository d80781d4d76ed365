package batch

import (
	"time"

	"platen/card"
	"platen/personalization"
	"platen/sql/store"
)

// chosenExpiry is the expiry that an order line chose; the zero expiry where it chose none.
func chosenExpiry(yymm int) (card.Expiry, error) {
	if yymm == 0 {
		return card.Expiry{}, nil
	}
	return card.ExpiryFromInt(yymm)
}

// expiryRule gives new cards their expiry: the product's rule, or the line's own date, counted from the file's business date. Neighbouring lines mostly
// choose the same.
type expiryRule struct {
	product *card.Product
	day     time.Time
	chosen  int
	known   card.Expiry
}

func (j *job) expiries() (*expiryRule, error) {
	day, err := j.issueDay()
	if err != nil {
		return nil, err
	}
	return &expiryRule{product: j.product, day: day}, nil
}

func (r *expiryRule) of(l *store.MintLine) (card.Expiry, error) {
	if r.known != (card.Expiry{}) && r.chosen == l.Expiry {
		return r.known, nil
	}
	override, err := chosenExpiry(l.Expiry)
	if err != nil {
		return card.Expiry{}, err
	}
	e, err := personalization.ExpiryOf(*r.product, r.day, override)
	if err == nil {
		r.chosen, r.known = l.Expiry, e
	}
	return e, err
}

// issueDay is the file's business date: expiry months count from it, whenever the minting happens.
func (j *job) issueDay() (time.Time, error) { return businessDay(j.file.BusinessDate) }
