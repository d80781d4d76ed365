package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
	"platen/card"
	"platen/formats"
)

// Single is what an order of one row has beside the row.
type Single struct {
	Reference string `json:"reference,omitempty" maxLength:"64" doc:"The client's own name for the order, unique for ever; without it, the Idempotency-Key is"`
}

// Holder is who a card is for and where it goes. What a product and its bureau allow is checked besides the lengths.
type Holder struct {
	Title             string `json:"title,omitempty" maxLength:"200"`
	FirstName         string `json:"first_name,omitempty" maxLength:"200"`
	LastName          string `json:"last_name,omitempty" maxLength:"200"`
	CustomerReference string `json:"customer_reference,omitempty" maxLength:"200"`
	Language          string `json:"language,omitempty" maxLength:"200"`
	Issuance

	Extra *card.Extra `json:"extra,omitempty" doc:"What layouts have further places for"`
}

// Issuance is what one issue of a card shows and where it goes.
type Issuance struct {
	EmbossName string `json:"emboss_name,omitempty" maxLength:"200" doc:"What the card shows"`
	Recipient  string `json:"recipient,omitempty" maxLength:"200"`
	Address1   string `json:"address1,omitempty" maxLength:"200"`
	Address2   string `json:"address2,omitempty" maxLength:"200"`
	Address3   string `json:"address3,omitempty" maxLength:"200"`
	City       string `json:"city,omitempty" maxLength:"200"`
	Region     string `json:"region,omitempty" maxLength:"200"`
	Postcode   string `json:"postcode,omitempty" maxLength:"200"`
	Country    string `json:"country,omitempty" maxLength:"200"`
	Delivery   string `json:"delivery,omitempty" maxLength:"200"`
	Branch     string `json:"branch,omitempty" maxLength:"200"`
	Expiry     string `json:"expiry,omitempty" maxLength:"7" doc:"Year and month; without it, by the product's rule"`
	SameDay    bool   `json:"same_day,omitempty" doc:"Made by the same-day cycle"`
}

// row is the row that a file would hold.
func (i Issuance) row() formats.Row {
	r := formats.Row{Line: 2, EmbossName: i.EmbossName, Recipient: i.Recipient, Address1: i.Address1, Address2: i.Address2, Address3: i.Address3, City: i.City, Region: i.Region,
		Postcode: i.Postcode, Country: i.Country, Delivery: i.Delivery, Branch: i.Branch, Expiry: i.Expiry}
	if i.SameDay {
		r.SameDay = strconv.FormatBool(true)
	}
	return r
}

func (h Holder) row() formats.Row {
	r := h.Issuance.row()
	r.Title, r.FirstName, r.LastName, r.CustomerReference, r.Language, r.Extra = h.Title, h.FirstName, h.LastName, h.CustomerReference, h.Language, h.Extra
	return r
}

