package api_test

import (
	"net/http"
	"strings"
	"testing"

	"platen/api"
)

func (s *site) step(c client, token, step string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/simulator/cards/"+token+"/"+step, nil)
}

// instant orders one card that is made at once.
func (s *site) instant(reference, product string) api.OrderedCard {
	s.t.Helper()
	holder := ""
	if product != "visa-virtual" {
		holder = "," + heldBy
	}
	return decode[api.OrderedCard](s.orderCard(s.mine, `{"reference":"`+reference+`","product":"`+product+`","instant":true`+holder+`}`).want(http.StatusCreated))
}

func TestACardWithoutPlasticIsMadeAtOnceAndInNoFile(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		v := s.instant("V-1", "visa-virtual")
		c := s.card(v.Card.Token)
		if v.Order.State != "FULFILLED" || uses(c) != "INACTIVE PENDING" || c.Issues[0].State != "PREPARED" {
			t.Fatalf("made: %+v, %+v", v, c)
		}
		for path, body := range map[string]string{"/v1/cards": `{"reference":"V-2","product":"visa-virtual"}`, "/v1/cards/" + v.Card.Token + "/replacements": `{"reference":"V-2","reason":"LOST"}`} {
			p := s.do(s.mine, http.MethodPost, path, strings.NewReader(body), asJSON).refused(http.StatusUnprocessableEntity, "bad_row")
			if code := p.Errors[0].Code; code != "product_virtual" && code != "card_virtual" {
				t.Errorf("%s: %+v", path, p.Errors)
			}
		}
		order := decode[api.Order](s.submit(s.mine, "V-3", "product,quantity\nvisa-virtual,3\n").want(http.StatusCreated))
		if order.State != "REJECTED" {
			t.Errorf("a mass order: %+v", order)
		}
		if files := s.produce(s.mine); len(files) != 0 {
			t.Fatalf("%d files", len(files))
		}
		s.act(s.mine, v.Card.Token, "activate", "").want(http.StatusOK)
		s.end(s.mine, v.Card.Token, because).want(http.StatusOK)
		if o := decode[api.Order](s.get(s.mine, "/v1/orders/"+v.Order.ID).want(http.StatusOK)); o.State != "FULFILLED" || o.Cards.Fulfilled != 1 {
			t.Errorf("its order after its end: %+v", o)
		}
		s.balanced()
	})
}

func TestASandboxSimulatesWhatBureauAndCourierSay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		delivered, lost := s.instant("B-1", "visa-debit-chip").Card.Token, s.instant("B-2", "visa-debit-chip").Card.Token
		s.step(s.mine, delivered, "produce").refused(http.StatusConflict, "card_not_made")
		files := s.produce(s.mine)
		s.step(s.mine, delivered, "produce").refused(http.StatusConflict, "card_not_made")
		s.sent(files)
		for token, end := range map[string]string{delivered: "deliver", lost: "lose"} {
			states := []string{"PRODUCED", "DISPATCHED", map[string]string{"deliver": "DELIVERED", "lose": "LOST_IN_TRANSIT"}[end]}
			for n, step := range []string{"produce", "ship", end} {
				for range 2 { // said again, it changes nothing
					c := decode[api.Card](s.step(s.mine, token, step).want(http.StatusOK))
					if got := c.Issues[0]; got.State != states[n] || len(got.Evidence) < n+1 {
						t.Fatalf("%s: %+v", step, got)
					}
				}
			}
		}
		s.step(s.mine, lost, "deliver").refused(http.StatusConflict, "card_not_made")
		s.step(s.theirs, delivered, "produce").refused(http.StatusNotFound, "not_found")
		virtual := s.instant("B-3", "visa-virtual").Card.Token
		s.step(s.mine, virtual, "ship").refused(http.StatusConflict, "card_not_made")
		s.balanced()
	})
}

func TestASandboxSimulatesWhatBecomesOfACard(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		issued, failed, plastic := s.instant("S-1", "visa-virtual").Card.Token, s.instant("S-2", "visa-virtual").Card.Token, s.instant("S-3", "visa-debit-chip").Card.Token
		for range 2 {
			if c := decode[api.Card](s.step(s.mine, issued, "issue").want(http.StatusOK)); uses(c) != "ACTIVE CURRENT" || len(c.Events) != 2 {
				t.Fatalf("issued: %+v", c)
			}
			for _, token := range []string{failed, plastic} {
				if c := decode[api.Card](s.step(s.mine, token, "fail").want(http.StatusOK)); uses(c) != "CLOSED CLOSED" || c.Issues[0].State != "CANCELLED" {
					t.Fatalf("failed: %+v", c)
				}
			}
		}
		s.step(s.mine, issued, "fail").refused(http.StatusConflict, "card_status")
		s.step(s.mine, failed, "issue").refused(http.StatusConflict, "card_status")
		s.step(s.mine, issued, "vanish").refused(http.StatusUnprocessableEntity, "invalid_request")
		s.step(s.mine, "NOTOKEN", "issue").refused(http.StatusNotFound, "not_found")
		made := s.instant("S-4", "visa-debit-chip").Card.Token
		if files := s.produce(s.mine); len(files) != 2 { // the card's and its PIN mailer's
			t.Fatalf("%d files", len(files))
		}
		s.step(s.mine, made, "fail").refused(http.StatusConflict, "card_in_file")
		s.step(s.mine, made, "issue").want(http.StatusOK)
		nothing := s.do(s.mine, http.MethodPost, "/v1/nothing", nil).refused(http.StatusNotFound, "not_found")
		for _, token := range []string{issued, "NOTOKEN"} {
			if p := s.step(s.theirs, token, "issue").refused(http.StatusNotFound, "not_found"); p.Detail != nothing.Detail {
				t.Errorf("in production: %+v", p)
			}
		}
		s.balanced()
	})
}
