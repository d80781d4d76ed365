package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"platen/api"
	"platen/sql/store"
)

func (s *site) post1(c client, path, body string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, path, strings.NewReader(body), asJSON)
}

func (s *site) put(c client, path, body string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPut, path, strings.NewReader(body), asJSON)
}

// eventsOf lists the kinds of what happened to a customer or account.
func (s *site) eventsOf(k store.RecordKind, reference string) []string {
	s.t.Helper()
	r, err := s.plant.Store.RecordNamed(s.t.Context(), k, s.mine.institution.ID, reference)
	if err != nil {
		s.t.Fatal(err)
	}
	events, err := s.plant.Store.Events(s.t.Context(), s.mine.institution.ID, string(k), r.Number)
	if err != nil {
		s.t.Fatal(err)
	}
	kinds := make([]string, len(events))
	for i, e := range events {
		kinds[i] = e.Kind
	}
	return kinds
}

func TestACustomerAndItsAccountsAreDeclaredOnceAndKeptInVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const zoe = `{"reference":"C-1","first_name":"Zoë","last_name":"Müller","address1":"Hauptstr. 1","city":"Berlin","country":"DE","attributes":{"segment":"A"}}`
		made := 0
		for _, a := range s.atOnce(32, "/v1/customers", zoe) {
			if a.status == http.StatusCreated {
				made++
			}
			if v := decode[api.Customer](a); a.status >= http.StatusBadRequest || v.Version != 1 || v.LastName != "Müller" {
				t.Fatalf("%d: %s", a.status, a.body)
			}
		}
		if got := s.eventsOf(store.CustomerRecord, "C-1"); made != 1 || !slices.Equal(got, []string{"created"}) {
			t.Fatalf("made %d times, events %v", made, got)
		}
		s.post1(s.mine, "/v1/customers", `{"reference":"C-1","last_name":"Else"}`).refused(http.StatusUnprocessableEntity, "reference_reused")
		changed := strings.Replace(strings.Replace(zoe, `"reference":"C-1"`, `"version":1`, 1), "Berlin", "Bonn", 1)
		for range 2 {
			if v := decode[api.Customer](s.put(s.mine, "/v1/customers/C-1", changed).want(http.StatusOK)); v.Version != 2 || v.City != "Bonn" || v.ChangedBy != "demo-bank-desk" {
				t.Fatalf("changed: %+v", v)
			}
		}
		s.put(s.mine, "/v1/customers/C-1", `{"version":1,"last_name":"Late"}`).refused(http.StatusConflict, "version_moved")
		if v := decode[api.Customer](s.post1(s.mine, "/v1/customers", zoe).want(http.StatusOK)); v.Version != 2 {
			t.Fatalf("declared again: %+v", v)
		}
		if got := s.eventsOf(store.CustomerRecord, "C-1"); !slices.Equal(got, []string{"created", "changed"}) {
			t.Fatalf("events %v", got)
		}

		const terms = `{"reference":"A-1","customer":"C-1","product":"prepaid-mag","currency":"978","credit_limit":250000,"limits":[{"name":"atm","amount":30000,"count":3}]}`
		s.post1(s.mine, "/v1/accounts", terms).want(http.StatusCreated)
		s.post1(s.mine, "/v1/accounts", terms).want(http.StatusOK)
		if v := decode[api.Account](s.put(s.mine, "/v1/accounts/A-1", `{"currency":"840"}`).want(http.StatusOK)); v.Customer != "C-1" || v.Currency != "840" || v.CreditLimit != 0 || v.Version != 2 {
			t.Fatalf("changed: %+v", v)
		}
		for n := range 3 {
			s.post1(s.mine, "/v1/accounts", fmt.Sprintf(`{"reference":"A-%d","customer":"C-1"}`, n+2)).want(http.StatusCreated)
		}
		first := decode[api.Page[api.Account]](s.get(s.mine, "/v1/customers/C-1/accounts?limit=3").want(http.StatusOK))
		rest := decode[api.Page[api.Account]](s.get(s.mine, "/v1/customers/C-1/accounts?limit=3&cursor="+first.NextCursor).want(http.StatusOK))
		if len(first.Items) != 3 || first.Items[0].Reference != "A-4" || len(rest.Items) != 1 || rest.Items[0].Reference != "A-1" || rest.NextCursor != "" {
			t.Fatalf("accounts %+v and %+v", first, rest)
		}
		s.get(s.mine, "/v1/accounts?cursor="+first.NextCursor).refused(http.StatusUnprocessableEntity, "bad_cursor")
		if all := decode[api.Page[api.Account]](s.get(s.mine, "/v1/accounts").want(http.StatusOK)); len(all.Items) != 4 {
			t.Fatalf("%d accounts", len(all.Items))
		}

		// Another institution sees nothing of them, and has the same names for its own.
		for _, path := range []string{"/v1/customers/C-1", "/v1/customers/C-1/accounts", "/v1/accounts/A-1", "/v1/accounts/A-1/cards"} {
			theirs, nobody := s.get(s.theirs, path).refused(http.StatusNotFound, "not_found"), s.get(s.theirs, strings.Replace(path, "-1", "-9", 1)).refused(http.StatusNotFound, "not_found")
			if theirs.Detail != nobody.Detail {
				t.Errorf("%s: %q is not %q", path, theirs.Detail, nobody.Detail)
			}
		}
		s.put(s.theirs, "/v1/customers/C-1", `{}`).refused(http.StatusNotFound, "not_found")
		s.put(s.theirs, "/v1/accounts/A-1", `{}`).refused(http.StatusNotFound, "not_found")
		s.post1(s.theirs, "/v1/accounts", terms).refused(http.StatusUnprocessableEntity, "unknown_customer")
		s.post1(s.theirs, "/v1/customers", `{"reference":"C-1"}`).want(http.StatusCreated)
		if all := decode[api.Page[api.Customer]](s.get(s.theirs, "/v1/customers").want(http.StatusOK)); len(all.Items) != 1 || all.Items[0].LastName != "" {
			t.Fatalf("their customers: %+v", all)
		}
	})
}

