package api_test

import (
	"net/http"
	"strings"
	"testing"

	"platen/api"
)

const instantBody = `{"reference":"I-1","product":"visa-debit-chip","customer":"C-1","person":{"first_name":"Ana","last_name":"Gomez","address1":"Calle 1","city":"Madrid","country":"ES"},` +
	`"account":"A-1","terms":{"currency":"978","credit_limit":5000}}`

// Customer, account and card stand together, once, however often it is asked; or nothing does.
func TestAnInstantCardStandsWholeOrNotAtAll(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const path = "/v1/instant-cards"
		made := 0
		var token string
		for _, a := range s.atOnce(16, path, instantBody) {
			if a.status == http.StatusCreated {
				made++
			}
			v := decode[api.OrderedCard](a)
			if v.Card == nil || token != "" && v.Card.Token != token {
				t.Fatalf("%d: %s", a.status, a.body)
			}
			token = v.Card.Token
		}
		if c := s.card(token); made != 1 || c.Status != "ACTIVE" || c.Account != "A-1" || c.Customer != "C-1" {
			t.Fatalf("made %d times: %+v", made, c)
		}
		change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(instantBody) }
		for body, want := range map[string]struct {
			status int
			code   string
		}{
			change(`"I-1"`, `"I-2"`):                                                           {http.StatusUnprocessableEntity, "reference_reused"}, // its customer exists
			change(`"I-1"`, `"I-2"`, `"C-1"`, `"C-2"`):                                         {http.StatusUnprocessableEntity, "reference_reused"}, // its account exists
			change(`"credit_limit":5000`, `"credit_limit":5001`):                               {http.StatusUnprocessableEntity, "reference_reused"},
			change(`"I-1"`, `"I-2"`, `"C-1"`, `"C-2"`, `"A-1"`, `"A-2"`, `"978"`, `"9"`):       {http.StatusUnprocessableEntity, "bad_content"},
			change(`"I-1"`, `"I-2"`, `"C-1"`, `"C-2"`, `"A-1"`, `"A-2"`, "Madrid", ""):         {http.StatusUnprocessableEntity, "bad_row"},
			`{"reference":"I-2","product":"visa-debit-chip","customer":"C-2","account":"A-1"}`: {http.StatusUnprocessableEntity, "unknown_customer"},
			`{"reference":"I-2","product":"visa-debit-chip","customer":"C-1","account":"A-2"}`: {http.StatusUnprocessableEntity, "unknown_account"},
		} {
			s.post1(s.mine, path, body).refused(want.status, want.code)
		}
		for _, body := range []string{``, `[]`, `{}`, change(`"C-1"`, `""`), change(`"C-1"`, `1`), change(`"person":{`, `"person":{"pan":"1",`), change(`"account":"A-1"`, `"card_delay":31,"account":"A-1"`)} {
			if a := s.post1(s.mine, path, body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
				t.Errorf("%.40q: %d", body, a.status)
			}
		}
		for _, gone := range []string{"/v1/customers/C-2", "/v1/accounts/A-2"} {
			s.get(s.mine, gone).refused(http.StatusNotFound, "not_found")
		}
		// What docs/api.md orders: a card that goes nowhere needs no address.
		s.post1(s.mine, path, `{"reference":"NOW-1","product":"visa-virtual","customer":"C-81","person":{"first_name":"Ana","last_name":"Gomez"},"account":"A-81","terms":{"currency":"978"}}`).want(http.StatusCreated)
		// A second card of the same customer on the same account, without plastic, and not in use yet.
		v := decode[api.OrderedCard](s.post1(s.mine, path, `{"reference":"I-3","product":"visa-virtual","customer":"C-1","account":"A-1","active":false}`).want(http.StatusCreated))
		if c := s.card(v.Card.Token); c.Status != "INACTIVE" || c.Account != "A-1" {
			t.Errorf("%+v", c)
		}
		if files := s.produce(s.mine); len(files) != 2 || files[0].Planned != 1 {
			t.Errorf("files %+v", files)
		}
		s.balanced()
	})
}
