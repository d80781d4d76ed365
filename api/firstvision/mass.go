package firstvision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"platen/api"
	"platen/card"
	"platen/services/massissue"
	"platen/services/records"
	"platen/sql/store"
)

// massIssue is a request for cards in numbers, as version L8V3 has it. Members whose values the service has numbers for are checked by edits, not by their schema.
type massIssue struct {
	Org
	Logo           string `json:"logo" pattern:"^[0-9]{3}$"`
	CardType       int64  `json:"cardType" minimum:"0" maximum:"99"`
	Function       string `json:"functionType" maxLength:"1"`
	Status         int64  `json:"status" minimum:"0" maximum:"99"`
	BankOrigin     int64  `json:"bankOrigin" minimum:"0" maximum:"999999999"`
	Branch         int64  `json:"branch" minimum:"0" maximum:"999999999"`
	Quantity       int64  `json:"quantityToCreate" minimum:"0" maximum:"99999"`
	Minimum        int64  `json:"minimumQuantity" minimum:"0" maximum:"9999"`
	Control        string `json:"inventoryControl,omitempty" maxLength:"2"`
	Inventory      int64  `json:"inventoryQuantity,omitempty" minimum:"0" maximum:"99999"`
	Scheme         int64  `json:"scheme" minimum:"0" maximum:"9"`
	Expiry         string `json:"expiryDate" maxLength:"10"`
	Customer       string `json:"customerNumber" pattern:"^[0-9A-Z]{0,19}$"`
	CreditLimit    int64  `json:"creditLimit" minimum:"0" maximum:"999999999"`
	Block1         string `json:"blockCode1" maxLength:"1"`
	Block2         string `json:"blockCode2" maxLength:"1"`
	EmbosserCode   string `json:"embosserCode,omitempty" maxLength:"1"`
	Prepaid        int64  `json:"prepaidCardFlag" minimum:"0" maximum:"9"`
	PrepaidPlan    int64  `json:"prepaidPlanNumber" minimum:"0" maximum:"99999"`
	Promotion      string `json:"promoCode" maxLength:"4"`
	User1          int64  `json:"userCode1" minimum:"0" maximum:"9"`
	User2          int64  `json:"userCode2" minimum:"0" maximum:"9"`
	User3          int64  `json:"userCode3" minimum:"0" maximum:"9"`
	Emblem         int64  `json:"emblem" minimum:"0" maximum:"99999"`
	PCT            string `json:"pctId,omitempty" maxLength:"3"`
	Relation       string `json:"relationAMBS,omitempty" maxLength:"1"`
	RelationNumber string `json:"relationshipNumber,omitempty" maxLength:"19"`
	Qualification  string `json:"globalQualification,omitempty" maxLength:"1"`
	Name1          string `json:"embossedName1,omitempty" maxLength:"26"`
	Name2          string `json:"embossedName2,omitempty" maxLength:"26"`
	Plastic        string `json:"plasticID,omitempty" maxLength:"10"`
	ServiceCode    string `json:"posServiceCode,omitempty" maxLength:"3"`
	Technology     string `json:"cardTechnology,omitempty" maxLength:"1"`
	UserData1      string `json:"userData1,omitempty" maxLength:"20"`
	UserData2      string `json:"userData2,omitempty" maxLength:"20"`

	keyedMembers
}

// keyedMembers are those that only the version with a request identifier has.
type keyedMembers struct {
	restriction   string
	authorization int64
	foreign       int64
}

// kept are the members that mean nothing to the core: it keeps them as they came.
func (m *massIssue) kept() map[string]any {
	return map[string]any{"organizationNumber": &m.Organization, logoAttribute: &m.Logo, "bankOrigin": &m.BankOrigin, "creditLimit": &m.CreditLimit, "blockCode1": &m.Block1,
		"blockCode2": &m.Block2, "promoCode": &m.Promotion, "userCode1": &m.User1, "userCode2": &m.User2, "userCode3": &m.User3, "emblem": &m.Emblem, "pctId": &m.PCT,
		"relationAMBS": &m.Relation, "relationshipNumber": &m.RelationNumber, "globalQualification": &m.Qualification, "embossedName2": &m.Name2, "userData1": &m.UserData1,
		"userData2": &m.UserData2, "merchantRestrictCode": &m.restriction, "creditLimitAuthorization": &m.authorization, "creditLimitForeign": &m.foreign}
}

