package card

import (
	"errors"
	"fmt"
	"slices"
)

// PrepaidMode is whose money a prepaid card spends. The numbers are stored and never change.
type PrepaidMode uint8

// The modes.
const (
	OwnMoney    PrepaidMode = iota + 1 // PREPAID_CARD: what it was loaded with from a wallet
	SharedMoney                        // BUDGET_CARD: what it was allocated from a pool
)

var prepaidModeNames = map[PrepaidMode]string{OwnMoney: "PREPAID_CARD", SharedMoney: "BUDGET_CARD"}

// String is the mode's name.
func (m PrepaidMode) String() string { return nameOf(prepaidModeNames, m) }

// MarshalText writes the name.
func (m PrepaidMode) MarshalText() ([]byte, error) {
	return marshalName(prepaidModeNames, m, "prepaid mode")
}

// UnmarshalText reads the name.
func (m *PrepaidMode) UnmarshalText(b []byte) error {
	return unmarshalName(prepaidModeNames, m, b, "prepaid mode")
}

// Category is what a prepaid card is for. The numbers are stored and never change.
type Category uint8

// The categories.
const (
	Gift Category = iota + 1
	Purchase
	Subscription
	Physical
)

var categoryNames = map[Category]string{Gift: "GIFT", Purchase: "PURCHASE", Subscription: "SUBSCRIPTION", Physical: "PHYSICAL"}

// String is the category's name.
func (c Category) String() string { return nameOf(categoryNames, c) }

// MarshalText writes the name.
func (c Category) MarshalText() ([]byte, error) { return marshalName(categoryNames, c, "category") }

// UnmarshalText reads the name.
func (c *Category) UnmarshalText(b []byte) error {
	return unmarshalName(categoryNames, c, b, "category")
}

// HolderModel is what must be known of who holds a card. The numbers are stored and never change.
type HolderModel uint8

// The models.
const (
	CompanyHolder  HolderModel = iota + 1 // B2B: a company answers for its people
	ConsumerHolder                        // B2C: the person is identified
)

var holderModelNames = map[HolderModel]string{CompanyHolder: "B2B", ConsumerHolder: "B2C"}

// ParseHolderModel reads a model by its name.
func ParseHolderModel(name string) (HolderModel, error) {
	return parseName(holderModelNames, name, "holder model")
}

// String is the model's name.
func (m HolderModel) String() string { return nameOf(holderModelNames, m) }

// MarshalText writes the name.
func (m HolderModel) MarshalText() ([]byte, error) {
	return marshalName(holderModelNames, m, "holder model")
}

// UnmarshalText reads the name.
func (m *HolderModel) UnmarshalText(b []byte) error {
	return unmarshalName(holderModelNames, m, b, "holder model")
}

// HolderState is where the audit of a holder stands. The numbers are stored and never change.
type HolderState uint8

// The states of a holder.
const (
	HolderWaiting HolderState = iota + 1
	HolderReviewed
	HolderPassed
	HolderRejected
)

var holderStateNames = map[HolderState]string{HolderWaiting: "WAIT_AUDIT", HolderReviewed: "UNDER_REVIEW", HolderPassed: "PASS_AUDIT", HolderRejected: "REJECT"}

// What was handed in does not change any more, unless it is rejected: then it may be handed in again.
var holderMoves = map[HolderState][]HolderState{
	HolderWaiting:  {HolderReviewed},
	HolderReviewed: {HolderPassed, HolderRejected},
	HolderRejected: {HolderWaiting},
}

// To checks a transition.
func (s HolderState) To(next HolderState) error { return move("holder", holderMoves, s, next) }

// String is the state's name.
func (s HolderState) String() string { return nameOf(holderStateNames, s) }

// MarshalText writes the name.
func (s HolderState) MarshalText() ([]byte, error) {
	return marshalName(holderStateNames, s, "holder state")
}

// Feature is something that can be done to a prepaid card.
type Feature string

// The features.
const (
	CanDeposit  Feature = "DEPOSIT"
	CanWithdraw Feature = "WITHDRAW"
	CanFreeze   Feature = "FREEZE" // and unfreeze
)

// Features lists the features that a card type may refuse.
func Features() []Feature { return []Feature{CanDeposit, CanWithdraw, CanFreeze} }

// Bounds are what one amount may be, as decimal text in the product's currency; empty = no bound.
type Bounds struct {
	Min string `json:"min,omitempty"`
	Max string `json:"max,omitempty"`
}

