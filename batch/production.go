package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"platen/card"
	"platen/sql/store"
)

// NextProduction is the id of what a card action has asked for and no file has made yet.
const NextProduction = "next"

// What is made.
const (
	CardProduction   = "CARD"
	MailerProduction = "PIN_MAILER"
)

// Where a production stands before its bureau has said anything of it; after that it is called by its issue's state.
const (
	ProductionAwaiting = "AWAITING_FILE"
	ProductionHeld     = "AWAITING_PIN"
	ProductionInFile   = "IN_FILE"
	ProductionSent     = "SENT_TO_BUREAU"
	ProductionRefused  = "REFUSED"
	ProductionOff      = "CANCELLED"
	ProductionVirtual  = "NO_PLASTIC"
)

// Production is one thing that was made, or is to be made, of a card.
type Production struct {
	ID        string // the issue's number; with the attempt of its PIN mailer behind a point; or NextProduction
	Kind      string
	Issue     int // 0 for what is not made yet
	Reason    card.Reason
	Order     string // the client's reference
	OrderedAt time.Time
	Status    string
	File      *store.File
	Line      *int64
	Said      []store.ReturnLine
}

// Errors of cancelling a production.
var (
	ErrOrderOfMany = errors.New("it was ordered with others in one order")
	ErrMade        = errors.New("nothing of it waits any more")
)

// InFileError says that a production can no longer be stopped, because it stands in a file.
type InFileError struct{ File int64 }

// Error implements error.
func (e *InFileError) Error() string { return fmt.Sprintf("in file %d", e.File) }

