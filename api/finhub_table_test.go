package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// featureTable is the table at the end of the service's document on its flows: its rows, and its columns virtual, physical, shared and gift.
var featureTable = map[string][4]string{
	"mode":           {"PREPAID_CARD", "PREPAID_CARD", "BUDGET_CARD", "PREPAID_CARD"},
	"type":           {"Virtual", "Physical", "Virtual", "Virtual"},
	"category":       {"PURCHASE/SUBSCRIPTION", "PHYSICAL", "PURCHASE", "GIFT"},
	"cardholder":     {"optional", "optional", "optional", "optional"},
	"number given":   {"no", "yes", "no", "no"},
	"activation":     {"auto", "PIN and code", "auto", "auto"},
	"shared account": {"no", "no", "MARGIN", "no"},
	"deposit":        {"yes", "yes", "yes", "no"},
	"withdraw":       {"yes", "yes", "yes", "no"},
	"freeze":         {"yes", "yes", "yes", "no"},
	"unfreeze":       {"yes", "yes", "yes", "no"},
	"sensitive":      {"full", "after activation", "full", "only activateUrl"},
}

// works tells whether a request is carried out: "yes", or "no" where the card type does not have the operation.
func works(a answer) string {
	a.t.Helper()
	if decode[finhubAnswer](a.want(http.StatusOK)).Success {
		return "yes"
	}
	a.declined("feature_disabled")
	return "no"
}

func TestFinhubHasTheFeaturesOfItsTable(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		l, _, _ := s.listen()
		wallet := f.funded("1000")
		pool := f.do("/account/create", `"currency":"EUR"`)["accountId"].(string)
		f.do("/account/transfer", fmt.Sprintf(`"merchantOrderNo":"TRANSFER-OF-TWENTY-1","fromAccountId":%q,"toAccountId":%q,"amount":300`, wallet, pool))
		number := f.stock("STOCK", 1)[0]
		holder := f.audited(physicalCards, "ana@example.com")
		for column, id := range []int{virtualCards, physicalCards, sharedCards, giftCards} {
			found := map[string]string{}
			listed := s.cardType(f, id)
			found["mode"], found["type"], found["category"] = listed["mode"].(string), listed["type"].(string), listed["category"].(string)
			if found["category"] == "PURCHASE" && column == 0 {
				found["category"] = "PURCHASE/SUBSCRIPTION"
			}
			_, said := listed["needCardHolder"].(bool) // each card type says for itself
			found["cardholder"] = map[bool]string{true: "optional"}[said]
			asked := fmt.Sprintf(`"cardTypeId":%d,"amount":50,`, id)
			if listed["needCardHolder"].(bool) {
				f.post("/card/v2/openCard", asked+fmt.Sprintf(`"cardNumber":%q`, number)).declined("holder_needed")
				asked += fmt.Sprintf(`"holderId":%q,`, holder)
			}
			found["shared account"] = "no"
			plain := f.post("/card/v2/openCard", asked)
			if e := decode[finhubAnswer](plain); !e.Success && strings.Contains(string(e.Data), `"account_kind"`) {
				found["shared account"] = "MARGIN"
				asked += fmt.Sprintf(`"accountId":%q,`, pool)
				plain = f.post("/card/v2/openCard", asked)
			}
			found["number given"] = "no"
			if e := decode[finhubAnswer](plain); !e.Success {
				plain.declined("card_number_needed")
				found["number given"] = "yes"
				plain = f.post("/card/v2/openCard", asked+fmt.Sprintf(`"cardNumber":%q`, number))
			} else {
				f.post("/card/v2/openCard", asked+fmt.Sprintf(`"cardNumber":%q`, number)).declined("card_number_given")
			}
			card := plain.done()["cardNo"].(string)
			before := f.on("/card/info/sensitive", card, "").done()
			found["activation"] = "auto"
			if f.on("/card/info", card, "").done()["status"] == "un_activated" {
				s.deliver()
				codes := l.told("card_3ds")
				f.on("/card/activate", card, fmt.Sprintf(`"pin":"135792","activeCode":%q`, codes[len(codes)-1]["activeCode"])).done()
				found["activation"] = "PIN and code"
			}
			f.is(card, "Normal", map[bool]string{false: "50.00"}[column == 3])
			after := f.on("/card/info/sensitive", card, "").done()
			found["sensitive"] = disclosed(before, after)
			found["deposit"] = works(f.on("/card/deposit", card, `"amount":20`))
			found["withdraw"] = works(f.on("/card/withdraw", card, `"amount":10`))
			found["freeze"] = works(f.on("/card/v2/freeze", card, ""))
			found["unfreeze"] = works(f.on("/card/v2/unfreeze", card, ""))
			f.on("/card/cancel", card, "").done() // every card type has it
			for row, cells := range featureTable {
				if found[row] != cells[column] {
					t.Errorf("%s of %s cards: %q, want %q", row, listed["cardName"], found[row], cells[column])
				}
			}
		}
		s.balanced()
	})
}

// disclosed tells what of a card was shown before and after its activation.
func disclosed(before, after map[string]any) string {
	full := func(v map[string]any) bool {
		return v["cardNumber"] != nil && v["cvv"] != nil && v["expireDate"] != nil
	}
	switch {
	case full(before):
		return "full"
	case full(after):
		return "after activation"
	case len(before) == 1 && len(after) == 1 && before["activateUrl"] != nil:
		return "only activateUrl"
	}
	return "nothing"
}

// cardType finds a card type in the catalogue by its number.
func (s *site) cardType(f *finhubClient, id int) map[string]any {
	s.t.Helper()
	var all []map[string]any
	if err := json.Unmarshal(decode[finhubAnswer](f.post("/card/v2/cardTypes", "").want(http.StatusOK)).Data, &all); err != nil {
		s.t.Fatal(err)
	}
	for _, v := range all {
		if v["cardTypeId"] == float64(id) {
			return v
		}
	}
	s.t.Fatalf("no card type %d", id)
	return nil
}
