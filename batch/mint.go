package batch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/personalization"
	"platen/sql/store"
)

// mintChunk is how many cards one transaction makes. A crash costs at most this many.
const mintChunk = 2000

// mint makes the cards and issues of a file's lines, chunk by chunk from its cursor: each chunk and the cursor move in one transaction under
// the file's epoch, so that no line is made twice.
func (j *job) mint(ctx context.Context) error {
	slices, err := j.Store.Slices(ctx, j.file.Number)
	if err != nil {
		return err
	}
	for _, s := range slices {
		for j.file.Minted < s.FirstLine-1+s.Quantity {
			if j.file.Minted < s.FirstLine-1 {
				return fmt.Errorf("file %d: its slices leave a gap before line %d", j.file.Number, s.FirstLine)
			}
			done := j.file.Minted - (s.FirstLine - 1)
			n := min(mintChunk, s.Quantity-done)
			if err := j.mintChunk(ctx, s, done, n); err != nil {
				return fmt.Errorf("mint file %d line %d: %w", j.file.Number, j.file.Minted+1, err)
			}
		}
	}
	return nil
}

// mintChunk makes lines done+1..done+n of a slice.
func (j *job) mintChunk(ctx context.Context, s store.Slice, done, n int64) error {
	var write func(*store.Tx) error
	var err error
	switch s.Kind {
	case store.NewSlice:
		write, err = j.newCards(ctx, s, done, n)
	case store.ReissueSlice:
		write, err = j.reissues(ctx, s, done, n)
	case store.AttachSlice:
		write = func(*store.Tx) error { return nil }
	case store.MailerSlice:
		write, err = j.mailers(ctx, s, done, n)
	default:
		err = fmt.Errorf("unknown slice kind %d", s.Kind)
	}
	if err != nil {
		return err
	}
	from, to := j.file.Minted, j.file.Minted+n
	err = j.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.AdvanceMint(ctx, j.file.Number, j.file.Epoch, from, to); err != nil {
			return err
		}
		return write(tx)
	})
	if err != nil {
		return err
	}
	j.file.Minted = to
	if s.Kind == store.NewSlice || s.Kind == store.ReissueSlice {
		j.Observe.CardsMinted(int(n))
	}
	return nil
}

// linesOf finds the order line of each unit first..first+n-1 of an order.
func (j *job) linesOf(ctx context.Context, order, first, n int64) ([]*store.OrderLine, error) {
	head, err := j.Store.LineOf(ctx, order, first)
	if err != nil {
		return nil, err
	}
	lines, err := j.Store.LinesBetween(ctx, order, head.Unit, first+n-1)
	if err != nil {
		return nil, err
	}
	out := make([]*store.OrderLine, n)
	at := 0
	for i := range out {
		unit := first + int64(i)
		for at < len(lines) && unit >= lines[at].Unit+lines[at].Quantity {
			at++
		}
		if at == len(lines) || unit < lines[at].Unit {
			return nil, fmt.Errorf("order %d unit %d has no line", order, unit)
		}
		out[i] = &lines[at]
	}
	return out, nil
}

// minting is the material of a chunk before it is written.
type minting struct {
	pans    []card.PAN
	objects []uint64
	pins    []hsm.PIN
	pvvs    []hsm.PVV
	offsets []hsm.Offset
	store   *card.PANs
}

func newMinting(n int64) *minting {
	return &minting{pans: make([]card.PAN, n), objects: make([]uint64, n), pins: make([]hsm.PIN, n), pvvs: make([]hsm.PVV, n),
		offsets: make([]hsm.Offset, n), store: card.NewPANs(int(n))}
}

// pinObject numbers the PIN of an issue for a seeded source of randomness.
func pinObject(id card.ID, issue int) uint64 { return uint64(id)*64 + uint64(issue)%64 }

