package batch

import (
	"context"
	"errors"

	"platen/card"
	"platen/sql/store"
)

// Story is everything that is known of one card, with its evidence and no number.
type Story struct {
	Token      string
	Card       store.Card
	Product    string
	ReplacedBy string // token
	Issues     []IssueStory
	Mailers    []MailerStory
	Events     []store.Event
}

// IssueStory is one issue with what its bureau said.
type IssueStory struct {
	store.Issue
	Order     string // the client's reference
	File      *store.File
	Effective string // where the issue stands: its own state, or its file's
	Said      []store.ReturnLine
}

// MailerStory is one PIN mailer with what its bureau said.
type MailerStory struct {
	store.Mailer
	File      *store.File
	Effective string
	Said      []store.ReturnLine
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
	if err := p.explainMailers(ctx, &s); err != nil {
		return s, err
	}
	s.Events, err = p.Store.Events(ctx, i.ID, "card", int64(id))
	return s, err
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
		if is.File, is.Said, err = p.evidence(ctx, issue.File, issue.Line); err != nil {
			return err
		}
		is.Effective = effective(issue.State, is.File)
		s.Issues = append(s.Issues, is)
	}
	return nil
}

func (p *Plant) explainMailers(ctx context.Context, s *Story) error {
	mailers, err := p.Store.MailersOf(ctx, s.Card.ID)
	if err != nil {
		return err
	}
	for _, m := range mailers {
		ms := MailerStory{Mailer: m}
		if ms.File, ms.Said, err = p.evidence(ctx, m.File, m.Line); err != nil {
			return err
		}
		ms.Effective = effective(m.State, ms.File)
		s.Mailers = append(s.Mailers, ms)
	}
	return nil
}

func (p *Plant) evidence(ctx context.Context, file, line *int64) (*store.File, []store.ReturnLine, error) {
	if file == nil || line == nil {
		return nil, nil, nil
	}
	f, err := p.Store.FileByNumber(ctx, *file)
	if err != nil {
		return nil, nil, err
	}
	said, err := p.Store.ReturnLinesOf(ctx, *file, *line)
	return &f, said, err
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
