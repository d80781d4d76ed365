package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// remake makes a card or PIN mailer again that was spoiled or whose file was cancelled: for a card a new issue with the same number, PSN, expiry and PIN, which waits for the next file. The
// old line stays as evidence. A card that was closed or went on to a later issue meanwhile is not made again.
func (p *Plant) remake(ctx context.Context, tx *store.Tx, f *store.File, spoiled store.FileLine) error {
	c, err := tx.LockCard(ctx, spoiled.Card)
	if err != nil {
		return err
	}
	if c.Status == card.CardClosed || c.Status == card.CardExpired {
		return nil
	}
	if f.Purpose == store.MailerPurpose {
		return tx.RemakeMailer(ctx, spoiled)
	}
	if c.NewestIssue != spoiled.Issue {
		return nil
	}
	again, err := tx.Issue(ctx, spoiled.Card, spoiled.Issue)
	if err != nil {
		return err
	}
	return insertRemake(ctx, tx, again)
}

// insertRemake repeats a card's newest issue.
func insertRemake(ctx context.Context, tx *store.Tx, again store.Issue) error {
	again.Issue++
	again.File, again.Line = nil, nil
	again.Reason, again.State, again.Use = card.Remake, card.IssueRequested, card.UsePending
	if err := tx.SetNewestIssue(ctx, again.Card, again.Issue); err != nil {
		return err
	}
	if err := tx.RepeatChosenPIN(ctx, again.Card, again.Issue-1); err != nil {
		return err
	}
	return tx.InsertIssues(ctx, []store.Issue{again})
}

// reopen takes an order back into production whose cards all had their fate, because one of them has lost it.
func (p *Plant) reopen(ctx context.Context, tx *store.Tx, number int64, why string) error {
	o, err := tx.LockOrder(ctx, number)
	if err != nil || (o.State != card.OrderFulfilled && o.State != card.OrderPartlyFulfilled) {
		return err
	}
	if err := tx.MoveOrder(ctx, &o, card.OrderInProduction); err != nil {
		return err
	}
	return tx.Record(ctx, o.Institution, "order", o.Number, o.State.String(), map[string]any{"reason": why}, p.Now())
}

// ErrNotRemade says that a card has nothing that could be made again.
var ErrNotRemade = errors.New("the bureau has neither spoiled nor rejected its newest issue or PIN mailer, or it is made again already")

// RemakeCard makes a spoiled or rejected card, or its PIN mailer, again as it was: a person decided so.
func (p *Plant) RemakeCard(ctx context.Context, i store.Institution, name, reason, actor string) error {
	if err := checkDecision(reason); err != nil {
		return err
	}
	id, err := p.FindCard(ctx, i, name)
	if err != nil {
		return err
	}
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		c, err := tx.LockCard(ctx, id)
		if err != nil {
			return err
		}
		if c.Status == card.CardClosed || c.Status == card.CardExpired {
			return fmt.Errorf("the card is %s: %w", c.Status, ErrNotRemade)
		}
		what, err := p.remakeNewest(ctx, tx, c)
		if err != nil {
			return err
		}
		data := map[string]any{"by": actor, "reason": reason, "what": what}
		if err := tx.Record(ctx, i.ID, "card", int64(id), "remade", data, p.Now()); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "card.remake", name, data, p.Now())
	})
	p.Wake()
	return err
}

func (p *Plant) remakeNewest(ctx context.Context, tx *store.Tx, c store.Card) (what string, err error) {
	newest, err := tx.Issue(ctx, c.ID, c.NewestIssue)
	if err != nil {
		return "", err
	}
	if newest.File != nil {
		f, err := tx.FileByNumber(ctx, *newest.File)
		if err != nil {
			return "", err
		}
		if f.State == card.FilePurged || f.PurgedAt != nil {
			return "", fmt.Errorf("file %d: %w", f.Number, ErrPurged)
		}
	}
	if failed(newest.State) {
		if err := insertRemake(ctx, tx, newest); err != nil {
			return "", err
		}
		return "card", p.reopen(ctx, tx, newest.Order, "a card is made again by hand")
	}
	mailers, err := tx.MailersOf(ctx, c.ID)
	if err != nil {
		return "", err
	}
	if len(mailers) == 0 || !failed(mailers[len(mailers)-1].State) {
		return "", ErrNotRemade
	}
	last := mailers[len(mailers)-1]
	return "PIN mailer", tx.RemakeMailer(ctx, store.FileLine{Card: c.ID, Issue: last.Issue, Attempt: last.Attempt})
}

