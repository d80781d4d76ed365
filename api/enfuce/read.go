package enfuce

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/services/customers"
)

// Card is a card as the service tells of it.
type Card struct {
	newCard
	ID              string       `json:"id"`
	AccountID       string       `json:"accountId"`
	CustomerID      string       `json:"customerId"`
	CardRole        string       `json:"cardRole"`
	Status          string       `json:"status"`
	StatusDate      string       `json:"statusDate,omitempty"`
	TruncatedNumber string       `json:"truncatedCardNumber"`
	PINAttempts     *pinAttempts `json:"pinAttempts,omitempty"`
}

type pinAttempts struct {
	Counter int `json:"counter"`
	Max     int `json:"max"`
}

// statusName is a card's status as the service names it.
func statusName(story *batch.Story) string {
	switch story.Card.Status {
	case card.CardBlocked:
		if story.Said("blocked")["reason"] == suspectedFraud {
			return suspectedFraud
		}
		return cardBlocked
	case card.CardClosed, card.CardExpired:
		for name, because := range endings {
			if because == story.Card.ClosedFor {
				return name
			}
		}
		return cardClosed
	}
	return cardOK
}

// get tells of a card: what it was created with, and how it stands. Its number is cut.
func (s *service) get(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	account, err := s.customers.OfCard(ctx, c.Institution, story.Card)
	if err != nil {
		return api.Reply{}, err
	}
	said, err := s.noteOf(ctx, &story)
	if err != nil {
		return api.Reply{}, err
	}
	v := Card{newCard: said.newCard, ID: story.Token, Status: statusName(&story), CardRole: cmp.Or(said.CardRole, mainRole)}
	v.own(account, said.CustomerID)
	v.ScheduledClosing = nil
	if at := story.Closing; at != nil {
		v.ScheduledClosing = &scheduledClosing{Type: timeBased, Time: at.At.UTC().Format(time.RFC3339)}
	}
	if v.TruncatedNumber, err = s.plant.MaskedNumber(ctx, story.Card.ID); err != nil {
		return api.Reply{}, err
	}
	newest := &story.Issues[len(story.Issues)-1]
	if v.Expiration, err = expirationOf(newest); err != nil {
		return api.Reply{}, err
	}
	for _, e := range slices.Backward(story.Events) {
		if slices.Contains([]string{"blocked", "unblocked", "closed", "made"}, e.Kind) {
			v.StatusDate = e.RecordedAt.UTC().Format(time.RFC3339)
			break
		}
	}
	tries, err := s.pins.Look(ctx, act(c, &story))
	switch {
	case err == nil:
		v.PINStatus = pinStatus(&story)
		v.PINAttempts = &pinAttempts{Counter: tries.Tries - tries.TryLeft, Max: tries.Tries}
	case !errors.Is(err, batch.ErrNoPIN):
		return api.Reply{}, err
	}
	return api.Reply{Status: http.StatusOK, Body: v}, nil
}

func (v *Card) own(account *customers.Account, holder string) {
	v.AccountID, v.CustomerID = account.Reference, cmp.Or(holder, account.Customer)
}

func expirationOf(i *batch.IssueStory) (*expiration, error) {
	e, err := card.ExpiryFromInt(i.Expiry)
	return &expiration{Year: int32(e.Year), Month: int32(e.Month)}, err
}

// Plastic is one version of a card as it is made.
type Plastic struct {
	ID             string      `json:"id"`
	CardID         string      `json:"cardId"`
	SequenceNumber string      `json:"sequenceNumber,omitempty"` // PSN; none before it is made
	Expiration     *expiration `json:"expiration,omitempty"`
	CreatedDate    string      `json:"createdDate,omitempty"`
	ProductionDate string      `json:"productionDate,omitempty"`
	ProductionType string      `json:"productionType"`
	Status         string      `json:"status"`
	Embossing      *embossing  `json:"embossing,omitempty"`
}

// The statuses of a plastic, and what is produced of it.
const (
	plasticInactive = "INACTIVE" // ordered
	plasticLocked   = "LOCKED"   // embossed, and not in use yet
	plasticActive   = "ACTIVE"
	plasticClosed   = "CLOSED"
	plasticRejected = "REJECTED"

	producedAll     = "ALL"
	producedPlastic = "NEW_PLASTIC"
)

// statusOf is where a plastic stands.
func statusOf(i *batch.IssueStory) string {
	switch {
	case i.State == card.IssueRejected || i.State == card.IssueSpoiled:
		return plasticRejected
	case i.Use == card.UseCurrent:
		return plasticActive
	case i.Use == card.UseSuperseded || i.Use == card.UseClosed:
		return plasticClosed
	case i.State.Fulfilled():
		return plasticLocked
	}
	return plasticInactive
}

// plastics tells what was made of a card and is to be made. What was taken back is no plastic, nor is the card that takes this one's place.
func (s *service) plastics(ctx context.Context, c *api.Call) (api.Reply, error) {
	story, err := s.find(ctx, c)
	if err != nil {
		return api.Reply{}, err
	}
	said, err := s.noteOf(ctx, &story)
	if err != nil {
		return api.Reply{}, err
	}
	product, err := s.plant.Product(ctx, c.Institution, story.Product)
	if err != nil {
		return api.Reply{}, err
	}
	made, err := s.plant.Productions(ctx, c.Institution, story.Token)
	if err != nil {
		return api.Reply{}, err
	}
	all := make([]Plastic, 0, len(made))
	for i := range made {
		m := &made[i]
		if m.Kind != batch.CardProduction || m.Status == batch.ProductionOff {
			continue
		}
		p := Plastic{CardID: story.Token, CreatedDate: m.OrderedAt.UTC().Format(time.DateOnly), ProductionType: producedAll, Status: plasticInactive, Embossing: said.Embossing}
		if m.Reason != card.New {
			p.ProductionType = producedPlastic
		}
		if m.ID == batch.NextProduction {
			if action, ok := product.Action(m.Reason); ok && !action.NewPAN {
				p.ID = plasticID(&story, story.Card.NewestIssue+1)
				all = append(all, p)
			}
			continue
		}
		if err := p.describe(&story, m.Issue); err != nil {
			return api.Reply{}, err
		}
		all = append(all, p)
	}
	return api.Reply{Status: http.StatusOK, Body: all}, nil
}

// describe tells of the plastic of an issue.
func (p *Plastic) describe(story *batch.Story, number int) (err error) {
	issue := &story.Issues[number-1]
	p.ID, p.SequenceNumber, p.Status = plasticID(story, number), issue.PSN.String(), statusOf(issue)
	for _, said := range issue.Said {
		if said.Status == card.IssueProduced.String() {
			p.ProductionDate = said.OccurredAt.UTC().Format(time.DateOnly)
		}
	}
	p.Expiration, err = expirationOf(issue)
	return err
}