// Productions tells all that was made of a card and is to be made, oldest first.
func (p *Plant) Productions(ctx context.Context, i store.Institution, name string) ([]Production, error) {
	story, err := p.ExplainCard(ctx, i, name)
	if err != nil {
		return nil, err
	}
	var all []Production
	mailers := story.Mailers
	for _, is := range story.Issues {
		o, err := p.Store.OrderByNumber(ctx, i.ID, is.Issue.Order)
		if err != nil {
			return nil, err
		}
		made := Production{ID: strconv.Itoa(is.Issue.Issue), Kind: CardProduction, Issue: is.Issue.Issue, Reason: is.Reason, Order: o.Reference, OrderedAt: o.CreatedAt,
			Status: standing(is.State, is.File), File: is.File, Line: is.Line, Said: is.Said}
		if is.State == card.IssuePrepared {
			if made.Status, err = p.standingAtOnce(ctx, is.Issue); err != nil {
				return nil, err
			}
		}
		all = append(all, made)
		for ; len(mailers) > 0 && mailers[0].Issue == is.Issue.Issue; mailers = mailers[1:] {
			m := mailers[0]
			all = append(all, Production{ID: fmt.Sprintf("%d.%d", m.Issue, m.Attempt), Kind: MailerProduction, Issue: m.Issue, Reason: cmp.Or(m.Reason, is.Reason), Order: o.Reference,
				OrderedAt: o.CreatedAt, Status: standing(m.State, m.File), File: m.File, Line: m.Line, Said: m.Said})
		}
	}
	asked, err := p.Store.ChangeOf(ctx, story.Card.ID)
	if errors.Is(err, store.ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	next, err := p.nextProduction(ctx, i, asked)
	return append(all, next), err
}

// nextProduction is what an open card action asks for.
func (p *Plant) nextProduction(ctx context.Context, i store.Institution, l store.OrderLine) (Production, error) {
	o, err := p.Store.OrderByNumber(ctx, i.ID, l.Order)
	if err != nil {
		return Production{}, err
	}
	next := Production{ID: NextProduction, Kind: CardProduction, Reason: l.Reason, Order: o.Reference, OrderedAt: o.CreatedAt, Status: ProductionAwaiting}
	switch {
	case l.PINHeldAt != nil:
		next.Status = ProductionHeld
		return next, nil
	case l.State == store.LineOpen:
		return next, nil
	}
	next.Status = ProductionInFile
	s, err := p.Store.SliceOf(ctx, l.Order, l.Unit)
	if err != nil {
		return next, err
	}
	f, err := p.Store.FileByNumber(ctx, s.File)
	line := s.FirstLine + l.Unit - s.FirstUnit
	next.File, next.Line = &f, &line
	return next, err
}

func standing(s card.IssueState, f *store.File) string {
	switch {
	case s == card.IssueRequested, s == card.IssueFollowsFile && f == nil:
		return ProductionAwaiting
	case s != card.IssueFollowsFile:
		return s.String()
	case f.State == card.FileRefused:
		return ProductionRefused
	case f.SentAt != nil:
		return ProductionSent
	}
	return ProductionInFile
}

// standingAtOnce is where the plastic of a card stands that was made when it was ordered.
func (p *Plant) standingAtOnce(ctx context.Context, i store.Issue) (string, error) {
	l, err := p.Store.LineOf(ctx, i.Order, i.OrderUnit)
	switch {
	case err != nil:
		return "", err
	case l.State == store.LineVirtual:
		return ProductionVirtual, nil
	case l.State == store.LineCancelled:
		return ProductionOff, nil
	case l.PINHeldAt != nil:
		return ProductionHeld, nil
	}
	return ProductionAwaiting, nil
}

// Waits tells whether the production is ordered, and stands in no file.
func (p *Production) Waits() bool {
	return p.Status == ProductionAwaiting || p.Status == ProductionHeld
}

// CancelProduction takes back what is to be made of a card and stands in no file for good. The card stays as it is: one that was made when it was ordered has no plastic then. It fails
// with an *InFileError for what a file holds, ErrMade for what has ended, and ErrOrderOfMany for an action that was ordered with others.
func (p *Plant) CancelProduction(ctx context.Context, i store.Institution, name, production, reason, actor string) error {
	if err := CheckReason(reason); err != nil {
		return err
	}
	id, err := p.FindCard(ctx, i, name)
	if err != nil {
		return err
	}
	if _, err := p.Store.Card(ctx, id); err != nil {
		return err
	}
	order, cancel, err := p.cancelling(ctx, id, production)
	if err != nil {
		return err
	}
	_, err = p.interrupt(ctx, i, order, reason, actor, "production.cancel", func(w *withdrawing) error {
		if err := cancel(ctx, w); err != nil {
			return err
		}
		return w.tx.Record(ctx, i.ID, "card", int64(id), "production_cancelled", map[string]any{"by": actor, "reason": reason, "production": production}, p.Now())
	})
	return err
}

// cancelling finds out which order a production belongs to, and how it is taken back.
func (p *Plant) cancelling(ctx context.Context, id card.ID, production string) (order int64, cancel func(context.Context, *withdrawing) error, err error) {
	if production == NextProduction {
		l, err := p.Store.ChangeOf(ctx, id)
		return l.Order, func(ctx context.Context, w *withdrawing) error { return w.cancelAction(ctx) }, err
	}
	number, attempt, isMailer := strings.Cut(production, ".")
	issue, err := strconv.Atoi(number)
	if err != nil || issue < 1 || strconv.Itoa(issue) != number {
		return 0, nil, fmt.Errorf("production of a card: %w", store.ErrNotFound)
	}
	made, err := p.Store.Issue(ctx, id, issue)
	if err != nil {
		return 0, nil, err
	}
	if isMailer {
		m, err := p.mailer(ctx, id, issue, attempt)
		return made.Order, func(ctx context.Context, w *withdrawing) error { return w.cancelMailer(ctx, m) }, err
	}
	return made.Order, func(ctx context.Context, w *withdrawing) error { return w.cancelIssue(ctx, id, issue) }, nil
}

func (p *Plant) mailer(ctx context.Context, id card.ID, issue int, attempt string) (store.Mailer, error) {
	all, err := p.Store.MailersOf(ctx, id)
	for _, m := range all {
		if m.Issue == issue && strconv.Itoa(m.Attempt) == attempt {
			return m, err
		}
	}
	return store.Mailer{}, errors.Join(err, fmt.Errorf("PIN mailer of a card: %w", store.ErrNotFound))
}

// cancelAction takes back a card action that was ordered by itself.
func (w *withdrawing) cancelAction(ctx context.Context) error {
	if w.Order.Requested != 1 {
		return ErrOrderOfMany
	}
	if err := w.cancel(ctx); err != nil || w.Cancelled > 0 {
		return err
	}
	if len(w.InFiles) > 0 {
		return &InFileError{w.InFiles[0].File.Number}
	}
	return ErrMade
}

// cancelIssue takes back an issue that waits for a file: one that the bureau spoiled before, or the plastic of a card that was made when it was ordered.
func (w *withdrawing) cancelIssue(ctx context.Context, id card.ID, issue int) error {
	made, err := w.tx.Issue(ctx, id, issue)
	if err != nil {
		return err
	}
	if made.File != nil {
		return &InFileError{*made.File}
	}
	if made.State == card.IssueRequested {
		if err := w.tx.CancelIssue(ctx, id, issue); err != nil {
			return err
		}
		w.Cancelled = 1
		if err := w.record(ctx, "withdrawn"); err != nil {
			return err
		}
		return w.settleOrder(ctx, w.tx, w.Order.Number)
	}
	if made.State != card.IssuePrepared {
		return ErrMade
	}
	if w.Cancelled, err = w.tx.CancelOpenLines(ctx, w.Order.Number); err != nil {
		return err
	}
	if w.Cancelled == 0 {
		return ErrMade
	}
	if err := w.tx.CountCancelled(ctx, &w.Order, w.Cancelled); err != nil {
		return err
	}
	if err := w.record(ctx, "withdrawn"); err != nil {
		return err
	}
	return w.endOrder(ctx)
}

// cancelMailer takes back a PIN mailer that waits for a file.
func (w *withdrawing) cancelMailer(ctx context.Context, m store.Mailer) error {
	if m.File != nil {
		return &InFileError{*m.File}
	}
	if m.State == card.IssueCancelled {
		return ErrMade
	}
	w.Cancelled = 1
	return w.tx.CancelMailer(ctx, m)
}
