package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

const ordersList = "orders"

// Order is an order as its client sees it.
type Order struct {
	ID           string            `json:"id" format:"uuid"`
	Reference    string            `json:"reference" doc:"The client's own name for it"`
	Kind         string            `json:"kind" enum:"mass,bulk,card-action"`
	State        string            `json:"state"`
	Paused       string            `json:"paused,omitempty" doc:"Why it is paused"`
	Requested    int64             `json:"requested" doc:"Cards that the accepted rows ask for"`
	AcceptedRows *int64            `json:"accepted_rows,omitempty" doc:"Rows that were taken in; not told in lists"`
	RefusedRows  int64             `json:"refused_rows" doc:"Rows that wait for a correction"`
	SubmittedBy  string            `json:"submitted_by"`
	CreatedAt    time.Time         `json:"created_at"`
	NextCutoff   *Cutoff           `json:"next_cutoff,omitempty" doc:"When its lines are locked, told when it is submitted"`
	Cards        *Fates            `json:"cards,omitempty" doc:"Its cards by fate; not told in lists"`
	Links        map[string]string `json:"links"`
}

// Cutoff is when what is submitted now is locked.
type Cutoff struct {
	Schedule     string    `json:"schedule"`
	BusinessDate string    `json:"business_date" format:"date"`
	At           time.Time `json:"at"`
}

// Fates counts cards by the fate of their newest issue.
type Fates struct {
	Requested int64 `json:"requested"`
	Fulfilled int64 `json:"fulfilled"`
	Rejected  int64 `json:"rejected"`
	Cancelled int64 `json:"cancelled"`
	InWork    int64 `json:"in_work"`
	Remade    int64 `json:"remade" doc:"Issues that repeat a spoiled one"`
}

func showOrder(o store.Order) Order {
	self := submitPath + "/" + o.ID.String()
	return Order{
		ID: o.ID.String(), Reference: o.Reference, Kind: formats.OrderKind(o.Kind).String(), State: o.State.String(), Paused: o.Held, Requested: o.Requested,
		RefusedRows: o.RefusedRows, SubmittedBy: o.SubmittedBy, CreatedAt: o.CreatedAt.UTC(),
		Links: map[string]string{"self": self, "lines": self + "/lines", "errors": self + "/errors", "corrections": self + "/corrections"},
	}
}

func showFates(f store.Fates) Fates {
	return Fates{Requested: f.Requested, Fulfilled: f.Fulfilled, Rejected: f.Rejected, Cancelled: f.Cancelled, InWork: f.InWork(), Remade: f.Remade}
}

func (s *service) showReceipt(ctx context.Context, r batch.Receipt) (Order, error) {
	v := showOrder(r.Order)
	if r.Cutoff != nil {
		v.NextCutoff = showCutoff(*r.Cutoff)
	}
	n, err := s.Plant.Store.CountLines(ctx, r.Order.Number)
	v.AcceptedRows = &n
	return v, err
}

func showCutoff(c batch.Cutoff) *Cutoff {
	return &Cutoff{Schedule: c.Schedule, BusinessDate: c.BusinessDate, At: c.At.UTC()}
}

// OrderInput names an order.
type OrderInput struct {
	ID string `path:"id" maxLength:"36" doc:"The order's id"`
}

// OrderPageInput asks for a page of what belongs to an order.
type OrderPageInput struct {
	OrderInput
	PageInput
}

func (s *service) routeOrders(api huma.API) {
	read(s, api, operation("list-orders", submitPath, "orders", "Orders, newest first"), s.listOrders)
	read(s, api, operation("get-order", submitPath+"/{id}", "orders", "One order with its cards by fate"), s.getOrder)
	read(s, api, operation("list-order-lines", submitPath+"/{id}/lines", "orders", "The accepted rows of an order"), s.listLines)
	s.routeErrors(api)
	s.routeOrderStops(api)
}

