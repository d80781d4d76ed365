package firstvision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/services/actions"
	"platen/services/cards"
	"platen/sql/store"
)

// cardAction asks for a card action. Members whose values the service has numbers for are checked by edits, not by their schema.
type cardAction struct {
	Org
	CardNumber string     `json:"cardNumber" pattern:"^[0-9A-Z]{19}$"`
	Sequence   string     `json:"cardSequence,omitempty" pattern:"^[0-9]{0,4}$"`
	Action     string     `json:"cardAction" pattern:"^[0-9]$"`
	Requested  int        `json:"numberCardsRequested,omitempty" minimum:"0" maximum:"99"`
	Returned   int        `json:"numberCardsReturned,omitempty" minimum:"0" maximum:"99"`
	RandomPIN  string     `json:"randomPin" enum:"0,1"`
	UserData   []userData `json:"userData,omitempty" maxItems:"10"`
	Process    string     `json:"processingType,omitempty" maxLength:"1"`
	Reason     string     `json:"cardActionReason,omitempty" maxLength:"1"`
	Instant    string     `json:"instantProcessType,omitempty" maxLength:"1"`
}

// userData is answered as it came.
type userData struct {
	Date   string `json:"userDate,omitempty" maxLength:"10"`
	Amount int64  `json:"userAmount,omitempty" minimum:"0" maximum:"99999999999999999"`
	Code   string `json:"userCode,omitempty" maxLength:"20"`
}

func (b cardAction) on() (Org, string) { return b.Org, b.CardNumber }

// check holds what the core does not know against the service's edits.
func (b *cardAction) check() error {
	var e edits
	e.refuse(strings.Trim(b.Sequence, "0") != "" && strings.TrimLeft(b.Sequence, "0") != "1", "cardSequence", "VPL5SPR21S", "0 or 1: every card has a number of its own (scheme 3)")
	e.refuse(b.Process != "" && b.Process != " " && b.Process != "0" && b.Process != "1", "processingType", "VPL5SPR24E", "0, 1 or blank")
	e.refuse(b.Instant != "" && b.Instant != "0", "instantProcessType", "VPL5SPR32E", "0: cards are made by cycles only")
	return e.err()
}

// actionAnswer is what came of a card action. Tracks and embosser data are in files for bureaus only, and not told.
type actionAnswer struct {
	cardAction
	Logo       string `json:"logo"`
	Customer   string `json:"customerNumber"`
	Name1      string `json:"embosserName1"`
	Name2      string `json:"embosserName2"`
	Branch     string `json:"owningBranchNumber"`
	Expiry     string `json:"expiryDate"`
	OrderNamed string `json:"orderReference,omitempty"`
}

// act carries out a card action; what it asks for is made by the next cycle.
func (s *service) act(ctx context.Context, c *api.Call, story *batch.Story, body cardAction) (api.Reply, error) {
	if err := body.check(); err != nil {
		return api.Reply{}, err
	}
	did, err := s.actions.Do(ctx, act(c, story), actions.Request{Action: actions.Action(body.Action[0] - '0'), Requested: body.Requested, Returned: body.Returned, NewPIN: body.RandomPIN == "1",
		SameDay: body.Process == "1", Letter: strings.TrimSpace(body.Reason), Reference: orderName(c)})
	if err != nil {
		return api.Reply{}, actionRefusal(err)
	}
	v := actionAnswer{cardAction: body}
	if did.Order != nil {
		v.OrderNamed = did.Order.Reference
	}
	return done(http.StatusOK, &v), s.tell(ctx, c, story, &v)
}

// tell adds what is known of a card.
func (s *service) tell(ctx context.Context, c *api.Call, story *batch.Story, v *actionAnswer) error {
	v.Logo = logoOf(c, v.Organization, story.Product)
	account, err := s.customers.OfCard(ctx, c.Institution, story.Card)
	if err != nil {
		return err
	}
	if account != nil {
		if number, ours := strings.CutPrefix(account.Customer, v.prefix()); ours {
			v.Customer = pad(number)
		}
	}
	newest := story.Issues[len(story.Issues)-1]
	expiry, err := card.ExpiryFromInt(newest.Expiry)
	if err != nil {
		return err
	}
	v.Expiry = fmt.Sprintf("%04d-%02d", expiry.Year, expiry.Month)
	line, err := s.plant.Store.LineOfCard(ctx, story.Card.ID)
	if errors.Is(err, store.ErrNotFound) { // it is purged
		return nil
	}
	v.Name1, v.Name2, v.Branch = line.EmbossName, line.EmbossName2, line.Branch
	return err
}

