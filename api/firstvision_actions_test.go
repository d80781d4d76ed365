package api_test

import (
	"net/http"
	"strings"
	"testing"

	"platen/card"
	"platen/sql/store"
)

const actionPath, sameDayPath = "/cards/embosser/cardAction-L8V2", "/cards/embosser/sameDay"

// acting is a card action; a random PIN is none of it unless more says so.
func acting(token, action, more string) string {
	return on(token, `,"cardAction":"`+action+`","randomPin":"0"`+more)
}

func TestFirstvisionActsOnCards(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		refused := func(body, number string) {
			t.Helper()
			f.fails(http.MethodPut, actionPath, body, http.StatusUnprocessableEntity, number)
		}
		token := f.card(f.holding("100"), plastic)
		refused(acting(token, "3", `,"numberCardsRequested":1`), "VPL5SPR09S")
		s.sent(s.produce(s.mine))
		f.data(http.MethodPut, "/cards/activation", on(token, `,"serviceType":"S"`))
		got := f.data(http.MethodPut, actionPath, acting(token, "3", `,"numberCardsRequested":1,"cardActionReason":"D","cardSequence":"0001","userData":[{"userCode":"X"}]`))
		if got["logo"] != "100" || got["customerNumber"] == "" || got["embosserName1"] != "ANA GOMEZ" || got["expiryDate"] != "2030-11" || got["cardAction"] != "3" || got["orderReference"] == nil {
			t.Errorf("acted: %v", got)
		}
		refused(acting(token, "3", `,"numberCardsRequested":1`), "VPL5SPR23S")
		f.data(http.MethodPut, actionPath, acting(token, "0", ""))
		for more, number := range map[string]string{`0|,"numberCardsRequested":1`: "17S", `1|,"numberCardsRequested":1`: "08S", `2|,"numberCardsRequested":1`: "07S", `3|`: "10S", `3|,"numberCardsRequested":2`: "13S",
			`4|`: "11S", `4|,"numberCardsReturned":2`: "12S", `3|,"numberCardsRequested":1,"numberCardsReturned":1`: "18S", `7|,"processingType":"1"`: "28S", `3|,"numberCardsRequested":1,"processingType":"2"`: "24E",
			`3|,"numberCardsRequested":1,"instantProcessType":"1"`: "32E", `3|,"numberCardsRequested":1,"cardActionReason":"H"`: "07E", `3|,"numberCardsRequested":1,"cardSequence":"2"`: "21S"} {
			refused(acting(token, more[:1], more[2:]), "VPL5SPR"+number)
		}
		refused(on(token, `,"cardAction":"3","randomPin":"1","numberCardsRequested":1`), "VPL5SPR29S")
		refused(acting(token, "8", ""), "action_of_system")

		// A PIN mailer, once.
		f.data(http.MethodPut, actionPath, on(token, `,"cardAction":"5","randomPin":"1"`))
		refused(acting(token, "5", ""), "VPL5SPR23S")
		files := s.produce(s.mine)
		if len(files) != 1 || files[0].Purpose != store.MailerPurpose {
			t.Fatalf("files %+v", files)
		}

		// A same-day request is removed, put again, and made by the same-day cycle.
		request := func(process, action string) string {
			return on(token, `,"processType":"`+process+`","cardAction":"`+action+`"`)
		}
		f.fails(http.MethodPost, sameDayPath, request("1", "7"), http.StatusUnprocessableEntity, "VPL5SSP07E")
		f.fails(http.MethodPost, sameDayPath, request("0", "3"), http.StatusUnprocessableEntity, "VPL5SSP15E")
		if got := f.data(http.MethodPost, sameDayPath, request("1", "3")); got["requestTime"] != "120000" || got["requestDate"] != "2026-11-21" {
			t.Errorf("put: %v", got)
		}
		f.fails(http.MethodPost, sameDayPath, request("1", "3"), http.StatusUnprocessableEntity, "VPL5SSP15E")
		f.data(http.MethodPost, sameDayPath, request(" ", "3"))
		f.data(http.MethodPost, sameDayPath, request("1", "6"))
		b, _, err := s.plant.RunNow(t.Context(), s.mine.institution, "same-day", "", "test")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.plant.Plan(t.Context(), b.Number); err != nil {
			t.Fatal(err)
		}
		if files := s.built(b); len(files) != 1 || files[0].Purpose != store.CardPurpose {
			t.Fatalf("files %+v", files)
		}
		f.fails(http.MethodPost, sameDayPath, request("0", "6"), http.StatusUnprocessableEntity, "VPL5SSP15E")
		if c := s.card(token); len(c.Issues) != 2 || c.Issues[1].Reason != card.Emergency.String() {
			t.Errorf("%+v", c.Issues)
		}

		// Cards whose PINs are not mailed, and given back.
		s.submit(s.mine, "STOCK", "product,quantity\nprepaid-mag,1\n").want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		stock := s.card("STOCK%231").Token
		refused(acting(stock, "5", ""), "VPL5SCP29S")
		f.data(http.MethodPut, actionPath, acting(stock, "2", `,"numberCardsRequested":1`))
		refused(acting(stock, "2", `,"numberCardsRequested":2`), "VPL5SPR19S")
		f.data(http.MethodPut, actionPath, acting(stock, "4", `,"numberCardsReturned":1`))
		refused(acting(stock, "6", `,"numberCardsReturned":1`), "VPL5SPR13S")
		s.balanced()
	})
}