// technologies are what the service's digits for them mean here; there are no contactless cards without a chip.
var technologies = map[string]card.Technology{"0": card.Magstripe, "1": card.Chip, "3": card.DualInterface}

// edits gathers what the service's edits find wrong, each with its number.
type edits struct{ found []api.Violation }

func (e *edits) refuse(wrong bool, member, number, message string) {
	if wrong {
		e.found = append(e.found, api.Violation{Location: member, Code: number, Message: message})
	}
}

// err is what the edits found; nil = nothing.
func (e *edits) err() error {
	if len(e.found) == 0 {
		return nil
	}
	p := api.Refusal(http.StatusUnprocessableEntity, "bad_content", "what is asked for cannot stand; nothing was stored")
	p.Errors = e.found
	return p
}

func letterOrBlank(s string) bool { return s == "" || s == " " || s[0] >= 'A' && s[0] <= 'Z' }

// check holds the members that the core does not know against the service's edits.
func (m *massIssue) check() error {
	var e edits
	e.refuse(m.Organization == "000" || m.Organization == "999", "organizationNumber", "VPL5SMC01E", "001 to 998")
	e.refuse(m.Function != "A" && m.Function != "M", "functionType", "VPL5SMC06E", "A (add) or M (modify)")
	e.refuse(m.Status != 1 && m.Status != 9 || m.Function == "A" && m.Status == 9, "status", "VPL5SMC07E", "1 (active), or 9 (purge) of a request that stands")
	e.refuse(!letterOrBlank(m.Block1), "blockCode1", "VPL5SMC13E", "a capital letter or blank")
	e.refuse(!letterOrBlank(m.Block2), "blockCode2", "VPL5SMC14E", "a capital letter or blank")
	e.refuse(m.Relation != "" && m.Relation != "S" && m.Relation != "N", "relationAMBS", "VPL5SMC16E", "S or N")
	e.refuse(m.Prepaid > 1, "prepaidCardFlag", "VPL5SMC17E", "0 or 1")
	e.refuse(strings.Trim(m.Promotion, " ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "", "promoCode", "VPL5SMC19E", "capital letters")
	e.refuse(m.User1 > 1, "userCode1", "VPL5SMC22E", "0 or 1")
	e.refuse(m.User2 > 1, "userCode2", "VPL5SMC24E", "0 or 1")
	e.refuse(m.User3 > 1, "userCode3", "VPL5SMC26E", "0 or 1")
	e.refuse(strings.Trim(m.Customer, "0") == "", "customerNumber", "VPL5SMC28E", "the customer on whom the cards hang until they are linked")
	_, err := time.Parse(time.DateOnly, m.Expiry)
	e.refuse(err != nil, "expiryDate", "VPL5SMC30E", "a date as YYYY-MM-DD")
	e.refuse(!letterOrBlank(m.Qualification), "globalQualification", "VPL5SMC36E", "a capital letter or blank")
	e.refuse(m.Relation == "S" && strings.Trim(m.RelationNumber, "0") == "", "relationshipNumber", "VPL5SMC39E", "needed with relationAMBS S")
	e.refuse(m.Relation != "S" && strings.Trim(m.RelationNumber, "0") != "", "relationshipNumber", "VPL5SMC40E", "only with relationAMBS S")
	_, known := technologies[m.Technology]
	e.refuse(m.Technology != "" && !known, "cardTechnology", "VPL5SMC42E", "0, 1 or 3")
	return e.err()
}

// request is what the core keeps.
func (m *massIssue) request(key massissue.Key) massissue.Request {
	r := massissue.Request{Key: key, Status: massissue.Active, Quantity: m.Quantity, Minimum: m.Minimum, Control: massissue.Control(m.Control), Inventory: m.Inventory, Scheme: int(m.Scheme),
		Expiry: m.Expiry[:len("2006-01")], BlockCode: strings.TrimSpace(m.EmbosserCode), Plastic: m.Plastic, ServiceCode: m.ServiceCode, Prepaid: m.Prepaid == 1,
		PrepaidPlan: int(m.PrepaidPlan), Customer: m.reference(m.Customer), EmbossName: m.Name1, Attributes: map[string]string{expiryAttribute: m.Expiry, customerAttribute: m.Customer}}
	if r.Control == "" {
		r.Control = massissue.RequestedNumber
	}
	if m.Branch != 0 {
		r.Branch = strconv.FormatInt(m.Branch, 10)
	}
	if m.Technology != "" {
		r.Technology = technologies[m.Technology].String()
	}
	for name, value := range m.kept() {
		switch v := value.(type) {
		case *string:
			r.Attributes[name] = *v
		case *int64:
			r.Attributes[name] = strconv.FormatInt(*v, 10)
		}
	}
	return r
}

// What the core keeps in another form than the service.
const (
	expiryAttribute   = "expiryDate"
	customerAttribute = "customerNumber"
)

// massIssueOf is a request that the core keeps, as it came.
func massIssueOf(r massissue.Request) (massIssue, error) {
	m := massIssue{CardType: int64(r.CardType), Status: 1, Quantity: r.Quantity, Minimum: r.Minimum, Control: string(r.Control), Inventory: r.Inventory, Scheme: int64(r.Scheme),
		Expiry: r.Attributes[expiryAttribute], Customer: r.Attributes[customerAttribute], EmbosserCode: r.BlockCode, PrepaidPlan: int64(r.PrepaidPlan), Name1: r.EmbossName, Plastic: r.Plastic,
		ServiceCode: r.ServiceCode}
	if r.Status == massissue.Purged {
		m.Status = 9
	}
	if r.Prepaid {
		m.Prepaid = 1
	}
	for digit, t := range technologies {
		if t.String() == r.Technology {
			m.Technology = digit
		}
	}
	branch := map[string]any{"branch": &m.Branch}
	for _, members := range []map[string]any{m.kept(), branch} {
		for name, to := range members {
			text := r.Attributes[name]
			if name == "branch" {
				text = r.Branch
			}
			if err := put(to, text); err != nil {
				return m, fmt.Errorf("mass issue %s: %s: %w", r.Reference(), name, err)
			}
		}
	}
	return m, nil
}

func put(to any, text string) (err error) {
	switch v := to.(type) {
	case *string:
		*v = text
	case *int64:
		if text != "" {
			*v, err = strconv.ParseInt(text, 10, 64)
		}
	}
	return err
}

// unkeyed is the request identifier of the request that the version without one knows.
const unkeyed = "0"

// massKey names the request of an organization, logo and card type.
func massKey(c *api.Call, organization, logo string, cardType int64, request string) (massissue.Key, error) {
	if (Org{organization}).known(c) != nil {
		return massissue.Key{}, api.Refusal(http.StatusUnprocessableEntity, "VPL5SMC01S", "there is no such organization")
	}
	product, err := productOf(c, organization, logo, false)
	if err != nil {
		return massissue.Key{}, api.Refusal(http.StatusUnprocessableEntity, massissue.VPL5["unknown_product"], "the organization has no such logo")
	}
	return massissue.Key{Product: product, CardType: int(cardType), Request: request}, nil
}

// keep adds, changes or purges a request, as its function and status say.
func (s *service) keep(ctx context.Context, c *api.Call, m *massIssue, request string) (massissue.MassIssue, error) {
	if err := m.check(); err != nil {
		return massissue.MassIssue{}, err
	}
	key, err := massKey(c, m.Organization, m.Logo, m.CardType, request)
	if err != nil {
		return massissue.MassIssue{}, err
	}
	if m.Function == "A" {
		kept, repeated, err := s.massIssues.Add(ctx, by(c), m.request(key))
		if err == nil && repeated {
			err = records.ErrTaken
		}
		return kept, massRefusal(err)
	}
	if _, err := s.findMass(ctx, c, key, m.Logo); err != nil {
		return massissue.MassIssue{}, massRefusal(err)
	}
	var kept massissue.MassIssue
	if m.Status == 9 {
		kept, err = s.massIssues.Purge(ctx, by(c), key.Reference())
	} else {
		kept, err = s.massIssues.Change(ctx, by(c), key.Reference(), 0, m.request(key))
	}
	return kept, massRefusal(err)
}

// findMass finds a request of a logo. Logos of one product share its keys: what another one asked for is not there.
func (s *service) findMass(ctx context.Context, c *api.Call, key massissue.Key, logo string) (massissue.MassIssue, error) {
	kept, _, err := s.massIssues.Find(ctx, c.Institution, key.Reference())
	if err == nil && kept.Attributes[logoAttribute] != logo {
		err = store.ErrNotFound
	}
	return kept, err
}

// massRefusal tells what the core refuses by the service's numbers.
func massRefusal(err error) error {
	if wrong := new(records.ContentError); errors.As(err, &wrong) {
		var e edits
		for _, f := range wrong.Faults {
			number, known := massissue.VPL5[f.Code]
			if !known {
				number = f.Code
			}
			e.refuse(true, f.Field, number, f.Hint)
		}
		return e.err()
	}
	switch {
	case errors.Is(err, records.ErrTaken):
		return api.Refusal(http.StatusUnprocessableEntity, massissue.VPL5["reference_reused"], "the request exists already")
	case errors.Is(err, records.ErrReference):
		return api.Refusal(http.StatusUnprocessableEntity, massissue.VPL5["bad_request_id"], "the request identifier has 1 to 3 letters and digits")
	case errors.Is(err, store.ErrNotFound):
		return api.Refusal(http.StatusUnprocessableEntity, massissue.VPL5["not_found"], "there is no such request")
	}
	return err
}

// massAnswer is a request as it stands.
type massAnswer struct {
	massIssue
	LastMaintained string `json:"dateLastMaintain"`
	AddStatus      string `json:"addStatus"` // 99 = complete, 00 = pending
}

func answerOf(kept *massissue.MassIssue) (massAnswer, error) {
	m, err := massIssueOf(kept.Request)
	v := massAnswer{massIssue: m, LastMaintained: kept.RecordedAt.UTC().Format(time.DateOnly), AddStatus: "00"}
	if kept.Complete() {
		v.AddStatus = "99"
	}
	return v, err
}

func (s *service) addMass(ctx context.Context, c *api.Call, body massIssue) (api.Reply, error) {
	kept, err := s.keep(ctx, c, &body, unkeyed)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := answerOf(&kept)
	v.Function = body.Function
	return done(http.StatusOK, v), err
}

// massQuery are the parameters that name a request.
var massQuery = []string{"organizationNumber", "logo", "cardType"}

// asked finds the request that the parameters of a call name.
func (s *service) asked(ctx context.Context, c *api.Call, request string) (massissue.MassIssue, error) {
	q := c.URL.Query()
	cardType, err := strconv.ParseInt(q.Get("cardType"), 10, 8)
	if err != nil || cardType < 0 || cardType > 99 {
		return massissue.MassIssue{}, api.Invalid("query.cardType", "0 to 99")
	}
	key, err := massKey(c, q.Get("organizationNumber"), q.Get("logo"), cardType, request)
	if err != nil {
		return massissue.MassIssue{}, err
	}
	kept, err := s.findMass(ctx, c, key, q.Get("logo"))
	return kept, massRefusal(err)
}

func (s *service) getMass(ctx context.Context, c *api.Call) (api.Reply, error) {
	kept, err := s.asked(ctx, c, unkeyed)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := answerOf(&kept)
	return done(http.StatusOK, v), err
}
