package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/services/actions"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/holders"
	"platen/services/ledger"
	"platen/services/pins"
	"platen/services/prepaid"
	"platen/services/records"
	"platen/services/simulate"
	"platen/services/values"
	"platen/sql/store"
)

// Problem is what a refused request is answered with: problem details (RFC 9457) with a code that never changes its meaning. What went wrong
// inside is for the log only, found by the request's id.
type Problem struct { //nolint:errname // problem details is what RFC 9457 calls it
	Type      string      `json:"type" example:"about:blank" doc:"Always about:blank: the code tells the kind of problem"`
	Title     string      `json:"title" doc:"The status in words"`
	Status    int         `json:"status" doc:"The HTTP status"`
	Code      string      `json:"code" example:"bad_header" doc:"Stable name of the problem"`
	Detail    string      `json:"detail,omitempty" doc:"What to do differently"`
	Column    string      `json:"column,omitempty" doc:"The column that is wrong, for bad_header: its name, or its place from 1 where what stands there does not look like a name"`
	RequestID string      `json:"request_id,omitempty" doc:"Finds the request in the log"`
	Errors    []Violation `json:"errors,omitempty" nullable:"false" doc:"The parameters that are wrong, for invalid_request"`

	header http.Header
	cause  error
}

// Violation is one parameter that is wrong.
type Violation struct {
	Location string `json:"location" example:"query.limit"`
	Code     string `json:"code,omitempty" doc:"Stable name of what is wrong, for bad_row"`
	Message  string `json:"message"`
}

func problem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Error implements error.
func (p *Problem) Error() string { return p.Code }

// Unwrap gives the cause, for the log.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

const problemType = "application/problem+json"

// internalError hides what kind of error its cause is: what looks like "not found" within is a fault of the server.
type internalError struct{ err error }

func (e *internalError) Error() string { return e.err.Error() }

