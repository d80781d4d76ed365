package offblocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/services/simulate"
	"platen/sql/store"
)

// Card is a card as the service shows it.
type Card struct {
	ID              string   `json:"id"`
	AccountID       string   `json:"accountId"`
	Type            string   `json:"type"`
	Name            string   `json:"name,omitempty"`
	Network         string   `json:"network"`
	MaskedPAN       string   `json:"maskedPan"`
	ExpirationDate  string   `json:"expirationDate"` // MM/YYYY
	BillingAddress  *Address `json:"billingAddress,omitempty"`
	ShippingAddress *Address `json:"shippingAddress,omitempty"`
	Status          string   `json:"status"`
	CreatedAt       string   `json:"createdAt"`
	UpdatedAt       string   `json:"updatedAt"`
}

// Address is where somebody is billed, or a card sent to.
type Address struct {
	FirstLine  string `json:"firstLine" minLength:"1" maxLength:"200"`
	SecondLine string `json:"secondLine,omitempty" maxLength:"200"`
	City       string `json:"city" minLength:"1" maxLength:"200"`
	State      string `json:"state,omitempty" maxLength:"200"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$"`
	PostCode   string `json:"postCode" minLength:"1" maxLength:"200"`
}

// note is what was said of a card beside what Platen keeps of it.
type note struct {
	Billing  *Address `json:"billing,omitempty"`
	Shipping *Address `json:"shipping,omitempty"`
}

// Types of cards.
const (
	virtual  = "virtual"
	physical = "physical"
)

// The states of a card.
const (
	issuing     = "issuing"
	issueFailed = "issue_failed"
	active      = "active"
	inactive    = "inactive"
	suspended   = "suspended"
	blocked     = "blocked"
	terminated  = "terminated"
)

// terminatedReason is why cards are closed, for their history.
const terminatedReason = "terminated"

// statusOf is a card's state as the service has it: a card that its holder stopped is inactive, one that somebody else stopped is suspended.
func statusOf(s *batch.Story) string {
	switch s.Card.Status {
	case card.CardActive:
		return active
	case card.CardBlocked:
		if cards.IsDeactivated(s) {
			return inactive
		}
		return suspended
	case card.CardClosed:
		switch {
		case simulate.HasFailed(s):
			return issueFailed
		case s.Card.ClosedFor == card.Lost, s.Card.ClosedFor == card.Stolen, s.Card.ClosedFor == card.Compromised:
			return blocked
		}
		return terminated
	case card.CardExpired:
		return terminated
	}
	return issuing
}

// find reads a card that hangs on an account of the caller's institution.
func (s *service) find(ctx context.Context, c *api.Call) (batch.Story, error) {
	token := tokenOf(c.PathValue("cardId"))
	if token == "" {
		return batch.Story{}, store.ErrNotFound
	}
	return s.plant.ExplainCard(ctx, c.Institution, token)
}

// show writes a card. One that hangs on no account is not the service's.
func (s *service) show(ctx context.Context, c *api.Call, story *batch.Story) (Card, error) {
	account, err := s.customers.OfCard(ctx, c.Institution, story.Card)
	if err != nil {
		return Card{}, err
	}
	if account == nil {
		return Card{}, fmt.Errorf("card without an account: %w", store.ErrNotFound)
	}
	id, ok := cardID(story.Token)
	if !ok {
		return Card{}, errors.New("a token has another form than ids of cards are made of")
	}
	product, err := s.plant.Product(ctx, c.Institution, story.Product)
	if err != nil {
		return Card{}, err
	}
	number, err := s.plant.MaskedNumber(ctx, story.Card.ID)
	if err != nil {
		return Card{}, err
	}
	newest := story.Issues[len(story.Issues)-1]
	expiry, err := card.ExpiryFromInt(newest.Expiry)
	if err != nil {
		return Card{}, err
	}
	v := Card{ID: id.String(), AccountID: account.ID.String(), Type: physical, Network: product.Scheme, MaskedPAN: number, Status: statusOf(story),
		ExpirationDate: fmt.Sprintf("%02d/%04d", expiry.Month, expiry.Year)}
	if product.Technology == card.Virtual {
		v.Type = virtual
	}
	return v, s.addOrder(ctx, c.Institution.ID, story, &v)
}

// addOrder adds what was said when the card was ordered, and when that was.
func (s *service) addOrder(ctx context.Context, institution uuid.UUID, story *batch.Story, v *Card) error {
	o, err := s.plant.Store.OrderByNumber(ctx, institution, story.Card.Order)
	if err != nil {
		return err
	}
	updated := o.CreatedAt
	if n := len(story.Events); n > 0 {
		updated = story.Events[n-1].RecordedAt
	}
	v.CreatedAt, v.UpdatedAt = o.CreatedAt.UTC().Format(time.RFC3339), updated.UTC().Format(time.RFC3339)
	line, _, err := s.plant.Store.LineOfIssue(ctx, story.Card.ID, story.Card.NewestIssue)
	switch {
	case err == nil:
		v.Name = line.EmbossName
	case !errors.Is(err, store.ErrNotFound): // it is purged
		return err
	}
	body, err := s.plant.Store.OrderNote(ctx, o.Number)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var n note
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return fmt.Errorf("note of order %s: %w", o.Reference, err)
	}
	v.BillingAddress, v.ShippingAddress = n.Billing, n.Shipping
	return nil
}
