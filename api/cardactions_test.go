package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"platen/api"
	"platen/sql/store"
)

func (s *site) action(token, body string) answer {
	s.t.Helper()
	return s.post1(s.mine, "/v1/cards/"+token+"/actions", body)
}

// did is what came of an action that was carried out.
func (s *site) did(token, body string) api.CardAction {
	s.t.Helper()
	return decode[api.CardAction](s.action(token, body).want(http.StatusOK))
}

// mailed is the PIN that the only mailer of some files tells.
func (h *holder) mailed(files []store.File) string {
	h.t.Helper()
	if len(files) != 1 || files[0].Purpose != store.MailerPurpose || files[0].Planned != 1 {
		h.t.Fatalf("files %+v", files)
	}
	rows, err := h.plant.Store.PrintRows(h.t.Context(), files[0].Number, true, 1, 1)
	if err != nil || len(rows) != 1 {
		h.t.Fatal(len(rows), err)
	}
	return h.opened(rows[0].PIN)
}

func TestCardActionsAreCarriedOutByTheirCodes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		// Nothing is made yet: the first plastic waits, is taken back, and is asked for again.
		made := decode[api.OrderedCard](s.post1(s.mine, "/v1/cards", `{"reference":"A","instant":true,`+namedCard+`}`).want(http.StatusCreated)).Card
		token := made.Token
		s.action(token, `{"action":3,"requested":1}`).refused(http.StatusConflict, "action_nothing_issued")
		s.action(token, `{"action":1,"requested":1}`).refused(http.StatusConflict, "action_first_waits")
		s.did(token, `{"action":0}`)
		if files := s.produce(s.mine); len(files) != 0 {
			t.Fatalf("taken back, and made: %+v", files)
		}
		first := s.did(token, `{"action":1,"requested":1,"reference":"FIRST"}`)
		if again := s.did(token, `{"action":1,"requested":1,"reference":"FIRST"}`); again.Order != "FIRST" || first.Order != "FIRST" {
			t.Errorf("%+v and %+v", first, again)
		}
		s.sent(s.produce(s.mine))
		s.act(s.mine, token, "activate", "").want(http.StatusOK)

		// A replacement, once; another is refused until it is taken back or made.
		if v := s.did(token, `{"action":3,"requested":1,"reason_code":"D"}`); v.Reason != "DAMAGED" || v.Outstanding != 1 || v.Links["order"] == "" {
			t.Errorf("%+v", v)
		}
		s.action(token, `{"action":3,"requested":1}`).refused(http.StatusConflict, "card_busy")
		s.did(token, `{"action":0}`)
		for body, code := range map[string]string{`{"action":3}`: "action_requested_missing", `{"action":3,"requested":2}`: "action_requested_over", `{"action":1,"requested":1}`: "action_issued",
			`{"action":2,"requested":1}`: "action_smart_card", `{"action":3,"requested":1,"reason_code":"L"}`: "action_reason", `{"action":3,"requested":1,"reason_code":"Z"}`: "action_reason",
			`{"action":4,"returned":2}`: "action_returned_over", `{"action":4}`: "action_returned_missing", `{"action":3,"requested":1,"new_pin":true}`: "action_new_pin", `{"action":7,"same_day":true}`: "action_same_day",
			`{"action":8}`: "action_of_system", `{"action":9}`: "action_of_system", `{"action":0,"returned":1}`: "action_returned_zero", `{"action":5,"requested":1}`: "action_requested_zero"} {
			s.action(token, body).refused(http.StatusConflict, code)
		}
		for _, body := range []string{``, `[]`, `{"action":10}`, `{"action":-1}`, `{"action":"3"}`, `{"action":3,"requested":100}`, `{"action":3,"reason_code":"DD"}`, `{"action":3,"pan":1}`, `{}`} {
			if a := s.action(token, body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
				t.Errorf("%q: %d %s", body, a.status, a.body)
			}
		}
		s.post1(s.theirs, "/v1/cards/"+token+"/actions", `{"action":0}`).refused(http.StatusNotFound, "not_found")
		s.action(token, `{"action":3,"requested":1,"reason_code":"N"}`).refused(http.StatusUnprocessableEntity, "bad_row")
		s.did(token, `{"action":3,"requested":1,"reason_code":"N","emboss_name":"ANA DIAZ"}`)
		s.sent(s.produce(s.mine))
		if c := s.card(token); len(c.Issues) != 3 || c.Issues[2].Reason != "NAME_CHANGE" {
			t.Fatalf("%+v", c.Issues)
		}

		// Two are outstanding until the new one is in use; given back, none can be replaced.
		if v := s.did(token, `{"action":4,"returned":2}`); v.Outstanding != 0 {
			t.Errorf("%+v", v)
		}
		s.action(token, `{"action":3,"requested":1}`).refused(http.StatusConflict, "action_requested_over")
		if v := s.did(token, `{"action":7}`); v.Reason != "RENEWAL" {
			t.Errorf("%+v", v)
		}
		s.sent(s.produce(s.mine))
		s.act(s.mine, token, "activate", "").want(http.StatusOK)
		if v := s.did(token, `{"action":6,"returned":1,"same_day":true,"reason_code":"L"}`); v.Reason != "LOST" {
			t.Errorf("%+v", v)
		}
		if c := s.card(token); c.Status != "BLOCKED" {
			t.Errorf("%+v", c)
		}
		s.produce(s.mine)
		if c := s.card(token); c.Status != "CLOSED" || c.ReplacedBy == "" || strings.Count(fmt.Sprint(c.Events), "card_action") != 8 {
			t.Errorf("%+v", c)
		}
		s.balanced()
	})
}

