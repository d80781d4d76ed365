package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"platen/api"
	"platen/card"
	"platen/programs"
)

const (
	charge   = "amex-charge"
	closedBy = "FFFFFFFFFFFFFFFF" // what fills a block behind a code's digits
)

// charged gives the first institution an American Express product as logo 400, with a zone for blocks and one for a JWE.
func (s *site) charged(public string) {
	s.t.Helper()
	s.declare("demo-bank", 0, func(set *programs.Set) {
		r := set.Ranges[0]
		r.Code, r.Prefix, r.Length, r.First, r.Size = charge, "371449", 15, 0, 1_000_000
		p := *productOf(set, "visa-debit-chip")
		p.Code, p.Scheme, p.Range, p.Layout, p.MailerLayout, p.CVV2Order = charge, card.Amex, charge, "native-jsonl", "", ""
		p.Keys = card.ProductKeys{CSCK: "csck-amex", PVK: "pvk-amex"}
		p.Track1, p.Track2 = []string{"pvki", "pvv", "csc5", "zeros:6"}, []string{"pvki", "pvv", "csc5", "zeros:4"}
		p.PIN.Mailer, p.PIN.InCardFile = false, true
		set.Ranges, set.Products = append(set.Ranges, r), append(set.Products, p)
		set.Zones = append(set.Zones, programs.Zone{Code: "aiyy", Key: "zpk-pos", PublicKey: public}, programs.Zone{Code: "iyy", Key: "zpk-pos", DataKey: "zek-pos"})
		for i := range set.Institution.Dialects {
			if d := &set.Institution.Dialects[i]; d.Code == programs.Firstvision {
				d.Products["001/400"] = charge
			}
		}
	})
}

// An American Express card has three codes of one key and no CVV2: a block each, in the places that the former and the current version have for them, and natively.
func TestCodesOfAnAmericanExpressCardAreItsOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		private, public := s.zoneKey()
		s.charged(public)
		f := s.firstvision(s.mine, "submit,operate,pin")
		token := f.card(f.holding("400"), plastic)
		h := s.holderOf(token)
		cell := card.NewSecrets(1, 12)
		if err := s.plant.Module.CSCs(t.Context(), card.KeyRef{Label: "csck-amex"}, []card.PAN{h.pan}, []card.Expiry{{Year: 2030, Month: 11}}, cell); err != nil {
			t.Fatal(err)
		}
		all := string(cell.Reveal(0))
		five, four, three := all[:5], all[5:9], all[9:]
		opens := func(block any, code string) bool { return s.openBlock(block) == code+closedBy[len(code):] }

		former := f.data(http.MethodPost, "/cards/pin/security-codes", on(token, `,"keyAssociation":"IYY","channel":"W"`))
		if !opens(former["ud1ec"], three) || !opens(former["ud2ec"], four) || former["ud3ec"] != nil || former["securityValues"] != nil {
			t.Errorf("the former version's codes: %v", former)
		}
		current := f.data(http.MethodPost, "/cards/v1/pin/codes", on(token, `,"keyAssociation":"IYY","channelIndicator":"W"`))
		own, ok := current["cardSecurity"].(map[string]any)
		if !ok || current["usersDefined"] != nil {
			t.Fatalf("the current version's codes: %v", current)
		}
		if printed, _ := own["printed"].([]any); !opens(own["magnetic"], five) || len(printed) != 2 || !opens(printed[0], four) || !opens(printed[1], three) {
			t.Errorf("the current version's codes: %v", own)
		}
		desk := s.addClient("values", "pin")
		b := decode[api.SecurityBlocks](s.post1(desk, "/v1/cards/"+token+"/security-blocks", `{"zone":"iyy"}`).want(http.StatusOK))
		if !opens(b.CSC5, five) || !opens(b.CSC4, four) || !opens(b.CSC3, three) || b.CVV != "" || b.CVV2 != "" || b.ICVV != "" {
			t.Errorf("native blocks: %+v", b)
		}

		// As a JWE, for a channel whose zone has no data key.
		sealed := f.data(http.MethodPost, "/cards/pin/security-codes", on(token, `,"keyAssociation":"IYY","channel":"A"`))
		v := unsealed[map[string]json.RawMessage](t, private, sealed["securityValues"].(string))
		for member, want := range map[string]string{"csc5": five, "csc4": four, "csc3": three, "cvv2": four} {
			if string(v[member]) != `"`+want+`"` {
				t.Errorf("%s of the JWE is another", member)
			}
		}
		if v["cvv"] != nil || v["icvv"] != nil {
			t.Error("the JWE has codes of another scheme")
		}
		for _, answer := range []any{former, current, sealed, b} {
			if text := fmt.Sprint(answer); strings.Contains(text, string(h.pan.Reveal())) || strings.Contains(text, "FFFFFFFFFFF") {
				t.Errorf("in clear: %s", text)
			}
		}

		// What is printed on the front is verified, and no other; there is none that changes.
		verified := func(value string) bool {
			t.Helper()
			return decode[api.CVV2Verdict](s.post1(desk, "/v1/cards/"+token+"/cvv2/verify", `{"cvv2":"`+value+`"}`).want(http.StatusOK)).Verified
		}
		if other := four[1:] + string('0'+(four[0]-'0'+1)%10); !verified(four) || verified(other) || verified(three) {
			t.Error("the code on the front is not verified, or another is")
		}
		f.data(http.MethodPut, "/cards/activation", on(token, `,"serviceType":"S"`))
		f.fails(http.MethodPost, "/cards/pin/dynamic-values", on(token, `,"keyAssociation":"IYY","channel":"A","disableDCVV2":"N"`), http.StatusUnprocessableEntity, "VPL5SGD20S")
	})
}
