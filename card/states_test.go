package card_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"platen/card"
)

// mover is what every state enum can do.
type mover[S any] interface {
	fmt.Stringer
	encoding.TextMarshaler
	To(next S) error
}

// moves writes an object's transition table as lines "FROM: TO TO", for the states that have one.
func moves[S mover[S]](first, last S, all func(first, last S) []S) string {
	var out strings.Builder
	states := all(first, last)
	for _, from := range states {
		var to []string
		for _, next := range states {
			if err := from.To(next); err == nil {
				to = append(to, next.String())
			} else if !errors.Is(err, card.ErrTransition) {
				to = append(to, "?"+err.Error())
			}
		}
		if len(to) > 0 {
			fmt.Fprintf(&out, "%s: %s\n", from, strings.Join(to, " "))
		}
	}
	return out.String()
}

func between[S ~uint8](first, last S) []S {
	var out []S
	for s := first; s <= last; s++ {
		out = append(out, s)
	}
	return out
}

// The tables of the design, written out once more: a change here is a change of what Platen promises.
func TestTransitionsAreThoseOfTheDesign(t *testing.T) {
	for name, c := range map[string]struct{ got, want string }{
		"file": {moves(card.FilePlanned, card.FileCancelled, between[card.FileState]), `PLANNED: BUILDING CANCELLED
BUILDING: SEALED CANCELLED
SEALED: RELEASED
RELEASED: SENDING CANCELLED
SENDING: RELEASED SENT IN_DOUBT
SENT: ACKNOWLEDGED REFUSED
IN_DOUBT: RELEASED SENT ACKNOWLEDGED CANCELLED
ACKNOWLEDGED: RECONCILING
REFUSED: RELEASED CANCELLED
RECONCILING: BALANCED
BALANCED: CLOSED
CLOSED: PURGED
`},
		"card": {moves(card.CardInactive, card.CardExpired, between[card.Status]), `INACTIVE: ACTIVE BLOCKED CLOSED EXPIRED
ACTIVE: BLOCKED CLOSED EXPIRED
BLOCKED: INACTIVE ACTIVE CLOSED EXPIRED
`},
		"use": {moves(card.UsePending, card.UseClosed, between[card.UseState]), `PENDING: CURRENT CLOSED
CURRENT: SUPERSEDED CLOSED
`},
		"return": {moves(card.ReturnDetected, card.ReturnDiscarded, between[card.ReturnState]), `DETECTED: STABLE
STABLE: STORED DUPLICATE
STORED: PARSED QUARANTINED
PARSED: APPLYING QUARANTINED
APPLYING: APPLIED PARTLY_APPLIED
PARTLY_APPLIED: APPLYING
QUARANTINED: STORED DISCARDED
`},
		"batch": {moves(card.BatchOpen, card.BatchFailed, between[card.BatchState]), `OPEN: PLANNED SUCCEEDED SUCCEEDED_WITH_EXCEPTIONS FAILED
PLANNED: RUNNING
RUNNING: SUCCEEDED SUCCEEDED_WITH_EXCEPTIONS FAILED
`},
		"order": {moves(card.OrderReceived, card.OrderCancelled, between[card.OrderState]), `RECEIVED: VALIDATED PARTLY_VALID REJECTED CANCELLED
VALIDATED: OPEN CANCELLED
PARTLY_VALID: OPEN CANCELLED
REJECTED: OPEN
OPEN: LOCKED CANCELLED
LOCKED: IN_PRODUCTION CANCELLED
IN_PRODUCTION: OPEN FULFILLED PARTLY_FULFILLED CANCELLED
FULFILLED: IN_PRODUCTION
PARTLY_FULFILLED: OPEN IN_PRODUCTION FULFILLED
`},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n%swant\n%s", name, c.got, c.want)
		}
	}
}

// A return line can only add to what is known: no transition goes back to an earlier milestone, and no end is left again.
func TestIssuesNeverMoveBackwards(t *testing.T) {
	for _, from := range between(card.IssueFollowsFile, card.IssueCancelled) {
		for _, to := range between(card.IssueFollowsFile, card.IssueCancelled) {
			// A prepared issue may still wait for its file, and one that is in a file already may be prepared again.
			waiting := from == card.IssueFollowsFile && to == card.IssuePrepared
			if from.To(to) == nil && from.Passed(to) && !waiting {
				t.Errorf("%s goes back to %s", from, to)
			}
		}
	}
	for _, end := range []card.IssueState{
		card.IssueRejected, card.IssueSpoiled, card.IssueDelivered, card.IssueDestroyed, card.IssueLostInTransit, card.IssueCancelled,
		card.IssueCompletedUntracked,
	} {
		for _, to := range between(card.IssueFollowsFile, card.IssueCancelled) {
			if err := end.To(to); !errors.Is(err, card.ErrTransition) {
				t.Errorf("%s goes on to %s: %v", end, to, err)
			}
		}
	}
}

