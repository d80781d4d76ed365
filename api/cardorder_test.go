package api_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"platen/api"
)

func (s *site) orderCard(c client, body string, options ...option) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/cards", strings.NewReader(body), append(options, asJSON)...)
}

func (s *site) card(token string) api.Card {
	s.t.Helper()
	return decode[api.Card](s.get(s.mine, "/v1/cards/"+token).want(http.StatusOK))
}

// balanced fails unless every card, order and line is counted alike in all places. Files of these tests leave by the word of sent, which is no delivery.
func (s *site) balanced() {
	s.t.Helper()
	c, err := s.plant.Check(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range c.Findings {
		if v.Invariant != "file.events" && v.Invariant != "batch.state" && v.Invariant != "delivery.evidence" {
			s.t.Errorf("%+v", v)
		}
	}
}

// atOnce sends equal requests side by side and gives the answers that are no conflict.
func (s *site) atOnce(n int, path, body string) []answer {
	s.t.Helper()
	answers := make([]answer, n)
	var all sync.WaitGroup
	for i := range answers {
		r := s.request(s.mine, http.MethodPost, path, strings.NewReader(body), asJSON)
		all.Go(func() {
			var err error
			if answers[i], err = s.send(r); err != nil {
				s.t.Error(err)
			}
		})
	}
	all.Wait()
	var answered []answer
	for _, a := range answers {
		if a.status != http.StatusConflict {
			answered = append(answered, a)
		}
	}
	return answered
}

func TestOneCardIsMadeWhenItIsOrdered(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const body = `{"reference":"ONE","product":"prepaid-mag","instant":true}`
		tokens := map[string]int{}
		for _, a := range s.atOnce(32, "/v1/cards", body) {
			if a.status != http.StatusCreated && a.status != http.StatusOK {
				t.Fatalf("%d: %s", a.status, a.body)
			}
			tokens[decode[api.OrderedCard](a).Card.Token]++
		}
		again := decode[api.OrderedCard](s.orderCard(s.mine, body).want(http.StatusOK))
		token := again.Card.Token
		if len(tokens) != 1 || tokens[token] == 0 || again.Card.Expiry == "" || strings.Count(again.Card.MaskedNumber, "*") < 6 {
			t.Fatalf("cards %v, then %+v", tokens, again.Card)
		}
		s.orderCard(s.mine, `{"reference":"ONE","product":"prepaid-mag"}`).refused(http.StatusUnprocessableEntity, "reference_reused")
		if c := s.card(token); uses(c) != "INACTIVE PENDING" || c.Issues[0].State != "PREPARED" || c.Issues[0].File != nil || len(c.Events) != 1 {
			t.Fatalf("made: %+v", c)
		}
		if c := s.card("ONE%231"); c.Token != token {
			t.Fatalf("by its order the card is %s", c.Token)
		}
		s.act(s.theirs, token, "block", "x").refused(http.StatusNotFound, "not_found")
		if c := decode[api.Card](s.act(s.mine, token, "activate", "").want(http.StatusOK)); uses(c) != "ACTIVE CURRENT" {
			t.Fatalf("activated: %s", uses(c))
		}
		s.balanced()

		// A card of the night beside it; both leave in one file, each once.
		s.orderCard(s.mine, `{"reference":"NIGHT","product":"prepaid-mag"}`).want(http.StatusCreated)
		files := s.produce(s.mine)
		cards, night := s.card(token), s.card("NIGHT%231")
		if cards.Issues[0].File == nil || night.Issues[0].File == nil || cards.Issues[0].File.Line == night.Issues[0].File.Line || len(files) == 0 {
			t.Fatalf("in their file: %+v and %+v", cards.Issues, night.Issues)
		}
		if c := s.card("ONE%231"); c.Token != token || night.Token == token {
			t.Fatalf("by its order the card is %s", c.Token)
		}
		s.sent(files)
		if again := s.produce(s.mine); len(again) != 0 {
			t.Fatalf("%d files of cards that left", len(again))
		}
		o := decode[api.Order](s.get(s.mine, "/v1/orders/"+again.Order.ID).want(http.StatusOK))
		if o.Cards.Requested != 1 || o.Cards.InWork != 1 || o.State != "LOCKED" {
			t.Fatalf("order %+v", o)
		}
		s.submit(s.mine, "RENEW-ONE", "card,reason\n"+token+",RENEWAL\n").want(http.StatusCreated)
		s.produce(s.mine)
		if c := s.card(token); len(c.Issues) != 2 {
			t.Fatalf("renewed: %s", uses(c))
		}
	})
}

