// Package firstvision is the HTTP of Fiserv's FirstVision (Latin America) over Platen's core: customers, accounts, their cards (which it calls embossers), and PINs.
//
// It translates: the service's paths, members and their lengths, headers, envelope, statuses and VPL5 codes. Requests are signed with a shared secret (HMAC-SHA256). Where the service's
// documentation is silent, docs/dialects.md says what was taken.
package firstvision

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"platen/api"
	"platen/batch"
	"platen/programs"
	"platen/services/actions"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/instant"
	"platen/services/massissue"
	"platen/services/pins"
	"platen/services/values"
)

// service is what the operations use.
type service struct {
	plant     *batch.Plant
	cards     *cards.Service
	customers *customers.Service
	pins      *pins.Service

	massIssues *massissue.Service
	actions    *actions.Service
	instant    *instant.Service
	values     *values.Service
}

// New is the dialect over a plant.
func New(plant *batch.Plant) api.Dialect {
	s := &service{plant: plant, cards: &cards.Service{Plant: plant}, customers: &customers.Service{Plant: plant}, pins: &pins.Service{Plant: plant},
		massIssues: &massissue.Service{Plant: plant}, actions: actions.New(plant), instant: instant.New(plant), values: &values.Service{Plant: plant}}
	var routes []api.DialectRoute
	route := func(method string, role api.Role, handle api.Handler, paths ...string) {
		for _, path := range paths {
			routes = append(routes, api.DialectRoute{Pattern: method + " " + path, Role: role, Handle: handle})
		}
	}
	route(http.MethodPost, api.Submit, taking(nil, s.addCustomer), "/customer", "/customer/l8v2")
	route(http.MethodPost, api.Submit, taking(nil, s.addAccount), "/account", "/account/add-L8V3")
	route(http.MethodPost, api.Submit, taking(nil, s.addEmbosser), "/cards/embosser", "/cards/embosser/l8vf")
	route(http.MethodPut, api.Submit, taking(linkCodes, onCard(s, s.link)), "/cards/v1/cards/account")
	route(http.MethodPost, api.Submit, taking(linkCodes, onCard(s, s.activateCustomer)), "/customer/activation")
	route(http.MethodPut, api.Submit, taking(linkCodes, onCard(s, s.reverseLink)), "/account/vinculation-reversal", "/customer/reversal")
	route(http.MethodPut, api.Operate, taking(activationCodes, s.activate), "/cards/activation", "/customer")
	route(http.MethodPut, api.Operate, taking(nil, onCard(s, s.block)), "/cards/embosser/block")
	route(http.MethodPut, api.Operate, taking(nil, onCard(s, s.status)), "/cards/status-L8V1")
	route(http.MethodPut, api.Submit, taking(transferCodes, onCard(s, s.transfer)), "/cards/transfer")
	route(http.MethodPost, api.PIN, taking(validationCodes, onCard(s, s.validatePIN)), "/cards/pin/validation")
	route(http.MethodPost, api.PIN, taking(nil, onCard(s, s.invalidAttempts)), "/cards/pin/invalid-attempts")
	route(http.MethodPut, api.PIN, taking(changeCodes, onCard(s, s.changePIN)), "/cards/pin/pin-change")
	route(http.MethodPut, api.PIN, taking(reassignCodes, onCard(s, s.reassignPIN)), "/cards/pin/reassign", "/cards/pin/{$}")
	route(http.MethodPut, api.PIN, taking(nil, onCard(s, s.pinStatus)), "/cards/pin/status")
	route(http.MethodPut, api.Submit, taking(nil, onCard(s, s.act)), "/cards/embosser/cardAction-L8V2")
	route(http.MethodPost, api.Submit, taking(sameDayCodes, onCard(s, s.sameDay)), "/cards/embosser/sameDay")
	route(http.MethodPost, api.Submit, taking(instantCodes, s.instantCard), "/account/v2/instantCard")
	route(http.MethodPost, api.PAN, taking(nil, s.cardPAN), "/cards/embosser/card-pan", "/cards/embosser/card-pan-l8v2")
	route(http.MethodPost, api.PIN, taking(nil, onCard(s, s.securityCodes)), "/cards/pin/security-codes")
	route(http.MethodPost, api.PIN, taking(nil, onCard(s, s.currentCodes)), "/cards/v1/pin/codes")
	route(http.MethodPost, api.PIN, taking(dynamicCodes, onCard(s, s.dynamicValues)), "/cards/pin/dynamic-values")
	route(http.MethodPost, api.Operate, taking(nil, onCard(s, s.details)), "/cards/v2/embosser/details", "/cards/v2/embosser/search")
	const mass, keyed = "/cards/mass-card-issue-L8V3", "/cards/v1/cards/massIssue"
	route(http.MethodPost, api.Submit, taking(nil, s.addMass), mass)
	route(http.MethodPut, api.Submit, taking(nil, s.keepMass), keyed)
	routes = append(routes, api.DialectRoute{Pattern: "GET /customer/v1/cards", Role: api.Operate, Query: customerParameters, Handle: s.cardsOfCustomer},
		api.DialectRoute{Pattern: "GET " + mass, Query: massQuery, Handle: s.getMass},
		api.DialectRoute{Pattern: "GET " + keyed, Query: append([]string{requestParameter}, massQuery...), Handle: s.getKeyedMass})
	return api.Dialect{Code: programs.Firstvision, Routes: routes, Proof: proof, Refuse: refuse}
}

