package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"platen/card"
	"platen/formats"
	"platen/personalization"
	"platen/sql/store"
)

// check holds a row against what is declared and stored: product, quantity, expiry, name, card and reason. What the product's
// files cannot show is found behind it, by a trial. The faults that the row has in itself come in and go out with what is found besides; a field that is at fault already is not
// judged again. The error is for a database that does not answer.
func (in *intake) check(ctx context.Context, row formats.Row, faults []formats.Fault) (store.OrderLine, []formats.Fault, error) {
	c := checker{row: row, faults: faults}
	c.checkNumbers()
	line := store.OrderLine{
		Order: in.order.Number, Quantity: 1, SourceLine: row.Line, State: store.LineOpen, Reason: card.New, SameDay: row.SameDay == "true",
		Title: row.Title, FirstName: row.FirstName, LastName: row.LastName, CustomerReference: row.CustomerReference, Recipient: row.Recipient,
		Address1: row.Address1, Address2: row.Address2, Address3: row.Address3, City: row.City, Region: row.Region, Postcode: row.Postcode,
		Country: row.Country, Delivery: row.Delivery, Branch: row.Branch, Language: row.Language,
	}
	if row.Extra != nil {
		line.Extra.Extra = *row.Extra
	}
	if in.kind == formats.ActionOrder {
		err := in.checkAction(ctx, &c, &line)
		return line, c.faults, err
	}
	product, ok := in.products[row.Product]
	if !ok {
		if row.Product != "" {
			c.fault("product", "unknown_product", "use one of the declared product codes")
		}
		return line, c.faults, nil
	}
	line.Product = product.number
	if product.value.Technology == card.Virtual && !in.instant {
		c.fault("product", "product_virtual", "order a card without plastic by itself, to be made at once")
	}
	if in.kind == formats.MassOrder {
		in.checkQuantity(&c, &line, product.value)
	}
	in.checkName(&c, &line, product.value)
	in.checkExpiry(&c, &line, product.value)
	return line, c.faults, nil
}

// CheckRow holds a row of an order against what is declared, before anybody orders it.
func (p *Plant) CheckRow(ctx context.Context, i store.Institution, kind formats.OrderKind, row formats.Row) ([]formats.Fault, error) {
	in, err := p.newIntake(ctx, i, kind, store.Order{})
	if err != nil {
		return nil, err
	}
	line, faults, err := in.check(ctx, row, formats.CheckRow(kind, &row))
	if err != nil || len(faults) > 0 {
		return faults, err
	}
	line.Unit = in.unitOf(row)
	return in.try(ctx, row, &line)
}

// checker collects the faults of one row.
type checker struct {
	row    formats.Row
	faults []formats.Fault
}

func (c *checker) fault(field, code, hint string) {
	c.faults = append(c.faults, formats.Fault{Line: c.row.Line, Field: field, Code: code, Hint: hint})
}

// faulty tells whether any of these fields is at fault already.
func (c *checker) faulty(fields ...string) bool {
	return slices.ContainsFunc(c.faults, func(f formats.Fault) bool { return slices.Contains(fields, f.Field) })
}

func (in *intake) checkQuantity(c *checker, line *store.OrderLine, p *card.Product) {
	if c.row.Quantity == "" {
		return // the reader has said so
	}
	n, err := strconv.ParseInt(c.row.Quantity, 10, 64)
	if err != nil {
		return // the reader has said so
	}
	if n < 1 {
		c.fault("quantity", "quantity_zero", "order at least one card")
	} else if p.MaxQuantity > 0 && n > p.MaxQuantity {
		c.fault("quantity", "quantity_over_maximum", fmt.Sprintf("product %s allows at most %d cards a line", p.Code, p.MaxQuantity))
	}
	if !p.Anonymous && c.row.EmbossName == "" {
		c.fault("product", "product_needs_names", "order a named product with one row a card")
	}
	line.Quantity = max(n, 1)
}

// checkName fits the name that the card will show.
func (in *intake) checkName(c *checker, line *store.OrderLine, p *card.Product) {
	name := c.row.EmbossName
	if name == "" && in.kind == formats.MassOrder {
		line.EmbossName = p.AnonymousName
		return
	}
	if name == "" && c.row.FirstName == "" && c.row.LastName == "" || c.faulty("emboss_name", "first_name", "last_name") {
		return // the reader has said so
	}
	in.fitName(c, line, p)
}

// fitName makes what the card shows by the product's rules. What is not made from first and last name is kept as it was given.
func (in *intake) fitName(c *checker, line *store.OrderLine, p *card.Product) {
	shown, fault := in.names[p.Code].Fit(formats.Holder{Title: c.row.Title, GivenNames: c.row.FirstName, Surname: c.row.LastName, Shown: c.row.EmbossName})
	if fault != nil {
		c.fault(fault.Field, fault.Code, fault.Hint)
		return
	}
	line.EmbossName, line.EmbossName2, line.PrintName, line.GivenName = shown.Line1, shown.Line2, shown.Print, ""
	if c.row.EmbossName != shown.Line1 || shown.Print != "" {
		line.GivenName = c.row.EmbossName
	}
}

func (in *intake) checkExpiry(c *checker, line *store.OrderLine, p *card.Product) {
	if c.row.Expiry == "" {
		return
	}
	year, month, ok := strings.Cut(c.row.Expiry, "-")
	y, err1 := strconv.Atoi(year)
	m, err2 := strconv.Atoi(month)
	if !ok || err1 != nil || err2 != nil {
		return // the reader has said so
	}
	e, err := card.NewExpiry(y, m)
	if err != nil {
		return // the reader has said so
	}
	if _, err := personalization.ExpiryOf(*p, in.today, e); err != nil {
		c.fault("expiry", "expiry_past", "the expiry must lie after this month")
		return
	}
	line.Expiry = e.Int()
}