func (j *job) newCards(ctx context.Context, s store.Slice, done, n int64) (func(*store.Tx) error, error) {
	r, err := j.rangeOf(s.Range)
	if err != nil {
		return nil, err
	}
	lines, err := j.linesOf(ctx, s.Source, s.FirstUnit+done, n)
	if err != nil {
		return nil, err
	}
	m := newMinting(n)
	sequences := make([]int64, n)
	cards := make([]store.Card, n)
	issues := make([]store.Issue, n)
	day, err := j.issueDay()
	if err != nil {
		return nil, err
	}
	for i := range sequences {
		sequences[i] = s.FirstSequence + done + int64(i)
		id, err := card.NewID(s.Range, sequences[i])
		if err != nil {
			return nil, err
		}
		m.objects[i] = pinObject(id, 1)
		e, err := j.expiry(lines[i], day)
		if err != nil {
			return nil, err
		}
		cards[i] = store.Card{ID: id, Product: j.file.Product, Order: s.Source, Status: card.CardInactive, NewestIssue: 1}
		file, line := j.file.Number, s.FirstLine+done+int64(i)
		issues[i] = store.Issue{Card: id, Issue: 1, Order: s.Source, OrderUnit: lines[i].Unit, File: &file, Line: &line, Reason: lines[i].Reason,
			Expiry: e.Int(), PSN: card.PSN(j.product.FirstPSN), State: card.IssueFollowsFile, Use: card.UsePending}
	}
	if err := j.Vault.PANs(r.Range, r.PermutationKey, sequences, m.pans, m.store); err != nil {
		return nil, err
	}
	if err := j.press.MakePINs(ctx, m.pans, m.objects, m.pins, m.pvvs, m.offsets); err != nil {
		return nil, err
	}
	replaced, err := j.replacements(ctx, lines, cards, m)
	if err != nil {
		return nil, err
	}
	for i := range issues {
		j.putPIN(&issues[i], m, i)
	}
	return func(tx *store.Tx) error {
		if err := tx.InsertCards(ctx, cards); err != nil {
			return err
		}
		if err := tx.InsertIssues(ctx, issues); err != nil {
			return err
		}
		return j.closeReplaced(ctx, tx, replaced)
	}, nil
}

// replacement is an old card that a new one takes the place of.
type replacement struct {
	line   *store.OrderLine
	old    card.ID
	by     card.ID
	reason card.Reason
	close  bool
}