// maxRequestID is how many characters a request's id has at most.
const maxRequestID = 40

// proof reads the headers that a request is proved by. What is signed is the timestamp, the request's id, the method, the path with its query, and the body, with line feeds between.
func proof(r *http.Request, content []byte) (api.Proof, error) {
	given := map[string]string{}
	for _, name := range []string{"apikey", "X-Client-Request-Id", "Timestamp", "Signature"} {
		values := r.Header.Values(name)
		if len(values) != 1 || values[0] == "" {
			return api.Proof{}, api.Refusal(http.StatusUnauthorized, "bad_signature", "the header "+name+" is needed, once")
		}
		given[name] = values[0]
	}
	millis, err := strconv.ParseInt(given["Timestamp"], 10, 64)
	if err != nil || millis < 0 {
		return api.Proof{}, api.Refusal(http.StatusUnauthorized, "bad_signature", "Timestamp is milliseconds since 1970")
	}
	mac, err := base64.StdEncoding.DecodeString(given["Signature"])
	if err != nil {
		return api.Proof{}, api.Refusal(http.StatusUnauthorized, "bad_signature", "Signature is base 64")
	}
	if len(given["X-Client-Request-Id"]) > maxRequestID {
		return api.Proof{}, api.Refusal(http.StatusUnauthorized, "bad_signature", "X-Client-Request-Id has 40 characters at most")
	}
	message := strings.Join([]string{given["Timestamp"], given["X-Client-Request-Id"], r.Method, r.URL.RequestURI(), string(content)}, "\n")
	return api.Proof{Client: given["apikey"], Request: given["X-Client-Request-Id"], At: time.UnixMilli(millis), Message: []byte(message), Signature: mac}, nil
}

// requestName is a name for what a request makes: no other request has it.
func requestName(c *api.Call) uuid.UUID {
	return uuid.NewSHA1(c.Client.ID, []byte(c.Header.Get("X-Client-Request-Id")))
}

// orderName is the reference of the order that a request makes.
func orderName(c *api.Call) string { return "firstvision-" + requestName(c).String() }

// Envelope is the form of every answer.
type Envelope struct {
	HasError bool    `json:"hasError"`
	Errors   []Fault `json:"errors"`
	Data     any     `json:"data"`
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

func done(status int, data any) api.Reply {
	return api.Reply{Status: status, Body: Envelope{Errors: []Fault{}, Data: data}}
}

// refuse writes a problem in the service's form. It knows 422 for what its business refuses, and 400 for a request that is wrong in itself.
func refuse(p *api.Problem, _ time.Time) api.Reply {
	e := Envelope{HasError: true}
	for _, v := range p.Errors {
		code := v.Code
		if code == "" {
			code = p.Code
		}
		e.Errors = append(e.Errors, Fault{Code: code, Description: v.Location + ": " + v.Message})
	}
	if len(e.Errors) == 0 {
		e.Errors = []Fault{{Code: p.Code, Description: p.Detail}}
	}
	status := p.Status
	switch {
	case p.Code == "invalid_request" || p.Code == "malformed_body":
		status = http.StatusBadRequest
	case status == http.StatusConflict:
		status = http.StatusUnprocessableEntity
	}
	return api.Reply{Status: status, Body: e}
}

// vpl5 are the numbers that a service of FirstVision has for what goes wrong in it. What is in no list has no number there, and keeps its native code.
type vpl5 []struct {
	err         error
	code        string
	description string
}

// taking is the handler of an operation: its body, held against the members of T, and what the service calls what goes wrong.
func taking[T any](codes vpl5, handle func(context.Context, *api.Call, T) (api.Reply, error)) api.Handler {
	return api.Taking(func(ctx context.Context, c *api.Call, body T) (api.Reply, error) {
		reply, err := handle(ctx, c, body)
		for _, known := range codes {
			if errors.Is(err, known.err) {
				return reply, api.Refusal(http.StatusUnprocessableEntity, known.code, known.description)
			}
		}
		return reply, err
	})
}