// checkAction finds the card that a card action means, and takes from its last line what the row leaves out.
func (in *intake) checkAction(ctx context.Context, c *checker, line *store.OrderLine) error {
	reason, err := card.ParseReason(strings.ToUpper(c.row.Reason))
	if err != nil && c.row.Reason != "" {
		c.fault("reason", "unknown_reason", "use RENEWAL, DAMAGED, NAME_CHANGE, LOST, STOLEN, COMPROMISED, NOT_RECEIVED or EMERGENCY")
	}
	line.Reason = reason
	if c.row.Card == "" || c.faulty("card") {
		return nil // it was said already
	}
	id, err := in.findCard(ctx, c.row.Card)
	if errors.Is(err, store.ErrNotFound) {
		c.fault("card", "unknown_card", "give the card's token, or ORDER-REFERENCE#UNIT of a card that was made")
		return nil
	}
	if err != nil {
		return err
	}
	existing, err := in.plant.Store.Card(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		c.fault("card", "unknown_card", "the card was not made yet")
		return nil
	}
	if err != nil {
		return err
	}
	return in.checkCard(ctx, c, line, existing)
}

func (in *intake) checkCard(ctx context.Context, c *checker, line *store.OrderLine, existing store.Card) error {
	product, ok := in.byNumber[existing.Product]
	if !ok {
		return fmt.Errorf("the product of a card is not declared: %w", store.ErrNotFound)
	}
	line.Card, line.Product = &existing.ID, product.number
	if existing.Status == card.CardClosed || existing.Status == card.CardExpired {
		c.fault("card", "card_closed", "a closed card cannot be reissued")
	}
	if product.value.Technology == card.Virtual {
		c.fault("card", "card_virtual", "a card without plastic is not made again: close it and order another")
		return nil
	}
	busy, err := in.plant.Store.CardAwaitsAction(ctx, existing.ID)
	if err != nil {
		return err
	}
	if busy || in.seen[existing.ID] {
		c.fault("card", "card_busy", "another order line for this card is still open")
	}
	in.seen[existing.ID] = true
	if line.Reason != 0 {
		if err := in.checkReason(ctx, c, line, existing, product.value); err != nil {
			return err
		}
	}
	last, err := in.plant.Store.LineOfCard(ctx, existing.ID)
	if err != nil {
		return err
	}
	in.inherit(c, line, last, product.value)
	in.checkExpiry(c, line, product.value)
	return nil
}

// checkReason asks the card-action table, and tries the succession that minting will make.
func (in *intake) checkReason(ctx context.Context, c *checker, line *store.OrderLine, existing store.Card, p *card.Product) error {
	switch line.Reason {
	case card.New, card.Additional, card.Remake, card.PINReprint, card.PINNew, card.ProductChange, card.Request:
		c.fault("reason", "reason_not_for_action", "this reason cannot be ordered for an existing card here")
		return nil
	case card.NameChange:
		if c.row.EmbossName == "" {
			c.fault("emboss_name", "required", "a name change needs the new name")
		}
	}
	issue, err := in.plant.Store.Issue(ctx, existing.ID, existing.NewestIssue)
	if err != nil {
		return err
	}
	if issue.File == nil && issue.State == card.IssueRequested {
		c.fault("card", "card_busy", "an issue of this card still waits for its file")
		return nil
	}
	now, err := currentIssue(issue)
	if err != nil {
		return err
	}
	if _, err := personalization.Successor(*p, line.Reason, now, in.today, card.Expiry{}); err != nil {
		c.fault("reason", "no_successor", "the card cannot have a further issue for this reason")
	}
	return nil
}

// inherit copies names and address of the card's last line, unless the row brings its own, and fits the name.
func (in *intake) inherit(c *checker, line *store.OrderLine, last store.OrderLine, p *card.Product) {
	line.Title, line.FirstName, line.LastName = last.Title, last.FirstName, last.LastName
	line.CustomerReference, line.Language = last.CustomerReference, last.Language
	line.EmbossName, line.EmbossName2, line.PrintName, line.GivenName = last.EmbossName, last.EmbossName2, last.PrintName, last.GivenName
	if c.row.EmbossName != "" && !c.faulty("emboss_name") {
		in.fitName(c, line, p)
		line.FirstName, line.LastName = formats.SplitName(c.row.EmbossName)
	}
	if c.row.Address1 == "" {
		line.Recipient = last.Recipient
		line.Address1, line.Address2, line.Address3 = last.Address1, last.Address2, last.Address3
		line.City, line.Region, line.Postcode, line.Country = last.City, last.Region, last.Postcode, last.Country
	}
	if line.Delivery == "" {
		line.Delivery = last.Delivery
	}
	if line.Branch == "" {
		line.Branch = last.Branch
	}
	if line.Extra.IsZero() {
		line.Extra = last.Extra
	}
}

// findCard reads a token, or ORDER-REFERENCE#UNIT: the card that unit of that order became.
func (in *intake) findCard(ctx context.Context, name string) (card.ID, error) {
	return in.plant.findCard(ctx, in.inst, in.ranges, name)
}

func currentIssue(i store.Issue) (personalization.Current, error) {
	e, err := card.ExpiryFromInt(i.Expiry)
	if err != nil {
		return personalization.Current{}, err
	}
	return personalization.Current{Expiry: e, PSN: i.PSN}, nil
}
