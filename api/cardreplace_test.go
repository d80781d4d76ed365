package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"platen/api"
)

func (s *site) replace(c client, token, body string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/cards/"+token+"/replacements", strings.NewReader(body), asJSON)
}

func (s *site) end(c client, token, body string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/cards/"+token+"/close", strings.NewReader(body), asJSON)
}

// inUse are cards of one order that have left, all of them active.
func (s *site) inUse(n int) []string {
	s.t.Helper()
	s.submit(s.mine, "M", massCSV(n)).want(http.StatusCreated)
	s.sent(s.produce(s.mine))
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = s.card("M%23" + strconv.Itoa(i+1)).Token
		s.act(s.mine, tokens[i], "activate", "").want(http.StatusOK)
	}
	return tokens
}

func TestALostCardIsBlockedAtOnceAndReplaced(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		old := s.inUse(1)[0]
		made := 0
		for _, a := range s.atOnce(32, "/v1/cards/"+old+"/replacements", `{"reference":"LOST-1","reason":"LOST"}`) {
			if a.status == http.StatusCreated {
				made++
			} else if a.status != http.StatusOK {
				t.Fatalf("%d: %s", a.status, a.body)
			}
		}
		if c := s.card(old); made != 1 || uses(c) != "BLOCKED CURRENT" || c.Events[len(c.Events)-1].Kind != "blocked" {
			t.Fatalf("%d orders, the card is %+v", made, c)
		}
		s.replace(s.mine, old, `{"reference":"LOST-1","reason":"LOST"}`).want(http.StatusOK)
		s.replace(s.mine, old, `{"reference":"LOST-1","reason":"STOLEN"}`).refused(http.StatusUnprocessableEntity, "reference_reused")
		busy := s.replace(s.mine, old, `{"reference":"LOST-2","reason":"STOLEN"}`).refused(http.StatusUnprocessableEntity, "bad_row")
		if busy.Errors[0].Code != "card_busy" {
			t.Errorf("a second order: %+v", busy.Errors)
		}
		s.end(s.mine, old, because).refused(http.StatusConflict, "card_busy")
		s.act(s.mine, old, "unblock", "found again").refused(http.StatusConflict, "card_busy")
		s.produce(s.mine)
		c := s.card(old)
		next := s.card(c.ReplacedBy)
		if uses(c) != "CLOSED CLOSED" || c.ClosedFor != "LOST" || next.Replaces != old || uses(next) != "INACTIVE PENDING" {
			t.Fatalf("replaced: %+v by %+v", c, next)
		}
		closed := s.replace(s.mine, old, `{"reference":"LOST-3","reason":"DAMAGED"}`).refused(http.StatusUnprocessableEntity, "bad_row")
		if closed.Errors[0].Code != "card_closed" {
			t.Errorf("a closed card: %+v", closed.Errors)
		}
		s.balanced()
	})
}

func TestADamagedCardWorksUntilItsNextIssueIsActivated(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		damaged := s.inUse(1)[0]
		for _, body := range []string{``, `{}`, `{"reference":"X","reason":"NEW"}`, `{"reference":"X","reason":7}`, `{"reference":"X","reason":"LOST","pin":"1234"}`, `{"reason":"LOST"}`} {
			if a := s.replace(s.mine, damaged, body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
				t.Errorf("%q: %d", body, a.status)
			}
		}
		s.replace(s.theirs, damaged, `{"reference":"X","reason":"LOST"}`).refused(http.StatusNotFound, "not_found")
		s.replace(s.mine, "NOTOKEN", `{"reference":"X","reason":"LOST"}`).refused(http.StatusNotFound, "not_found")
		s.replace(s.mine, damaged, `{"reference":"DAMAGED-1","reason":"DAMAGED","branch":"7"}`).want(http.StatusCreated)
		if c := s.card(damaged); uses(c) != "ACTIVE CURRENT" {
			t.Fatalf("damaged: %s", uses(c))
		}
		s.produce(s.mine)
		if c := s.card(damaged); uses(c) != "ACTIVE CURRENT PENDING" || c.Replaces != "" {
			t.Fatalf("damaged: %s", uses(c))
		}
	})
}

func TestACardIsClosedForGood(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		token := s.inUse(1)[0]
		s.end(s.theirs, token, because).refused(http.StatusNotFound, "not_found")
		s.end(s.mine, "NOTOKEN", because).refused(http.StatusNotFound, "not_found")
		s.end(s.mine, token, `{"reason":"x","for":"REMAKE"}`).refused(http.StatusUnprocessableEntity, "invalid_request")
		s.end(s.mine, token, `{"reason":"\u00fc"}`).refused(http.StatusUnprocessableEntity, "bad_reason")
		for _, a := range s.atOnce(32, "/v1/cards/"+token+"/close", because) {
			a.want(http.StatusOK)
		}
		c := decode[api.Card](s.end(s.mine, token, because).want(http.StatusOK))
		if uses(c) != "CLOSED CLOSED" || c.ClosedFor != "REQUEST" || c.ReplacedBy != "" || len(c.Events) != 2 {
			t.Fatalf("closed: %+v", c)
		}
		s.act(s.mine, token, "unblock", "x").refused(http.StatusConflict, "card_status")
		s.balanced()
	})
}
