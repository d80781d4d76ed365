// Package finhub is the HTTP of FinHub's FinCard Virtual over Platen's core: holders, prepaid cards (virtual, physical, shared and gift) and the accounts that they are filled from.
//
// It translates: the service's paths, members and their lengths, headers, envelope and statuses, and what subscribers are told. Clients log in for a token. Where the service's
// documents are silent or disagree, docs/dialects.md says what was taken.
package finhub

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/delivery/webhook"
	"platen/programs"
	"platen/services/holders"
	"platen/services/ledger"
	"platen/services/prepaid"
	"platen/sql/store"
)

// Zone is the code of the zone whose public key a client gets the data of cards under.
const Zone = "finhub"

// service is what the operations use.
type service struct {
	plant   *batch.Plant
	ledger  *ledger.Service
	holders *holders.Service
	prepaid *prepaid.Service
	sender  *webhook.Sender
}

// base is where the service has its operations.
const base = "/api/v2.1/fincard/virtual"

// New is the dialect over a plant; label is the key that codes are sealed under, sender carries requests to the upstreams of tenants that have one.
func New(plant *batch.Plant, label card.KeyLabel, sender *webhook.Sender) api.Dialect {
	s := &service{plant: plant, ledger: &ledger.Service{Plant: plant}, holders: &holders.Service{Plant: plant}, prepaid: prepaid.New(plant, label), sender: sender}
	var routes []api.DialectRoute
	route := func(role api.Role, handle api.Handler, paths ...string) {
		for _, path := range paths {
			routes = append(routes, api.DialectRoute{Pattern: http.MethodPost + " " + base + path, Role: role, Handle: s.anywhere(path, handle)})
		}
	}
	route(api.Money, taking(s.cardTypes), "/card/v2/cardTypes")
	route(api.Holders, taking(s.createHolder), "/card/holder/v2/create")
	route(api.Holders, taking(s.updateHolder), "/card/holder/v2/update")
	route(api.Holders, taking(s.queryHolders), "/card/holder/query")
	route(api.Money, taking(s.openCard), "/card/v2/openCard", "/card/v2/createCard")
	route(api.Money, taking(s.cardInfo), "/card/info")
	route(api.Money, taking(s.listCards), "/card/list")
	route(api.Money, taking(s.listOperations), "/card/operation", "/card/v2/operation")
	route(api.PIN, taking(s.sensitive), "/card/info/sensitive", "/card/sensitive")
	route(api.PIN, taking(s.activate), "/card/activate")
	route(api.PIN, taking(s.updatePIN), "/card/updatePin")
	route(api.Money, taking(s.moving(s.ledger.Deposit)), "/card/deposit")
	route(api.Money, taking(s.moving(s.ledger.Withdraw)), "/card/withdraw")
	route(api.Operate, taking(s.changing(s.prepaid.Freeze)), "/card/v2/freeze")
	route(api.Operate, taking(s.changing(s.prepaid.Unfreeze)), "/card/v2/unfreeze", "/card/v2/unFreeze")
	route(api.Operate, taking(s.changing(s.prepaid.Cancel)), "/card/cancel")
	route(api.Operate, taking(s.updateAttribute), "/card/updateAttribute")
	route(api.Operate, taking(s.note), "/card/note")
	route(api.Money, taking(s.createAccount), "/account/create")
	route(api.Money, taking(s.transfer), "/account/transfer")
	route(api.Money, taking(s.accountInfo), "/account/info")
	route(api.Money, taking(s.listAccounts), "/account/list")
	route(api.Money, taking(s.queryAccount), "/account/single/query")
	route(api.Money, taking(s.listEntries), "/account/transaction")
	return api.Dialect{Code: programs.Finhub, Routes: routes, Check: check, Refuse: refuse,
		Login: &api.Login{Pattern: http.MethodPost + " /api/auth/login", Read: readLogin, Answer: loggedIn}}
}

// tenantHeader names the institution.
const tenantHeader = "X-Tenant-ID"