func TestFulfilledMeansThePlasticWasMade(t *testing.T) {
	made := map[card.IssueState]bool{
		card.IssueProduced: true, card.IssueDispatched: true, card.IssueInTransit: true, card.IssueDelivered: true,
		card.IssueCompletedUntracked: true, card.IssueReturned: true, card.IssueDestroyed: true, card.IssueLostInTransit: true,
	}
	for _, s := range between(card.IssueFollowsFile, card.IssueCancelled) {
		if s.Fulfilled() != made[s] {
			t.Errorf("%s: fulfilled is %v", s, s.Fulfilled())
		}
	}
	if !card.IssueDelivered.Passed(card.IssueProduced) || card.IssueProduced.Passed(card.IssueDelivered) || card.IssueSpoiled.Passed(card.IssueProduced) {
		t.Error("milestones are passed in the wrong order")
	}
}

func TestStatesReadTheirOwnNames(t *testing.T) {
	for _, s := range between(card.OrderReceived, card.OrderCancelled) {
		if again, err := card.ParseOrderState(s.String()); err != nil || again != s {
			t.Errorf("order %s: %v", s, err)
		}
	}
	for _, s := range between(card.IssueFollowsFile, card.IssueCancelled) {
		if again, err := card.ParseIssueState(s.String()); err != nil || again != s {
			t.Errorf("issue %s: %v", s, err)
		}
	}
	for _, s := range card.FileStates() {
		if again, err := card.ParseFileState(s.String()); err != nil || again != s {
			t.Errorf("file %s: %v", s, err)
		}
	}
	for _, r := range between(card.New, card.PINNew) {
		if again, err := card.ParseReason(r.String()); err != nil || again != r {
			t.Errorf("reason %s: %v", r, err)
		}
	}
	if _, err := card.ParseFileState("sent"); err == nil {
		t.Error("a name in small letters was taken")
	}
	if _, err := card.FileState(0).MarshalText(); err == nil {
		t.Error("a state without a name was written")
	}
	if card.FileState(99).String() != "unknown(99)" {
		t.Error("an unknown state prints as a known one")
	}
}

func TestProductsKeepTheirJSONForm(t *testing.T) {
	p := card.Product{
		Code: "visa", Technology: card.DualInterface, PIN: card.PINPolicy{Method: card.RandomPIN, Length: 4},
		Actions: map[card.Reason]card.Action{card.Stolen: {NewPAN: true, PIN: card.TransferPIN, OldCard: card.OldClosed}},
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"technology":"DUAL_INTERFACE"`, `"method":"RANDOM_PVV"`, `"STOLEN":{"new_pan":true`, `"pin":"TRANSFER"`, `"old_card":"CLOSED"`} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("no %s in %s", part, raw)
		}
	}
	var again card.Product
	if err := json.Unmarshal(raw, &again); err != nil || fmt.Sprint(again) != fmt.Sprint(p) {
		t.Errorf("came back as %+v, %v", again, err)
	}
	for _, bad := range []string{`{"technology":"WOOD"}`, `{"pin":{"method":"NIBBLE"}}`, `{"actions":{"BORED":{}}}`} {
		if err := json.Unmarshal([]byte(bad), &again); err == nil {
			t.Errorf("%s: taken", bad)
		}
	}
}

func TestActionsFallBackToTheDefaultTable(t *testing.T) {
	p := card.Product{Actions: map[card.Reason]card.Action{card.Lost: {NewPAN: true, OldCard: card.OldStays}}}
	if a, ok := p.Action(card.Lost); !ok || a.OldCard != card.OldStays {
		t.Errorf("the product's own row is not used: %+v", a)
	}
	if a, ok := p.Action(card.Stolen); !ok || a != card.DefaultActions()[card.Stolen] {
		t.Errorf("the default row is not used: %+v", a)
	}
	for _, r := range []card.Reason{card.PINNew, card.PINReprint} {
		if _, ok := p.Action(r); ok {
			t.Errorf("%s makes a card", r)
		}
	}
}
