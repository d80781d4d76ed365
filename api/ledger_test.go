package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"platen/api"
	"platen/sql/store"
)

// till is a client with money, and its accounts.
type till struct {
	*site
	client
	t int
}

// tillOf makes a client that may do everything with money.
func (s *site) tillOf(institution store.Institution) *till {
	s.t.Helper()
	return &till{site: s, client: client{institution: institution, key: s.addBearer(store.Client{Institution: institution.ID, Name: "money of " + institution.Code, Roles: "money,fund,holders", Rate: 1_000_000})}}
}

// post sends members with a reference that was not used.
func (c *till) post(path, members string) answer {
	c.site.t.Helper()
	c.t++
	return c.as(path, fmt.Sprintf("M-%d", c.t), members)
}

func (c *till) as(path, reference, members string) answer {
	c.site.t.Helper()
	return c.do(c.client, http.MethodPost, "/v1/ledger/"+path, strings.NewReader(fmt.Sprintf(`{"reference":%q,%s}`, reference, members)), asJSON)
}

func (c *till) open(kind, currency string) string {
	c.site.t.Helper()
	return decode[api.LedgerAccount](c.post("accounts", fmt.Sprintf(`"kind":%q,"currency":%q`, kind, currency)).want(http.StatusCreated)).ID
}

// holds looks at an account by its path.
func (c *till) holds(path, balance string) {
	c.site.t.Helper()
	if a := decode[api.LedgerAccount](c.get(c.client, "/v1/ledger/"+path).want(http.StatusOK)); a.Balance != balance {
		c.site.t.Errorf("%s holds %s, want %s", path, a.Balance, balance)
	}
}