// check holds the headers against what is known of the client. platform is checked where it is sent; what else the service's documents list says nothing here.
func check(r *http.Request, i store.Institution) error {
	tenant := r.Header.Values(tenantHeader)
	if len(tenant) != 1 || tenant[0] == "" {
		return badHeader(tenantHeader + " is needed, once")
	}
	if tenant[0] != i.Code {
		return api.Refusal(http.StatusUnauthorized, "unauthorized", "the client is not of this tenant")
	}
	if platform := r.Header.Get("platform"); platform != "" && !slices.Contains([]string{"web", "ios", "android"}, platform) {
		return badHeader("platform is web, ios or android")
	}
	return nil
}

func badHeader(detail string) error { return api.Refusal(http.StatusBadRequest, "bad_header", detail) }

// Envelope is the form of every answer.
type Envelope struct {
	Success bool   `json:"success"`
	Code    int    `json:"code"`
	Msg     string `json:"msg"`
	Data    any    `json:"data"`
}

// The codes of the envelope.
const (
	codeOK       = 200
	codeBusiness = -1
	codeUnknown  = 401
	codeFault    = 500
)

func done(data any) api.Reply {
	return api.Reply{Status: http.StatusOK, Body: Envelope{Success: true, Code: codeOK, Msg: "success", Data: data}}
}

// Failure is the data of an answer that is no success.
type Failure struct {
	ErrorCode string  `json:"errorCode"`
	Errors    []Fault `json:"errors,omitempty"`
	Order     *Order  `json:"order,omitempty"` // that is on record as failed
	RequestID string  `json:"requestId,omitempty"`
}

// Fault is one member that is wrong.
type Fault struct {
	Field   string `json:"field"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

// refuse writes a problem in the service's form. What its business refuses is HTTP 200 with the code -1; a header that is wrong is HTTP 400 with the code 500.
func refuse(p *api.Problem, _ time.Time) api.Reply {
	f := Failure{ErrorCode: p.Code, RequestID: p.RequestID}
	for _, v := range p.Errors {
		f.Errors = append(f.Errors, Fault{Field: v.Location, Code: v.Code, Message: v.Message})
	}
	e := Envelope{Code: codeBusiness, Msg: p.Detail, Data: f}
	status := p.Status
	switch {
	case p.Code == "bad_header":
		e.Code = codeFault
	case status == http.StatusUnauthorized:
		e.Code = codeUnknown
	case status == http.StatusUnprocessableEntity, status == http.StatusConflict, p.Code == "invalid_request", p.Code == "malformed_body":
		status = http.StatusOK
	case status >= http.StatusInternalServerError:
		e.Code = codeFault
	}
	return api.Reply{Status: status, Body: e}
}

// taking is the handler of an operation. What it names and is not there is refused by the business: HTTP 404 is for paths.
func taking[T any](handle func(context.Context, *api.Call, T) (api.Reply, error)) api.Handler {
	return api.Taking(func(ctx context.Context, c *api.Call, body T) (api.Reply, error) {
		reply, err := handle(ctx, c, body)
		if errors.Is(err, store.ErrNotFound) {
			err = api.Refusal(http.StatusUnprocessableEntity, "not_found", "there is no such object")
		}
		return reply, err
	})
}

// login asks for a token.
type login struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	TenantID string `json:"tenantId"`
}

// readLogin reads who wants a token: a client's name and key.
func readLogin(content []byte) (api.Credentials, error) {
	var l login
	if json.Unmarshal(content, &l) != nil || l.Email == "" || l.Password == "" || l.TenantID == "" {
		return api.Credentials{}, api.Invalid("body", "email, password and tenantId are needed")
	}
	return api.Credentials{Name: l.Email, Key: l.Password, Institution: l.TenantID}, nil
}

// Token is what a client that has logged in gets.
type Token struct {
	AccessToken string `json:"accessToken"`
	TokenType   string `json:"tokenType"`
	ExpiresIn   int    `json:"expiresIn"` // seconds
}

func loggedIn(token string) api.Reply {
	return done(Token{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(api.TokenLife / time.Second)})
}

func act(c *api.Call, reference string) ledger.Act {
	return ledger.Act{Institution: c.Institution, Actor: c.Actor, Reference: reference}
}