func (s *service) listOrders(ctx context.Context, c caller, in *PageInput) (Page[Order], error) {
	before, err := in.position(ordersList)
	if err != nil {
		return Page[Order]{}, err
	}
	rows, err := s.Plant.Store.Orders(ctx, c.institution.ID, before, in.Limit+1)
	return pageOf(*in, ordersList, rows, func(o store.Order) int64 { return o.Number }, showOrder), err
}

// findOrder finds an order of the caller's institution.
func (s *service) findOrder(ctx context.Context, c caller, text string) (store.Order, error) {
	id, err := parseID(text)
	if err != nil {
		return store.Order{}, err
	}
	return s.Plant.Store.Order(ctx, c.institution.ID, id)
}

func (s *service) getOrder(ctx context.Context, c caller, in *OrderInput) (Order, error) {
	o, err := s.findOrder(ctx, c, in.ID)
	if err != nil {
		return Order{}, err
	}
	v, err := s.showReceipt(ctx, batch.Receipt{Order: o})
	if err != nil {
		return v, err
	}
	f, err := s.Plant.Store.FatesOf(ctx, o)
	fates := showFates(f)
	v.Cards = &fates
	return v, err
}

// Line is an accepted row.
type Line struct {
	Line      int64             `json:"line" doc:"Where the row stood in what was submitted"`
	Unit      int64             `json:"unit" doc:"The number of its first card within the order"`
	Quantity  int64             `json:"quantity" doc:"How many cards it asks for"`
	State     string            `json:"state" enum:"OPEN,PLANNED,CANCELLED,MADE"`
	Product   string            `json:"product"`
	Reason    string            `json:"reason"`
	SameDay   bool              `json:"same_day"`
	Card      string            `json:"card,omitempty" doc:"Token of the card that an action is for"`
	Reference string            `json:"customer_reference,omitempty"`
	Name      string            `json:"emboss_name,omitempty" doc:"As it will stand on the card"`
	Name2     string            `json:"emboss_name2,omitempty" doc:"Its second line"`
	Print     string            `json:"print_name,omitempty" doc:"As it is printed, where the product prints another form"`
	Given     string            `json:"given_name,omitempty" doc:"The emboss_name of the row, where the card shows another form"`
	Expiry    string            `json:"expiry,omitempty" doc:"Year and month, when the row asked for one"`
	Links     map[string]string `json:"links"`
}

var lineStates = map[store.LineState]string{store.LineOpen: "OPEN", store.LinePlanned: "PLANNED", store.LineCancelled: "CANCELLED", store.LineMade: "MADE", store.LineVirtual: "MADE"}

func (s *service) listLines(ctx context.Context, c caller, in *OrderPageInput) (Page[Line], error) {
	o, err := s.findOrder(ctx, c, in.ID)
	if err != nil {
		return Page[Line]{}, err
	}
	list := "lines " + o.ID.String()[24:]
	after, err := in.position(list)
	if err != nil {
		return Page[Line]{}, err
	}
	rows, err := s.Plant.Store.Lines(ctx, o.Number, after, in.Limit+1)
	if err != nil {
		return Page[Line]{}, err
	}
	names, err := s.namesFor(ctx, c)
	if err != nil {
		return Page[Line]{}, err
	}
	var failed error
	page := pageOf(in.PageInput, list, rows, func(l store.OrderLine) int64 { return l.Unit }, func(l store.OrderLine) Line {
		v := Line{Line: l.SourceLine, Unit: l.Unit, Quantity: l.Quantity, State: lineStates[l.State], Product: names.products[l.Product], Reason: l.Reason.String(),
			SameDay: l.SameDay, Reference: l.CustomerReference, Name: l.EmbossName, Name2: l.EmbossName2, Print: l.PrintName, Given: l.GivenName,
			Links: map[string]string{"first_card": cardPath + "/" + unitName(o.Reference, l.Unit)}}
		if e, err := card.ExpiryFromInt(l.Expiry); err == nil && l.Expiry != 0 {
			v.Expiry = e.String()
		}
		if l.Card != nil {
			var err error
			if v.Card, err = names.token(*l.Card); err != nil {
				failed = err
			}
		}
		return v
	})
	return page, failed
}
