package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/services/massissue"
)

const massIssuesPath = "/v1/mass-issues"

// MassRequest is what is asked for in numbers.
type MassRequest struct {
	Quantity    int64             `json:"quantity" minimum:"0" maximum:"99999" doc:"At least one"`
	Minimum     int64             `json:"minimum,omitempty" minimum:"0" maximum:"9999" doc:"Fewer are not made"`
	Control     string            `json:"inventory_control,omitempty" enum:"CI,SO,NO" default:"SO" doc:"CI: what the stock misses of the quantity is made. SO: the quantity is made. NO: none are made"`
	Inventory   int64             `json:"inventory,omitempty" minimum:"0" maximum:"99999" doc:"Cards in stock, for CI"`
	Scheme      *int              `json:"scheme,omitempty" minimum:"0" maximum:"3" default:"3" doc:"Card numbering. 3: each card has a number of its own; 0 to 2 take one card, because one number is one card"`
	Expiry      string            `json:"expiry,omitempty" maxLength:"7" doc:"Year and month; without it, by the product's rule"`
	BlockCode   string            `json:"block_code,omitempty" maxLength:"1" doc:"A capital letter: the cards are made blocked"`
	Plastic     string            `json:"plastic,omitempty" maxLength:"32" doc:"The product's"`
	Technology  string            `json:"technology,omitempty" enum:"MAGSTRIPE,CHIP,DUAL_INTERFACE" doc:"The product's"`
	ServiceCode string            `json:"service_code,omitempty" maxLength:"3" doc:"The product's"`
	Prepaid     bool              `json:"prepaid,omitempty"`
	PrepaidPlan int               `json:"prepaid_plan,omitempty" minimum:"0" maximum:"99999" doc:"Of a prepaid card"`
	Customer    string            `json:"customer,omitempty" maxLength:"64" doc:"Reference of a declared customer whom the cards are for until they are linked"`
	Account     string            `json:"account,omitempty" maxLength:"64" doc:"Reference of a declared account that they are counted on"`
	EmbossName  string            `json:"emboss_name,omitempty" maxLength:"200" doc:"Generic; without it, the product's"`
	Recipient   string            `json:"recipient,omitempty" maxLength:"60"`
	Address1    string            `json:"address1,omitempty" maxLength:"40"`
	Address2    string            `json:"address2,omitempty" maxLength:"40"`
	Address3    string            `json:"address3,omitempty" maxLength:"40"`
	City        string            `json:"city,omitempty" maxLength:"30"`
	Region      string            `json:"region,omitempty" maxLength:"30"`
	Postcode    string            `json:"postcode,omitempty" maxLength:"12"`
	Country     string            `json:"country,omitempty" maxLength:"2"`
	Delivery    string            `json:"delivery,omitempty" maxLength:"12"`
	Branch      string            `json:"branch,omitempty" maxLength:"12"`
	Attributes  map[string]string `json:"attributes,omitempty" doc:"Data of the institution's own: 30 at most, names of 36 characters, values of 200"`
}

func (r MassRequest) request(key massissue.Key, status massissue.Status) massissue.Request {
	scheme := 3
	if r.Scheme != nil {
		scheme = *r.Scheme
	}
	return massissue.Request{Key: key, Status: status, Quantity: r.Quantity, Minimum: r.Minimum, Control: massissue.Control(r.Control), Inventory: r.Inventory, Scheme: scheme, Expiry: r.Expiry,
		BlockCode: r.BlockCode, Plastic: r.Plastic, Technology: r.Technology, ServiceCode: r.ServiceCode, Prepaid: r.Prepaid, PrepaidPlan: r.PrepaidPlan, Customer: r.Customer,
		Account: r.Account, EmbossName: r.EmbossName, Attributes: r.Attributes,
		Destination: massissue.Destination{Recipient: r.Recipient, Address1: r.Address1, Address2: r.Address2, Address3: r.Address3, City: r.City, Region: r.Region, Postcode: r.Postcode,
			Country: r.Country, Delivery: r.Delivery, Branch: r.Branch}}
}

// MassKey names a request, for ever.
type MassKey struct {
	Product  string `json:"product" minLength:"1" maxLength:"32"`
	CardType int    `json:"card_type,omitempty" minimum:"0" maximum:"99"`
	Request  string `json:"request" minLength:"1" maxLength:"3" doc:"Letters and digits: several requests may stand beside each other"`
}

// MassIssue is a request for cards in numbers.
type MassIssue struct {
	ID        string `json:"id" format:"uuid"`
	Reference string `json:"reference" doc:"Product, card type and request, with dots between"`
	MassKey
	Status    string `json:"status" enum:"ACTIVE,PURGED"`
	Progress  string `json:"progress" enum:"PENDING,COMPLETE" doc:"Whether a cut-off has carried this version out"`
	AddStatus int    `json:"add_status" doc:"99 = complete, 0 = pending"`
	Version   int    `json:"version" doc:"1 when it was added, one more with each change"`
	MassRequest
	Runs      []MassRun         `json:"runs,omitempty" doc:"What cut-offs made of its versions; not told in lists"`
	ChangedBy string            `json:"changed_by"`
	ChangedAt time.Time         `json:"changed_at"`
	Links     map[string]string `json:"links"`
}