func TestFirstvisionMakesAFirstPlasticWithItsPINMailer(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		token := f.card(f.holding("100"), plastic)
		f.data(http.MethodPut, actionPath, acting(token, "0", "")) // its plastic is taken back
		if files := s.produce(s.mine); len(files) != 0 {
			t.Fatalf("files %+v", files)
		}
		f.data(http.MethodPut, actionPath, acting(token, "1", `,"numberCardsRequested":1`))
		h := s.holderOf(token)
		files := s.produce(s.mine)
		if len(files) != 1 || files[0].Purpose != store.CardPurpose {
			t.Fatalf("files %+v", files)
		}
		s.sent(files)
		mailers := s.produce(s.mine)
		if len(mailers) != 1 || mailers[0].Purpose != store.MailerPurpose || mailers[0].Planned != 1 {
			t.Fatalf("mailers %+v", mailers)
		}
		if told := h.mailed(mailers); told != h.pin {
			t.Error("the mailer tells another PIN")
		}
		s.balanced()
	})
}

func TestFirstvisionGivesAnonymousCardsToPeopleAndTakesThemBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		s.submit(s.mine, "STOCK", "product,quantity\nprepaid-mag,1\n").want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		token := s.card("STOCK%231").Token
		person := func(customer string) string {
			return on(token, `,"customerNumber":"`+customer+`","nameLine1":"ANA GOMEZ","postalCode":"28001"`)
		}
		const give, back = "/customer/activation", "/customer/reversal"
		f.fails(http.MethodPut, back, on(token, ""), http.StatusUnprocessableEntity, "card_not_linked")
		got := f.data(http.MethodPost, give, person("501"))
		reference := "fv.001." + strings.TrimLeft(got["accountNumber"].(string), "0")
		if cards := s.account(reference); len(cards) != 1 {
			t.Fatalf("given: %v", got)
		}
		f.fails(http.MethodPost, give, person("502"), http.StatusUnprocessableEntity, "VPL5SPS20S")
		s.get(s.mine, "/v1/customers/fv.001.502").want(http.StatusNotFound) // nothing of it stands
		f.data(http.MethodPut, back, on(token, ""))
		if cards := s.account(reference); len(cards) != 0 {
			t.Errorf("%d cards on the account", len(cards))
		}
		f.fails(http.MethodPost, give, person("501"), http.StatusUnprocessableEntity, "reference_reused")
		f.data(http.MethodPost, give, person("503"))
		f.data(http.MethodPut, "/account/vinculation-reversal", on(token, ""))
		f.data(http.MethodPost, give, person("504"))
		f.data(http.MethodPut, "/cards/activation", on(token, `,"serviceType":"S"`))
		f.fails(http.MethodPut, back, on(token, ""), http.StatusUnprocessableEntity, "VPL5SPS13E")
		s.firstvision(s.theirs, "submit").fails(http.MethodPut, back, on(token, ""), http.StatusNotFound, "not_found")
		s.balanced()
	})
}

func TestFirstvisionTellsHowCardsStand(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		customer := f.data(http.MethodPost, "/customer", `{"organizationNumber":"001","nameLine1":"ANA GOMEZ","houseAddress1":"Calle 1","city":"Madrid","postalCode":"28001","countryCode":"ES"}`)["customerNumber"].(string)
		account := f.data(http.MethodPost, "/account", `{"organization":"001","logo":"100","customerNumber":"`+customer+`"}`)["accountNumber"].(string)
		token := f.card(account, plastic)
		stands := func(want string) {
			t.Helper()
			v := f.data(http.MethodPost, "/cards/v2/embosser/details", on(token, ""))
			if got := v["embosserStatus"].(string) + v["issueState"].(string) + v["currentCardActivation"].(string); got != want || v["accountNumber"] != account || v["customerNumber"] != customer ||
				v["logo"] != "100" || v["embossedName1"] != "ANA GOMEZ" || v["currentExpirationDate"] != "2030-11" || len(v["maskedCardNumber"].(string)) != 16 {
				t.Errorf("stands %v, want %s", v, want)
			}
		}
		stands("01Y")
		s.sent(s.produce(s.mine))
		f.data(http.MethodPut, "/cards/activation", on(token, `,"serviceType":"S"`))
		stands("00N")
		f.data(http.MethodPut, actionPath, acting(token, "6", `,"numberCardsRequested":1`))
		stands("06N")
		f.data(http.MethodPut, actionPath, acting(token, "0", ""))
		f.data(http.MethodPut, "/cards/embosser/block", on(token, `,"functionCode":"B","blockCode":"Q"`))
		stands("10N")
		if v := f.data(http.MethodPost, "/cards/v2/embosser/search", on(token, "")); v["blockCode"] != "Q" || v["dateLastPlasticIssue"] == nil {
			t.Errorf("found %v", v)
		}
		if all := f.data(http.MethodGet, "/customer/v1/cards?organizationNumber=001&customerNumber="+customer, "")["cards"].([]any); len(all) != 1 || all[0].(map[string]any)["cardNumber"] != token {
			t.Errorf("cards %v", all)
		}
		f.fails(http.MethodGet, "/customer/v1/cards?organizationNumber=001&customerNumber=9", "", http.StatusNotFound, "not_found")
		f.fails(http.MethodGet, "/customer/v1/cards?organizationNumber=009&customerNumber=9", "", http.StatusBadRequest, "invalid_request")
		s.firstvision(s.theirs, "operate").fails(http.MethodPost, "/cards/v2/embosser/details", on(token, ""), http.StatusNotFound, "not_found")
		for _, path := range []string{"/customer/generation", "/account/v3/accountBoardingDriver", "/cards/v1/embosser/generic"} {
			f.fails(http.MethodPost, path, "{}", http.StatusNotFound, "not_found")
		}
	})
}