// known are errors of the layers below with the answer that each of them gets.
var known = []struct {
	err    error
	status int
	code   string
	detail string
}{
	{batch.ErrInFlight, http.StatusConflict, "order_in_flight", "an order with this reference is being taken in right now; try again"},
	{batch.ErrReference, http.StatusUnprocessableEntity, "reference_reused", "this reference or key was used for an order with other content"},
	{batch.ErrNoRows, http.StatusUnprocessableEntity, "no_rows", "the order has no rows"},
	{batch.ErrName, http.StatusUnprocessableEntity, "bad_reference", "give a reference of 1 to 64 characters of printable ASCII without blanks, # or a card number, or an Idempotency-Key"},
	{batch.ErrNotWaiting, http.StatusUnprocessableEntity, "row_not_waiting", "a corrected row must replace a row that was refused and not corrected yet"},
	{batch.ErrCancelled, http.StatusConflict, "order_cancelled", "the order was cancelled, and nothing joins it any more"},
	{batch.ErrOtherKind, http.StatusUnprocessableEntity, "other_kind", "the columns belong to another kind of order"},
	{batch.ErrTooManyRows, http.StatusUnprocessableEntity, "too_many_rows", "split the correction into several"},
	{cards.ErrStatus, http.StatusConflict, "card_status", "the card's status does not allow it"},
	{cards.ErrBusy, http.StatusConflict, "card_busy", "an order for the card is open: cancel it first, or wait until it is carried out"},
	{cards.ErrNotMade, http.StatusConflict, "card_not_made", "the card's newest issue has not left for its bureau, or nothing came of it"},
	{cards.ErrClosingTime, http.StatusUnprocessableEntity, "closing_time", "give a time that lies in the future"},
	{cards.ErrNoClosing, http.StatusConflict, "no_closing", "no closing of the card is scheduled"},
	{cards.ErrReplaced, http.StatusConflict, "card_replaced", "another card took the card's place already"},
	{customers.ErrAlone, http.StatusConflict, "card_limit", "the account has a card of this kind already"},
	{simulate.ErrNoSandbox, http.StatusNotFound, "not_found", "there is nothing here"},
	{batch.ErrNoAnswer, http.StatusConflict, "no_answer", "the card's bureau declares no answers of this kind that could be simulated"},
	{simulate.ErrInFile, http.StatusConflict, "card_in_file", "the card's plastic is in a file already"},
	{records.ErrReference, http.StatusUnprocessableEntity, "bad_record_reference", "give a reference of 1 to 64 letters, digits, dots, dashes or underscores that holds no card number"},
	{records.ErrTaken, http.StatusUnprocessableEntity, "reference_reused", "this reference was used for other content"},
	{records.ErrMoved, http.StatusConflict, "version_moved", "there is a later version than the one that is changed: read it first"},
	{customers.ErrCustomer, http.StatusUnprocessableEntity, "unknown_customer", "declare the customer first"},
	{customers.ErrAccount, http.StatusUnprocessableEntity, "unknown_account", "declare the account first"},
	{customers.ErrProduct, http.StatusUnprocessableEntity, "other_product", "the account is for cards of another product"},
	{customers.ErrLinked, http.StatusConflict, "card_linked", "the card hangs on an account already"},
	{customers.ErrNotLinked, http.StatusConflict, "card_not_linked", "the card was not linked to an account"},
	{customers.ErrActivated, http.StatusConflict, "card_activated", "a card that was in use before it had a holder is linked to none"},
	{customers.ErrNamed, http.StatusConflict, "card_named", "the card was made for somebody by name: only anonymous cards are linked"},
	{store.ErrExhausted, http.StatusConflict, "no_numbers", "the product's range has no number left that may be given"},
	{store.ErrRangeHeld, http.StatusConflict, "no_numbers", "the product's range has no number left that may be given"},
	{batch.ErrNoOwnNumbers, http.StatusConflict, "own_number", "the product has no range for card numbers of the institution's own"},
	{batch.ErrOwnNumber, http.StatusConflict, "own_number_range", "the card number is not in the product's range for numbers of the institution's own"},
	{batch.ErrNumberTaken, http.StatusConflict, "own_number_taken", "a card has this number"},
	{batch.ErrReason, http.StatusUnprocessableEntity, "bad_reason", "give a reason of 1 to 64 characters of printable ASCII that holds no card number"},
	{batch.ErrOrderOfMany, http.StatusConflict, "order_of_many", "it was ordered together with others: cancel the order"},
	{batch.ErrMade, http.StatusConflict, "production_ended", "nothing of it waits any more"},
	{batch.ErrNoMailer, http.StatusConflict, "no_mailer", "PINs of the product are not mailed"},
	{batch.ErrMailerWaits, http.StatusConflict, "mailer_waits", "a PIN mailer of the card is on its way into a file"},
	{batch.ErrNoPIN, http.StatusConflict, "no_pin", "the card has no PIN"},
	{hsm.ErrPINBlock, http.StatusUnprocessableEntity, "pin_block", "the PIN block cannot be used"},
	{hsm.ErrWeakPIN, http.StatusUnprocessableEntity, "pin_weak", "the PIN is easy to guess; choose another"},
	{pins.ErrMoved, http.StatusConflict, "pin_moved", "the card got another PIN meanwhile; nothing was changed"},
	{pins.ErrNotAwaited, http.StatusConflict, "pin_not_awaited", "the card's next plastic does not wait for a PIN"},
	{batch.ErrNoPlastic, http.StatusConflict, "no_plastic", "no plastic of this card is ordered that could wait for its PIN: order one that is made at once, or a reissue with the same number"},
	{pins.ErrControl, http.StatusNotFound, "no_control", "there is no such control, or it was used, or its time is over"},
	{pins.ErrProduced, http.StatusConflict, "card_in_file", "the card's plastic is in a file already, with the PIN that it had"},
	{pins.ErrOnlyIncoming, http.StatusUnprocessableEntity, "zone_takes_only", "name a zone of PIN-block format 0 or 4"},
	{pins.ErrZone, http.StatusUnprocessableEntity, "unknown_zone", "name a zone that the institution declares"},
	{values.ErrNoDynamic, http.StatusConflict, "no_dynamic_cvv2", "the card has no CVV2 that changes, or is not in use"},
	{values.ErrDataKey, http.StatusUnprocessableEntity, "unknown_zone", "name a zone with a data key that the institution declares"},
	{values.ErrZone, http.StatusUnprocessableEntity, "unknown_zone", "name a zone with a public key that the institution declares"},
	{pins.ErrLocked, http.StatusConflict, "pin_locked", "no try is left: the PIN must be unblocked"},
	{pins.ErrBlocked, http.StatusConflict, "pin_blocked", "the PIN is blocked"},
	{pins.ErrModule, http.StatusServiceUnavailable, "module_down", "the security module does not answer; nothing was tried"},
	{ledger.ErrName, http.StatusUnprocessableEntity, "bad_reference", "give a reference of 1 to 65 characters of printable ASCII without blanks or a card number"},
	{ledger.ErrReference, http.StatusUnprocessableEntity, "reference_reused", "this reference was used for something else"},
	{ledger.ErrRemark, http.StatusUnprocessableEntity, "bad_remark", "give up to 50 characters of printable ASCII without a card number"},
	{ledger.ErrCurrency, http.StatusUnprocessableEntity, "other_currency", "the account is in another currency"},
	{ledger.ErrKind, http.StatusUnprocessableEntity, "account_kind", "accounts of this kind do not do this"},
	{ledger.ErrSame, http.StatusUnprocessableEntity, "same_account", "money moves between two accounts"},
	{ledger.ErrTaken, http.StatusConflict, "account_exists", "the card has an account"},
	{ledger.ErrOffline, http.StatusConflict, "card_type_offline", "no card of this type is opened now"},
	{ledger.ErrSource, http.StatusUnprocessableEntity, "account_kind", "cards of this type are filled from an account of another kind"},
	{ledger.ErrHolder, http.StatusConflict, "holder_needed", "name a holder that has passed the audit for this card type"},
	{ledger.ErrHolderCards, http.StatusConflict, "holder_cards", "the holder has as many cards of this type as one may"},
	{ledger.ErrFeature, http.StatusConflict, "feature_disabled", "cards of this type do not do this"},
	{ledger.ErrLimits, http.StatusUnprocessableEntity, "amount_limits", "the amount is outside of what the card type allows"},
	{prepaid.ErrNumberNeeded, http.StatusUnprocessableEntity, "card_number_needed", "cards of this type are opened by the number that is printed on them"},
	{prepaid.ErrNumber, http.StatusUnprocessableEntity, "card_number_given", "cards of this type are opened without a number"},
	{prepaid.ErrNotOurs, http.StatusUnprocessableEntity, "card_number_unknown", "no card has this number"},
	{prepaid.ErrOtherType, http.StatusUnprocessableEntity, "card_type_other", "the card is of another type"},
	{prepaid.ErrNotProduced, http.StatusConflict, "card_not_produced", "the card has not come back produced yet"},
	{prepaid.ErrBound, http.StatusConflict, "card_bound", "the card is bound already"},
	{prepaid.ErrAutomatic, http.StatusConflict, "activation_automatic", "cards of this type are put into use when they are opened"},
	{prepaid.ErrCodeLocked, http.StatusConflict, "activation_locked", "a wrong activation code was given too often: cancel the card and open another"},
	{prepaid.ErrPIN, http.StatusUnprocessableEntity, "pin_form", "the PIN has another length than those of this card type"},
	{hsm.ErrClearPIN, http.StatusConflict, "pin_blocks_only", "the security module takes PINs in blocks only"},
	{holders.ErrNoHolder, http.StatusUnprocessableEntity, "no_holder", "the card type needs no holder"},
	{holders.ErrModel, http.StatusUnprocessableEntity, "holder_model", "the card type has holders of the other model"},
	{holders.ErrDuplicate, http.StatusConflict, "holder_exists", "the card type has a holder of this address or document"},
	{holders.ErrHandedIn, http.StatusConflict, "holder_state", "what was handed in changes only when it was rejected"},
	{holders.ErrState, http.StatusConflict, "holder_state", "the state of the holder does not allow it"},
	{card.ErrCurrency, http.StatusUnprocessableEntity, "unknown_currency", "give a currency of ISO 4217"},
	{card.ErrAmount, http.StatusUnprocessableEntity, "bad_amount", "give digits, and a point with decimals; more than nothing"},
	{card.ErrPrecision, http.StatusUnprocessableEntity, "amount_precision", "give no more decimals than the currency has"},
	{card.ErrAmountLarge, http.StatusUnprocessableEntity, "amount_large", "the amount is too large"},
	{store.ErrFenced, http.StatusConflict, "order_in_flight", "somebody else has just changed this order; try again"},
	{store.ErrStale, http.StatusConflict, "order_in_flight", "somebody else has just changed this order; try again"},
	{store.ErrNotFound, http.StatusNotFound, "not_found", "there is no such object"},
}

