package batch

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// noFile is what a card's number is reserved for that is made when it is ordered.
const noFile = 0

// mintAtOnce makes the card of an order's only line in the transaction that ends its intake, by the mint of files. Its issue waits, prepared, and the line stays open: the next plan
// of its bureau gives both their place in a file. The number's block is intended in the ledger before the commit and done after.
func (in *intake) mintAtOnce(ctx context.Context, tx *store.Tx) ([]Reservation, error) {
	lines, err := tx.Lines(ctx, in.order.Number, 0, 2)
	if err != nil {
		return nil, err
	}
	if len(lines) != 1 || lines[0].Quantity != 1 || lines[0].Card != nil {
		return nil, fmt.Errorf("order %s asks for other than one new card: none is made at once", in.order.Reference)
	}
	l := lines[0]
	product := in.byNumber[l.Product]
	j, pvk, err := in.jobAtOnce(ctx, tx, product)
	if err != nil {
		return nil, err
	}
	r, sequence, err := in.sequenceAtOnce(ctx, tx, j.product)
	if err != nil {
		return nil, err
	}
	s := store.Slice{FirstLine: 1, Kind: store.NewSlice, Source: in.order.Number, FirstUnit: l.Unit, Quantity: 1, Range: r.Number, FirstSequence: sequence}
	j.ranges = map[int32]store.PANRange{r.Number: r}
	made := &minted{first: 1}
	p := &prepared{chunk: chunk{first: 1, last: 1, parts: []part{{Slice: s, n: 1}}}}
	if err := j.newCards(ctx, p, made, []*store.MintLine{{Slice: 1, Order: l.Order, Unit: l.Unit, Quantity: 1, Reason: l.Reason, Expiry: l.Expiry, Blocked: l.BlockCode != ""}}); err != nil {
		return nil, fmt.Errorf("make the card of order %s: %w", in.order.Reference, err)
	}
	issue := &made.issues[0]
	issue.File, issue.Line, issue.State = nil, nil, card.IssuePrepared
	if err := tx.InsertCards(ctx, made.cards); err != nil {
		return nil, err
	}
	if err := tx.InsertIssues(ctx, made.issues); err != nil {
		return nil, err
	}
	if err := keepPINAtOnce(ctx, tx, issue, store.ChosenPIN{ProductVersion: product.version, PVKVersion: pvk.Version, ChosenAt: in.plant.Now()}); err != nil {
		return nil, err
	}
	keep := tx.MadeAtOnce
	if j.product.Technology == card.Virtual {
		keep = tx.MadeVirtual
	}
	if err := keep(ctx, l.Order, l.Unit, issue.Card); err != nil {
		return nil, err
	}
	data := map[string]any{"order": in.order.ID.String(), "by": in.order.SubmittedBy}
	if err := tx.Record(ctx, in.inst.ID, "card", int64(issue.Card), "made", data, in.plant.Now()); err != nil {
		return nil, err
	}
	if j.product.Technology == card.Virtual {
		if err := in.fulfilVirtual(ctx, tx); err != nil {
			return nil, err
		}
	}
	if r.Imported {
		return nil, nil // the ledger knows how far counters went
	}
	return []Reservation{{Range: ledgerName(r.Range), First: s.FirstSequence, Quantity: 1}}, nil
}

// keepPINAtOnce keeps by what the PIN of a card is verified that is made when it is ordered: the file of its plastic may name later keys.
func keepPINAtOnce(ctx context.Context, tx *store.Tx, issue *store.Issue, by store.ChosenPIN) error {
	if issue.PVV == nil && issue.Offset == nil {
		return nil
	}
	by.Card, by.Issue, by.PVV, by.Offset, by.PIN = issue.Card, issue.Issue, issue.PVV, issue.Offset, issue.PIN
	return tx.PutChosenPIN(ctx, by)
}

// Errors of numbers that are an institution's own.
var (
	ErrNoOwnNumbers = errors.New("the product has no range for numbers of the institution's own")
	ErrOwnNumber    = errors.New("the number is not in the product's range for numbers of the institution's own")
	ErrNumberTaken  = errors.New("a card has this number")
)

// sequenceAtOnce takes the sequence of a card that is made when it is ordered: the next of the product's range, or that of a number of the institution's own. That lies in a range that
// none is drawn from, and each of its sequences is taken once.
func (in *intake) sequenceAtOnce(ctx context.Context, tx *store.Tx, p *card.Product) (store.PANRange, int64, error) {
	if in.number == nil {
		r, err := tx.LockRange(ctx, in.inst.ID, p.Range)
		if err != nil {
			return r, 0, err
		}
		sequence, err := tx.Reserve(ctx, &r, 1, noFile)
		return r, sequence, err
	}
	if p.ImportedRange == "" {
		return store.PANRange{}, 0, fmt.Errorf("%w: %w", errRefused, ErrNoOwnNumbers)
	}
	r, err := tx.LockRange(ctx, in.inst.ID, p.ImportedRange)
	if err != nil {
		return r, 0, err
	}
	if !r.Imported {
		return r, 0, fmt.Errorf("numbers of range %s are drawn", r.Code)
	}
	sequence, err := in.plant.Vault.Sequence(r.Range, r.PermutationKey, *in.number)
	if errors.Is(err, hsm.ErrNotInRange) {
		err = fmt.Errorf("%w: %w", errRefused, ErrOwnNumber)
	}
	if err != nil {
		return r, 0, err
	}
	err = tx.ReserveOwn(ctx, r, sequence)
	if errors.Is(err, store.ErrConflict) {
		err = fmt.Errorf("%w: %w", errRefused, ErrNumberTaken)
	}
	return r, sequence, err
}