// logoOf is the logo of an organization whose cards are of a product; the first, where there are several.
func logoOf(c *api.Call, organization, product string) (logo string) {
	for kind, code := range c.Dialect.Products {
		of, rest, _ := strings.Cut(kind, "/")
		if rest = strings.TrimSuffix(rest, digitalCards); code == product && of == organization && (logo == "" || rest < logo) {
			logo = rest
		}
	}
	return logo
}

// actionRefusal tells what the core refuses by the service's numbers.
func actionRefusal(err error) error {
	numbered := func(code, hint string) error {
		number, known := actions.VPL5[code]
		if !known {
			number = code
		}
		return api.Refusal(http.StatusUnprocessableEntity, number, hint)
	}
	if refused := new(actions.RefusedError); errors.As(err, &refused) {
		return numbered(refused.Code, refused.Hint)
	}
	switch {
	case errors.Is(err, cards.ErrBusy):
		return numbered("card_busy", "an action on the card is in process")
	case errors.Is(err, batch.ErrMailerWaits):
		return numbered("mailer_waits", "a PIN mailer of the card is in process")
	case errors.Is(err, batch.ErrNoMailer), errors.Is(err, batch.ErrNoPIN):
		return numbered("no_mailer", "PINs of the card are not mailed")
	}
	return err
}

// sameDay puts a same-day request for a card, or removes it.
type sameDay struct {
	Org
	CardNumber string `json:"cardNumber" pattern:"^[0-9A-Z]{19}$"`
	Sequence   string `json:"cardSequenceNumber,omitempty" pattern:"^(0{0,3}[01])$"`
	Process    string `json:"processType" enum:" ,0,1"`
	Action     string `json:"cardAction" pattern:"^[0-9]$"`
	Date       string `json:"requestDate,omitempty" format:"date"`
	Time       string `json:"requestTime,omitempty" pattern:"^([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]$"`
}

func (b sameDay) on() (Org, string) { return b.Org, b.CardNumber }

func (s *service) sameDay(ctx context.Context, c *api.Call, story *batch.Story, body sameDay) (api.Reply, error) {
	if !strings.Contains("136", body.Action) {
		return api.Reply{}, api.Refusal(http.StatusUnprocessableEntity, "VPL5SSP07E", "card actions 1, 3 and 6 are made on the same day")
	}
	now := s.plant.Now().UTC()
	body.Date, body.Time = now.Format(time.DateOnly), now.Format("150405")
	if body.Process == "1" {
		_, err := s.actions.Do(ctx, act(c, story), actions.Request{Action: actions.Action(body.Action[0] - '0'), Requested: 1, SameDay: true, Reference: orderName(c)})
		return done(http.StatusOK, body), sameDayRefusal(err)
	}
	if asked, err := s.plant.Store.ChangeOf(ctx, story.Card.ID); err != nil || !asked.SameDay {
		return api.Reply{}, errors.Join(err, errNoSameDay)
	}
	err := s.plant.CancelProduction(ctx, c.Institution, story.Token, batch.NextProduction, "same-day request removed", c.Actor)
	return done(http.StatusOK, body), sameDayRefusal(err)
}

var errNoSameDay = errors.New("no same-day request of the card waits")

// sameDayCodes are the numbers of the same-day service (VPL5SSP).
var sameDayCodes = vpl5{{errNoSameDay, "VPL5SSP15E", "no same-day request of the card waits any more"}}

func sameDayRefusal(err error) error {
	held, refused := new(batch.InFileError), new(actions.RefusedError)
	switch {
	case errors.As(err, &held), errors.Is(err, batch.ErrMade), errors.Is(err, cards.ErrBusy):
		return api.Refusal(http.StatusUnprocessableEntity, "VPL5SSP15E", "a request of the card is pending, or overran")
	case errors.As(err, &refused) && actions.VPL5[refused.Code] == "VPL5SPR26E":
		return api.Refusal(http.StatusUnprocessableEntity, "VPL5SSP14S", "no same-day cycle is active for the logo")
	}
	return actionRefusal(err)
}
