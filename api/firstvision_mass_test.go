package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"platen/api"
	"platen/card"
)

const massPath, keyedPath = "/cards/mass-card-issue-L8V3", "/cards/v1/cards/massIssue"

// massOf asks for cards in numbers; more replaces members.
func massOf(customer string, change ...string) string {
	body := `{"organizationNumber":"001","logo":"300","cardType":7,"functionType":"A","status":1,"bankOrigin":5,"branch":0,"quantityToCreate":3,"minimumQuantity":2,"inventoryControl":"SO",` +
		`"inventoryQuantity":0,"scheme":3,"expiryDate":"2029-06-30","customerNumber":"` + customer + `","creditLimit":1500,"blockCode1":"A","blockCode2":" ","embosserCode":"B","prepaidCardFlag":1,` +
		`"prepaidPlanNumber":12,"promoCode":"GIFT","userCode1":0,"userCode2":1,"userCode3":0,"emblem":9,"pctId":"X1","relationAMBS":"N","globalQualification":"C","embossedName1":"SUMMER CARD",` +
		`"plasticID":"GIFT-RED","posServiceCode":"121","cardTechnology":"0","userData1":"one"}`
	return strings.NewReplacer(change...).Replace(body)
}

func keyedOf(customer, request string, change ...string) string {
	body := `{"organizationNumber":"001","logo":"300","cardType":7,"requestIdentifier":"` + request + `","record":{"functionType":"A","status":1},"customerNumber":"` + customer + `","customerEmblem":4,` +
		`"account":{"originBank":5,"creditLimit":1500,"merchantRestrictCode":"R1","block":["A"," "],"user":[0,1,0],"data":["one","two"]},"card":{"expirationDate":"2029-06-30","scheme":3,"technology":"0",` +
		`"isPrepaid":1,"prepaidPlanNumber":12,"promotionCode":"GIFT","embosserCode":"B","creditLimit":{"authorization":10,"foreign":20},"inventory":{"quantity":1,"control":"CI","issuedQuantity":3,"minimumIssuedQuantity":1}}}`
	return strings.NewReplacer(change...).Replace(body)
}

func (f *firstvisionClient) customer() string {
	f.site.t.Helper()
	return f.data(http.MethodPost, "/customer", `{"organizationNumber":"001","nameLine1":"GIFT CARDS","postalCode":"28001"}`)["customerNumber"].(string)
}

func TestFirstvisionAsksForCardsInNumbers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f, looker, stranger := s.firstvision(s.mine, "submit"), s.firstvision(s.mine, ""), s.firstvision(s.theirs, "submit")
		customer := f.customer()
		const query = "?organizationNumber=001&logo=300&cardType=7"
		looker.fails(http.MethodPost, massPath, massOf(customer), http.StatusForbidden, "forbidden")
		made := f.data(http.MethodPost, massPath, massOf(customer))
		if made["addStatus"] != "00" || made["dateLastMaintain"] != "2026-11-21" || made["functionType"] != "A" || made["customerNumber"] != customer {
			t.Errorf("added: %v", made)
		}
		f.fails(http.MethodPost, massPath, massOf(customer), http.StatusUnprocessableEntity, "VPL5SMC04S")
		got := looker.data(http.MethodGet, massPath+query, "")
		for member, want := range map[string]any{"quantityToCreate": 3.0, "minimumQuantity": 2.0, "bankOrigin": 5.0, "creditLimit": 1500.0, "blockCode1": "A", "blockCode2": " ", "embosserCode": "B",
			"prepaidCardFlag": 1.0, "promoCode": "GIFT", "userCode2": 1.0, "expiryDate": "2029-06-30", "cardTechnology": "0", "userData1": "one", "status": 1.0, "emblem": 9.0, "cardType": 7.0} {
			if got[member] != want {
				t.Errorf("%s is %v, want %v", member, got[member], want)
			}
		}
		for _, path := range []string{massPath + query, massPath + strings.Replace(query, "7", "8", 1), keyedPath + query + "&requestIdentifier=ZZ", keyedPath + query + "&requestIdentifier=a.b"} {
			caller, code := stranger, "VPL5SMC05S"
			if path != massPath+query {
				caller = f
			}
			if strings.HasSuffix(path, "a.b") {
				code = "VPL5SMC05S"
			}
			caller.fails(http.MethodGet, path, "", http.StatusUnprocessableEntity, code)
		}

		// Several may stand beside each other where they have identifiers; one is changed, one purged.
		if v := f.data(http.MethodPut, keyedPath, keyedOf(customer, "A1"))["record"].(map[string]any); v["addStatus"] != "00" {
			t.Errorf("added: %v", v)
		}
		f.data(http.MethodPut, keyedPath, keyedOf(customer, "A2"))
		f.fails(http.MethodPut, keyedPath, keyedOf(customer, "A1"), http.StatusUnprocessableEntity, "VPL5SMC04S")
		f.data(http.MethodPut, keyedPath, keyedOf(customer, "A1", `"functionType":"A"`, `"functionType":"M"`, `"issuedQuantity":3`, `"issuedQuantity":5`))
		f.data(http.MethodPut, keyedPath, keyedOf(customer, "A2", `"functionType":"A","status":1`, `"functionType":"M","status":9`))
		f.fails(http.MethodPut, keyedPath, keyedOf(customer, "A3", `"functionType":"A"`, `"functionType":"M"`), http.StatusUnprocessableEntity, "VPL5SMC05S")

		files := s.night(s.mine)
		if len(files) != 1 || files[0].Planned != 7 { // 3 of the first, and 5 less the one in stock
			t.Fatalf("files: %+v", files)
		}
		keyed := f.data(http.MethodGet, keyedPath+query+"&requestIdentifier=A1", "")
		want := `map[account:map[block:[A  ] creditLimit:1500 data:[one two] merchantRestrictCode:R1 originBank:5 user:[0 1 0]] card:map[creditLimit:map[authorization:10 foreign:20] embosserCode:B expirationDate:2029-06-30 ` +
			`inventory:map[control:CI issuedQuantity:5 minimumIssuedQuantity:1 quantity:1] isPrepaid:1 prepaidPlanNumber:12 promotionCode:GIFT scheme:3 technology:0] cardType:7 customerEmblem:4 ` +
			`customerNumber:` + customer + ` logo:300 organizationNumber:001 record:map[addStatus:99 functionType: lastMaintenanceDate:2026-11-21 status:1] requestIdentifier:A1]`
		if got := fmt.Sprint(keyed); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if v := f.data(http.MethodGet, keyedPath+query+"&requestIdentifier=A2", "")["record"].(map[string]any); v["status"] != 9.0 || v["addStatus"] != "99" {
			t.Errorf("purged: %v", v)
		}
		m := s.massIssue("prepaid-mag.7.A1")
		c := s.card(m.Runs[0].Order + "%231")
		if c.Status != card.CardBlocked.String() || c.Issues[0].Expiry != "2029-06" || m.Customer == "" {
			t.Errorf("card %+v of %+v", c, m)
		}
		s.balanced()
	})
}

