package batch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"platen/card"
	"platen/sql/store"
)

// Story is everything that is known of one card, with its evidence and no number.
type Story struct {
	Token      string
	Card       store.Card
	Product    string
	ReplacedBy string                  // token
	Replaces   string                  // token
	Closing    *store.ScheduledClosing // nil = none is scheduled
	Awaiting   *store.OrderLine        // what asks for its next plastic, and waits for its PIN; nil = nothing does
	Issues     []IssueStory
	Mailers    []MailerStory
	Events     []store.Event
}

// Said is what the newest event of a kind says of the card; nil when there is none.
func (s *Story) Said(kind string) map[string]any {
	for _, e := range slices.Backward(s.Events) {
		if e.Kind == kind {
			var data map[string]any
			// Data was written by us as an object; one that cannot be read says nothing.
			_ = json.Unmarshal([]byte(e.Data), &data)
			return data
		}
	}
	return nil
}

// IssueStory is one issue with what its bureau said.
type IssueStory struct {
	store.Issue
	Order     string // the client's reference
	File      *store.File
	Effective string // where the issue stands: its own state, or its file's
	Moves     []store.Event
	Attempts  []store.Attempt
	Said      []store.ReturnLine
}

// MailerStory is one PIN mailer with what its bureau said.
type MailerStory struct {
	store.Mailer
	File      *store.File
	Effective string
	Moves     []store.Event
	Attempts  []store.Attempt
	Said      []store.ReturnLine
}

// evidence is what is known of one line of a file: how the file moved and when, every try to deliver it, and what the bureau said of the line.
type evidence struct {
	file     *store.File
	moves    []store.Event
	attempts []store.Attempt
	said     []store.ReturnLine
}

// ExplainCard tells a card's story: who ordered it, which files carried it, what the bureau said and when.
func (p *Plant) ExplainCard(ctx context.Context, i store.Institution, name string) (Story, error) {
	id, err := p.FindCard(ctx, i, name)
	if err != nil {
		return Story{}, err
	}
	s := Story{}
	if s.Card, err = p.Store.Card(ctx, id); err != nil {
		return s, err
	}
	if s.Token, err = p.Token(ctx, id); err != nil {
		return s, err
	}
	if s.Card.ReplacedBy != nil {
		if s.ReplacedBy, err = p.Token(ctx, *s.Card.ReplacedBy); err != nil {
			return s, err
		}
	}
	if s.Replaces, err = p.replaces(ctx, id); err != nil {
		return s, err
	}
	if s.Closing, err = p.closing(ctx, id); err != nil {
		return s, err
	}
	if s.Awaiting, err = p.awaiting(ctx, id); err != nil {
		return s, err
	}
	products, err := current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return s, err
	}
	for _, e := range products {
		if e.number == s.Card.Product {
			s.Product = e.code
		}
	}
	if err := p.explainIssues(ctx, i, &s); err != nil {
		return s, err
	}
	if err := p.explainMailers(ctx, i, &s); err != nil {
		return s, err
	}
	s.Events, err = p.Store.Events(ctx, i.ID, "card", int64(id))
	return s, err
}

// replaces is the token of the card whose place a card took; empty when it took none's, or when what was ordered is purged.
func (p *Plant) replaces(ctx context.Context, id card.ID) (string, error) {
	l, _, err := p.Store.LineOfIssue(ctx, id, 1)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil || l.Card == nil {
		return "", err
	}
	if *l.Card != id {
		return p.Token(ctx, *l.Card)
	}
	// It was made when it was ordered: its line names itself.
	was, err := p.Store.Replaced(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return p.Token(ctx, was.ID)
}

// closing is when a card is to be closed; nil when it is not.
func (p *Plant) closing(ctx context.Context, id card.ID) (*store.ScheduledClosing, error) {
	c, err := p.Store.ScheduledClosing(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &c, err
}

// awaiting is the order line of a card that waits for its PIN; nil when none does.
func (p *Plant) awaiting(ctx context.Context, id card.ID) (*store.OrderLine, error) {
	l, err := p.Store.LineForCard(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && l.PINHeldAt == nil {
		return nil, nil
	}
	return &l, err
}

func (p *Plant) explainIssues(ctx context.Context, i store.Institution, s *Story) error {
	issues, err := p.Store.Issues(ctx, s.Card.ID)
	if err != nil {
		return err
	}
	for _, issue := range issues {
		is := IssueStory{Issue: issue}
		o, err := p.Store.OrderByNumber(ctx, i.ID, issue.Order)
		if err != nil {
			return err
		}
		is.Order = o.Reference
		e, err := p.evidence(ctx, i, issue.File, issue.Line)
		if err != nil {
			return err
		}
		is.File, is.Moves, is.Attempts, is.Said = e.file, e.moves, e.attempts, e.said
		is.Effective = effective(issue.State, is.File)
		s.Issues = append(s.Issues, is)
	}
	return nil
}

func (p *Plant) explainMailers(ctx context.Context, i store.Institution, s *Story) error {
	mailers, err := p.Store.MailersOf(ctx, s.Card.ID)
	if err != nil {
		return err
	}
	for _, m := range mailers {
		ms := MailerStory{Mailer: m}
		e, err := p.evidence(ctx, i, m.File, m.Line)
		if err != nil {
			return err
		}
		ms.File, ms.Moves, ms.Attempts, ms.Said = e.file, e.moves, e.attempts, e.said
		ms.Effective = effective(m.State, ms.File)
		s.Mailers = append(s.Mailers, ms)
	}
	return nil
}

func (p *Plant) evidence(ctx context.Context, i store.Institution, file, line *int64) (e evidence, err error) {
	if file == nil || line == nil {
		return e, nil
	}
	f, err := p.Store.FileByNumber(ctx, *file)
	if err != nil {
		return e, err
	}
	e.file = &f
	if e.moves, err = p.Store.Events(ctx, i.ID, "file", f.Number); err != nil {
		return e, err
	}
	if e.attempts, err = p.Store.Attempts(ctx, f.Number); err != nil {
		return e, err
	}
	e.said, err = p.Store.ReturnLinesOf(ctx, *file, *line)
	return e, err
}

// effective is an issue's own state once there is line-level evidence, its file's before that.
func effective(s card.IssueState, f *store.File) string {
	if s != card.IssueFollowsFile {
		return s.String()
	}
	if f == nil {
		return "WAITING"
	}
	return "FILE " + f.State.String()
}

// IsNotFound tells whether an error means that something does not exist for the caller.
func IsNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
