package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/personalization"
	"platen/sql/store"
)

// newCards makes the cards of a chunk's new lines: identities from the sequences that the plan reserved, numbers, PINs. Where a card takes the place of
// another, it gets that one's PIN if the card-action table says so, and the other is closed in the chunk's transaction.
func (j *job) newCards(ctx context.Context, p *prepared, out *minted, lines []*store.MintLine) error {
	n := int64(0)
	for i := range p.parts {
		if p.parts[i].Kind == store.NewSlice {
			n += p.parts[i].n
		}
	}
	if n == 0 {
		return nil
	}
	m := newPINSheet(int(n))
	out.cards, out.issues = make([]store.Card, 0, n), make([]store.Issue, 0, n)
	expiries, err := j.expiries()
	if err != nil {
		return err
	}
	var replaced []replacement
	for i := range p.parts {
		if p.parts[i].Kind != store.NewSlice {
			continue
		}
		at := len(out.cards)
		if err := j.newPart(&p.parts[i], out, lines, m, expiries); err != nil {
			return err
		}
		for k := at; k < len(out.cards); k++ {
			if l := lines[*out.issues[k].Line-p.first]; l.Card != nil {
				replaced = append(replaced, replacement{line: l, at: k, Closing: store.Closing{Card: *l.Card, Reason: l.Reason, By: out.cards[k].ID}})
			}
		}
	}
	if err := j.press.MakePINs(ctx, m.pans, m.objects, m.pins, m.pvvs, m.offsets); err != nil {
		return err
	}
	if err := j.transferPINs(ctx, replaced, m); err != nil {
		return err
	}
	for i := range out.issues {
		if err := m.put(&out.issues[i], j.product.PIN.Method, i); err != nil {
			return err
		}
	}
	return j.replace(p, replaced)
}

// newPart appends the cards and issues of one part, with their numbers but without PINs.
func (j *job) newPart(p *part, out *minted, lines []*store.MintLine, m *pinSheet, expiries *expiryRule) error {
	r, err := j.rangeOf(p.Range)
	if err != nil {
		return err
	}
	at := len(out.cards)
	sequences, numbers := make([]int64, p.n), make([]int64, p.n)
	for i := range sequences {
		line := p.line(int64(i))
		l := lines[line-out.first]
		sequences[i], numbers[i] = p.FirstSequence+p.done+int64(i), line
		id, err := card.NewID(p.Range, sequences[i])
		if err != nil {
			return err
		}
		e, err := expiries.of(l)
		if err != nil {
			return err
		}
		m.objects[at+i] = pinObject(id, 1)
		status := card.CardInactive
		if l.Blocked {
			status = card.CardBlocked
		}
		out.cards = append(out.cards, store.Card{ID: id, Product: j.file.Product, Order: p.Source, Status: status, NewestIssue: 1})
		out.issues = append(out.issues, store.Issue{Card: id, Issue: 1, Order: p.Source, OrderUnit: l.Unit, File: &j.file.Number, Line: &numbers[i], Reason: l.Reason,
			Expiry: e.Int(), PSN: card.PSN(j.product.FirstPSN), State: card.IssueFollowsFile, Use: card.UsePending})
	}
	return j.Vault.PANs(r.Range, r.PermutationKey, sequences, m.pans[at:at+int(p.n)], card.NewPANs(int(p.n)))
}

// replacement is an old card that a new one takes the place of.
type replacement struct {
	store.Closing
	line *store.MintLine
	at   int // of the new card in the chunk
}

// transferPINs gives new cards the PINs of those that they replace, where the card-action table says so.
func (j *job) transferPINs(ctx context.Context, list []replacement, m *pinSheet) error {
	var ids []card.ID
	var keeping []replacement
	for _, r := range list {
		action, ok := j.product.Action(r.Reason)
		if !ok {
			return fmt.Errorf("%s makes no card", r.Reason)
		}
		if action.PIN == card.TransferPIN {
			ids, keeping = append(ids, r.Card), append(keeping, r)
		}
	}
	issues, err := j.Store.NewestIssues(ctx, ids)
	if err != nil {
		return err
	}
	from, to := newPINSheet(len(keeping)), newPINSheet(len(keeping))
	n := 0
	places := make([]int, 0, len(keeping))
	for _, r := range keeping {
		issue, ok := issues[r.Card]
		if !ok {
			return fmt.Errorf("a card to be replaced: %w", store.ErrNotFound)
		}
		if len(issue.PIN) == 0 {
			continue
		}
		if from.pins[n], err = hsm.NewPIN(issue.PIN); err != nil {
			return err
		}
		ids[n], to.pans[n] = r.Card, m.pans[r.at]
		places = append(places, r.at)
		n++
	}
	if n == 0 {
		return nil
	}
	if err := j.numbersOf(ids[:n], from.pans[:n]); err != nil {
		return err
	}
	if err := j.press.TransferPINs(ctx, from.pans[:n], from.pins[:n], to.pans[:n], to.pins[:n], to.pvvs[:n], to.offsets[:n]); err != nil {
		return err
	}
	for i, at := range places {
		m.pins[at], m.pvvs[at], m.offsets[at] = to.pins[i], to.pvvs[i], to.offsets[i]
	}
	return nil
}

// replace lets a chunk's transaction mark the card actions as made and close the cards that have been replaced.
func (j *job) replace(p *prepared, list []replacement) error {
	if len(list) == 0 {
		return nil
	}
	var closings []store.Closing
	for _, r := range list {
		action, ok := j.product.Action(r.Reason)
		if !ok {
			return fmt.Errorf("%s makes no card", r.Reason)
		}
		if action.OldCard == card.OldClosed {
			closings = append(closings, r.Closing)
		}
	}
	units := make([]orderUnit, len(list))
	for i, r := range list {
		units[i] = orderUnit{r.line.Order, r.line.Unit}
	}
	p.writes = append(p.writes, func(ctx context.Context, tx *store.Tx) error {
		if err := markMade(ctx, tx, units); err != nil {
			return err
		}
		return j.closeReplaced(ctx, tx, closings)
	})
	return nil
}