func TestMoneyIsMovedOverHTTP(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit(s.mine, "P", massCSV(2)).want(http.StatusCreated)
		s.produce(s.mine)
		c, stranger := s.tillOf(s.mine.institution), s.tillOf(s.theirs.institution)
		wallet, pool, yen := c.open("WALLET", "EUR"), c.open("MARGIN", "978"), c.open("WALLET", "JPY")
		theirs := stranger.open("WALLET", "EUR")
		const one, two = "cards/P%231", "cards/P%232"

		funded := decode[api.Operation](c.post("accounts/"+wallet+"/funds", `"amount":"100.5"`).want(http.StatusCreated))
		if funded.State != "SUCCESS" || funded.Amount != "100.50" || funded.Received != "100.50" || funded.Currency != "EUR" {
			t.Errorf("%+v", funded)
		}
		c.post("transfers", fmt.Sprintf(`"from":%q,"to":%q,"amount":"60","currency":"EUR","remark":"pool of the team"`, wallet, pool)).want(http.StatusCreated)
		c.post(one, fmt.Sprintf(`"source":%q`, pool)).want(http.StatusCreated)
		c.post(one, fmt.Sprintf(`"source":%q`, pool)).refused(http.StatusConflict, "account_exists")
		c.post(one+"/deposits", `"amount":"45"`).want(http.StatusCreated)
		c.post(one+"/withdrawals", `"amount":"5"`).want(http.StatusCreated)
		c.holds(one, "40.00")
		c.holds("accounts/"+pool, "20.00")
		c.post("accounts/"+wallet+"/payouts", `"amount":"40.50"`).want(http.StatusCreated)
		c.holds("accounts/"+wallet, "0.00")

		page := decode[api.Page[api.Entry]](c.get(c.client, "/v1/ledger/accounts/"+pool+"/entries?limit=2").want(http.StatusOK))
		rest := decode[api.Page[api.Entry]](c.get(c.client, "/v1/ledger/accounts/"+pool+"/entries?limit=2&cursor="+page.NextCursor).want(http.StatusOK))
		if got := strings.Join([]string{page.Items[0].Amount, page.Items[1].Amount, rest.Items[0].Amount, page.Items[0].Balance}, " "); got != "5.00 -45.00 60.00 20.00" {
			t.Errorf("entries %s", got)
		}
		if all := decode[api.Page[api.LedgerAccount]](c.get(c.client, "/v1/ledger/accounts?limit=3").want(http.StatusOK)); len(all.Items) != 3 || all.Items[1].Allocated != "40.00" || all.NextCursor == "" {
			t.Errorf("accounts %+v", all)
		}

		// What fails for want of money stays on record.
		for range 2 {
			c.as(one+"/deposits", "POOR", `"amount":"20.01"`).refused(http.StatusConflict, "insufficient_funds")
		}
		if o := decode[api.Operation](c.get(c.client, "/v1/ledger/operations/POOR").want(http.StatusOK)); o.State != "FAIL" || o.Failure != "insufficient_funds" || o.Received != "" {
			t.Errorf("%+v", o)
		}
		before := len(decode[api.Page[api.Operation]](c.get(c.client, "/v1/ledger/operations?limit=500").want(http.StatusOK)).Items)
		c.hostile(wallet, pool, yen, theirs, one, two)
		if after := len(decode[api.Page[api.Operation]](c.get(c.client, "/v1/ledger/operations?limit=500").want(http.StatusOK)).Items); after != before {
			t.Errorf("what was refused left %d operations", after-before)
		}

		// Thirty-two at once have one effect.
		var all sync.WaitGroup
		var fresh, again atomic.Int64
		for range 32 {
			r := s.request(c.client, http.MethodPost, "/v1/ledger/"+one+"/deposits", strings.NewReader(`{"reference":"ONCE","amount":"2"}`), asJSON)
			all.Go(func() {
				switch a, err := s.send(r); {
				case err == nil && a.status == http.StatusCreated:
					fresh.Add(1)
				case err == nil && a.status == http.StatusOK && a.header.Get("Idempotent-Replay") == "true":
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
		c.holds(one, "42.00")
		c.as(one+"/deposits", "ONCE", `"amount":"2.01"`).refused(http.StatusUnprocessableEntity, "reference_reused")
		checked, err := s.plant.Check(t.Context())
		if err != nil || len(checked.Findings) > 0 {
			t.Errorf("%+v, %v", checked.Findings, err)
		}
	})
}

// hostile sends what must be refused without a trace. c has the accounts of its institution, and an account of another one.
func (c *till) hostile(wallet, pool, yen, theirs, card, without string) {
	c.site.t.Helper()
	for amount, code := range map[string]string{`"-5"`: "bad_amount", `"0"`: "bad_amount", `""`: "bad_amount", `"1e9"`: "bad_amount", `"5.001"`: "amount_precision",
		`"99999999999999999999"`: "amount_large", `5`: "invalid_request", `null`: "invalid_request", `"` + strings.Repeat("9", 65) + `"`: "invalid_request"} {
		for _, path := range []string{"accounts/" + wallet + "/funds", card + "/withdrawals"} {
			c.post(path, `"amount":`+amount).refused(http.StatusUnprocessableEntity, code)
		}
	}
	c.post("accounts/"+yen+"/funds", `"amount":"1.5"`).refused(http.StatusUnprocessableEntity, "amount_precision")
	c.post("accounts/"+wallet+"/funds", `"amount":"5","currency":"USD"`).refused(http.StatusUnprocessableEntity, "other_currency")
	c.post("accounts/"+wallet+"/funds", `"amount":"5","currency":"XTS"`).refused(http.StatusUnprocessableEntity, "unknown_currency")
	c.post("accounts/"+wallet+"/funds", `"amount":"5","remark":"für"`).refused(http.StatusUnprocessableEntity, "bad_remark")
	c.post("accounts/"+wallet+"/funds", `"amount":"5","account":"other"`).refused(http.StatusUnprocessableEntity, "invalid_request")
	c.post("accounts/"+pool+"/funds", `"amount":"5"`).refused(http.StatusUnprocessableEntity, "account_kind")
	c.post("accounts", `"kind":"OUTSIDE","currency":"EUR"`).refused(http.StatusUnprocessableEntity, "invalid_request")
	c.post("accounts", `"kind":"WALLET","currency":"euro"`).refused(http.StatusUnprocessableEntity, "invalid_request")
	c.as("accounts/"+wallet+"/funds", "A B", `"amount":"5"`).refused(http.StatusUnprocessableEntity, "bad_reference")
	transfer := func(from, to string) answer {
		return c.post("transfers", fmt.Sprintf(`"from":%q,"to":%q,"amount":"1"`, from, to))
	}
	transfer(wallet, wallet).refused(http.StatusUnprocessableEntity, "same_account")
	transfer(wallet, yen).refused(http.StatusUnprocessableEntity, "other_currency")
	nothing := c.do(c.client, http.MethodGet, "/v1/ledger/accounts/"+anyID, nil)
	for _, id := range []string{theirs, anyID, "1", url.PathEscape("' OR 1=1 --")} {
		for _, a := range []answer{c.get(c.client, "/v1/ledger/accounts/"+id), c.get(c.client, "/v1/ledger/accounts/"+id+"/entries"), c.post("accounts/"+id+"/funds", `"amount":"5"`),
			c.post("accounts/"+id+"/payouts", `"amount":"5"`), transfer(wallet, id), transfer(id, wallet), c.post(without, fmt.Sprintf(`"source":%q`, id))} {
			if p, want := a.refused(http.StatusNotFound, "not_found"), decodeProblem(nothing); p.Detail != want.Detail || p.Title != want.Title {
				c.site.t.Errorf("%s is answered %+v", id, p)
			}
		}
	}
	c.post(without+"/deposits", `"amount":"5"`).refused(http.StatusNotFound, "not_found")
	c.get(c.client, "/v1/ledger/operations/NOTHING").refused(http.StatusNotFound, "not_found")
	for _, role := range []string{"fund", "money"} {
		other := client{key: c.addBearer(store.Client{Institution: c.institution.ID, Name: "only " + role, Roles: role, Rate: 1000})}
		path := map[string]string{"fund": "/v1/ledger/transfers", "money": "/v1/ledger/accounts/" + wallet + "/funds"}[role]
		c.do(other, http.MethodPost, path, strings.NewReader(`{"reference":"R","amount":"1"}`), asJSON).refused(http.StatusForbidden, "forbidden")
	}
	c.get(c.mine, "/v1/ledger/accounts/"+wallet).refused(http.StatusForbidden, "forbidden")
}

func decodeProblem(a answer) (p api.Problem) {
	// A body that is no problem leaves it empty, and the comparison fails.
	_ = json.Unmarshal(a.body, &p)
	return p
}