// A PIN mailer is asked for by itself: of the PIN that the card has, chosen or not, or of a new one.
func TestPINMailersAreAskedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.post1(s.mine, "/v1/cards", `{"reference":"A",`+namedCard+`}`).want(http.StatusCreated)
		files := s.produce(s.mine)
		s.sent(files)
		token := s.card("A%231").Token
		h := s.holderOf(token)
		desk := client{institution: s.mine.institution, key: s.addBearer(store.Client{Institution: s.mine.institution.ID, Name: "pins", Roles: "pin", Rate: 1_000_000})}
		s.did(token, `{"action":5}`)
		s.action(token, `{"action":5}`).refused(http.StatusConflict, "mailer_waits")
		s.action(token, `{"action":5,"new_pin":true}`).refused(http.StatusConflict, "mailer_waits")
		files = s.produce(s.mine)
		if told := h.mailed(files); told != h.pin {
			t.Error("the mailer tells another PIN")
		}
		s.sent(files)

		s.did(token, `{"action":5,"new_pin":true}`)
		files = s.produce(s.mine)
		fresh := h.mailed(files)
		if fresh == h.pin {
			t.Error("the PIN is no new one")
		}
		if v := decode[api.PINVerdict](h.try(desk, "pos", h.pin).want(http.StatusOK)); v.Verified {
			t.Error("the old PIN is right")
		}
		if v := decode[api.PINVerdict](h.try(desk, "pos", fresh).want(http.StatusOK)); !v.Verified {
			t.Error("the new PIN is wrong")
		}

		// One that is taken back is not made; another may be asked for.
		s.did(token, `{"action":5}`)
		s.did(token, `{"action":0}`)
		if files := s.produce(s.mine); len(files) != 0 {
			t.Errorf("taken back, and made: %+v", files)
		}
		s.did(token, `{"action":5}`)
		if told := h.mailed(s.produce(s.mine)); told != fresh {
			t.Error("the mailer tells another PIN than the card has")
		}
		if c := s.card(token); len(c.Mailers) != 5 {
			t.Errorf("%+v", c.Mailers)
		}
		s.submit(s.mine, "STOCK", "product,quantity\nprepaid-mag,1\n").want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		s.action(s.card("STOCK%231").Token, `{"action":5}`).refused(http.StatusConflict, "no_mailer")
		// A card with a stripe may have another beside it, which has a number of its own.
		if v := s.did(s.card("STOCK%231").Token, `{"action":2,"requested":1,"reference":"MORE"}`); v.Reason != "ADDITIONAL" {
			t.Errorf("%+v", v)
		}
		s.produce(s.mine)
		if c := s.card("MORE%231"); c.Product != "prepaid-mag" {
			t.Errorf("%+v", c)
		}
		s.balanced()
	})
}