// problemOf translates an error into its answer. Errors that it does not know become a 500 that says nothing.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var internal *internalError
	if !errors.As(err, &internal) {
		if header := new(formats.HeaderError); errors.As(err, &header) {
			return badHeader(header)
		}
		if row := new(batch.RowError); errors.As(err, &row) {
			return badRow(row)
		}
		if content := new(records.ContentError); errors.As(err, &content) {
			return badFields("bad_content", "what is declared cannot stand; nothing was stored", content.Faults, content)
		}
		if refused := new(actions.RefusedError); errors.As(err, &refused) {
			p := problem(http.StatusConflict, refused.Code, refused.Hint)
			p.cause = err
			return p
		}
		for _, k := range known {
			if !errors.Is(err, k.err) {
				continue
			}
			p := problem(k.status, k.code, k.detail)
			if p.cause = err; p.Code == "order_in_flight" {
				p.header = http.Header{"Retry-After": {"5"}}
			}
			return p
		}
	}
	p = problem(http.StatusInternalServerError, "internal", "the request could not be carried out; nothing was lost")
	p.cause = err
	return p
}

// refuse translates an error for one request: it gets the request's id, and its cause goes to the request's log line.
func (s *service) refuse(ctx context.Context, err error) *Problem {
	p := *problemOf(err)
	t := traceOf(ctx)
	p.RequestID = t.id
	t.code, t.cause = p.Code, p.cause
	return &p
}

// fail answers with a problem outside of huma.
func (s *service) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.refuse(r.Context(), err)
	if d := s.dialectOf(r.URL.Path); d != nil {
		reply := d.Refuse(p, s.Now())
		reply.Header = p.header
		s.send(w, r, reply)
		return
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Errorf("write a problem: %w", err))
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	// A client that has gone cannot be told.
	_, _ = w.Write(append(body, '\n'))
}

// asProblem is a huma transformer: what huma refuses by itself becomes a Problem too.
func (s *service) asProblem(ctx huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(e.Status, "invalid_request", "a parameter is wrong")
	if e.Status >= http.StatusInternalServerError {
		p = problem(e.Status, "internal", "the request could not be carried out; nothing was lost")
	}
	for _, d := range e.Errors {
		p.Errors = append(p.Errors, Violation{Location: toldPlace(d.Location), Message: d.Message})
	}
	return s.refuse(ctx.Context(), p), nil
}
