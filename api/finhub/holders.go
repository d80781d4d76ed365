package finhub

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"platen/api"
	"platen/card"
	"platen/services/holders"
	"platen/services/records"
)

// Person is who is to hold cards. What stands behind postCode is asked of consumers (B2C) only.
type Person struct {
	AreaCode  string `json:"areaCode" maxLength:"8"`
	Mobile    string `json:"mobile" maxLength:"32"`
	Email     string `json:"email" maxLength:"64"`
	FirstName string `json:"firstName" maxLength:"64"`
	LastName  string `json:"lastName" maxLength:"64"`
	Birthday  string `json:"birthday" maxLength:"10"`
	Country   string `json:"country" maxLength:"2"`
	Town      string `json:"town" maxLength:"64"`
	Address   string `json:"address" maxLength:"64"`
	PostCode  string `json:"postCode" maxLength:"32"`

	Nationality    string `json:"nationality,omitempty" maxLength:"2"`
	Gender         string `json:"gender,omitempty" maxLength:"8"`
	Occupation     string `json:"occupation,omitempty" maxLength:"64"`
	AnnualSalary   string `json:"annualSalary,omitempty" maxLength:"32"`
	AccountPurpose string `json:"accountPurpose,omitempty" maxLength:"64"`
	MonthlyVolume  string `json:"expectedMonthlyVolume,omitempty" maxLength:"32"`
	IDType         string `json:"idType,omitempty" maxLength:"32"`
	IDNumber       string `json:"idNumber,omitempty" maxLength:"64"`
	IssueDate      string `json:"issueDate,omitempty" maxLength:"10"`
	IDExpiry       string `json:"idNoExpiryDate,omitempty" maxLength:"10"`
	IDFront        string `json:"idFrontId,omitempty" maxLength:"64"`
	IDBack         string `json:"idBackId,omitempty" maxLength:"64"`
	IDHold         string `json:"idHoldId,omitempty" maxLength:"64"`
	IPAddress      string `json:"ipAddress,omitempty" maxLength:"64"`
}

// person is who it is in the core.
func (p Person) person() holders.Person {
	return holders.Person{FirstName: p.FirstName, LastName: p.LastName, Birthday: p.Birthday, AreaCode: p.AreaCode, Mobile: p.Mobile, Email: p.Email, Country: p.Country, Town: p.Town,
		Address: p.Address, Postcode: p.PostCode, IDKind: p.IDType, IDNumber: p.IDNumber, IDIssued: p.IssueDate, IDExpires: p.IDExpiry, Nationality: p.Nationality, Gender: p.Gender,
		Occupation: p.Occupation, AnnualSalary: p.AnnualSalary, AccountPurpose: p.AccountPurpose, MonthlyVolume: p.MonthlyVolume, IDFront: p.IDFront, IDBack: p.IDBack, IDHold: p.IDHold,
		IPAddress: p.IPAddress}
}

// memberOf are the names of members by those of the core.
var memberOf = map[string]string{
	"first_name": "firstName", "last_name": "lastName", "area_code": "areaCode", "postcode": "postCode", "id_kind": "idType", "id_number": "idNumber", "id_issued": "issueDate",
	"id_expires": "idNoExpiryDate", "annual_salary": "annualSalary", "account_purpose": "accountPurpose", "monthly_volume": "expectedMonthlyVolume", "id_front": "idFrontId", "id_back": "idBackId",
	"id_hold": "idHoldId", "ip_address": "ipAddress",
}

// inMembers says what is wrong with a person in the names of the service.
func inMembers(err error) error {
	wrong := new(records.ContentError)
	if !errors.As(err, &wrong) {
		return err
	}
	p := api.Refusal(http.StatusUnprocessableEntity, "bad_content", "correct what errors name")
	for _, f := range wrong.Faults {
		name := f.Field
		if known, ok := memberOf[name]; ok {
			name = known
		}
		p.Errors = append(p.Errors, api.Violation{Location: "body." + name, Code: f.Code, Message: f.Hint})
	}
	return p
}

// Holder is who is to hold cards, as the service shows it.
type Holder struct {
	HolderID        string      `json:"holderId"`
	MerchantOrderNo string      `json:"merchantOrderNo"`
	CardTypeID      json.Number `json:"cardTypeId"`
	Model           string      `json:"cardHolderModel"`
	Status          string      `json:"status"`
	Reason          string      `json:"rejectReason,omitempty"`
	FirstName       string      `json:"firstName"`
	LastName        string      `json:"lastName"`
	Email           string      `json:"email"`
	CreateTime      int64       `json:"createTime"` // milliseconds since 1970
}

func showHolder(c *api.Call, h holders.Holder) Holder {
	return Holder{HolderID: h.ID.String(), MerchantOrderNo: h.Reference, CardTypeID: typeIDOf(c, h.CardType), Model: h.Model.String(), Status: strings.ToLower(h.State.String()), Reason: h.Reason,
		FirstName: h.FirstName, LastName: h.LastName, Email: h.Person.Email, CreateTime: millis(h.CreatedAt)}
}

type newHolder struct {
	MerchantOrderNo string `json:"merchantOrderNo" minLength:"20" maxLength:"40"`
	CardTypeID      int    `json:"cardTypeId" minimum:"1"`
	Model           string `json:"cardHolderModel,omitempty" enum:"B2B,B2C"`
	Kind            string `json:"cardholderType,omitempty" enum:"B2B,B2C"` // the same, in another of the service's documents
	Person
}

func (s *service) createHolder(ctx context.Context, c *api.Call, body newHolder) (api.Reply, error) {
	product, err := productOf(c, body.CardTypeID)
	if err != nil {
		return api.Reply{}, err
	}
	name, err := one("cardHolderModel", body.Model, body.Kind)
	if err != nil {
		return api.Reply{}, err
	}
	model, err := card.ParseHolderModel(name)
	if err != nil {
		return api.Reply{}, err
	}
	h, _, err := s.holders.Submit(ctx, act(c, body.MerchantOrderNo), product, model, body.person())
	if err != nil {
		return api.Reply{}, inMembers(err)
	}
	return done(showHolder(c, h)), nil
}

type changedHolder struct {
	HolderID string `json:"holderId" maxLength:"36"`
	Person
}

func (s *service) updateHolder(ctx context.Context, c *api.Call, body changedHolder) (api.Reply, error) {
	id, err := idOf(body.HolderID)
	if err != nil {
		return api.Reply{}, err
	}
	h, err := s.holders.Resubmit(ctx, act(c, ""), id, body.person())
	if err != nil {
		return api.Reply{}, inMembers(err)
	}
	return done(showHolder(c, h)), nil
}

type holderQuery struct {
	Paged
	HolderID string `json:"holderId,omitempty" maxLength:"36"`
}

// queryHolders lists holders, or shows one.
func (s *service) queryHolders(ctx context.Context, c *api.Call, body holderQuery) (api.Reply, error) {
	if body.HolderID != "" {
		id, err := idOf(body.HolderID)
		if err != nil {
			return api.Reply{}, err
		}
		h, err := s.holders.Holder(ctx, c.Institution, id)
		if err != nil {
			return api.Reply{}, err
		}
		return done(Page[Holder]{PageNum: 1, PageSize: 1, Records: []Holder{showHolder(c, h)}}), nil
	}
	page, err := pageOf(body.Paged, func(before int64, limit int) ([]holders.Holder, error) {
		return s.holders.Holders(ctx, c.Institution, before, limit)
	},
		func(h holders.Holder) int64 { return h.Number }, func(h holders.Holder) (Holder, error) { return showHolder(c, h), nil })
	return done(page), err
}