func TestACardThatWasMadeAtOnceIsTakenBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		v := decode[api.OrderedCard](s.orderCard(s.mine, `{"product":"prepaid-mag","instant":true}`, header("Idempotency-Key", "BACK")).want(http.StatusCreated))
		w := decode[api.Withdrawal](s.stop(s.mine, v.Order.ID, "cancel", because).want(http.StatusOK))
		c := s.card(v.Card.Token)
		if w.Cancelled != 1 || w.Order.State != "CANCELLED" || uses(c) != "CLOSED CLOSED" || c.ClosedFor != "REQUEST" || c.Issues[0].State != "CANCELLED" {
			t.Fatalf("taken back: %+v and %+v", w, c)
		}
		if files := s.produce(s.mine); len(files) != 0 {
			t.Fatal("a card that was taken back is made")
		}
		s.balanced()
	})
}

func TestARowThatCannotBeMadeLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		before := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body)
		for body, field := range map[string]string{
			`{"reference":"BAD","product":"nothing"}`:                                                                        "body.product",
			`{"reference":"BAD","product":"prepaid-mag","expiry":"2020-01"}`:                                                 "body.expiry",
			`{"reference":"BAD","product":"prepaid-mag","expiry":"soon"}`:                                                    "body.expiry",
			`{"reference":"BAD","product":"visa-debit-chip"}`:                                                                "body.product",
			`{"reference":"BAD","product":"prepaid-mag","customer_reference":"4000001234567899"}`:                            "body.customer_reference",
			`{"reference":"BAD","product":"visa-debit-chip",` + heldBy + `,"emboss_name":"` + strings.Repeat("A", 80) + `"}`: "body.emboss_name",
			`{"reference":"BAD","product":"prepaid-mag","instant":true,"country":"` + "Atlantis" + `"}`:                      "body.country",
		} {
			p := s.orderCard(s.mine, body).refused(http.StatusUnprocessableEntity, "bad_row")
			if len(p.Errors) == 0 || p.Errors[0].Location != field || p.Errors[0].Code == "" {
				t.Errorf("%s: %+v", body, p.Errors)
			}
		}
		for _, body := range []string{``, `[]`, `{"product":7}`, `{"product":"prepaid-mag","instant":"yes"}`, `{"product":"prepaid-mag","pan":"1"}`, `{"reference":"BAD"}`,
			`{"reference":"` + strings.Repeat("x", 65) + `","product":"prepaid-mag"}`} {
			if a := s.orderCard(s.mine, body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
				t.Errorf("%q: %d", body, a.status)
			}
		}
		s.orderCard(s.mine, `{"product":"prepaid-mag"}`).refused(http.StatusUnprocessableEntity, "bad_reference")
		s.orderCard(s.mine, "{\"reference\":\"BAD\",\"product\":\"prepaid-mag\",\"city\":\"\xff\"}").refused(http.StatusBadRequest, "malformed_body")
		s.orderCard(s.mine, `{"product":"`+strings.Repeat("x", 2<<20)+`"}`).want(http.StatusRequestEntityTooLarge)
		if after := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body); after != before {
			t.Errorf("orders %s, before %s", after, before)
		}
		named := decode[api.OrderedCard](s.orderCard(s.mine, `{"reference":"BAD","product":"visa-debit-chip","instant":true,`+heldBy+`}`).want(http.StatusCreated))
		if named.Card == nil || named.Order.Kind != "bulk" {
			t.Errorf("a named card: %+v", named)
		}
		s.produce(s.mine)
		if c := s.card(named.Card.Token); len(c.Mailers) != 1 || c.Issues[0].File == nil {
			t.Errorf("its PIN mailer: %+v", c)
		}
		s.balanced()
	})
}

const heldBy = `"first_name":"Ana","last_name":"Gomez","address1":"Calle 1","city":"Madrid","country":"ES"`
