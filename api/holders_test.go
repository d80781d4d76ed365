package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"platen/api"
	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

// cardTypes are card types beside the sample's.
func cardTypes(set *programs.Set) []card.Product {
	at := slices.IndexFunc(set.Products, func(p card.Product) bool { return p.Code == "visa-virtual" })
	team, private, gift := set.Products[at], set.Products[at], set.Products[at]
	team.Code, team.Prepaid = "team-card", card.Prepaid{Mode: card.SharedMoney, Category: card.Purchase, Holder: card.CompanyHolder, HolderCards: 1, Regions: []string{"ES", "FR"}}
	private.Code, private.Prepaid = "private-card", card.Prepaid{Mode: card.OwnMoney, Category: card.Subscription, Holder: card.ConsumerHolder, Offline: true}
	gift.Code, gift.Prepaid = "gift-card", card.Prepaid{Mode: card.OwnMoney, Category: card.Gift}
	return []card.Product{team, private, gift}
}

// person is a company's holder with every rule met; change replaces members, and leaves out those that are nil.
func person(change map[string]any) string {
	all := map[string]any{"first_name": "Ana", "last_name": "Muller", "birthday": "1990-02-28", "area_code": "+34", "mobile": "600123456", "email": "Ana@example.com",
		"country": "ES", "town": "ES-MD", "address": "Calle Mayor 2", "postcode": "28013"}
	for name, v := range change {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	body, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(body)
}

func consumer(change map[string]any) string {
	all := map[string]any{"id_kind": "PASSPORT", "id_number": "X1234567", "id_issued": "2020-01-31", "id_expires": "2030-01-31", "nationality": "ES", "gender": "F", "occupation": "Baker",
		"annual_salary": "30000 EUR", "account_purpose": "Travel", "monthly_volume": "500 EUR", "id_front": "f.png", "id_back": "b.png", "id_hold": "h.png", "ip_address": "2001:db8::1"}
	for name, v := range change {
		all[name] = v
	}
	return person(all)
}

func (c *till) submitHolder(reference, cardType, model, person string) answer {
	c.site.t.Helper()
	body := fmt.Sprintf(`{"reference":%q,"card_type":%q,"model":%q,%s`, reference, cardType, model, person[1:])
	return c.do(c.client, http.MethodPost, "/v1/holders", strings.NewReader(body), asJSON)
}

// audit takes a step of the audit as somebody.
func (s *site) audit(c client, id, step, body string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/holders/"+id+"/"+step, strings.NewReader(body), asJSON)
}

func TestAHolderIsAuditedBeforeACardIsOpened(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		c, stranger := s.tillOf(s.mine.institution), s.tillOf(s.theirs.institution)
		desk := client{institution: s.mine.institution, key: s.addBearer(store.Client{Institution: s.mine.institution.ID, Name: "auditors", Roles: "operate,holders", Rate: 1_000_000})}
		c.refusesHolders()

		// Thirty-two at once hand in one holder.
		var all sync.WaitGroup
		var fresh, again atomic.Int64
		for range 32 {
			r := s.request(c.client, http.MethodPost, "/v1/holders", strings.NewReader(`{"reference":"H-1","card_type":"team-card","model":"B2B",`+person(nil)[1:]), asJSON)
			all.Go(func() {
				switch a, err := s.send(r); {
				case err == nil && a.status == http.StatusCreated:
					fresh.Add(1)
				case err == nil && a.status == http.StatusOK:
					again.Add(1)
				default:
					t.Errorf("%d %s %v", a.status, a.body, err)
				}
			})
		}
		all.Wait()
		if fresh.Load() != 1 || again.Load() != 31 {
			t.Errorf("%d were new, %d repeated", fresh.Load(), again.Load())
		}
		h := decode[api.CardHolder](c.submitHolder("H-1", "team-card", "B2B", person(nil)).want(http.StatusOK))
		if h.State != "WAIT_AUDIT" || h.CardType != "team-card" || h.FirstName != "Ana" {
			t.Errorf("%+v", h)
		}
		c.submitHolder("H-1", "team-card", "B2B", person(map[string]any{"town": "ES-B"})).refused(http.StatusUnprocessableEntity, "reference_reused")
		c.submitHolder("H-2", "team-card", "B2B", person(map[string]any{"email": "ana@EXAMPLE.com"})).refused(http.StatusConflict, "holder_exists")
		first := decode[api.CardHolder](c.submitHolder("P-1", "private-card", "B2C", consumer(nil)).want(http.StatusCreated)) // the same address, another card type
		if first.IDNumber != "X1234567" {
			t.Errorf("%+v", first)
		}
		c.submitHolder("P-2", "private-card", "B2C", consumer(map[string]any{"email": "b@example.com", "id_number": "x1234567"})).refused(http.StatusConflict, "holder_exists")
		stranger.submitHolder("H-1", "team-card", "B2B", person(nil)).want(http.StatusCreated)

		put := func(as client, body string) answer {
			return s.do(as, http.MethodPut, "/v1/holders/"+h.ID, strings.NewReader(body), asJSON)
		}
		state := func(a answer, want string) {
			t.Helper()
			if got := decode[api.CardHolder](a.want(http.StatusOK)); got.State != want {
				t.Fatalf("the holder is %s, want %s", got.State, want)
			}
		}
		token := c.virtual("V-1", "team-card")
		pool, wallet := c.open("MARGIN", "EUR"), c.open("WALLET", "EUR")
		open := func(token, source, holder string) answer {
			return c.post("cards/"+token, fmt.Sprintf(`"source":%q,"holder":%q`, source, holder))
		}
		open(token, pool, h.ID).refused(http.StatusConflict, "holder_needed")
		put(c.client, person(nil)).want(http.StatusOK)
		put(c.client, person(map[string]any{"town": "ES-B"})).refused(http.StatusConflict, "holder_state")
		s.audit(desk, h.ID, "pass", "").refused(http.StatusConflict, "holder_state")
		for range 2 {
			state(s.audit(desk, h.ID, "review", ""), "UNDER_REVIEW")
		}
		open(token, pool, h.ID).refused(http.StatusConflict, "holder_needed")
		s.audit(desk, h.ID, "reject", `{"reason":"über"}`).refused(http.StatusUnprocessableEntity, "bad_reason")
		for range 2 {
			state(s.audit(desk, h.ID, "reject", `{"reason":"town is wrong"}`), "REJECT")
		}
		s.audit(desk, h.ID, "pass", "").refused(http.StatusConflict, "holder_state")
		put(c.client, person(map[string]any{"town": ""})).refused(http.StatusUnprocessableEntity, "bad_content")
		for range 2 {
			state(put(c.client, person(map[string]any{"town": "ES-B"})), "WAIT_AUDIT")
		}
		state(s.audit(desk, h.ID, "review", ""), "UNDER_REVIEW")
		state(s.audit(desk, h.ID, "pass", ""), "PASS_AUDIT")
		put(c.client, person(nil)).refused(http.StatusConflict, "holder_state")

		// Only now a card is opened, of this type, for this holder, from a pool, and as many as one may have.
		private := decode[api.CardHolder](s.get(c.client, "/v1/holders/"+first.ID).want(http.StatusOK))
		open(token, wallet, h.ID).refused(http.StatusUnprocessableEntity, "account_kind")
		for _, other := range []string{private.ID, anyID, "", "x"} {
			open(token, pool, other).refused(http.StatusConflict, "holder_needed")
		}
		open(token, pool, h.ID).want(http.StatusCreated)
		open(c.virtual("V-2", "team-card"), pool, h.ID).refused(http.StatusConflict, "holder_cards")
		open(c.virtual("V-3", "private-card"), wallet, private.ID).refused(http.StatusConflict, "card_type_offline")
		open(c.virtual("V-4", "gift-card"), wallet, h.ID).refused(http.StatusConflict, "holder_needed")
		gift := c.virtual("V-5", "gift-card")
		c.post("cards/"+gift, fmt.Sprintf(`"source":%q`, wallet)).want(http.StatusCreated)
		c.post("accounts/"+wallet+"/funds", `"amount":"100"`).want(http.StatusCreated)
		c.post("cards/"+gift+"/deposits", `"amount":"5"`).refused(http.StatusConflict, "feature_disabled")
		c.post("cards/"+gift+"/withdrawals", `"amount":"5"`).refused(http.StatusConflict, "feature_disabled")

		// The terms of a card type hold for its deposits and withdrawals.
		own := c.virtual("V-6", "visa-virtual")
		c.post("cards/"+own, fmt.Sprintf(`"source":%q`, wallet)).want(http.StatusCreated)
		c.post("cards/"+own+"/deposits", `"amount":"4.99"`).refused(http.StatusUnprocessableEntity, "amount_limits")
		c.post("cards/"+own+"/deposits", `"amount":"1000.01"`).refused(http.StatusUnprocessableEntity, "amount_limits")
		if o := decode[api.Operation](c.post("cards/"+own+"/deposits", `"amount":"10.01"`).want(http.StatusCreated)); o.Fee != "0.06" || o.Received != "9.95" {
			t.Errorf("%+v", o)
		}
		c.post("cards/"+own+"/withdrawals", `"amount":"7.96"`).refused(http.StatusConflict, "balance_retained")
		s.act(s.mine, own, "close", "asked").want(http.StatusOK)
		c.post("cards/"+own+"/deposits", `"amount":"10"`).refused(http.StatusConflict, "card_status")
		c.post("cards/"+own+"/withdrawals", `"amount":"7.95"`).want(http.StatusCreated)

		types := decode[api.CardTypes](s.get(s.mine, "/v1/card-types").want(http.StatusOK)).CardTypes
		if len(types) != 7 || types[0].Code != "gift-card" || len(types[0].Enabled) != 0 || types[4].Mode != "BUDGET_CARD" || types[4].HolderModel != "B2B" || types[6].Price != "1.00" || types[6].FeeRate != "0.50" {
			t.Errorf("%+v", types)
		}
		s.get(s.mine, "/v1/card-types/prepaid-mag").refused(http.StatusNotFound, "not_found")

		for _, id := range []string{h.ID, anyID, "x"} {
			for _, as := range []client{stranger.client, desk}[:1+min(1, strings.Index(id, "-"))] {
				if as == desk && id == h.ID {
					continue
				}
				s.get(as, "/v1/holders/"+id).refused(http.StatusNotFound, "not_found")
			}
		}
		theirDesk := client{key: s.addBearer(store.Client{Institution: s.theirs.institution.ID, Name: "auditors", Roles: "operate,holders", Rate: 1_000_000})}
		for step, body := range map[string]string{"review": "", "pass": "", "reject": `{"reason":"x"}`} {
			s.audit(theirDesk, h.ID, step, body).refused(http.StatusNotFound, "not_found")
			s.audit(c.client, h.ID, step, body).refused(http.StatusForbidden, "forbidden")
		}
		put(theirDesk, person(nil)).refused(http.StatusNotFound, "not_found")
		s.get(s.mine, "/v1/holders/"+h.ID).refused(http.StatusForbidden, "forbidden")
		if page := decode[api.Page[api.CardHolder]](s.get(c.client, "/v1/holders?limit=1").want(http.StatusOK)); len(page.Items) != 1 || page.Items[0].ID != first.ID || page.NextCursor == "" {
			t.Errorf("%+v", page)
		}
		checked, err := s.plant.Check(t.Context())
		if err != nil || len(checked.Findings) > 0 {
			t.Errorf("%+v, %v", checked.Findings, err)
		}
	})
}

