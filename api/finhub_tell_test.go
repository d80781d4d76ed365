package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"platen/services/webhooks"
)

// answers changes what a listener answers with.
func (l *listener) answers(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.says = text
}

// took is how many messages a listener was sent, and the id of the last.
func (l *listener) took() (int, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.raw) == 0 {
		return 0, ""
	}
	return len(l.raw), l.header[len(l.header)-1].Get("X-FC-REQUEST-ID")
}

func TestFinhubTellsItsSubscribers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		wallet := f.funded("500")
		l, admin, public := s.listen()
		card := f.open(virtualCards, `"amount":100`)
		f.on("/card/v2/freeze", card, "").done()
		f.on("/card/v2/unfreeze", card, "").done()
		f.on("/card/deposit", card, `"amount":50`).done()
		f.on("/card/deposit", card, `"amount":900`).declined("insufficient_funds")
		f.on("/card/cancel", card, "").done()
		f.audited(physicalCards, "ana@example.com")

		// What is not confirmed is sent again, and what comes after waits for it.
		for try, says := range []string{"", `{"success":false}`, `{"code":200}`, `["success"]`} {
			l.answers(says)
			s.deliver()
			if n, _ := l.took(); n != try+1 {
				t.Fatalf("try %d: %d messages", try+1, n)
			}
			s.resumeAll()
		}
		_, first := l.took()
		l.answers(`{"success":true,"code":200}`)
		s.deliver()
		l.mu.Lock()
		if id := l.header[4].Get("X-FC-REQUEST-ID"); id != first {
			t.Errorf("the fifth try is of %s, want %s", id, first)
		}
		l.raw, l.header = l.raw[4:], l.header[4:]
		for n := range l.raw {
			if h := l.header[n]; h.Get("X-FC-CATEGORY") == "" || !strings.Contains(string(l.raw[n]), `"tenantId":"demo-bank"`) {
				t.Errorf("%v %s", h, l.raw[n])
			}
		}
		l.mu.Unlock()
		var orders, audits []string
		for _, m := range l.told("card_transaction") {
			if m["cardNo"] != card {
				t.Errorf("told of %v", m)
			}
			orders = append(orders, fmt.Sprint(m["type"], " ", m["status"], " ", m["amount"]))
		}
		if got := strings.Join(orders, ", "); got != "create success 100.00, Freeze success <nil>, UnFreeze success <nil>, deposit success 50.00, deposit fail 900.00, cancel success 149.75" {
			t.Errorf("orders: %s", got)
		}
		for _, m := range l.told("card_holder") {
			audits = append(audits, m["status"].(string))
		}
		if got := strings.Join(audits, " "); got != "wait_audit under_review pass_audit" {
			t.Errorf("audits: %s", got)
		}
		l.verified(t, public)
		f.holds(wallet, "498.75")

		s.do(admin, http.MethodPost, "/v1/webhooks", strings.NewReader(`{"url":"`+l.server.URL+`","form":"else"}`), asJSON).refused(http.StatusUnprocessableEntity, "invalid_request")
		s.do(admin, http.MethodPost, "/v1/webhooks", strings.NewReader(`{"url":"`+l.server.URL+`","form":"finhub","objects":["file"]}`), asJSON).refused(http.StatusUnprocessableEntity, "invalid_request")
	})
}

// The intervals between deliveries that the service publishes.
var publishedPauses = []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 12 * time.Hour, 24 * time.Hour}

func TestFinhubTriesAgainAtThePublishedTimes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		now := noon
		s.plant.Now = func() time.Time { return now }
		f := s.finhub(s.mine.institution, everyRole)
		l, _, _ := s.listen()
		l.answers("busy")
		f.funded("10") // two operations
		for try, pause := range publishedPauses {
			s.deliver()
			now = now.Add(pause - time.Microsecond)
			s.deliver()
			if n, _ := l.took(); n != try+1 {
				t.Fatalf("before the pause of try %d is over: %d tries", try+1, n)
			}
			now = now.Add(time.Microsecond)
		}
		_, first := l.took()
		l.answers(`{"success":true}`)
		s.deliver()
		if n, last := l.took(); n != len(publishedPauses)+2 || last == first || l.header[n-2].Get("X-FC-REQUEST-ID") != first {
			t.Errorf("%d tries, the last of %s", n, last)
		}
	})
}

// resumeAll lets what is waited for be tried at once.
func (s *site) resumeAll() {
	s.t.Helper()
	all, err := s.hooks.List(s.t.Context(), s.mine.institution.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, w := range all {
		if err := s.hooks.Pause(s.t.Context(), webhooks.Webhook{Webhook: w.Webhook}, false, "test"); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestFinhubHandsARejectedHolderInAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		number := `"merchantOrderNo":"HOLDER-OF-TWENTY-ONE-1",`
		create := fmt.Sprintf(number+`"cardTypeId":%d,"cardholderType":"B2B",%s`, physicalCards, finhubPerson("ana@example.com"))
		h := f.do("/card/holder/v2/create", create)
		id := h["holderId"].(string)
		if again := f.do("/card/holder/v2/create", create); again["holderId"] != id {
			t.Errorf("%v, then %v", h, again)
		}
		f.post("/card/holder/v2/create", strings.Replace(create, "Mayor 2", "Mayor 3", 1)).declined("reference_reused")
		f.post("/card/holder/v2/create", strings.Replace(create, "ONE-1", "ONE-2", 1)).declined("holder_exists")
		f.post("/card/holder/v2/create", strings.NewReplacer("B2B", "B2C", "ONE-1", "ONE-4").Replace(create)).declined("holder_model")
		f.post("/card/holder/v2/create", fmt.Sprintf(`"merchantOrderNo":"HOLDER-OF-TWENTY-ONE-3","cardTypeId":%d,"cardHolderModel":"B2B",%s`, giftCards, finhubPerson("ana@example.com"))).declined("no_holder")
		changed := fmt.Sprintf(`"holderId":%q,%s`, id, strings.Replace(finhubPerson("ana@example.com"), "Mayor 2", "Mayor 3", 1))
		f.post("/card/holder/v2/update", changed).declined("holder_state")
		s.audit(s.mine, id, "review", "").want(http.StatusOK)
		s.audit(s.mine, id, "reject", `{"reason":"no such street"}`).want(http.StatusOK)
		page := f.do("/card/holder/query", fmt.Sprintf(`"holderId":%q`, id))["records"].([]any)[0].(map[string]any)
		if page["status"] != "reject" || page["rejectReason"] != "no such street" {
			t.Errorf("rejected: %v", page)
		}
		if h := f.do("/card/holder/v2/update", changed); h["status"] != "wait_audit" || h["holderId"] != id {
			t.Errorf("handed in again: %v", h)
		}
		if all := f.do("/card/holder/query", `"pageSize":1`); len(all["records"].([]any)) != 1 || all["hasMore"].(bool) {
			t.Errorf("all: %v", all)
		}
	})
}
