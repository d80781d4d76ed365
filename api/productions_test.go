package api_test

import (
	"net/http"
	"strings"
	"testing"

	"platen/api"
)

// productions are those of a card, as "id status" each.
func (s *site) productions(token string) string {
	s.t.Helper()
	var all []string
	for _, p := range decode[api.Productions](s.get(s.mine, "/v1/cards/"+token+"/productions").want(http.StatusOK)).Items {
		all = append(all, p.ID+" "+p.Status)
	}
	return strings.Join(all, ", ")
}

func (s *site) takeBack(c client, token, production string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/cards/"+token+"/productions/"+production+"/cancel", strings.NewReader(because), asJSON)
}

func TestWhatIsMadeOfACardIsListedAndTakenBackBeforeItsFile(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		expect := func(token, want string) {
			t.Helper()
			if got := s.productions(token); got != want {
				t.Errorf("productions %q, want %q", got, want)
			}
		}
		token := s.inUse(1)[0]
		expect(token, "1 SENT_TO_BUREAU")
		s.takeBack(s.mine, token, "next").refused(http.StatusNotFound, "not_found")
		for _, id := range []string{"2", "01", "0", "-1", "1.1", "1.", "x", "%00"} {
			s.takeBack(s.mine, token, id).refused(http.StatusNotFound, "not_found")
		}
		held := s.takeBack(s.mine, token, "1").refused(http.StatusConflict, "in_file")
		if !strings.Contains(held.Detail, "in file 1 ") {
			t.Errorf("detail %q", held.Detail)
		}
		s.takeBack(s.theirs, token, "1").refused(http.StatusNotFound, "not_found")
		s.get(s.theirs, "/v1/cards/"+token+"/productions").refused(http.StatusNotFound, "not_found")

		// An action by itself is taken back, and the card is free for the next.
		s.replace(s.mine, token, `{"reference":"D-1","reason":"DAMAGED"}`).want(http.StatusCreated)
		expect(token, "1 SENT_TO_BUREAU, next AWAITING_FILE")
		s.takeBack(s.mine, token, "next").want(http.StatusOK)
		s.takeBack(s.mine, token, "next").refused(http.StatusNotFound, "not_found")
		expect(token, "1 SENT_TO_BUREAU")
		s.replace(s.mine, token, `{"reference":"D-2","reason":"DAMAGED"}`).want(http.StatusCreated)
		s.produce(s.mine)
		expect(token, "1 SENT_TO_BUREAU, 2 IN_FILE")
		s.takeBack(s.mine, token, "2").refused(http.StatusConflict, "in_file")
		if events := s.card(token).Events; events[len(events)-1].Kind != "production_cancelled" {
			t.Errorf("events %+v", events)
		}
		s.balanced()

		// One that was ordered with others is cancelled with them.
		s.submit(s.mine, "M2", massCSV(2)).want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		others := []string{s.card("M2%231").Token, s.card("M2%232").Token}
		s.submit(s.mine, "BOTH", "card,reason\n"+others[0]+",RENEWAL\n"+others[1]+",RENEWAL\n").want(http.StatusCreated)
		s.takeBack(s.mine, others[0], "next").refused(http.StatusConflict, "order_of_many")
		s.balanced()
	})
}

func TestACardThatWasMadeAtOnceMayDoWithoutItsPlastic(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		v := decode[api.OrderedCard](s.orderCard(s.mine, `{"reference":"ONE","product":"prepaid-mag","instant":true}`).want(http.StatusCreated))
		token := v.Card.Token
		if got := s.productions(token); got != "1 AWAITING_FILE" {
			t.Errorf("productions %q", got)
		}
		answered := s.atOnce(16, "/v1/cards/"+token+"/productions/1/cancel", because)
		if len(answered) != 1 {
			t.Errorf("it was taken back %d times", len(answered))
		}
		s.takeBack(s.mine, token, "1").refused(http.StatusConflict, "production_ended")
		if got := s.productions(token); got != "1 CANCELLED" {
			t.Errorf("productions %q", got)
		}
		s.act(s.mine, token, "activate", "").want(http.StatusOK)
		if files := s.produce(s.mine); len(files) != 0 || uses(s.card(token)) != "ACTIVE CURRENT" {
			t.Errorf("%d files, card %s", len(files), uses(s.card(token)))
		}
		if o := decode[api.Order](s.get(s.mine, "/v1/orders/"+v.Order.ID).want(http.StatusOK)); o.State != "CANCELLED" {
			t.Errorf("its order is %s", o.State)
		}
		s.balanced()
		// A plastic can be made of it after all.
		s.replace(s.mine, token, `{"reference":"PLASTIC","reason":"DAMAGED"}`).want(http.StatusCreated)
		s.produce(s.mine)
		if got := s.productions(token); got != "1 CANCELLED, 2 IN_FILE" {
			t.Errorf("productions %q", got)
		}
		s.balanced()
	})
}