// virtual orders a card without plastic and returns its token.
func (c *till) virtual(reference, product string) string {
	c.site.t.Helper()
	a := c.do(c.mine, http.MethodPost, "/v1/cards", strings.NewReader(fmt.Sprintf(`{"reference":%q,"product":%q,"instant":true}`, reference, product)), asJSON)
	return decode[api.OrderedCard](a.want(http.StatusCreated)).Card.Token
}

// refusesHolders hands in what breaks one rule each.
func (c *till) refusesHolders() {
	c.site.t.Helper()
	long := strings.Repeat("a", 33)
	for field, values := range map[string][]any{"first_name": {"A", long, "Zoë", "", "A1", strings.Repeat("a", 27)}, "last_name": {"B", "山田"}, "birthday": {"1990-02-30", "28.02.1990", "2026-11-22", "1800-01-01", ""},
		"area_code": {"34", "+", "+12345", "+x"}, "mobile": {"1234", "12345678901234567890123", "60-123"}, "email": {"a@b", "x@y@z.com", "a b@c.de", strings.Repeat("a", 40) + "@example.com"},
		"country": {"es", "XX", "DE", ""}, "town": {"", "a\nb"}, "address": {"C", strings.Repeat("a", 41), "Calle; DROP", "Straße"}, "postcode": {"1", "1234567890123456", "12_34"}} {
		for _, v := range values {
			a := c.submitHolder("BAD", "team-card", "B2B", person(map[string]any{field: v}))
			p := a.refused(http.StatusUnprocessableEntity, "bad_content")
			wrong := field
			if v == strings.Repeat("a", 27) {
				wrong = "last_name" // both names together
			}
			if len(p.Errors) != 1 || p.Errors[0].Location != "body."+wrong || fmt.Sprint(v) != "" && strings.Contains(string(a.body), fmt.Sprintf("%q", v)) {
				c.site.t.Errorf("%s %q: %+v", field, v, p.Errors)
			}
		}
	}
	for field, v := range map[string]any{"id_kind": "LIBRARY_CARD", "id_number": "", "id_issued": "2027-01-01", "id_expires": "2026-11-21", "nationality": "", "gender": "X", "occupation": "", "annual_salary": "much",
		"account_purpose": "", "monthly_volume": "-5", "id_front": "", "id_back": "../b", "id_hold": "", "ip_address": "999.1.1.1"} {
		if p := c.submitHolder("BAD", "private-card", "B2C", consumer(map[string]any{field: v})).refused(http.StatusUnprocessableEntity, "bad_content"); len(p.Errors) != 1 || p.Errors[0].Location != "body."+field {
			c.site.t.Errorf("%s %q: %+v", field, v, p.Errors)
		}
	}
	c.submitHolder("BAD", "team-card", "B2B", person(map[string]any{"email": nil})).refused(http.StatusUnprocessableEntity, "invalid_request")
	c.submitHolder("BAD", "team-card", "B2C", consumer(nil)).refused(http.StatusUnprocessableEntity, "holder_model")
	c.submitHolder("BAD", "visa-virtual", "B2B", person(nil)).refused(http.StatusUnprocessableEntity, "no_holder")
	for _, code := range []string{"prepaid-mag", "nothing"} {
		c.submitHolder("BAD", code, "B2B", person(nil)).refused(http.StatusNotFound, "not_found")
	}
	c.submitHolder("BAD REFERENCE", "team-card", "B2B", person(nil)).refused(http.StatusUnprocessableEntity, "bad_reference")
	if page := decode[api.Page[api.CardHolder]](c.get(c.client, "/v1/holders").want(http.StatusOK)); len(page.Items) != 0 {
		c.site.t.Errorf("what was refused is there: %+v", page.Items)
	}
}
