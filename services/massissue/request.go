package massissue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/records"
	"platen/sql/store"
)

// Status says whether a request stands.
type Status string

// The statuses.
const (
	Active Status = "ACTIVE"
	Purged Status = "PURGED"
)

// Control says what a request counts: see Request.Wanted.
type Control string

// The inventory controls.
const (
	CurrentInventory Control = "CI" // the stock counts: what is missing of the quantity is made
	RequestedNumber  Control = "SO" // the quantity counts
	NoGeneration     Control = "NO" // none are made
)

// Key names a request within its institution, for ever.
type Key struct {
	Product  string `json:"product"`
	CardType int    `json:"card_type"` // 0 to 99
	Request  string `json:"request"`   // 1 to 3 letters and digits: several may stand beside each other
}

// Reference is the key as one name.
func (k Key) Reference() string { return fmt.Sprintf("%s.%d.%s", k.Product, k.CardType, k.Request) }

// Destination is where the cards of a request go together.
type Destination struct {
	Recipient string `json:"recipient,omitempty"`
	Address1  string `json:"address1,omitempty"`
	Address2  string `json:"address2,omitempty"`
	Address3  string `json:"address3,omitempty"`
	City      string `json:"city,omitempty"`
	Region    string `json:"region,omitempty"`
	Postcode  string `json:"postcode,omitempty"`
	Country   string `json:"country,omitempty"`
	Delivery  string `json:"delivery,omitempty"`
	Branch    string `json:"branch,omitempty"`
}

