package firstvision

import (
	"context"
	"net/http"
	"strings"

	"platen/api"
	"platen/services/massissue"
)

// keyedMass is a request as the version with a request identifier has it: several may stand for an organization, logo and card type.
type keyedMass struct {
	Org
	Logo     string      `json:"logo" pattern:"^[0-9]{3}$"`
	CardType int64       `json:"cardType" minimum:"0" maximum:"99"`
	Request  string      `json:"requestIdentifier" minLength:"1" maxLength:"3"`
	Record   massFile    `json:"record"`
	Customer string      `json:"customerNumber" pattern:"^[0-9A-Z]{0,19}$"`
	Emblem   int64       `json:"customerEmblem,omitempty" minimum:"0" maximum:"99999"`
	Account  massAccount `json:"account"`
	Card     massCard    `json:"card"`
}

type massFile struct {
	Function       string `json:"functionType" maxLength:"1"`
	Status         int64  `json:"status" minimum:"0" maximum:"99"`
	AddStatus      string `json:"addStatus,omitempty" maxLength:"2"` // told, not taken
	LastMaintained string `json:"lastMaintenanceDate,omitempty" maxLength:"10"`
}

type massAccount struct {
	OriginBank         int64    `json:"originBank,omitempty" minimum:"0" maximum:"999999999"`
	Branch             int64    `json:"branch,omitempty" minimum:"0" maximum:"999999999"`
	RelationshipCode   string   `json:"relationshipCode,omitempty" maxLength:"1"`
	RelationshipNumber string   `json:"relationshipNumber,omitempty" maxLength:"19"`
	ProcessControl     string   `json:"processControlId,omitempty" maxLength:"3"`
	Restriction        string   `json:"merchantRestrictCode,omitempty" maxLength:"3"`
	CreditLimit        int64    `json:"creditLimit,omitempty" minimum:"0" maximum:"999999999"`
	Qualification      string   `json:"globalQualification,omitempty" maxLength:"1"`
	Block              []string `json:"block,omitempty" maxItems:"2"`
	User               []int64  `json:"user,omitempty" maxItems:"3"`
	Data               []string `json:"data,omitempty" maxItems:"2"`
}

type massCard struct {
	Expiry       string        `json:"expirationDate" maxLength:"10"`
	Scheme       int64         `json:"scheme" minimum:"0" maximum:"9"`
	Technology   string        `json:"technology,omitempty" maxLength:"1"`
	Plastic      string        `json:"plasticId,omitempty" maxLength:"10"`
	Prepaid      int64         `json:"isPrepaid,omitempty" minimum:"0" maximum:"9"`
	PrepaidPlan  int64         `json:"prepaidPlanNumber,omitempty" minimum:"0" maximum:"99999"`
	Promotion    string        `json:"promotionCode,omitempty" maxLength:"4"`
	ServiceCode  string        `json:"posServiceCode,omitempty" maxLength:"3"`
	EmbosserCode string        `json:"embosserCode,omitempty" maxLength:"1"`
	Name1        string        `json:"embossingName,omitempty" maxLength:"26"`
	Name2        string        `json:"additionalEmbossingName,omitempty" maxLength:"26"`
	CreditLimit  massLimit     `json:"creditLimit,omitempty"`
	Inventory    massInventory `json:"inventory"`
}

type massLimit struct {
	Authorization int64 `json:"authorization,omitempty" minimum:"0" maximum:"99999999999999999"`
	Foreign       int64 `json:"foreign,omitempty" minimum:"0" maximum:"9999999999999"`
}

// massInventory counts: quantity is in stock, issuedQuantity is asked for.
type massInventory struct {
	Quantity int64  `json:"quantity,omitempty" minimum:"0" maximum:"99999"`
	Control  string `json:"control,omitempty" maxLength:"2"`
	Issued   int64  `json:"issuedQuantity" minimum:"0" maximum:"99999"`
	Minimum  int64  `json:"minimumIssuedQuantity,omitempty" minimum:"0" maximum:"9999"`
}

// at is element i of a list, or nothing.
func at[T any](list []T, i int) (v T) {
	if i < len(list) {
		v = list[i]
	}
	return v
}

