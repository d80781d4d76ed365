package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

const cardPath = "/v1/cards"

// Card is a card's story: who ordered it, which files carried it, and what the bureau said.
type Card struct {
	Token      string        `json:"token" doc:"Stands for the card everywhere"`
	Product    string        `json:"product"`
	Account    string        `json:"account,omitempty" doc:"Reference of the account that it hangs on"`
	Customer   string        `json:"customer,omitempty" doc:"Reference of who holds that"`
	Status     string        `json:"status"`
	ClosedFor  string        `json:"closed_for,omitempty" doc:"The reason of its end"`
	ReplacedBy string        `json:"replaced_by,omitempty" doc:"Token of the card that replaces it"`
	Replaces   string        `json:"replaces,omitempty" doc:"Token of the card whose place it took"`
	Closing    *Closing      `json:"closing,omitempty" doc:"When it is to be closed"`
	Awaiting   *PINWait      `json:"awaiting_pin,omitempty" doc:"Its next plastic waits until a PIN is set for it"`
	Issues     []Issue       `json:"issues" nullable:"false"`
	Mailers    []Mailer      `json:"pin_mailers" nullable:"false"`
	Events     []ObjectEvent `json:"events" nullable:"false"`
}

// Issue is one version of a card.
type Issue struct {
	Issue    int        `json:"issue"`
	Order    string     `json:"order" doc:"The client's reference"`
	Reason   string     `json:"reason"`
	Expiry   string     `json:"expiry" doc:"Year and month"`
	PSN      string     `json:"psn"`
	State    string     `json:"state" doc:"Its own, or that of its file"`
	Use      string     `json:"use"`
	File     *FileLine  `json:"file,omitempty"`
	Evidence []Evidence `json:"evidence" nullable:"false"`
}

// Mailer is one PIN mailer of a card.
type Mailer struct {
	Issue    int        `json:"issue"`
	Attempt  int        `json:"attempt"`
	State    string     `json:"state"`
	File     *FileLine  `json:"file,omitempty"`
	Evidence []Evidence `json:"evidence" nullable:"false"`
}

// FileLine is the place of something in a file.
type FileLine struct {
	ID     string `json:"id" format:"uuid"`
	Number int64  `json:"number"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Line   int64  `json:"line"`
}

// Evidence is what a bureau said of one line.
type Evidence struct {
	Status       string    `json:"status" doc:"The bureau's word"`
	BureauReason string    `json:"bureau_reason,omitempty"`
	Outcome      string    `json:"outcome" doc:"What became of it here"`
	Reason       string    `json:"reason,omitempty"`
	OccurredAt   time.Time `json:"occurred_at"`
}

// ObjectEvent is something that happened.
type ObjectEvent struct {
	Kind       string         `json:"kind"`
	RecordedAt time.Time      `json:"recorded_at"`
	Data       map[string]any `json:"data,omitempty"`
}

// CardInput names a card.
type CardInput struct {
	Token string `path:"token" maxLength:"96" doc:"The card's token, or ORDER-REFERENCE#UNIT with the # written as %23"`
}

func (s *service) routeCards(api huma.API) {
	read(s, api, operation("get-card", cardPath+"/{token}", "cards", "One card's story"), s.getCard)
	s.routeCardChanges(api)
	s.routeClosings(api)
	s.routePINWaits(api)
	s.routeCardOrders(api)
	s.routeCardActions(api)
	s.routeProductions(api)
}

func (s *service) getCard(ctx context.Context, c caller, in *CardInput) (Card, error) {
	story, err := s.Plant.ExplainCard(ctx, c.institution, in.Token)
	if err != nil {
		return Card{}, err
	}
	v := Card{Token: story.Token, Product: story.Product, Status: story.Card.Status.String(), ReplacedBy: story.ReplacedBy, Replaces: story.Replaces,
		Issues: make([]Issue, 0, len(story.Issues)), Mailers: make([]Mailer, 0, len(story.Mailers)), Events: make([]ObjectEvent, 0, len(story.Events))}
	account, err := s.customers.OfCard(ctx, c.institution, story.Card)
	if err != nil {
		return Card{}, &internalError{err}
	}
	if account != nil {
		v.Account, v.Customer = account.Reference, account.Customer
	}
	if story.Card.ClosedFor != 0 {
		v.ClosedFor = story.Card.ClosedFor.String()
	}
	if c := story.Closing; c != nil {
		v.Closing = &Closing{At: c.At.UTC(), For: c.For.String(), Reason: c.Why}
	}
	if l := story.Awaiting; l != nil {
		v.Awaiting = &PINWait{Since: l.PINHeldAt.UTC(), Reason: l.Reason.String()}
	}
	for _, i := range story.Issues {
		v.Issues = append(v.Issues, showIssue(i))
	}
	for _, m := range story.Mailers {
		v.Mailers = append(v.Mailers, Mailer{Issue: m.Issue, Attempt: m.Attempt, State: m.Effective, File: showFileLine(m.File, m.Line), Evidence: showEvidence(m.Said)})
	}
	for _, e := range story.Events {
		v.Events = append(v.Events, showEvent(e))
	}
	return v, nil
}

func showIssue(i batch.IssueStory) Issue {
	v := Issue{Issue: i.Issue.Issue, Order: i.Order, Reason: i.Reason.String(), PSN: i.PSN.String(), State: i.Effective, Use: i.Use.String(),
		File: showFileLine(i.File, i.Line), Evidence: showEvidence(i.Said)}
	if e, err := card.ExpiryFromInt(i.Expiry); err == nil {
		v.Expiry = e.String()
	}
	return v
}

func showFileLine(f *store.File, line *int64) *FileLine {
	if f == nil || line == nil {
		return nil
	}
	return &FileLine{ID: f.ID.String(), Number: f.Number, Name: f.Name, State: f.State.String(), Line: *line}
}

func showEvidence(said []store.ReturnLine) []Evidence {
	all := make([]Evidence, 0, len(said))
	for _, l := range said {
		all = append(all, Evidence{Status: l.Status, BureauReason: l.BureauReason, Outcome: l.Outcome.String(), Reason: l.Reason, OccurredAt: l.OccurredAt.UTC()})
	}
	return all
}

func showEvent(e store.Event) ObjectEvent {
	v := ObjectEvent{Kind: e.Kind, RecordedAt: e.RecordedAt.UTC()}
	// Data was written by us as an object; one that cannot be read is left out.
	_ = json.Unmarshal([]byte(e.Data), &v.Data)
	return v
}