func TestWhatACustomerCannotBeIsRefused(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	s.post1(s.mine, "/v1/customers", `{"reference":"C"}`).want(http.StatusCreated)
	for body, field := range map[string]string{
		`{"reference":"X","last_name":"4000001234567899"}`:                      "body.last_name",
		`{"reference":"X","identification":"4000 0012 3456 7899"}`:              "body.identification",
		`{"reference":"X","email":"a\u0007b@example.org"}`:                      "body.email",
		`{"reference":"X","country":"XX"}`:                                      "body.country",
		`{"reference":"X","address1":"Somewhere 1"}`:                            "",
		`{"reference":"X","birth_date":"1990-02-30"}`:                           "body.birth_date",
		`{"reference":"X","language":"Z1"}`:                                     "body.language",
		`{"reference":"X","attributes":{"a b":"c"}}`:                            "body.attributes",
		`{"reference":"X","attributes":{"k":"4000001234567899"}}`:               "body.attributes.k",
		`{"reference":"X","attributes":{` + manyMembers(31) + `}}`:              "body.attributes",
		`{"reference":"X","attributes":{"k":"` + long(201) + `"}}`:              "body.attributes.k",
		`{"reference":"X","customer":"C","currency":"EUR"}`:                     "body.currency",
		`{"reference":"X","customer":"C","product":"nothing"}`:                  "body.product",
		`{"reference":"X","customer":"C","limits":[{"name":"a b"}]}`:            "body.limits",
		`{"reference":"X","customer":"C","limits":[{"name":"a"},{"name":"a"}]}`: "body.limits",
	} {
		path := "/v1/customers"
		if strings.Contains(body, `"customer"`) {
			path = "/v1/accounts"
		}
		if field == "" {
			s.post1(s.mine, path, body).want(http.StatusCreated) // half an address is the institution's affair until a card goes there
			continue
		}
		p := s.post1(s.mine, path, body).refused(http.StatusUnprocessableEntity, "bad_content")
		if len(p.Errors) != 1 || p.Errors[0].Location != field || p.Errors[0].Code == "" {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	for _, reference := range []string{"a/b", "a b", "a#b", "ü", "4000001234567899"} {
		s.post1(s.mine, "/v1/customers", `{"reference":"`+reference+`"}`).refused(http.StatusUnprocessableEntity, "bad_record_reference")
	}
	for _, body := range []string{``, `[]`, `{}`, `{"reference":""}`, `{"reference":7}`, `{"reference":"` + long(65) + `"}`, `{"reference":"X","pan":"1"}`, `{"reference":"X","last_name":` + "\"" + long(41) + `"}`,
		`{"reference":"X","attributes":{"k":1}}`, `{"reference":"X","customer":"C","credit_limit":-1}`, `{"reference":"X","customer":"C","credit_limit":1.5}`, `{"reference":"X","customer":"C","limits":{}}`} {
		path := "/v1/customers"
		if strings.Contains(body, `"customer"`) {
			path = "/v1/accounts"
		}
		if a := s.post1(s.mine, path, body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
			t.Errorf("%q: %d", body, a.status)
		}
	}
	if all := decode[api.Page[api.Customer]](s.get(s.mine, "/v1/customers").want(http.StatusOK)); len(all.Items) != 2 {
		t.Errorf("%d customers", len(all.Items))
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func manyMembers(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	return strings.Join(all, ",")
}

func (s *site) link(c client, token, account string) answer {
	s.t.Helper()
	return s.post1(c, "/v1/cards/"+token+"/link", `{"account":"`+account+`"}`)
}

func (s *site) account(reference string) []api.AccountCards {
	s.t.Helper()
	return decode[api.Page[api.AccountCards]](s.get(s.mine, "/v1/accounts/"+reference+"/cards").want(http.StatusOK)).Items
}

func TestCardsHangOnAccounts(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		for _, c := range []client{s.mine, s.theirs} {
			s.post1(c, "/v1/customers", `{"reference":"C"}`).want(http.StatusCreated)
			for _, a := range []string{`"A"`, `"B"`, `"CHIP","product":"visa-debit-chip"`} {
				s.post1(c, "/v1/accounts", `{"customer":"C","reference":`+a+`}`).want(http.StatusCreated)
			}
		}
		// Ordered for an account, at once and for the night.
		const body = `{"reference":"ONE","product":"prepaid-mag","instant":true,"account":"A"}`
		for _, a := range s.atOnce(16, "/v1/cards", body) {
			if a.status != http.StatusCreated && a.status != http.StatusOK {
				t.Fatalf("%d: %s", a.status, a.body)
			}
		}
		one := decode[api.OrderedCard](s.orderCard(s.mine, body).want(http.StatusOK)).Card.Token
		s.orderCard(s.mine, `{"reference":"NIGHT","product":"prepaid-mag","account":"A"}`).want(http.StatusCreated)
		if c := s.card(one); c.Account != "A" || c.Customer != "C" {
			t.Fatalf("card %+v", c)
		}
		if l := s.account("A"); len(l) != 2 || len(l[0].Cards) != 1 || l[0].Cards[0].Token != one || l[1].Order != "NIGHT" || l[1].State != "OPEN" || len(l[1].Cards) != 0 {
			t.Fatalf("hanging: %+v", l)
		}
		for body, code := range map[string]string{
			`{"reference":"BAD","product":"prepaid-mag","account":"NONE"}`: "unknown_account", `{"reference":"BAD","product":"prepaid-mag","account":"CHIP"}`: "other_product",
		} {
			s.orderCard(s.mine, body).refused(http.StatusUnprocessableEntity, code)
		}
		s.orderCard(s.mine, `{"reference":"BAD","product":"prepaid-mag"}`).want(http.StatusCreated) // the name is free: nothing was kept

		// Anonymous stock is linked before it is activated, by one of many at once.
		s.submit(s.mine, "STOCK", massCSV(3)).want(http.StatusCreated)
		s.submit(s.theirs, "STOCK", massCSV(1)).want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		stock, night := s.card("STOCK%231"), s.card("NIGHT%231")
		if night.Account != "A" || stock.Account != "" {
			t.Fatalf("made: %+v and %+v", night, stock)
		}
		s.link(s.mine, stock.Token, "NONE").refused(http.StatusUnprocessableEntity, "unknown_account")
		s.link(s.mine, stock.Token, "CHIP").refused(http.StatusUnprocessableEntity, "other_product")
		s.link(s.theirs, stock.Token, "A").refused(http.StatusNotFound, "not_found")
		s.link(s.mine, "NOTOKEN", "A").refused(http.StatusNotFound, "not_found")
		for _, a := range s.atOnce(32, "/v1/cards/"+stock.Token+"/link", `{"account":"B"}`) {
			if a.status != http.StatusOK {
				t.Fatalf("%d: %s", a.status, a.body)
			}
		}
		s.link(s.mine, stock.Token, "A").refused(http.StatusConflict, "card_linked")
		linked := s.card(stock.Token)
		if linked.Account != "B" || len(linked.Events) != len(stock.Events)+1 || linked.Events[len(linked.Events)-1].Kind != "linked" {
			t.Fatalf("linked: %+v", linked)
		}
		s.act(s.mine, stock.Token, "activate", "").want(http.StatusOK)
		used := s.card("STOCK%232").Token
		s.act(s.mine, used, "activate", "").want(http.StatusOK)
		s.link(s.mine, used, "B").refused(http.StatusConflict, "card_activated")
		ended := s.card("STOCK%233").Token
		s.act(s.mine, ended, "close", "x").want(http.StatusOK)
		s.link(s.mine, ended, "B").refused(http.StatusConflict, "card_status")
		named := decode[api.OrderedCard](s.orderCard(s.mine, `{"reference":"NAMED","product":"visa-debit-chip","instant":true,`+heldBy+`}`).want(http.StatusCreated)).Card.Token
		s.link(s.mine, named, "CHIP").refused(http.StatusConflict, "card_named")

		// What takes a card's place hangs where that one did; its next issue is the same card.
		s.submit(s.mine, "ACTIONS", "card,reason\n"+stock.Token+",LOST\n"+one+",RENEWAL\n").want(http.StatusCreated)
		s.produce(s.mine)
		old := s.card(stock.Token)
		if c := s.card(old.ReplacedBy); c.Account != "B" || c.Customer != "C" {
			t.Fatalf("in its place: %+v", c)
		}
		s.link(s.mine, old.ReplacedBy, "A").refused(http.StatusConflict, "card_linked")
		if l := s.account("B"); len(l) != 1 || len(l[0].Cards) != 2 || l[0].Cards[0].Status != "CLOSED" || l[0].Cards[1].Token != old.ReplacedBy {
			t.Fatalf("hanging: %+v", l)
		}
		if l := s.account("A"); len(l) != 2 || len(l[0].Cards) != 1 || l[1].Cards[0].Token != night.Token {
			t.Fatalf("hanging: %+v", l)
		}
		page := decode[api.Page[api.AccountCards]](s.get(s.mine, "/v1/accounts/A/cards?limit=1").want(http.StatusOK))
		if rest := decode[api.Page[api.AccountCards]](s.get(s.mine, "/v1/accounts/A/cards?limit=1&cursor="+page.NextCursor).want(http.StatusOK)); len(rest.Items) != 1 || rest.NextCursor != "" ||
			rest.Items[0].Cards[0].Token != night.Token {
			t.Fatalf("second page: %+v", rest)
		}
		s.balanced()
	})
}
