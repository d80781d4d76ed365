package firstvision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// Details are how a card stands.
type Details struct {
	Organization string `json:"organizationNumber"`
	CardNumber   string `json:"cardNumber"` // token
	Masked       string `json:"maskedCardNumber"`
	Sequence     string `json:"cardSequence"`
	Logo         string `json:"logo"`
	Account      string `json:"accountNumber,omitempty"`
	Customer     string `json:"customerNumber,omitempty"`
	Status       string `json:"embosserStatus"` // 0 permanent, 1 temporarily stopped, F fraud, T transferred, P closed or expired
	BlockCode    string `json:"blockCode,omitempty"`
	IssueState   string `json:"issueState"` // 0 none, 1 an issue, 3 a replacement, 5 a PIN mailer, 6 an emergency replacement pending
	Expiry       string `json:"currentExpirationDate"`
	LastExpiry   string `json:"lastExpirationDate,omitempty"`
	Activation   string `json:"currentCardActivation"` // Y = needed, N = none needed, or done
	LastPlastic  string `json:"dateLastPlasticIssue,omitempty"`
	Name         string `json:"embossedName1,omitempty"`
}

// details tells how a card stands.
func (s *service) details(ctx context.Context, c *api.Call, story *batch.Story, body OnCard) (api.Reply, error) {
	v, err := s.detailsOf(ctx, c, body.Org, story)
	return done(http.StatusOK, v), err
}

func (s *service) detailsOf(ctx context.Context, c *api.Call, org Org, story *batch.Story) (v Details, err error) {
	v = Details{Organization: org.Organization, CardNumber: story.Token, Sequence: "0001", Logo: logoOf(c, org.Organization, story.Product), Status: embosserStatus(story), Activation: "Y"}
	if reason, ok := story.Said("blocked")["reason"].(string); ok && story.Card.Status == card.CardBlocked {
		v.BlockCode, _ = strings.CutPrefix(reason, blockedWith)
		if len(v.BlockCode) != 1 {
			v.BlockCode = ""
		}
	}
	for i := range story.Issues {
		issue := &story.Issues[i]
		e, err := card.ExpiryFromInt(issue.Expiry)
		if err != nil {
			return v, err
		}
		v.LastExpiry, v.Expiry = v.Expiry, fmt.Sprintf("%04d-%02d", e.Year, e.Month)
		if v.Activation = "Y"; issue.Use != card.UsePending {
			v.Activation = "N"
		}
		if issue.File != nil && issue.File.SentAt != nil {
			v.LastPlastic = issue.File.SentAt.UTC().Format(time.DateOnly)
		}
	}
	if v.Masked, err = s.plant.MaskedNumber(ctx, story.Card.ID); err != nil {
		return v, err
	}
	if v.IssueState, err = s.issueState(ctx, c, story); err != nil {
		return v, err
	}
	line, err := s.plant.Store.LineOfCard(ctx, story.Card.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // it is purged
		return v, err
	}
	v.Name = line.EmbossName
	account, err := s.customers.OfCard(ctx, c.Institution, story.Card)
	if err != nil || account == nil {
		return v, err
	}
	if number, ours := strings.CutPrefix(account.Reference, org.prefix()); ours {
		v.Account = pad(number)
	}
	if number, ours := strings.CutPrefix(account.Customer, org.prefix()); ours {
		v.Customer = pad(number)
	}
	return v, nil
}

func embosserStatus(story *batch.Story) string {
	switch {
	case story.Card.ReplacedBy != nil:
		return "T"
	case story.Card.ClosedFor == card.Compromised:
		return "F"
	case story.Card.Status == card.CardClosed || story.Card.Status == card.CardExpired:
		return "P"
	case story.Card.Status == card.CardBlocked:
		return "1"
	}
	return "0"
}

// issueState is what of a card waits for a file; the most urgent, where several things do.
func (s *service) issueState(ctx context.Context, c *api.Call, story *batch.Story) (string, error) {
	made, err := s.plant.Productions(ctx, c.Institution, story.Token)
	state := "0"
	for _, p := range made {
		if !p.Waits() {
			continue
		}
		next := "3"
		switch {
		case p.Kind == batch.MailerProduction:
			next = "5"
		case p.Reason == card.Emergency:
			next = "6"
		case p.ID != batch.NextProduction && p.Issue == 1:
			next = "1"
		}
		state = max(state, next)
	}
	return state, err
}

// customerParameters name a customer in a query.
var customerParameters = []string{"organizationNumber", "customerNumber"}

// cardsOfCustomer tells of the cards on the accounts of a customer, one hundred at most.
func (s *service) cardsOfCustomer(ctx context.Context, c *api.Call) (api.Reply, error) {
	const most = 100
	query := c.URL.Query()
	org, number := Org{query.Get("organizationNumber")}, query.Get("customerNumber")
	if err := org.known(c); err != nil {
		return api.Reply{}, err
	}
	customer, err := s.customers.Customer(ctx, c.Institution, org.reference(number))
	if err != nil {
		return api.Reply{}, err
	}
	accounts, err := s.customers.AccountsOf(ctx, customer, 0, most)
	if err != nil {
		return api.Reply{}, err
	}
	all := []Details{}
	for _, account := range slices.Backward(accounts) { // oldest first
		held, err := s.customers.Cards(ctx, c.Institution, account, 0, most)
		if err != nil {
			return api.Reply{}, err
		}
		for _, succession := range held {
			newest := succession[len(succession)-1]
			if newest.Card == nil || len(all) == most {
				continue
			}
			story, err := s.plant.ExplainCard(ctx, c.Institution, newest.Token)
			if err != nil {
				return api.Reply{}, err
			}
			v, err := s.detailsOf(ctx, c, org, &story)
			if err != nil {
				return api.Reply{}, err
			}
			all = append(all, v)
		}
	}
	return done(http.StatusOK, map[string]any{"cards": all}), nil
}
