package firstvision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/instant"
	"platen/sql/store"
)

const digitalCards = programs.DigitalCards

// OnCard names a card: its number is a token.
type OnCard struct {
	Org
	CardNumber string `json:"cardNumber" pattern:"^[0-9A-Z]{19}$"`
	Sequence   string `json:"cardSequence,omitempty" pattern:"^(0{0,3}[01])$"`
}

func (o OnCard) on() (Org, string) { return o.Org, o.CardNumber }

// onCard is an operation on the card that its body names.
func onCard[T interface{ on() (Org, string) }](s *service, handle func(context.Context, *api.Call, *batch.Story, T) (api.Reply, error)) func(context.Context, *api.Call, T) (api.Reply, error) {
	return func(ctx context.Context, c *api.Call, body T) (api.Reply, error) {
		org, token := body.on()
		story, err := s.card(ctx, c, org, token)
		if err != nil {
			return api.Reply{}, err
		}
		return handle(ctx, c, &story, body)
	}
}

// card finds a card of a product that an organization has.
func (s *service) card(ctx context.Context, c *api.Call, org Org, token string) (batch.Story, error) {
	if err := org.known(c); err != nil {
		return batch.Story{}, err
	}
	story, err := s.plant.ExplainCard(ctx, c.Institution, token)
	if err != nil {
		return story, err
	}
	for kind, product := range c.Dialect.Products {
		if product == story.Product && strings.HasPrefix(kind, org.Organization+"/") {
			return story, nil
		}
	}
	return story, fmt.Errorf("card of another organization: %w", store.ErrNotFound)
}

func act(c *api.Call, story *batch.Story) cards.Act {
	return cards.Act{Institution: c.Institution, Card: story.Token, Actor: c.Actor}
}

// EmbosserData is what a card shows, where it goes and when it is made. Limits and data of the issuer are members of the service's that are refused: nothing would heed them.
type EmbosserData struct {
	Digital    string `json:"digitalCardFlag,omitempty" enum:"0,1"`
	Embossed   string `json:"embossedName1,omitempty" maxLength:"26"`
	Name       string `json:"name1,omitempty" maxLength:"40"`
	Address1   string `json:"addressLine1,omitempty" maxLength:"40"`
	Address2   string `json:"addressLine2,omitempty" maxLength:"40"`
	City       string `json:"city,omitempty" maxLength:"30"`
	State      string `json:"stateOrProvince,omitempty" maxLength:"3"`
	PostalCode string `json:"postalCode,omitempty" maxLength:"10"`
	Branch     string `json:"firstIssueBranch,omitempty" maxLength:"9"`
	Expiry     string `json:"expirationDate,omitempty" format:"date"`
	Delay      int    `json:"cardDelayDays,omitempty" minimum:"0" maximum:"30"`
	PINDelay   int    `json:"pinMailerDelayDays,omitempty" minimum:"0" maximum:"30"`
}

func (e *EmbosserData) digital() bool { return e.Digital == "1" }

// row is the order of a card for somebody; what the request says goes before what is known of the holder.
func (e *EmbosserData) row(holder customers.Person, sameDay bool) formats.Row {
	row := holder.Row()
	row.EmbossName, row.Branch = e.Embossed, e.Branch
	if e.Name != "" {
		row.FirstName, row.LastName = names(e.Name)
	}
	if e.Address1 != "" {
		row.Address1, row.Address2, row.Address3, row.City, row.Region, row.Postcode = e.Address1, e.Address2, "", e.City, e.State, e.PostalCode
	}
	if sameDay {
		row.SameDay = "true"
	}
	if len(e.Expiry) >= len("2006-01") {
		row.Expiry = e.Expiry[:len("2006-01")]
	}
	return row
}

// embosser asks for a card.
type embosser struct {
	Org
	EmbosserData
	Account    string `json:"postToAccount" pattern:"^[0-9A-Z]{1,19}$"`
	CardNumber string `json:"cardNumber,omitempty" maxLength:"0"` // numbers are made here
	Action     string `json:"cardAction,omitempty" enum:"0,1"`
	Requested  int    `json:"numberOfCardsRequested,omitempty" minimum:"0" maximum:"1"`
	Customer   string `json:"customerNumber,omitempty" pattern:"^[0-9A-Z]{1,19}$"`
	Process    string `json:"processType,omitempty" enum:"0,1"`
}

