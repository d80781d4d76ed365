// Package enfuce is the HTTP of Enfuce's card API (generation v4) over Platen's core: cards are created for a customer on an account, their status is set, and their plastics are
// put into use.
//
// It translates: the service's paths, members, statuses and errors. Where the service's documentation is silent, docs/dialects.md says what was taken.
package enfuce

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"platen/api"
	"platen/batch"
	"platen/programs"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/instant"
	"platen/services/pins"
)

// service is what the operations use.
type service struct {
	plant     *batch.Plant
	cards     *cards.Service
	customers *customers.Service
	pins      *pins.Service
	instant   *instant.Service
}

const auditParameter = "auditUser"

// New is the dialect over a plant.
func New(plant *batch.Plant) api.Dialect {
	s := &service{plant: plant, cards: &cards.Service{Plant: plant}, customers: &customers.Service{Plant: plant}, pins: &pins.Service{Plant: plant},
		instant: instant.New(plant)}
	audited := []string{auditParameter}
	return api.Dialect{Code: programs.Enfuce, Audit: auditUser, Refuse: refuse, Routes: []api.DialectRoute{
		{Pattern: "POST /v4/{type}/customer/{customerId}/account/{accountId}/{cardRole}", Role: api.Submit, Query: audited, Handle: api.Taking(s.create)},
		{Pattern: "PATCH /v4/{type}/{id}", Role: api.Operate, Query: audited, Handle: api.Taking(s.setStatus)},
		{Pattern: "POST /v3/{id}/update/REISSUE_CARD", Role: api.Submit, Query: audited, Handle: api.Empty(s.reissue)},
		{Pattern: "POST /v3/{id}/update/RESET_PIN_ATTEMPT", Role: api.PIN, Query: audited, Handle: api.Empty(s.resetPINAttempt)},
		{Pattern: "POST /v3/{id}/update/REPLACE_CARD", Role: api.Submit, Query: audited, Handle: api.Empty(s.replace)},
		{Pattern: "POST /v3/{id}/update/REORDER_CARD_PIN", Role: api.PIN, Query: audited, Handle: api.Empty(s.reorderPIN)},
		{Pattern: "POST /pin/v2/{plasticId}", Role: api.PIN, Query: audited, Handle: api.Taking(s.setPlasticPIN)},
		{Pattern: "POST /pin/v3/set", Role: api.PIN, Query: audited, Handle: api.Taking(s.setControlledPIN)},
		{Pattern: "GET /v3/{id}", Query: audited, Handle: api.Empty(s.get)},
		{Pattern: "GET /v3/{id}/plastic", Query: audited, Handle: api.Empty(s.plastics)},
		{Pattern: "POST /v3/{id}/plastic/{plasticId}/update/ACTIVATE", Role: api.Operate, Query: audited, Handle: api.Empty(s.activatePlastic)},
		{Pattern: "POST /v3/{id}/plastic/{plasticId}/update/CANCEL", Role: api.Operate, Query: audited, Handle: api.Empty(s.cancelPlastic)},
	}}
}

// auditUser reads who the person behind the client is, whom every request names.
func auditUser(r *http.Request) (string, error) {
	given := r.URL.Query()[auditParameter]
	if len(given) != 1 || given[0] == "" || len(given[0]) > 64 || strings.ContainsFunc(given[0], func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", api.Invalid("query."+auditParameter, "must be 1 to 64 characters of printable ASCII, once")
	}
	return given[0], nil
}

// Error is how a request is refused: errorResponse of the service's document.
type Error struct {
	Code        string `json:"code"` // HTTP status
	Message     string `json:"message"`
	ID          string `json:"id"`
	ErrorCode   string `json:"errorCode"`
	ErrorType   string `json:"errorType"`
	ErrorReason string `json:"errorReason"`
	Timestamp   string `json:"timestamp"`
}

// The types of errors.
const (
	staticError      = "STATIC_VALIDATION_ERROR"  // the request is wrong in itself
	dynamicError     = "DYNAMIC_VALIDATION_ERROR" // as things are, it cannot be done
	integrationError = "INTEGRATION_ERROR"
	securityError    = "SECURITY_ERROR"
	unexpectedError  = "UNEXPECTED_ERROR"
)

// refuse writes a problem in the service's form. It knows 400 for everything that is wrong with a request in itself.
func refuse(p *api.Problem, now time.Time) api.Reply {
	status, kind := p.Status, dynamicError
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		kind = securityError
	case status == http.StatusServiceUnavailable:
		kind = integrationError
	case status >= http.StatusInternalServerError:
		kind = unexpectedError
	case p.Code == "bad_row":
		status = http.StatusBadRequest
	case status == http.StatusUnprocessableEntity, status == http.StatusBadRequest, status == http.StatusMethodNotAllowed, status == http.StatusRequestTimeout,
		status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType:
		status, kind = http.StatusBadRequest, staticError
	}
	reasons := make([]string, len(p.Errors))
	for i, v := range p.Errors {
		reasons[i] = strings.TrimSpace(v.Location + " " + v.Code + " " + v.Message)
	}
	e := Error{Code: strconv.Itoa(status), Message: p.Detail, ID: p.RequestID, ErrorCode: p.Code, ErrorType: kind, ErrorReason: strings.Join(reasons, "; "), Timestamp: now.UTC().Format(time.RFC3339Nano)}
	return api.Reply{Status: status, Body: e}
}

// Resource is how what was done is answered: resourceResponse of the service's document.
type Resource struct {
	Description string `json:"description"`
	ID          string `json:"id"` // of a card: its token
}

// impossible refuses what cannot be done as things are.
func impossible(code, detail string) error { return api.Refusal(http.StatusConflict, code, detail) }