// Prepaid is what makes a product a card type: one whose cards are opened one at a time and loaded with money. The zero value is none. Amounts are decimal text in
// the product's currency.
type Prepaid struct {
	Mode        PrepaidMode `json:"mode"`
	Category    Category    `json:"category"`
	Holder      HolderModel `json:"holder,omitempty"`       // who must have passed the audit before a card is opened; 0 = nobody
	HolderCards int         `json:"holder_cards,omitempty"` // cards that one holder may have; 0 = any number
	Regions     []string    `json:"regions,omitempty"`      // countries of holders, ISO 3166-1 alpha-2; empty = all
	Price       string      `json:"price,omitempty"`        // of a card
	Opening     Bounds      `json:"opening,omitzero"`       // what a card is opened with
	Deposit     Bounds      `json:"deposit,omitzero"`       // what a card is loaded with at once
	FeeRate     int         `json:"fee_rate,omitempty"`     // of a deposit, in hundredths of a percent
	FeeFixed    string      `json:"fee_fixed,omitempty"`    // of a deposit
	Retained    string      `json:"retained,omitempty"`     // what a withdrawal leaves on a card
	Refuses     []Feature   `json:"refuses,omitempty"`
	Redeem      string      `json:"redeem,omitempty"`  // address of the page that redeems a gift card; the card's code is put behind it
	Offline     bool        `json:"offline,omitempty"` // no card of it is opened
}

// IsPrepaid tells whether the product is a card type.
func (p *Product) IsPrepaid() bool { return p.Prepaid.Mode != 0 }

// Allows tells whether a feature is enabled for cards of the type. A gift card has none.
func (p *Prepaid) Allows(f Feature) bool {
	return p.Category != Gift && !slices.Contains(p.Refuses, f)
}

// ErrNotPrepaid says that a product is no card type.
var ErrNotPrepaid = errors.New("the product is no card type")

// Terms are the amounts of a card type, in minor units; a bound of 0 is none.
type Terms struct {
	Currency   Currency
	Price      int64
	OpeningMin int64
	OpeningMax int64
	DepositMin int64
	DepositMax int64
	FeeFixed   int64
	Retained   int64
}

// TermError says which amount of a card type cannot be read.
type TermError struct {
	Path []string // within prepaid
	Err  error
}

// Error implements error.
func (e *TermError) Error() string { return fmt.Sprintf("%s: %v", e.Path[len(e.Path)-1], e.Err) }

// Unwrap gives the cause.
func (e *TermError) Unwrap() error { return e.Err }

// Terms reads the amounts of a card type. It fails with ErrNotPrepaid for any other product, and with a *TermError.
func (p *Product) Terms() (Terms, error) {
	if !p.IsPrepaid() {
		return Terms{}, ErrNotPrepaid
	}
	var t Terms
	var err error
	if t.Currency, err = ParseCurrency(p.Currency); err != nil {
		return t, &TermError{[]string{"currency"}, err}
	}
	for _, a := range []struct {
		to   *int64
		text string
		path []string
	}{
		{&t.Price, p.Prepaid.Price, []string{"price"}}, {&t.FeeFixed, p.Prepaid.FeeFixed, []string{"fee_fixed"}}, {&t.Retained, p.Prepaid.Retained, []string{"retained"}},
		{&t.OpeningMin, p.Prepaid.Opening.Min, []string{"opening", "min"}}, {&t.OpeningMax, p.Prepaid.Opening.Max, []string{"opening", "max"}},
		{&t.DepositMin, p.Prepaid.Deposit.Min, []string{"deposit", "min"}}, {&t.DepositMax, p.Prepaid.Deposit.Max, []string{"deposit", "max"}},
	} {
		if a.text == "" {
			continue
		}
		amount, err := ParseAmount(a.text, t.Currency)
		if err != nil {
			return t, &TermError{a.path, err}
		}
		*a.to = amount.Minor
	}
	return t, nil
}

// DepositFee is what a deposit of an amount costs: its part of the amount, rounded up, and the fixed fee.
func (p *Prepaid) DepositFee(t Terms, amount int64) int64 {
	const whole = 10_000
	return (amount/whole)*int64(p.FeeRate) + (amount%whole*int64(p.FeeRate)+whole-1)/whole + t.FeeFixed
}