// failed tells whether nothing came of a line.
func failed(s card.IssueState) bool {
	return s == card.IssueSpoiled || s == card.IssueRejected || s == card.IssueDestroyed
}

// faultBureau marks a row whose card the bureau refused to make.
const faultBureau = "bureau_rejected"

// offerCorrection puts a named card that the bureau refused to make among the rows of its order that wait for a correction. A card of a mass order has nothing
// to correct, and a card action is ordered again; both can be made again as they are (RemakeCard).
func (p *Plant) offerCorrection(ctx context.Context, tx *store.Tx, f *store.File, l store.FileLine, why string) error {
	issue, err := tx.Issue(ctx, l.Card, l.Issue)
	if err != nil {
		return err
	}
	o, err := tx.OrderByNumber(ctx, f.Institution, issue.Order)
	if err != nil || formats.OrderKind(o.Kind) != formats.BulkOrder {
		return err
	}
	line, err := tx.LineOf(ctx, issue.Order, issue.OrderUnit)
	if err != nil {
		return err
	}
	products, err := tx.Programs(ctx, f.Institution, store.ProductProgram)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(products, func(p store.Program) bool { return p.Number == line.Product })
	if at < 0 {
		return fmt.Errorf("product of order %s: %w", o.Reference, store.ErrNotFound)
	}
	fault := formats.Fault{Line: line.SourceLine, Field: "emboss_name", Code: faultBureau, Hint: why}
	row, err := refusedRow(o.Number, rowOf(line, products[at].Code), []formats.Fault{fault})
	if err != nil {
		return err
	}
	return tx.OfferRow(ctx, row)
}

// rowOf is an accepted line as the row that it was.
func rowOf(l store.OrderLine, product string) formats.Row {
	row := formats.Row{Line: l.SourceLine, Product: product, Title: l.Title, FirstName: l.FirstName, LastName: l.LastName, EmbossName: l.GivenName,
		CustomerReference: l.CustomerReference, Recipient: l.Recipient, Address1: l.Address1, Address2: l.Address2, Address3: l.Address3, City: l.City, Region: l.Region,
		Postcode: l.Postcode, Country: l.Country, Delivery: l.Delivery, Branch: l.Branch, Language: l.Language}
	if l.GivenName == "" && l.EmbossName2 == "" && l.PrintName == "" {
		row.EmbossName = l.EmbossName
	}
	if l.SameDay {
		row.SameDay = "true"
	}
	if !l.Extra.IsZero() {
		row.Extra = &l.Extra.Extra
	}
	return row
}

// refusedByBureau tells whether a row waits because a bureau refused to make its card, rather than because intake refused the row.
func refusedByBureau(r store.RefusedRow) (bool, error) {
	var faults []formats.Fault
	if err := json.Unmarshal([]byte(r.Faults), &faults); err != nil {
		return false, fmt.Errorf("faults of line %d: %w", r.SourceLine, err)
	}
	return slices.ContainsFunc(faults, func(f formats.Fault) bool { return f.Code == faultBureau }), nil
}

// errOtherProduct says that a correction wants another card than the one that was refused.
var errOtherProduct = errors.New("a correction cannot change the product of a card that has its number: order another card")

// remakeCorrected gives a card that the bureau refused to make a new issue with the corrected data of its row.
func (p *Plant) remakeCorrected(ctx context.Context, tx *store.Tx, i store.Institution, o *store.Order, line store.OrderLine) error {
	original, err := tx.LineOf(ctx, o.Number, line.Unit)
	if err != nil {
		return err
	}
	if original.Product != line.Product {
		return errOtherProduct
	}
	line.Extra = original.Extra // a correction has columns only
	id, err := p.cardOfUnit(ctx, i, o.Reference, strconv.FormatInt(line.Unit, 10))
	if err != nil {
		return err
	}
	c, err := tx.LockCard(ctx, id)
	if err != nil {
		return err
	}
	newest, err := tx.Issue(ctx, id, c.NewestIssue)
	if err != nil {
		return err
	}
	if newest.State != card.IssueRejected || newest.Order != o.Number || c.Status == card.CardClosed || c.Status == card.CardExpired {
		return ErrNotWaiting
	}
	if line.Unit, err = tx.NextRemadeUnit(ctx, o.Number); err != nil {
		return err
	}
	line.Card, line.State, line.Reason = &id, store.LineMade, card.Remake
	if err := tx.InsertLines(ctx, []store.OrderLine{line}); err != nil {
		return err
	}
	newest.OrderUnit = line.Unit
	return insertRemake(ctx, tx, newest)
}