// SingleInput is what every order of one row is sent with.
type SingleInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"64" doc:"Makes a repetition of the request safe, and stands in for a missing reference"`
	RawBody        []byte
}

// NewCardInput asks for one card.
type NewCardInput struct {
	SingleInput
	Body struct {
		Single
		Product  string `json:"product" minLength:"1" maxLength:"200"`
		Account  string `json:"account,omitempty" maxLength:"64" doc:"Reference of the account that the card hangs on"`
		Instant  bool   `json:"instant,omitempty" doc:"Make the card now: the answer has its token, and its plastic is made by the next cycle"`
		AwaitPIN bool   `json:"await_pin,omitempty" doc:"With instant: its plastic waits until a PIN is set"`
		Holder
	}
}

// OrderedCard is an order of one card.
type OrderedCard struct {
	Order Order        `json:"order"`
	Card  *InstantCard `json:"card,omitempty" doc:"Where it was made at once"`
}

// InstantCard is a card that was made when it was ordered.
type InstantCard struct {
	Token        string            `json:"token"`
	MaskedNumber string            `json:"masked_number" doc:"First six and last four digits"`
	Expiry       string            `json:"expiry" doc:"Year and month"`
	Links        map[string]string `json:"links"`
}

func (s *service) routeCardOrders(api huma.API) {
	s.routeInstantCards(api)
	op := change("order-card", http.MethodPost, cardPath, "cards", "Order one card", http.StatusCreated)
	op.Description = "An order of one row. What is wrong with the row refuses it, and nothing is stored. The same reference with the same content answers the first result."
	single(s, api, op, func(ctx context.Context, c caller, in *NewCardInput) (batch.Receipt, error) {
		row, kind := in.Body.row(), formats.BulkOrder
		row.Product = in.Body.Product
		if row.EmbossName == "" && row.FirstName == "" && row.LastName == "" {
			kind, row.Quantity = formats.MassOrder, "1"
		}
		o := batch.Submission{Reference: in.Body.Reference, Instant: in.Body.Instant}
		if in.Body.Account != "" {
			o.Also = s.customers.Hang(c.institution, in.Body.Account, in.Body.Product)
		}
		if in.Body.AwaitPIN {
			if !in.Body.Instant {
				return batch.Receipt{}, batch.ErrNoPlastic
			}
			o.Also = s.awaitingPIN(c, o.Also)
		}
		return s.submitSingle(ctx, c, in.SingleInput, o, kind, row)
	}, s.showOrderedCard)

	op = change("replace-card", http.MethodPost, cardPath+"/{token}/replacements", "cards", "Order what takes a card's place, or its next issue", http.StatusCreated)
	op.Description = "A card action of one row. A card that the reason closes is blocked at once, and closed and linked when the new one is made. What is wrong refuses it, and nothing is stored."
	single(s, api, op, func(ctx context.Context, c caller, in *ReplacementInput) (batch.Receipt, error) {
		id, err := s.Plant.FindCard(ctx, c.institution, in.Token)
		if err == nil {
			_, err = s.Plant.Store.Card(ctx, id)
		}
		if err != nil {
			return batch.Receipt{}, err
		}
		row := in.Body.row()
		row.Card, row.Reason = in.Token, in.Body.Reason
		o := batch.Submission{Reference: in.Body.Reference}
		if in.Body.AwaitPIN {
			o.Also = s.awaitingPIN(c, nil)
		}
		return s.submitSingle(ctx, c, in.SingleInput, o, formats.ActionOrder, row)
	}, s.showReceipt)
}

// ReplacementInput asks for another card or issue in the place of one.
type ReplacementInput struct {
	CardInput
	SingleInput
	Body struct {
		Single
		Reason   string `json:"reason" enum:"RENEWAL,DAMAGED,NAME_CHANGE,LOST,STOLEN,COMPROMISED,NOT_RECEIVED,EMERGENCY"`
		AwaitPIN bool   `json:"await_pin,omitempty" doc:"Where the number stays: its plastic waits until a PIN is set"`
		Issuance
	}
}

// single registers an order of one row.
func single[I, T any](s *service, api huma.API, op huma.Operation, take func(context.Context, caller, *I) (batch.Receipt, error), show func(context.Context, batch.Receipt) (T, error)) {
	once(s, api, op, func(ctx context.Context, c caller, in *I) (made[T], error) {
		receipt, err := take(ctx, c, in)
		if err != nil {
			return made[T]{}, err
		}
		v, err := show(ctx, receipt)
		if err != nil {
			err = &internalError{err}
		}
		return made[T]{value: v, location: submitPath + "/" + receipt.Order.ID.String(), repeat: receipt.Repeat}, err
	})
}

func (s *service) submitSingle(ctx context.Context, c caller, in SingleInput, o batch.Submission, kind formats.OrderKind, row formats.Row) (batch.Receipt, error) {
	if !utf8.Valid(in.RawBody) {
		return batch.Receipt{}, problem(http.StatusBadRequest, "malformed_body", "the body is not valid UTF-8")
	}
	// The card that an action is for stands in the path: asked for another card, the same body is another order.
	o.Body = io.MultiReader(strings.NewReader(row.Card), bytes.NewReader(in.RawBody))
	o.Institution, o.Actor, o.IdempotencyKey, o.Single = c.institution, c.actor(), in.IdempotencyKey, true
	o.Rows = func(io.Reader) (batch.Rows, error) { return batch.OneRow(kind, row), nil }
	receipt, err := s.Plant.Submit(ctx, o)
	if batch.IsNotFound(err) {
		err = &internalError{err}
	}
	return receipt, err
}

func (s *service) showOrderedCard(ctx context.Context, r batch.Receipt) (OrderedCard, error) {
	o, err := s.showReceipt(ctx, r)
	if err != nil {
		return OrderedCard{}, err
	}
	v := OrderedCard{Order: o}
	made, err := s.Plant.InstantCard(ctx, r.Order)
	if made != nil {
		v.Card = &InstantCard{Token: made.Token, MaskedNumber: made.Masked, Expiry: made.Expiry.String(), Links: map[string]string{"self": cardPath + "/" + made.Token}}
	}
	return v, err
}

// badRow tells what is wrong with the row of a single order.
func badRow(row *batch.RowError) *Problem {
	return badFields("bad_row", "what is asked for cannot be made; nothing was stored", row.Faults, row)
}

// badFields tells what is wrong with members of a body.
func badFields(code, detail string, faults []formats.Fault, cause error) *Problem {
	p := problem(http.StatusUnprocessableEntity, code, detail)
	for _, f := range faults {
		p.Errors = append(p.Errors, Violation{Location: "body." + f.Field, Code: f.Code, Message: f.Hint})
	}
	p.cause = cause
	return p
}