// replacements finds the old cards of a chunk; where the card-action table transfers the PIN, the new issue gets the old card's.
func (j *job) replacements(ctx context.Context, lines []*store.OrderLine, cards []store.Card, m *minting) ([]replacement, error) {
	var list []replacement
	for i, l := range lines {
		if l.Card == nil {
			continue
		}
		action, ok := j.product.Action(l.Reason)
		if !ok {
			return nil, fmt.Errorf("%s makes no card", l.Reason)
		}
		list = append(list, replacement{line: l, old: *l.Card, by: cards[i].ID, reason: l.Reason, close: action.OldCard == card.OldClosed})
		if action.PIN == card.TransferPIN {
			if err := j.transferPIN(ctx, *l.Card, m, i); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

func (j *job) transferPIN(ctx context.Context, old card.ID, m *minting, i int) error {
	c, err := j.Store.Card(ctx, old)
	if err != nil {
		return err
	}
	issue, err := j.Store.Issue(ctx, old, c.NewestIssue)
	if err != nil || len(issue.PIN) == 0 {
		return err
	}
	pan, err := j.panOf(old)
	if err != nil {
		return err
	}
	stored, err := hsm.NewPIN(issue.PIN)
	if err != nil {
		return err
	}
	return j.press.TransferPINs(ctx, []card.PAN{pan}, []hsm.PIN{stored}, m.pans[i:i+1], m.pins[i:i+1], m.pvvs[i:i+1], m.offsets[i:i+1])
}

func (j *job) closeReplaced(ctx context.Context, tx *store.Tx, list []replacement) error {
	for _, r := range list {
		if err := tx.MadeLine(ctx, r.line.Order, r.line.Unit); err != nil {
			return err
		}
		if !r.close {
			continue
		}
		old, err := tx.LockCard(ctx, r.old)
		if err != nil {
			return err
		}
		if old.Status == card.CardClosed {
			return errors.New("a card to be replaced was closed meanwhile")
		}
		if err := tx.CloseCard(ctx, &old, r.reason, &r.by); err != nil {
			return err
		}
		data := map[string]any{"reason": r.reason.String()}
		if err := tx.Record(ctx, j.file.Institution, "card", int64(r.old), "closed", data, j.Now()); err != nil {
			return err
		}
		if err := j.settleOrdersOf(ctx, tx, r.old); err != nil {
			return err
		}
	}
	return nil
}

// reissues makes the next issue of existing cards.
func (j *job) reissues(ctx context.Context, s store.Slice, done, n int64) (func(*store.Tx) error, error) {
	lines, err := j.linesOf(ctx, s.Source, s.FirstUnit+done, n)
	if err != nil {
		return nil, err
	}
	day, err := j.issueDay()
	if err != nil {
		return nil, err
	}
	issues := make([]store.Issue, 0, n)
	for i, l := range lines {
		issue, err := j.successor(ctx, l, day)
		if err != nil {
			return nil, fmt.Errorf("unit %d: %w", l.Unit, err)
		}
		file, line := j.file.Number, s.FirstLine+done+int64(i)
		issue.File, issue.Line = &file, &line
		issues = append(issues, issue)
	}
	return func(tx *store.Tx) error {
		for i := range issues {
			if err := tx.MadeLine(ctx, issues[i].Order, issues[i].OrderUnit); err != nil {
				return err
			}
			if err := tx.SetNewestIssue(ctx, issues[i].Card, issues[i].Issue); err != nil {
				return err
			}
		}
		return tx.InsertIssues(ctx, issues)
	}, nil
}

// successor computes the issue that follows a card's newest one for a line's reason.
func (j *job) successor(ctx context.Context, l *store.OrderLine, day time.Time) (store.Issue, error) {
	c, err := j.Store.Card(ctx, *l.Card)
	if err != nil {
		return store.Issue{}, err
	}
	last, err := j.Store.Issue(ctx, c.ID, c.NewestIssue)
	if err != nil {
		return store.Issue{}, err
	}
	now, err := currentIssue(last)
	if err != nil {
		return store.Issue{}, err
	}
	override, err := lineExpiry(l)
	if err != nil {
		return store.Issue{}, err
	}
	next, err := personalization.Successor(*j.product, l.Reason, now, day, override)
	if err != nil {
		return store.Issue{}, err
	}
	issue := store.Issue{Card: c.ID, Issue: c.NewestIssue + 1, Order: l.Order, OrderUnit: l.Unit, Reason: l.Reason, Expiry: next.Expiry.Int(), PSN: next.PSN,
		State: card.IssueFollowsFile, Use: card.UsePending, PVV: last.PVV, Offset: last.Offset, PIN: last.PIN}
	if next.PIN != card.FreshPIN {
		return issue, nil
	}
	m := newMinting(1)
	if m.pans[0], err = j.panOf(c.ID); err != nil {
		return issue, err
	}
	m.objects[0] = pinObject(c.ID, issue.Issue)
	if err := j.press.MakePINs(ctx, m.pans, m.objects, m.pins, m.pvvs, m.offsets); err != nil {
		return issue, err
	}
	j.putPIN(&issue, m, 0)
	return issue, nil
}

// putPIN copies the PIN data of element i into an issue, as the product's method has it.
func (j *job) putPIN(issue *store.Issue, m *minting, i int) {
	issue.PVV, issue.Offset, issue.PIN = nil, nil, nil
	switch j.product.PIN.Method {
	case card.RandomPIN:
		// Four digits always parse.
		v, _ := strconv.Atoi(string(m.pvvs[i][:]))
		issue.PVV = &v
	case card.DerivedPIN:
		o := string(m.offsets[i].Digits[:m.offsets[i].N])
		issue.Offset = &o
	default:
		return
	}
	issue.PIN = append([]byte(nil), m.pins[i].Bytes()...)
}

// mailers puts PIN mailers on the lines of a mailer file, once the card file has made the issues they belong to.
func (j *job) mailers(ctx context.Context, s store.Slice, done, n int64) (func(*store.Tx) error, error) {
	source, err := j.Store.FileByNumber(ctx, s.Source)
	if err != nil {
		return nil, err
	}
	first := s.FirstUnit + done
	if source.Minted < first+n-1 {
		return nil, fmt.Errorf("file %d is not minted so far: %w", s.Source, ErrNotYet)
	}
	return func(tx *store.Tx) error {
		return tx.InsertMailers(ctx, s.Source, first, n, j.file.Number, s.FirstLine+done)
	}, nil
}

func lineExpiry(l *store.OrderLine) (card.Expiry, error) {
	if l.Expiry == 0 {
		return card.Expiry{}, nil
	}
	return card.ExpiryFromInt(l.Expiry)
}

// expiry applies the product's rule, or the line's own date, counted from the file's business date.
func (j *job) expiry(l *store.OrderLine, day time.Time) (card.Expiry, error) {
	override, err := lineExpiry(l)
	if err != nil {
		return card.Expiry{}, err
	}
	return personalization.ExpiryOf(*j.product, day, override)
}

// issueDay is the file's business date: expiry months count from it, whenever the minting happens.
func (j *job) issueDay() (time.Time, error) { return businessDay(j.file.BusinessDate) }

// rangeOf finds the range of a card.
func (j *job) rangeOf(number int32) (store.PANRange, error) {
	r, ok := j.ranges[number]
	if !ok {
		return store.PANRange{}, fmt.Errorf("range %d: %w", number, store.ErrNotFound)
	}
	return r, nil
}

// panOf computes the number of one card.
func (j *job) panOf(id card.ID) (card.PAN, error) {
	r, err := j.rangeOf(id.Range())
	if err != nil {
		return card.PAN{}, err
	}
	out := make([]card.PAN, 1)
	if err := j.Vault.PANs(r.Range, r.PermutationKey, []int64{id.Sequence()}, out, card.NewPANs(1)); err != nil {
		return card.PAN{}, err
	}
	return out[0], nil
}