// flat is the request without its groups.
func (k *keyedMass) flat() massIssue {
	a, d := &k.Account, &k.Card
	return massIssue{Org: k.Org, Logo: k.Logo, CardType: k.CardType, Function: k.Record.Function, Status: k.Record.Status, BankOrigin: a.OriginBank, Branch: a.Branch, Quantity: d.Inventory.Issued,
		Minimum: d.Inventory.Minimum, Control: d.Inventory.Control, Inventory: d.Inventory.Quantity, Scheme: d.Scheme, Expiry: d.Expiry, Customer: k.Customer, CreditLimit: a.CreditLimit,
		Block1: at(a.Block, 0), Block2: at(a.Block, 1), EmbosserCode: d.EmbosserCode, Prepaid: d.Prepaid, PrepaidPlan: d.PrepaidPlan, Promotion: d.Promotion, User1: at(a.User, 0),
		User2: at(a.User, 1), User3: at(a.User, 2), Emblem: k.Emblem, PCT: a.ProcessControl, Relation: a.RelationshipCode, RelationNumber: a.RelationshipNumber, Qualification: a.Qualification,
		Name1: d.Name1, Name2: d.Name2, Plastic: d.Plastic, ServiceCode: d.ServiceCode, Technology: d.Technology, UserData1: at(a.Data, 0), UserData2: at(a.Data, 1),
		keyedMembers: keyedMembers{restriction: a.Restriction, authorization: d.CreditLimit.Authorization, foreign: d.CreditLimit.Foreign}}
}

// grouped is flat the other way.
func grouped(v *massAnswer, request string) keyedMass {
	return keyedMass{Org: v.Org, Logo: v.Logo, CardType: v.CardType, Request: request, Customer: v.Customer, Emblem: v.Emblem,
		Record: massFile{Function: v.Function, Status: v.Status, AddStatus: v.AddStatus, LastMaintained: v.LastMaintained},
		Account: massAccount{OriginBank: v.BankOrigin, Branch: v.Branch, RelationshipCode: v.Relation, RelationshipNumber: v.RelationNumber, ProcessControl: v.PCT, Restriction: v.restriction,
			CreditLimit: v.CreditLimit, Qualification: v.Qualification, Block: []string{v.Block1, v.Block2}, User: []int64{v.User1, v.User2, v.User3}, Data: []string{v.UserData1, v.UserData2}},
		Card: massCard{Expiry: v.Expiry, Scheme: v.Scheme, Technology: v.Technology, Plastic: v.Plastic, Prepaid: v.Prepaid, PrepaidPlan: v.PrepaidPlan, Promotion: v.Promotion,
			ServiceCode: v.ServiceCode, EmbosserCode: v.EmbosserCode, Name1: v.Name1, Name2: v.Name2, CreditLimit: massLimit{Authorization: v.authorization, Foreign: v.foreign},
			Inventory: massInventory{Quantity: v.Inventory, Control: v.Control, Issued: v.Quantity, Minimum: v.Minimum}}}
}

// checkKeyed holds the members that only this version has against its edits.
func (k *keyedMass) checkKeyed() error {
	var e edits
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	e.refuse(strings.Trim(k.Request, letters) != "", "requestIdentifier", massissue.VPL5["bad_request_id"], "1 to 3 capital letters and digits")
	e.refuse(strings.Trim(k.Account.Restriction, " "+letters) != "", "account.merchantRestrictCode", "VPL5SMC46E", "capital letters and digits")
	for i, block := range k.Account.Block {
		e.refuse(len(block) > 1, "account.block", []string{"VPL5SMC13E", "VPL5SMC14E"}[i], "a capital letter or blank")
	}
	for i, user := range k.Account.User {
		e.refuse(user < 0, "account.user", []string{"VPL5SMC22E", "VPL5SMC24E", "VPL5SMC26E"}[i], "0 or 1")
	}
	for _, data := range k.Account.Data {
		e.refuse(len(data) > 20, "account.data", "too_long", "20 characters at most")
	}
	return e.err()
}

func (s *service) keepMass(ctx context.Context, c *api.Call, body keyedMass) (api.Reply, error) {
	if err := body.checkKeyed(); err != nil {
		return api.Reply{}, err
	}
	flat := body.flat()
	kept, err := s.keep(ctx, c, &flat, body.Request)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := answerOf(&kept)
	v.Function = body.Record.Function
	return done(http.StatusOK, grouped(&v, body.Request)), err
}

func (s *service) getKeyedMass(ctx context.Context, c *api.Call) (api.Reply, error) {
	request := c.URL.Query().Get(requestParameter)
	kept, err := s.asked(ctx, c, request)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := answerOf(&kept)
	return done(http.StatusOK, grouped(&v, request)), err
}

// requestParameter names a request besides massQuery.
const requestParameter = "requestIdentifier"
