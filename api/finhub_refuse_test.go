package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"platen/api"
	"platen/sql/store"
)

// unanswered is an answer of the dialect that is no success, with its HTTP status and code.
func (a answer) unanswered(status, code int, errorCode string) {
	a.t.Helper()
	e := decode[finhubAnswer](a.want(status))
	if e.Success || e.Code != code || !strings.Contains(string(e.Data), `"errorCode":"`+errorCode+`"`) {
		a.t.Errorf("refused with %s, want %d and %s", a.body, code, errorCode)
	}
}

func TestFinhubKnowsItsClients(t *testing.T) {
	now := noon
	onBothAt(t, api.Config{Now: func() time.Time { return now }}, func(t *testing.T, s *site) {
		now = noon
		f := s.finhub(s.mine.institution, everyRole)
		f.do("/card/list", "")
		without := func(change option) answer { return f.post("/card/list", "", change) }
		without(func(r *http.Request) { r.Header.Del("X-Tenant-ID") }).unanswered(http.StatusBadRequest, 500, "bad_header")
		without(header("X-Tenant-ID", s.theirs.institution.Code)).unanswered(http.StatusUnauthorized, 401, "unauthorized")
		without(header("platform", "fax")).unanswered(http.StatusBadRequest, 500, "bad_header")
		without(func(r *http.Request) { r.Header.Del("Authorization") }).unanswered(http.StatusUnauthorized, 401, "unauthorized")
		for _, token := range []string{f.token[:len(f.token)-1], f.token[:len(f.token)-2] + "AA", "session_", "session_!", "session_AAAA", f.token + "A"} {
			without(header("Authorization", "Bearer "+token)).unanswered(http.StatusUnauthorized, 401, "unauthorized")
		}
		without(header("Authorization", "Bearer "+f.key)).want(http.StatusOK) // the key itself serves as well
		s.do(client{key: f.token}, http.MethodGet, "/v1/orders", nil).want(http.StatusUnauthorized)

		login := func(email, password, tenant string) answer {
			return s.do(client{}, http.MethodPost, "/finhub/api/auth/login", strings.NewReader(fmt.Sprintf(`{"email":%q,"password":%q,"tenantId":%q}`, email, password, tenant)), asJSON)
		}
		mine := "ops@" + f.tenant + ".example"
		login(mine, f.key, f.tenant).done()
		login(mine, f.key, s.theirs.institution.Code).unanswered(http.StatusUnauthorized, 401, "unauthorized")
		login("else@example.com", f.key, f.tenant).unanswered(http.StatusUnauthorized, 401, "unauthorized")
		login(mine, "wrong", f.tenant).unanswered(http.StatusUnauthorized, 401, "unauthorized")
		login(mine, "", f.tenant).declined("invalid_request")

		now = noon.Add(api.TokenLife - time.Second)
		f.do("/card/list", "")
		now = noon.Add(api.TokenLife)
		f.post("/card/list", "").unanswered(http.StatusUnauthorized, 401, "unauthorized")
		now = noon
		if err := s.plant.Store.InTx(t.Context(), func(tx *store.Tx) error { return tx.RevokeClient(t.Context(), s.mine.institution.ID, mine, noon) }); err != nil {
			t.Fatal(err)
		}
		f.post("/card/list", "").unanswered(http.StatusUnauthorized, 401, "unauthorized")
		login(mine, f.key, f.tenant).unanswered(http.StatusUnauthorized, 401, "unauthorized")
	})
}