// addEmbosser orders a card that is made at once. Its plastic, where it has one, is made by the next cycle.
func (s *service) addEmbosser(ctx context.Context, c *api.Call, body embosser) (api.Reply, error) {
	account, err := s.account(ctx, c, body.Org, body.Account)
	if err != nil {
		return api.Reply{}, err
	}
	if body.Customer != "" && body.reference(body.Customer) != account.Customer {
		return api.Reply{}, api.Invalid("body.customerNumber", "the account is another customer's")
	}
	if plastic := body.Action == "1" || body.Requested == 1; body.digital() == plastic {
		return api.Reply{}, api.Invalid("body.cardAction", "1 with numberOfCardsRequested 1 for a card with plastic, 0 for a digital one")
	}
	product, err := productOf(c, body.Organization, account.Attributes[logoAttribute], body.digital())
	if err != nil {
		return api.Reply{}, err
	}
	holder, err := s.customers.Customer(ctx, c.Institution, account.Customer)
	if err != nil {
		return api.Reply{}, err
	}
	made, err := s.instant.Make(ctx, by(c), instant.Request{Opening: customers.Opening{Account: account.Reference}, Product: product, Row: body.row(holder.Person, body.Process == "1"),
		Reference: orderName(c), Content: c.Content, Delay: batch.Delay{Card: body.Delay, Mailer: body.PINDelay}})
	if err != nil {
		return api.Reply{}, err
	}
	return done(http.StatusCreated, map[string]string{"accountNumber": pad(body.Account), "cardNumber": made.Card.Token, "cardSequence": "0001", "currentChipSequenceNumber": "00"}), nil
}

// Why cards are stopped, for their history.
const (
	blockedWith = "block code "
	statusTo    = "card status "
)

// activationCodes are the numbers of the activation service (VPL5SEA).
var activationCodes = vpl5{
	{store.ErrNotFound, "VPL5SEA05S", "there is no such card or account"},
}

type activation struct {
	Org
	CardNumber string `json:"cardNumber" pattern:"^[0-9A-Z]{1,19}$"`
	Sequence   string `json:"cardSequence,omitempty" pattern:"^(0{0,3}[01])$"`
	Service    string `json:"serviceType" enum:"A,S,T,I,U"`
	UserData   string `json:"userData,omitempty" maxLength:"40"`
}

// activate puts cards into use or out of it: A all of an account, S one, T one whose prior card is deactivated, I deactivates it, U deactivates the card whose place it took.
func (s *service) activate(ctx context.Context, c *api.Call, body activation) (api.Reply, error) {
	n := 1
	if body.Service == "A" {
		account, err := s.account(ctx, c, body.Org, body.CardNumber)
		if err == nil {
			n, err = s.activateAll(ctx, c, account)
		}
		return done(http.StatusOK, activated(n)), err
	}
	story, err := s.card(ctx, c, body.Org, body.CardNumber)
	if err != nil {
		return api.Reply{}, err
	}
	switch body.Service {
	case "I":
		err = s.cards.Deactivate(ctx, act(c, &story))
	case "U":
		err = s.deactivatePrior(ctx, c, &story)
	case "T":
		if err = s.cards.Reactivate(ctx, act(c, &story)); err == nil {
			_, err = s.cards.DeactivatePrior(ctx, act(c, &story))
		}
	default:
		err = s.cards.Reactivate(ctx, act(c, &story))
	}
	return done(http.StatusOK, activated(n)), err
}

func activated(n int) map[string]string {
	return map[string]string{"numberCardsActivated": fmt.Sprintf("%04d", n)}
}

// deactivatePrior takes the card out of use whose place a card took; there must be one.
func (s *service) deactivatePrior(ctx context.Context, c *api.Call, story *batch.Story) error {
	had, err := s.cards.DeactivatePrior(ctx, act(c, story))
	if err == nil && !had {
		err = fmt.Errorf("the card took no card's place: %w", store.ErrNotFound)
	}
	return err
}

// activateAll activates the cards of an account that may be.
func (s *service) activateAll(ctx context.Context, c *api.Call, account customers.Account) (n int, err error) {
	const size = 100
	for after := int64(0); ; {
		page, err := s.customers.Cards(ctx, c.Institution, account, after, size)
		if err != nil {
			return n, err
		}
		for _, succession := range page {
			newest := succession[len(succession)-1]
			after = newest.Position
			if newest.Card == nil || newest.Card.Status == card.CardClosed || newest.Card.Status == card.CardExpired {
				continue
			}
			switch err := s.cards.Reactivate(ctx, cards.Act{Institution: c.Institution, Card: newest.Token, Actor: c.Actor}); {
			case err == nil:
				n++
			case !errors.Is(err, cards.ErrStatus) && !errors.Is(err, cards.ErrNotMade) && !errors.Is(err, cards.ErrBusy):
				return n, err
			}
		}
		if len(page) < size {
			return n, nil
		}
	}
}

type blocking struct {
	OnCard
	Function  string `json:"functionCode" enum:"B,U"`
	BlockCode string `json:"blockCode" pattern:"^[A-Z]$"`
}

func (s *service) block(ctx context.Context, c *api.Call, story *batch.Story, body blocking) (api.Reply, error) {
	do := s.cards.Block
	if body.Function == "U" {
		do = s.cards.Unblock
	}
	return done(http.StatusOK, body), do(ctx, act(c, story), blockedWith+body.BlockCode)
}

type cardStatus struct {
	OnCard
	Status         string `json:"cardStatus" enum:"0,1,2,3"`
	Representative string `json:"representativeId,omitempty" maxLength:"3"`
}

