package api_test

import (
	"net/http"
	"strings"
	"testing"
)

const instantPath = "/account/v2/instantCard"

func instantOf(customer string, change ...string) string {
	return strings.NewReplacer(change...).Replace(`{"organizationNumber":"001","logo":"100","customerNumber":"` + customer + `","firstPurchaseFlag":"Y","accountCreateFlag":"Y","sameDayProcessingType":"0",` +
		`"cardActionFlag":"1","accountData":{"billingCycle":"05","creditLimit":2500},"embosserData":{"digitalCardFlag":"0","embossedName1":"ANA G"}}`)
}

func TestFirstvisionMakesInstantCards(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		customer := f.data(http.MethodPost, "/customer", `{"organizationNumber":"001","nameLine1":"ANA GOMEZ","houseAddress1":"Calle 1","city":"Madrid","postalCode":"28001","countryCode":"ES"}`)["customerNumber"].(string)
		got := f.data(http.MethodPost, instantPath, instantOf(customer))
		token, account := got["cardNumber"].(string), got["accountNumber"].(string)
		if got["creditLimit"] != 2500.0 || got["cardExpiryDate"] != "2030-11" || got["cardSequenceNumber"] != "0001" {
			t.Errorf("made: %v", got)
		}
		if c := s.card(token); c.Status != "ACTIVE" || c.Account != "fv.001."+strings.TrimLeft(account, "0") {
			t.Errorf("%+v", c)
		}
		digital := f.data(http.MethodPost, instantPath, instantOf(customer, `"cardActionFlag":"1"`, `"cardActionFlag":"0"`, `"digitalCardFlag":"0"`, `"digitalCardFlag":"1"`, `"accountCreateFlag":"Y"`, `"accountCreateFlag":"N"`,
			`"billingCycle"`, `"accountNumber":"`+account+`","billingCycle"`, `"firstPurchaseFlag":"Y"`, `"firstPurchaseFlag":"N"`))
		if digital["accountNumber"] != account || digital["creditLimit"] != 2500.0 || s.card(digital["cardNumber"].(string)).Status != "ACTIVE" {
			t.Errorf("made: %v", digital)
		}
		later := f.data(http.MethodPost, instantPath, instantOf(customer, `"firstPurchaseFlag":"Y"`, `"firstPurchaseFlag":"N"`, `"embossedName1"`, `"cardDelayDays":2,"pinMailerDelayDays":1,"embossedName1"`))
		if c := s.card(later["cardNumber"].(string)); c.Status != "INACTIVE" {
			t.Errorf("%+v", c)
		}
		for change, code := range map[string]string{`"billingCycle"|"accountNumber":"7","billingCycle"`: "VPL5SIC22S", `"logo":"100"|"logo":"999"`: "unknown_product"} {
			from, to, _ := strings.Cut(change, "|")
			f.fails(http.MethodPost, instantPath, instantOf(customer, from, to), http.StatusUnprocessableEntity, code)
		}
		f.fails(http.MethodPost, instantPath, instantOf(customer, `"logo":"100"`, `"logo":"200"`, `"cardActionFlag":"1"`, `"cardActionFlag":"0"`, `"digitalCardFlag":"0"`, `"digitalCardFlag":"1"`), http.StatusUnprocessableEntity, "VPL5SIC24S")
		nameless := f.data(http.MethodPost, "/customer", `{"organizationNumber":"001","postalCode":"1"}`)["customerNumber"].(string)
		f.fails(http.MethodPost, instantPath, instantOf(nameless, `"digitalCardFlag":"0","embossedName1":"ANA G"`, `"digitalCardFlag":"0"`), http.StatusUnprocessableEntity, "VPL5SIC21S")
		f.fails(http.MethodPost, instantPath, instantOf(customer, `"digitalCardFlag":"0",`, ``), http.StatusBadRequest, "invalid_request")
		f.fails(http.MethodPost, instantPath, instantOf(customer, `"cardActionFlag":"1"`, `"cardActionFlag":"0"`), http.StatusBadRequest, "invalid_request")
		f.fails(http.MethodPost, instantPath, instantOf("4711"), http.StatusNotFound, "not_found")
		// The plastic of the first leaves now, that of the one that is held back two working days later, and its PIN mailer another one after that.
		if files := s.built(s.planned("2026-11-21", "a")); len(files) != 2 || files[0].Planned != 1 {
			t.Fatalf("files %+v", files)
		}
		if files := s.built(s.planned("2026-11-24", "a")); len(files) != 1 {
			t.Fatalf("files %+v", files)
		}
		if files := s.built(s.planned("2026-11-25", "a")); len(files) != 1 || files[0].Planned != 1 {
			t.Fatalf("files %+v", files)
		}
		s.balanced()
	})
}