func TestFinhubRefusesInItsOwnForm(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		looker := &finhubClient{site: s, tenant: f.tenant, token: s.mine.key}
		wallet := f.funded("100")
		card := f.open(virtualCards, `"amount":10`)
		pool := f.do("/account/create", `"currency":"EUR"`)["accountId"].(string)
		stranger := s.finhub(s.theirs.institution, everyRole)
		theirs := stranger.funded("50")

		// Amounts.
		for amount, code := range map[string]string{"-5": "bad_amount", `"-5"`: "bad_amount", "0": "bad_amount", `""`: "bad_amount", "1e1": "bad_amount", `"ten"`: "bad_amount", "10.001": "amount_precision",
			"1000.01": "amount_limits", "4.99": "amount_limits", "99999999999999999": "amount_large", "true": "invalid_request", "[1]": "invalid_request", "null": "invalid_request"} {
			f.on("/card/deposit", card, `"amount":`+amount).declined(code)
		}
		for amount, code := range map[string]string{"-5": "bad_amount", "4.99": "amount_limits", "1000.01": "amount_limits", "10.001": "amount_precision", "0": "amount_limits"} {
			f.post("/card/v2/openCard", fmt.Sprintf(`"cardTypeId":%d,"amount":%s`, virtualCards, amount)).declined(code)
		}
		f.on("/card/deposit", card, `"amount":10,"currency":"USD"`).declined("other_currency")
		f.on("/card/deposit", card, `"amount":10,"remark":"4000001234567899"`).declined("bad_remark")
		f.on("/card/note", card, `"note":"4000 0012 3456 7899"`).declined("bad_remark")
		f.on("/card/deposit", card, `"merchantOrderNo":"4000001234567899","amount":10`).declined("bad_reference")

		// An order number is used once.
		again := `"merchantOrderNo":"DEPOSIT-ONCE-ONLY",`
		first := f.on("/card/deposit", card, again+`"amount":10`).done()
		if second := f.on("/card/deposit", card, again+`"amount":"10.00"`).done(); second["orderNo"] != first["orderNo"] {
			t.Errorf("%v, then %v", first, second)
		}
		f.on("/card/deposit", card, again+`"amount":10.01`).declined("reference_reused")
		f.on("/card/withdraw", card, again+`"amount":10`).declined("reference_reused")
		f.on("/card/cancel", card, again).declined("reference_reused")
		f.post("/card/v2/openCard", fmt.Sprintf(`"cardTypeId":%d,%s"amount":10`, virtualCards, again)).declined("reference_reused")

		// Money of others.
		number := `"merchantOrderNo":"TRANSFER-OF-TWENTY-%d",`
		move := func(n int, from, to string) answer {
			return f.post("/account/transfer", fmt.Sprintf(number+`"fromAccountId":%q,"toAccountId":%q,"amount":5`, n, from, to))
		}
		move(1, wallet, theirs).declined("not_found")
		move(2, theirs, wallet).declined("not_found")
		move(3, wallet, "nobody").declined("not_found")
		move(4, wallet, wallet).declined("same_account")
		move(5, wallet, pool).done()
		stranger.on("/card/info", card, "").declined("not_found")
		stranger.on("/card/deposit", card, `"amount":10`).declined("not_found")
		stranger.on("/card/cancel", card, "").declined("not_found")
		stranger.on("/card/info/sensitive", card, "").declined("not_found")
		f.post("/account/single/query", fmt.Sprintf(`"accountId":%q`, theirs)).declined("not_found")

		// Bodies.
		f.on("/card/cancel", card, `"merchantOrderNo":"SHORT",`).declined("invalid_request")
		f.on("/card/cancel", card, `"merchantOrderNo":"`+strings.Repeat("X", 66)+`",`).declined("invalid_request")
		f.post("/card/cancel", "").declined("invalid_request")
		f.post("/card/cancel", fmt.Sprintf(`"cardNo":%q,"cardId":"other"`, card)).declined("invalid_request")
		f.on("/card/cancel", card, `"why":"none"`).declined("invalid_request")
		f.on("/card/info", "T000000000000000000", "").declined("not_found")
		f.post("/card/v2/openCard", `"cardTypeId":7,"amount":10`).declined("invalid_request")
		f.post("/card/v2/openCard", fmt.Sprintf(`"cardTypeId":%d,"amount":10,"holderId":"nobody"`, physicalCards)).declined("holder_needed")
		f.on("/card/updateAttribute", card, `"noPinPaymentAmount":2001`).declined("invalid_request")
		f.on("/card/updateAttribute", card, `"allowedMcc":["12345"]`).declined("invalid_request")
		f.post("/card/holder/v2/create", fmt.Sprintf(`"merchantOrderNo":"HOLDER-OF-TWENTY-ONE-1","cardTypeId":%d,"cardHolderModel":"B2B",%s`, physicalCards, strings.Replace(finhubPerson("a@example.com"), "Muller", "Müller", 1))).
			declined("bad_content")
		f.post("/card/holder/query", `"holderId":"nobody"`).declined("not_found")
		looker.post("/card/list", "").unanswered(http.StatusForbidden, -1, "forbidden")
		f.site.do(client{}, http.MethodPost, finhubBase+"/card/purchase", strings.NewReader("{}"), asJSON).unanswered(http.StatusNotFound, -1, "not_found")

		f.is(card, "Normal", "19.95")
		f.holds(wallet, "74.00")
		s.balanced()
	})
}

func TestFinhubOpensOneCardHoweverOftenItIsAsked(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		wallet := f.funded("1000")
		body := fmt.Sprintf(`{"merchantOrderNo":"ONE-CARD-AND-NO-MORE","cardTypeId":%d,"amount":10}`, virtualCards)
		var all sync.WaitGroup
		answers := make([]answer, 16)
		for n := range answers {
			r := s.request(client{}, http.MethodPost, finhubBase+"/card/v2/openCard", strings.NewReader(body), asJSON, header("Authorization", "Bearer "+f.token), header("X-Tenant-ID", f.tenant))
			all.Go(func() {
				var err error
				if answers[n], err = s.send(r); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		cards := map[any]bool{}
		for _, a := range answers {
			if e := decode[finhubAnswer](a.want(http.StatusOK)); !e.Success {
				a.declined("order_in_flight") // it is to be asked again
				continue
			}
			cards[a.done()["cardNo"]] = true
		}
		last := f.post("/card/v2/openCard", strings.Trim(body, "{}")).done()
		if cards[last["cardNo"]] = true; len(cards) != 1 {
			t.Errorf("%d cards", len(cards))
		}
		f.holds(wallet, "989.00")

		// What failed stays failed, and makes no card.
		failed := `"merchantOrderNo":"TOO-MUCH-FOR-THE-WALLET",` + fmt.Sprintf(`"cardTypeId":%d,"amount":988.01`, virtualCards)
		for range 2 {
			f.post("/card/v2/openCard", failed).declined("insufficient_funds")
		}
		if page := f.do("/card/list", ""); len(page["records"].([]any)) != 1 {
			t.Errorf("cards: %v", page)
		}
		s.balanced()
	})
}