// status sets what the service calls a card's status. Two of its values mean nothing that is known here.
func (s *service) status(ctx context.Context, c *api.Call, story *batch.Story, body cardStatus) (api.Reply, error) {
	var err error
	switch body.Status {
	case "0":
		err = s.cards.Unblock(ctx, act(c, story), statusTo+body.Status)
	case "1":
		err = s.cards.Block(ctx, act(c, story), statusTo+body.Status)
	default:
		err = api.Refusal(http.StatusUnprocessableEntity, "card_status_unknown", "only 0 (permanent) and 1 (temporarily stopped) have a meaning here")
	}
	return done(http.StatusOK, body), err
}

// transferCodes are the numbers of the transfer service (VPL5S10).
var transferCodes = vpl5{
	{errNotStopped, "VPL5S101024E", "the card must be blocked as lost, stolen or used by others first: block code L, S or F"},
	{store.ErrExhausted, "VPL5S101037E", "no number can be given"},
	{errInFile, "VPL5S101041E", "the end of the day has the transfer: it cannot be reversed any more"},
}

var (
	errNotStopped = errors.New("the card is not blocked as lost, stolen or used by others")
	errInFile     = errors.New("a file holds the card that takes its place")
)

// losses are the block codes of cards whose place another takes.
var losses = map[string]card.Reason{"L": card.Lost, "S": card.Stolen, "F": card.Compromised}

type transfer struct {
	OnCard
	Function  string `json:"function" enum:"T,C,R"`
	Account   string `json:"accountNumberBase" pattern:"^[0-9A-Z]{1,19}$"`
	BlockCode string `json:"blockCode" enum:"L,S,F"`
	Reason    string `json:"reasonCode,omitempty" pattern:"^[A-Z]?$"`
	Process   string `json:"processType,omitempty" enum:"0,1"`
	IssueType string `json:"issueType,omitempty" enum:"I,R,S"`
}

// transfer orders the card that takes a lost, stolen or abused one's place, on the same account. It is blocked already, and closed when the new one is made.
func (s *service) transfer(ctx context.Context, c *api.Call, story *batch.Story, body transfer) (api.Reply, error) {
	account, err := s.account(ctx, c, body.Org, body.Account)
	if err != nil {
		return api.Reply{}, err
	}
	on, err := s.customers.OfCard(ctx, c.Institution, story.Card)
	if err != nil {
		return api.Reply{}, err
	}
	if on == nil || on.Number != account.Number {
		return api.Reply{}, fmt.Errorf("the card hangs on another account: %w", store.ErrNotFound)
	}
	if story.Card.Status != card.CardBlocked || story.Said("blocked")["reason"] != blockedWith+body.BlockCode {
		return api.Reply{}, errNotStopped
	}
	switch {
	case body.Function == "R":
		return s.reverseTransfer(ctx, c, story)
	case body.IssueType == "I":
		return s.transferAtOnce(ctx, c, story, body)
	}
	row := formats.Row{Line: 2, Card: story.Token, Reason: losses[body.BlockCode].String()}
	if body.Process == "1" {
		row.SameDay = "true"
	}
	receipt, err := s.plant.Submit(ctx, batch.Submission{Institution: c.Institution, Actor: c.Actor, Reference: orderName(c), Single: true,
		Body: bytes.NewReader(c.Content), Rows: func(io.Reader) (batch.Rows, error) { return batch.OneRow(formats.ActionOrder, row), nil }})
	if err != nil {
		return api.Reply{}, err
	}
	return done(http.StatusOK, map[string]string{"organizationNumber": body.Organization, "cardNumber": story.Token, "orderReference": receipt.Order.Reference}), nil
}

// transferAtOnce makes the card now that takes the other's place; that one is closed.
func (s *service) transferAtOnce(ctx context.Context, c *api.Call, story *batch.Story, body transfer) (api.Reply, error) {
	made, err := s.instant.Replace(ctx, act(c, story), instant.Replacement{Reason: losses[body.BlockCode], Why: "transfer " + body.BlockCode, Reference: orderName(c), Content: c.Content, SameDay: body.Process == "1"})
	if err != nil {
		return api.Reply{}, err
	}
	return done(http.StatusOK, map[string]string{"organizationNumber": body.Organization, "cardNumber": made.Card.Token, "transferredCardNumber": story.Token,
		"expDate": fmt.Sprintf("%04d-%02d", made.Card.Expiry.Year, made.Card.Expiry.Month)}), nil
}

// reverseTransfer takes a transfer back that waits for its cycle. The card stays blocked.
func (s *service) reverseTransfer(ctx context.Context, c *api.Call, story *batch.Story) (api.Reply, error) {
	asked, err := s.plant.Store.ChangeOf(ctx, story.Card.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && !slices.Contains(slices.Collect(maps.Values(losses)), asked.Reason) {
		return api.Reply{}, api.Refusal(http.StatusUnprocessableEntity, "no_transfer", "no transfer of the card waits: one that was made is final")
	}
	if err != nil {
		return api.Reply{}, err
	}
	err = s.plant.CancelProduction(ctx, c.Institution, story.Token, batch.NextProduction, "transfer reversed", c.Actor)
	if held := new(batch.InFileError); errors.As(err, &held) || errors.Is(err, batch.ErrMade) {
		err = errInFile
	}
	return named(story), err
}