// What the service has numbers for is refused with them, and nothing stands.
func TestFirstvisionRefusesMassIssuesWithTheirNumbers(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	f := s.firstvision(s.mine, "submit")
	customer := f.customer()
	for change, code := range map[string]string{
		`"001"|"000"`: "01E", `"001"|"002"`: "01S", `"300"|"999"`: "02S", `"A","status"|"X","status"`: "06E", `"status":1|"status":9`: "07E", `"blockCode1":"A"|"blockCode1":"1"`: "13E",
		`"blockCode2":" "|"blockCode2":"b"`: "14E", `"embosserCode":"B"|"embosserCode":"b"`: "15E", `"relationAMBS":"N"|"relationAMBS":"Y"`: "16E", `"prepaidCardFlag":1|"prepaidCardFlag":2`: "17E",
		`GIFT",|2211",`: "19E", `"scheme":3|"scheme":4`: "20E", `"userCode1":0|"userCode1":2`: "22E", `"userCode2":1|"userCode2":2`: "24E", `"userCode3":0|"userCode3":2`: "26E",
		`"` + customer + `"|"000"`: "28E", `"` + customer + `"|"4711"`: "28E", `2029-06-30|2026-11-30`: "29E", `2029-06-30|300629`: "30E", `"SO"|"XX"`: "32E",
		`"prepaidPlanNumber":12|"prepaidPlanNumber":0`: "33E", `"prepaidCardFlag":1|"prepaidCardFlag":0`: "34E", `"globalQualification":"C"|"globalQualification":"1"`: "36E",
		`"relationAMBS":"N"|"relationAMBS":"S"`: "39E", `"relationAMBS":"N"|"relationAMBS":"N","relationshipNumber":"7"`: "40E", `"121"|"201"`: "41E", `"cardTechnology":"0"|"cardTechnology":"2"`: "42E",
		`"cardTechnology":"0"|"cardTechnology":"1"`: "42E", `"121"|"12"`: "43E", `"quantityToCreate":3|"quantityToCreate":0`: "55E", `"scheme":3|"scheme":2`: "57E", `"functionType":"A"|"functionType":"M"`: "05S",
		`"minimumQuantity":2|"minimumQuantity":4`: "bad_minimum", `"plasticID":"GIFT-RED"|"plasticID":"BLUE"`: "unknown_plastic",
	} {
		from, to, _ := strings.Cut(change, "|")
		if len(code) == len("01E") {
			code = "VPL5SMC" + code
		}
		f.fails(http.MethodPost, massPath, massOf(customer, from, to), http.StatusUnprocessableEntity, code)
	}
	for change, code := range map[string]string{`"R1"|"r-1"`: "VPL5SMC46E", `"A1"|"a-b"`: "VPL5SMC63E", `"one"|"a text of 21 character"`: "too_long", `["A"," "]|["AA"]`: "VPL5SMC13E"} {
		from, to, _ := strings.Cut(change, "|")
		f.fails(http.MethodPut, keyedPath, keyedOf(customer, "A1", from, to), http.StatusUnprocessableEntity, code)
	}
	for _, bad := range []string{`"cardType":7|"cardType":100`, `"quantityToCreate":3|"quantityToCreate":100000`, `"scheme":3|"scheme":"3"`, `"emblem":9|"emblem":-1`, `"plasticID"|"plastic"`} {
		from, to, _ := strings.Cut(bad, "|")
		f.fails(http.MethodPost, massPath, massOf(customer, from, to), http.StatusBadRequest, "invalid_request")
	}
	for _, bad := range []string{"", "?organizationNumber=001&logo=300&cardType=x", "?organizationNumber=001&logo=300&cardType=-1", "?organizationNumber=001&logo=300&cardType=7&more=1"} {
		f.fails(http.MethodGet, massPath+bad, "", http.StatusBadRequest, "invalid_request")
	}
	f.data(http.MethodPut, keyedPath, keyedOf(customer, "A1"))
	if got := decode[api.Page[api.MassIssue]](s.get(s.mine, "/v1/mass-issues").want(http.StatusOK)); len(got.Items) != 1 {
		t.Errorf("%d requests stand", len(got.Items))
	}
}