// Request is what is asked for.
type Request struct {
	Key
	Status      Status  `json:"status"`
	Quantity    int64   `json:"quantity"`
	Minimum     int64   `json:"minimum,omitempty"` // fewer are not made
	Control     Control `json:"inventory_control"`
	Inventory   int64   `json:"inventory,omitempty"`    // cards in stock
	Scheme      int     `json:"scheme"`                 // card numbering: 3 = each card has a number of its own; 0 to 2 take one card, because one number is one card
	Expiry      string  `json:"expiry,omitempty"`       // YYYY-MM; empty = by the product's rule
	BlockCode   string  `json:"block_code,omitempty"`   // a letter: the cards are made blocked
	Plastic     string  `json:"plastic,omitempty"`      // must be the product's
	Technology  string  `json:"technology,omitempty"`   // must be the product's
	ServiceCode string  `json:"service_code,omitempty"` // must be the product's
	Prepaid     bool    `json:"prepaid,omitempty"`
	PrepaidPlan int     `json:"prepaid_plan,omitempty"` // 1 to 99999 of a prepaid card
	Customer    string  `json:"customer,omitempty"`     // reference of the declared one that the cards are for until they are linked
	Account     string  `json:"account,omitempty"`      // reference of the declared one that they are counted on
	EmbossName  string  `json:"emboss_name,omitempty"`  // generic; empty = the product's
	Destination
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Bounds of a request.
const (
	maxQuantity  = 99_999
	maxOnAccount = 9_998
	maxMinimum   = 9_999
	maxPlan      = 99_999
)

// Why a cut-off makes no cards of a request.
const (
	InStock      = "in_stock"
	UnderMinimum = "under_minimum"
	Nothing      = "no_generation"
)

// Wanted is how many cards a cut-off makes, and why none. No source says what the controls mean to the last; these are this house's rules.
func (r *Request) Wanted() (n int64, whyNot string) {
	switch r.Control {
	case NoGeneration:
		return 0, Nothing
	case CurrentInventory:
		n = max(0, r.Quantity-r.Inventory)
		if n == 0 {
			return 0, InStock
		}
	default:
		n = r.Quantity
	}
	if n < r.Minimum {
		return 0, UnderMinimum
	}
	return n, ""
}

// row is the order row of n cards.
func (r *Request) row(n int64) formats.Row {
	return formats.Row{Line: 2, Product: r.Product, Quantity: strconv.FormatInt(n, 10), EmbossName: r.EmbossName, Recipient: r.Recipient, Address1: r.Address1, Address2: r.Address2,
		Address3: r.Address3, City: r.City, Region: r.Region, Postcode: r.Postcode, Country: r.Country, Delivery: r.Delivery, Branch: r.Branch, Expiry: r.Expiry}
}

// check holds a request against itself and what is declared.
func (r *Request) check(ctx context.Context, p *batch.Plant, q store.Q, i store.Institution) error {
	var c records.Checker
	r.checkKey(&c)
	r.checkNumbers(&c)
	r.checkCodes(&c)
	c.Attributes(r.Attributes)
	product, err := p.Product(ctx, i, r.Product)
	if batch.IsNotFound(err) {
		c.Fault("product", "unknown_product", "use one of the declared product codes")
		return c.Err()
	}
	if err != nil {
		return err
	}
	r.checkProduct(&c, product)
	if err := r.checkDeclared(ctx, &c, q, i); err != nil {
		return err
	}
	faults, err := p.CheckRow(ctx, i, formats.MassOrder, r.row(max(r.Quantity, 1)))
	if err != nil {
		return err
	}
	for _, f := range faults {
		c.Fault(f.Field, f.Code, f.Hint)
	}
	return c.Err()
}

func (r *Request) checkKey(c *records.Checker) {
	if r.Request == "" || len(r.Request) > 3 || strings.Trim(r.Request, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
		c.Fault("request", "bad_request_id", "1 to 3 letters and digits")
	}
	if r.CardType < 0 || r.CardType > 99 {
		c.Fault("card_type", "bad_card_type", "0 to 99")
	}
}

func (r *Request) checkNumbers(c *records.Checker) {
	if r.Scheme < 0 || r.Scheme > 3 {
		c.Fault("scheme", "bad_scheme", "0 to 3")
	}
	switch {
	case r.Quantity == 0:
		c.Fault("quantity", "quantity_zero", "ask for at least one card")
	case r.Quantity < 0 || r.Quantity > maxQuantity:
		c.Fault("quantity", "quantity_over_maximum", "99999 at most")
	case r.Quantity > maxOnAccount && r.Account != "":
		c.Fault("quantity", "quantity_over_account", "9998 at most on one account")
	case r.Quantity > 1 && r.Scheme != 3:
		c.Fault("scheme", "scheme_needs_one_card", "more than one card takes scheme 3: each has a number of its own")
	}
	if r.Minimum < 0 || r.Minimum > maxMinimum || r.Minimum > r.Quantity {
		c.Fault("minimum", "bad_minimum", "0 to 9999, and not more than the quantity")
	}
	if r.Inventory < 0 || r.Inventory > maxQuantity {
		c.Fault("inventory", "bad_inventory", "0 to 99999")
	}
	switch {
	case r.Prepaid && (r.PrepaidPlan < 1 || r.PrepaidPlan > maxPlan):
		c.Fault("prepaid_plan", "bad_prepaid_plan", "1 to 99999 of a prepaid card")
	case !r.Prepaid && r.PrepaidPlan != 0:
		c.Fault("prepaid_plan", "prepaid_plan_not_allowed", "only of a prepaid card")
	}
}

func (r *Request) checkCodes(c *records.Checker) {
	if r.Status != Active && r.Status != Purged {
		c.Fault("status", "bad_status", "ACTIVE or PURGED")
	}
	if r.Control != CurrentInventory && r.Control != RequestedNumber && r.Control != NoGeneration {
		c.Fault("inventory_control", "bad_inventory_control", "CI, SO or NO")
	}
	if r.BlockCode != "" && (len(r.BlockCode) != 1 || r.BlockCode[0] < 'A' || r.BlockCode[0] > 'Z') {
		c.Fault("block_code", "bad_block_code", "one capital letter")
	}
	if r.ServiceCode != "" && (len(r.ServiceCode) != 3 || strings.Trim(r.ServiceCode, "0123456789") != "") {
		c.Fault("service_code", "bad_service_code", "three digits")
	}
	if r.Technology != "" {
		var t card.Technology
		if t.UnmarshalText([]byte(r.Technology)) != nil || t == card.Virtual {
			c.Fault("technology", "bad_technology", "MAGSTRIPE, CHIP or DUAL_INTERFACE")
		}
	}
	c.Text("plastic", r.Plastic, 32)
}

// checkProduct refuses what the product does not make.
func (r *Request) checkProduct(c *records.Checker, p *card.Product) {
	if p.Technology == card.Virtual {
		c.Fault("product", "no_plastic", "cards of this product have no plastic")
	}
	if r.Technology != "" && r.Technology != p.Technology.String() {
		c.Fault("technology", "bad_technology", "the product makes "+p.Technology.String())
	}
	if r.ServiceCode != "" && r.ServiceCode != p.ServiceCode {
		c.Fault("service_code", "other_service_code", "the product has another, which fits its technology")
	}
	if r.Plastic != "" && r.Plastic != p.Design {
		c.Fault("plastic", "unknown_plastic", "the product is made of another")
	}
}

func (r *Request) checkDeclared(ctx context.Context, c *records.Checker, q store.Q, i store.Institution) error {
	for _, named := range []struct {
		kind             store.RecordKind
		field, reference string
	}{{store.CustomerRecord, "customer", r.Customer}, {store.AccountRecord, "account", r.Account}} {
		if named.reference == "" {
			continue
		}
		err := records.CheckReference(named.reference)
		if err == nil {
			_, err = q.RecordNamed(ctx, named.kind, i.ID, named.reference)
		}
		switch {
		case batch.IsNotFound(err) || errors.Is(err, records.ErrReference):
			c.Fault(named.field, "unknown_"+named.field, "declare it first")
		case err != nil:
			return err
		}
	}
	return nil
}