func (j *job) closeReplaced(ctx context.Context, tx *store.Tx, list []store.Closing) error {
	err := j.closeCards(ctx, tx, list)
	if errors.Is(err, store.ErrStale) {
		return fmt.Errorf("a card to be replaced was closed meanwhile: %w", err)
	}
	if err != nil {
		return err
	}
	events := make([]store.Event, len(list))
	closed := make([]card.ID, len(list))
	for i, c := range list {
		closed[i] = c.Card
		events[i] = store.Event{Institution: j.file.Institution, ObjectKind: "card", Object: int64(c.Card), Kind: "closed",
			Data: fmt.Sprintf(`{"reason":%q}`, c.Reason), RecordedAt: j.Now()}
	}
	if err := tx.RecordAll(ctx, events); err != nil {
		return err
	}
	return j.settleOrdersOf(ctx, tx, closed)
}

// orderUnit names an order line of one card.
type orderUnit struct{ order, unit int64 }

// markMade marks card actions as carried out, a statement for each run of neighbours.
func markMade(ctx context.Context, tx *store.Tx, units []orderUnit) error {
	for i := 0; i < len(units); {
		end := i + 1
		for end < len(units) && units[end].order == units[i].order && units[end].unit == units[end-1].unit+1 {
			end++
		}
		if err := tx.MadeLines(ctx, units[i].order, units[i].unit, units[end-1].unit, int64(end-i)); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// reissues makes the next issues of a chunk's existing cards.
func (j *job) reissues(ctx context.Context, p *prepared, out *minted, lines []*store.MintLine) error {
	var wanted []*store.MintLine
	var numbers []int64
	var ids []card.ID
	for i := range p.parts {
		for n := range p.parts[i].n {
			if p.parts[i].Kind != store.ReissueSlice {
				break
			}
			line := p.parts[i].line(n)
			l := lines[line-p.first]
			wanted, numbers, ids = append(wanted, l), append(numbers, line), append(ids, *l.Card)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	newest, err := j.Store.NewestIssues(ctx, ids)
	if err != nil {
		return err
	}
	day, err := j.issueDay()
	if err != nil {
		return err
	}
	issues := make([]store.Issue, len(wanted))
	units := make([]orderUnit, len(wanted))
	var fresh, set []int
	for i, l := range wanted {
		last, ok := newest[*l.Card]
		if !ok {
			return fmt.Errorf("unit %d: its card: %w", l.Unit, store.ErrNotFound)
		}
		var change card.PINChange
		if issues[i], change, err = j.successor(l, last, day); err != nil {
			return fmt.Errorf("unit %d: %w", l.Unit, err)
		}
		issues[i].File, issues[i].Line = &j.file.Number, &numbers[i]
		units[i] = orderUnit{l.Order, l.Unit}
		switch {
		case l.PIN != nil:
			issues[i].PIN, set = l.PIN, append(set, i)
		case change == card.FreshPIN:
			fresh = append(fresh, i)
		}
	}
	if err := errors.Join(j.freshPINs(ctx, issues, fresh), j.setPINs(ctx, issues, set)); err != nil {
		return err
	}
	out.issues = append(out.issues, issues...)
	p.writes = append(p.writes, func(ctx context.Context, tx *store.Tx) error {
		if err := markMade(ctx, tx, units); err != nil {
			return err
		}
		overtaken, err := tx.AdvanceIssues(ctx, issues)
		if err != nil {
			return err
		}
		for _, number := range overtaken {
			if err := j.settleOrder(ctx, tx, number); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

// successor computes the issue that follows a card's newest one for a line's reason.
func (j *job) successor(l *store.MintLine, last store.Issue, day time.Time) (store.Issue, card.PINChange, error) {
	now, err := currentIssue(last)
	if err != nil {
		return store.Issue{}, 0, err
	}
	override, err := chosenExpiry(l.Expiry)
	if err != nil {
		return store.Issue{}, 0, err
	}
	next, err := personalization.Successor(*j.product, l.Reason, now, day, override)
	if err != nil {
		return store.Issue{}, 0, err
	}
	return store.Issue{Card: last.Card, Issue: last.Issue + 1, Order: l.Order, OrderUnit: l.Unit, Reason: l.Reason, Expiry: next.Expiry.Int(), PSN: next.PSN,
		State: card.IssueFollowsFile, Use: card.UsePending, PVV: last.PVV, Offset: last.Offset, PIN: last.PIN}, next.PIN, nil
}

// freshPINs gives some of the issues new PINs.
func (j *job) freshPINs(ctx context.Context, issues []store.Issue, which []int) error {
	if len(which) == 0 {
		return nil
	}
	m := newPINSheet(len(which))
	ids := make([]card.ID, len(which))
	for n, i := range which {
		ids[n], m.objects[n] = issues[i].Card, pinObject(issues[i].Card, issues[i].Issue)
	}
	if err := j.numbersOf(ids, m.pans); err != nil {
		return err
	}
	if err := j.press.MakePINs(ctx, m.pans, m.objects, m.pins, m.pvvs, m.offsets); err != nil {
		return err
	}
	for n, i := range which {
		if err := m.put(&issues[i], j.product.PIN.Method, n); err != nil {
			return err
		}
	}
	return nil
}
