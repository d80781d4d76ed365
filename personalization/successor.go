package personalization

import (
	"errors"
	"fmt"
	"time"

	"platen/card"
)

// Current is what the next issue of a card starts from. It is the zero value for a card that has none.
type Current struct {
	Expiry card.Expiry
	PSN    card.PSN
}

// Next is what the next issue is.
type Next struct {
	NewPAN  bool
	Expiry  card.Expiry
	PSN     card.PSN
	PIN     card.PINChange
	Mailer  bool
	OldCard card.OldCard
}

// Errors of a card action.
var (
	ErrNoCard    = errors.New("reason makes no card")
	ErrNoCurrent = errors.New("card has no issue to start from")
	ErrKeptPIN   = errors.New("a PIN cannot be kept under a new number: the action must say NEW or TRANSFER")
)

// Successor computes the next issue of a card for a reason from the product's card-action table. issued is a date in the issuer's zone; an
// override replaces the expiry of any reason but REMAKE, which repeats the issue as it is. It fails with ErrNoCard for a reason that makes no
// card, ErrExpiryPast for an expiry that has passed, and card.ErrPSN after PSN 99.
func Successor(p card.Product, r card.Reason, cur Current, issued time.Time, override card.Expiry) (Next, error) {
	a, ok := p.Action(r)
	if !ok {
		return Next{}, fmt.Errorf("%s: %w", r, ErrNoCard)
	}
	next := Next{NewPAN: a.NewPAN, PIN: a.PIN, Mailer: a.Mailer && p.PIN.Mailer, OldCard: a.OldCard}
	var err error
	if next.Expiry, err = nextExpiry(p, r, a, cur, issued, override); err != nil {
		return Next{}, fmt.Errorf("%s: %w", r, err)
	}
	if next.PSN, err = nextPSN(p, a, cur); err != nil {
		return Next{}, fmt.Errorf("%s: %w", r, err)
	}
	switch {
	case p.PIN.Method == card.NoPIN && a.NewPAN:
		next.PIN = card.FreshPIN // and making it makes none
	case p.PIN.Method == card.NoPIN:
		next.PIN = card.KeepPIN
	case a.NewPAN && a.PIN == card.KeepPIN:
		return Next{}, fmt.Errorf("%s: %w", r, ErrKeptPIN)
	}
	return next, nil
}

func nextExpiry(p card.Product, r card.Reason, a card.Action, cur Current, issued time.Time, override card.Expiry) (card.Expiry, error) {
	none := card.Expiry{}
	if r == card.Remake {
		if cur.Expiry == none {
			return none, ErrNoCurrent
		}
		return cur.Expiry, nil
	}
	if a.NewExpiry || override != none {
		return ExpiryOf(p, issued, override)
	}
	if cur.Expiry == none {
		return none, ErrNoCurrent
	}
	month, err := card.NewExpiry(issued.Year(), int(issued.Month()))
	if err != nil {
		return none, fmt.Errorf("month of issue: %w", err)
	}
	if cur.Expiry.Before(month) {
		return none, ErrExpiryPast
	}
	return cur.Expiry, nil
}

func nextPSN(p card.Product, a card.Action, cur Current) (card.PSN, error) {
	switch {
	case a.NewPAN:
		return card.NewPSN(p.FirstPSN)
	case a.NextPSN:
		return cur.PSN.Next()
	}
	return cur.PSN, nil
}