// fulfilVirtual ends the order of a card without plastic: no file will carry it, and nobody will say that it was made.
func (in *intake) fulfilVirtual(ctx context.Context, tx *store.Tx) error {
	o, err := tx.LockOrder(ctx, in.order.Number)
	if err != nil {
		return err
	}
	for _, next := range []card.OrderState{card.OrderLocked, card.OrderInProduction, card.OrderFulfilled} {
		if err := tx.MoveOrder(ctx, &o, next); err != nil {
			return err
		}
	}
	if err := tx.SettleFates(ctx, &o, store.Fates{Order: o.Number, Requested: o.Requested, Fulfilled: o.Requested}); err != nil {
		return err
	}
	data := map[string]any{"fulfilled": o.Requested}
	return tx.Record(ctx, o.Institution, "order", o.Number, card.OrderFulfilled.String(), data, in.plant.Now())
}

// jobAtOnce is a job without a file: it mints with the product as it is declared now and the newest keys, of which it tells the one that PINs are verified with.
func (in *intake) jobAtOnce(ctx context.Context, tx *store.Tx, product entry[*card.Product]) (*job, card.KeyRef, error) {
	p := in.plant
	bureau, err := in.printer(ctx, tx, product)
	if err != nil {
		return nil, card.KeyRef{}, err
	}
	body, err := p.pinKeys(ctx, product.value, bureau, nil)
	if err != nil {
		return nil, card.KeyRef{}, err
	}
	keys, err := pressKeys(body)
	if err != nil {
		return nil, card.KeyRef{}, err
	}
	press, err := personalization.NewPress(p.Module, *product.value, keys)
	if err != nil {
		return nil, card.KeyRef{}, fmt.Errorf("product %s: %w", product.code, err)
	}
	f := store.File{Institution: in.inst.ID, Product: product.number, BusinessDate: in.today.Format("2006-01-02")}
	return &job{Plant: p, inst: in.inst, file: f, product: product.value, press: press}, keys.PVK, nil
}

// printer is the bureau of a product; of one without plastic, a bureau without anything.
func (in *intake) printer(ctx context.Context, tx *store.Tx, product entry[*card.Product]) (*programs.Bureau, error) {
	if product.value.Technology == card.Virtual {
		return &programs.Bureau{}, nil
	}
	bureaus, err := current(ctx, in.plant, tx.Q, in.inst.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return nil, err
	}
	bureau, ok := bureaus[product.value.Bureau]
	if !ok {
		return nil, fmt.Errorf("product %s: bureau %q is not declared", product.code, product.value.Bureau)
	}
	return bureau.value, nil
}

// Instant is what a client learns at once of a card that was made when it was ordered.
type Instant struct {
	Token  string
	Masked string // first six and last four digits
	Expiry card.Expiry
}

// InstantCard tells of the card that was made when an order of one row was taken in; nil when none was.
func (p *Plant) InstantCard(ctx context.Context, o store.Order) (*Instant, error) {
	lines, err := p.Store.Lines(ctx, o.Number, 0, 1)
	if err != nil || len(lines) == 0 || !lines[0].Instant() {
		return nil, err
	}
	id := *lines[0].Card
	issue, err := p.Store.Issue(ctx, id, 1)
	if err != nil {
		return nil, err
	}
	v := &Instant{}
	if v.Masked, err = p.MaskedNumber(ctx, id); err != nil {
		return nil, err
	}
	if v.Expiry, err = card.ExpiryFromInt(issue.Expiry); err != nil {
		return nil, err
	}
	v.Token, err = p.Token(ctx, id)
	return v, err
}

// RowOfCard is the row that would order another card like one: for the same person, to the same place. It fails with store.ErrNotFound where what was ordered is purged.
func (p *Plant) RowOfCard(ctx context.Context, story *Story) (formats.OrderKind, formats.Row, error) {
	line, err := p.Store.LineOfCard(ctx, story.Card.ID)
	if err != nil {
		return 0, formats.Row{}, err
	}
	row := rowOf(line, story.Product)
	row.Line, row.SameDay = 2, ""
	if row.FirstName != "" || row.LastName != "" {
		row.Recipient = ""
		return formats.BulkOrder, row, nil
	}
	row.Title, row.FirstName, row.LastName, row.CustomerReference, row.Language, row.Quantity = "", "", "", "", "", "1"
	return formats.MassOrder, row, nil
}

// MaskedNumber is a card's number with all but its first six and last four digits hidden.
func (p *Plant) MaskedNumber(ctx context.Context, id card.ID) (string, error) {
	all, err := p.Store.Ranges(ctx)
	if err != nil {
		return "", err
	}
	j := &job{Plant: p, ranges: make(map[int32]store.PANRange, len(all))}
	for _, r := range all {
		j.ranges[r.Number] = r
	}
	var pans [1]card.PAN
	err = j.numbersOf([]card.ID{id}, pans[:])
	return pans[0].Masked(), err
}