// MassRun is what a cut-off made of one version of a request.
type MassRun struct {
	Version      int               `json:"version"`
	BusinessDate string            `json:"business_date" format:"date"`
	Cards        int64             `json:"cards"`
	Order        string            `json:"order,omitempty" doc:"Reference of the order that the cards are made by"`
	WhyNot       string            `json:"why_not,omitempty" doc:"Why none are made: in_stock, under_minimum, no_generation, or what refused their order"`
	Links        map[string]string `json:"links,omitempty"`
}

func showMassIssue(m massissue.MassIssue) MassIssue {
	r := m.Request
	v := MassIssue{ID: m.ID.String(), Reference: m.Reference, MassKey: MassKey(r.Key), Status: string(r.Status), Progress: "PENDING", Version: m.Version, ChangedBy: m.RecordedBy,
		ChangedAt: m.RecordedAt.UTC(), Links: map[string]string{"self": massIssuesPath + "/" + m.Reference}, MassRequest: MassRequest{Quantity: r.Quantity, Minimum: r.Minimum,
			Control: string(r.Control), Inventory: r.Inventory, Scheme: &r.Scheme, Expiry: r.Expiry, BlockCode: r.BlockCode, Plastic: r.Plastic, Technology: r.Technology,
			ServiceCode: r.ServiceCode, Prepaid: r.Prepaid, PrepaidPlan: r.PrepaidPlan, Customer: r.Customer, Account: r.Account, EmbossName: r.EmbossName, Recipient: r.Recipient,
			Address1: r.Address1, Address2: r.Address2, Address3: r.Address3, City: r.City, Region: r.Region, Postcode: r.Postcode, Country: r.Country, Delivery: r.Delivery,
			Branch: r.Branch, Attributes: r.Attributes}}
	if m.Complete() {
		v.Progress, v.AddStatus = "COMPLETE", 99
	}
	return v
}

func showMassRuns(runs []massissue.Run) []MassRun {
	list := make([]MassRun, len(runs))
	for n, r := range runs {
		list[n] = MassRun{Version: r.Version, BusinessDate: r.BusinessDate, Cards: r.Cards, WhyNot: r.WhyNot}
		if r.MassRun.Order != nil {
			list[n].Order, list[n].Links = r.Order.Reference, map[string]string{"order": submitPath + "/" + r.Order.ID.String()}
		}
	}
	return list
}

// NewMassIssueInput adds a request.
type NewMassIssueInput struct {
	Body struct {
		MassKey
		MassRequest
	}
}

// MassIssueInput names a request.
type MassIssueInput struct {
	Reference string `path:"reference" maxLength:"64" doc:"The request's reference"`
}

// ChangedMassIssueInput changes a request.
type ChangedMassIssueInput struct {
	MassIssueInput
	Body struct {
		ChangedVersion
		Status string `json:"status,omitempty" enum:"ACTIVE,PURGED" default:"ACTIVE"`
		MassRequest
	}
}

func (s *service) routeMassIssues(api huma.API) {
	const tag, one = "mass-issues", massIssuesPath + "/{reference}"
	read(s, api, operation("list-mass-issues", massIssuesPath, tag, "Requests for cards in numbers, newest first"), s.listMassIssues)
	read(s, api, operation("get-mass-issue", one, tag, "One request, with what cut-offs made of it"), s.getMassIssue)
	op := change("add-mass-issue", http.MethodPost, massIssuesPath, tag, "Ask for cards in numbers", http.StatusCreated)
	op.Description = "The next cut-off of the product's bureau orders the cards, once. The same request with the same content finds what it added."
	once(s, api, op, func(ctx context.Context, c caller, in *NewMassIssueInput) (made[MassIssue], error) {
		m, repeated, err := s.massIssues.Add(ctx, by(c), in.Body.request(massissue.Key(in.Body.MassKey), massissue.Active))
		return made[MassIssue]{showMassIssue(m), massIssuesPath + "/" + m.Reference, repeated}, err
	})
	op = change("change-mass-issue", http.MethodPut, one, tag, "Make the next version of a request", http.StatusOK)
	op.Description = "All of it, not what differs, but for its key. The next cut-off carries it out, once. Content that is the current one changes nothing."
	read(s, api, op, func(ctx context.Context, c caller, in *ChangedMassIssueInput) (MassIssue, error) {
		m, err := s.massIssues.Change(ctx, by(c), in.Reference, in.Body.Version, in.Body.request(massissue.Key{}, massissue.Status(in.Body.Status)))
		return showMassIssue(m), err
	})
	read(s, api, change("purge-mass-issue", http.MethodPost, one+"/purge", tag, "End a request; what was ordered stays ordered", http.StatusOK),
		func(ctx context.Context, c caller, in *MassIssueInput) (MassIssue, error) {
			m, err := s.massIssues.Purge(ctx, by(c), in.Reference)
			return showMassIssue(m), err
		})
}

func (s *service) getMassIssue(ctx context.Context, c caller, in *MassIssueInput) (MassIssue, error) {
	m, runs, err := s.massIssues.Find(ctx, c.institution, in.Reference)
	v := showMassIssue(m)
	v.Runs = showMassRuns(runs)
	return v, err
}

func (s *service) listMassIssues(ctx context.Context, c caller, in *PageInput) (Page[MassIssue], error) {
	const list = "mass issues"
	before, err := in.position(list)
	if err != nil {
		return Page[MassIssue]{}, err
	}
	rows, err := s.massIssues.List(ctx, c.institution, before, in.Limit+1)
	return pageOf(*in, list, rows, func(m massissue.MassIssue) int64 { return m.Number }, showMassIssue), err
}
