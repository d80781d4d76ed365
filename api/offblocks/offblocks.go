// Package offblocks is the HTTP of OffBlocks over Platen's core: cards on accounts, one virtual and one physical at most, and a simulator for sandboxes.
//
// It translates: the service's paths, members, statuses and errors. Requests are signed (RFC 9421, ECDSA P-384 and SHA-384 only) besides their bearer key, and what changes something
// carries an Idempotency-Key. Where the service's documentation is silent, docs/dialects.md says what was taken.
package offblocks

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"platen/api"
	"platen/api/signature"
	"platen/batch"
	"platen/programs"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/simulate"
)

// service is what the operations use.
type service struct {
	plant     *batch.Plant
	cards     *cards.Service
	customers *customers.Service
	simulate  *simulate.Service
}

// New is the dialect over a plant.
func New(plant *batch.Plant) api.Dialect {
	desk := &cards.Service{Plant: plant}
	s := &service{plant: plant, cards: desk, customers: &customers.Service{Plant: plant}, simulate: &simulate.Service{Plant: plant, Cards: desk}}
	const account, one, simulator = "/v1/accounts/{accountId}/cards", "/v1/cards/{cardId}", "/v1/simulator/cards/{cardId}"
	routes := []api.DialectRoute{
		{Pattern: "POST " + account, Role: api.Submit, Handle: api.Taking(s.create)},
		{Pattern: "GET " + account, Handle: api.Empty(s.list)},
		{Pattern: "GET " + one, Handle: api.Empty(s.retrieve)},
		{Pattern: "DELETE " + one, Role: api.Operate, Handle: api.Empty(s.terminate)},
		{Pattern: "PATCH " + simulator + "/issue", Role: api.Operate, Handle: api.Empty(s.simulated((*simulate.Service).Issue))},
		{Pattern: "PATCH " + simulator + "/fail", Role: api.Operate, Handle: api.Empty(s.simulated((*simulate.Service).Fail))},
	}
	for _, method := range []string{http.MethodPost, http.MethodPatch} {
		routes = append(routes, api.DialectRoute{Pattern: method + " " + one + "/activate", Role: api.Operate, Handle: api.Empty(s.activate)},
			api.DialectRoute{Pattern: method + " " + one + "/deactivate", Role: api.Operate, Handle: api.Empty(s.deactivate)})
	}
	return api.Dialect{Code: programs.Offblocks, Routes: routes, Signed: signature.ECDSAP384, Key: key, Refuse: refuse}
}

// key reads the Idempotency-Key, a UUID, which every request has that changes something.
func key(r *http.Request) (string, error) {
	given := r.Header.Values("Idempotency-Key")
	if len(given) != 1 {
		return "", api.Invalid("header.Idempotency-Key", "is needed, once")
	}
	id, err := uuid.Parse(given[0])
	if err != nil || len(given[0]) != len(id.String()) {
		return "", api.Invalid("header.Idempotency-Key", "must be a UUID")
	}
	return id.String(), nil
}

// Error is how a request is refused.
type Error struct {
	Code      string  `json:"code"`
	Message   string  `json:"message"`
	Errors    []Fault `json:"errors,omitempty"`
	RequestID string  `json:"requestId,omitempty"`
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// refuse writes a problem in the service's form. It knows 400 for everything that is wrong with a request in itself; 422 is for a key that was used for another request.
func refuse(p *api.Problem, _ time.Time) api.Reply {
	e := Error{Code: p.Code, Message: p.Detail, RequestID: p.RequestID}
	for _, v := range p.Errors {
		e.Errors = append(e.Errors, Fault{Field: v.Location, Message: v.Message})
	}
	status := p.Status
	switch status {
	case http.StatusUnprocessableEntity:
		if p.Code != "reference_reused" {
			status = http.StatusBadRequest
		}
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		status = http.StatusBadRequest
	}
	return api.Reply{Status: status, Body: e}
}
