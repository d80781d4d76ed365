package api_test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"platen/api"
	"platen/card"
	"platen/hsm"
	"platen/programs"
	"platen/sql/store"
)

const panPath = "/cards/embosser/card-pan"

// Security values, dynamic CVV2s and card numbers go to the holder of a zone's key only, and to clients with the role for them.
func TestFirstvisionTellsSecretsToTheirZoneOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		private, public := s.zoneKey()
		s.declare("demo-bank", 0, func(set *programs.Set) {
			for i := range set.Zones { // no other has a public key, so that a number needs no zone
				set.Zones[i].Key, set.Zones[i].PublicKey = cmp.Or(set.Zones[i].Key, "zpk-pos"), ""
			}
			set.Zones = append(set.Zones, programs.Zone{Code: "aiyy", Key: "zpk-pos", PublicKey: public}, programs.Zone{Code: "iyy", Key: "zpk-pos", DataKey: "zek-pos"})
			productOf(set, "mc-credit-chip").DynamicCVV2 = card.DynamicCVV2{Minutes: 60, FirstCode: 300, Codes: 500, Grace: 1}
		})
		f, desk := s.firstvision(s.mine, "submit,operate,pin"), s.firstvision(s.mine, "pan")
		stranger := s.firstvision(s.theirs, "pan")
		token := f.card(f.holding("200"), plastic)
		other := f.card(f.holding("100"), plastic)
		h := s.holderOf(token)
		number := string(h.pan.Reveal())

		// The zone of a channel goes before the association's own.
		codes := func(path, member, channel, association string) map[string]any {
			t.Helper()
			return f.data(http.MethodPost, path, on(token, `,"keyAssociation":"`+association+`","`+member+`":"`+channel+`"`))
		}
		got := codes("/cards/pin/security-codes", "channel", "A", "IYY")
		v := unsealed[told](t, private, got["securityValues"].(string))
		if len(v.CVV) != 3 || len(v.CVV2) != 3 || len(v.ICVV) != 3 || got["pinEncrypt"] != strings.ToUpper(h.block("pos", h.pin)) {
			t.Errorf("codes %v", got)
		}
		if got := codes("/cards/v1/pin/codes", "channelIndicator", "W", "POS"); got["securityValues"] != nil || len(got["pinEncrypt"].(string)) != 16 {
			t.Errorf("codes %v", got)
		}
		f.fails(http.MethodPost, "/cards/v1/pin/codes", on(token, `,"keyAssociation":"IZZ","channelIndicator":"W"`), http.StatusUnprocessableEntity, "unknown_zone")

		// A zone with a data key gets each code as a block of 3DES, as its former and its current version have them.
		got = codes("/cards/pin/security-codes", "channel", "W", "IYY")
		if s.openBlock(got["ud1ec"]) != v.CVV+"FFFFFFFFFFFFF" || s.openBlock(got["ud2ec"]) != v.CVV2+"FFFFFFFFFFFFF" || s.openBlock(got["ud3ec"]) != v.ICVV+"FFFFFFFFFFFFF" ||
			got["pinEncrypt"] != strings.ToUpper(h.block("pos", h.pin)) || got["securityValues"] != nil {
			t.Errorf("codes %v", got)
		}
		current := codes("/cards/v1/pin/codes", "channelIndicator", "W", "IYY")
		users, ok := current["usersDefined"].([]any)
		if !ok || len(users) != 3 || users[1].(map[string]any)["key"] != "ud2ec" || users[1].(map[string]any)["value"] != got["ud2ec"] || current["cardSecurity"] != nil {
			t.Errorf("codes %v", current)
		}
		for _, clear := range []string{v.CVV + `"`, v.CVV2 + `"`, "FFFFFFFFFF"} {
			if text := fmt.Sprint(got, current); strings.Contains(text, clear) {
				t.Errorf("a code in clear: %s", text)
			}
		}
		native := s.addClient("values", "pin")
		if a := decode[api.SecurityBlocks](s.post1(native, "/v1/cards/"+token+"/security-blocks", `{"zone":"iyy"}`).want(http.StatusOK)); a.CVV2 != got["ud2ec"] || a.CSC4 != "" || a.Issue != 1 {
			t.Errorf("%+v", a)
		}
		s.post1(native, "/v1/cards/"+token+"/security-blocks", `{"zone":"aiyy"}`).refused(http.StatusUnprocessableEntity, "unknown_zone")
		s.post1(native, "/v1/cards/"+token+"/security-blocks", `{"zone":"none"}`).refused(http.StatusUnprocessableEntity, "unknown_zone")
		s.post1(native, "/v1/cards/"+token+"/security-blocks", `{}`).refused(http.StatusUnprocessableEntity, "invalid_request")
		s.post1(s.theirs, "/v1/cards/"+token+"/security-blocks", `{"zone":"iyy"}`).refused(http.StatusForbidden, "forbidden")

		// A dynamic CVV2 is of a card in use whose product has one; what is printed is not valid.
		dynamic := func(token, disable string) string {
			return on(token, `,"keyAssociation":"IYY","channel":"A","disableDCVV2":"`+disable+`"`)
		}
		f.fails(http.MethodPost, "/cards/pin/dynamic-values", dynamic(token, "N"), http.StatusUnprocessableEntity, "VPL5SGD20S")
		f.data(http.MethodPut, "/cards/activation", on(token, `,"serviceType":"S"`))
		f.data(http.MethodPut, "/cards/activation", on(other, `,"serviceType":"S"`))
		got = f.data(http.MethodPost, "/cards/pin/dynamic-values", on(token, `,"keyAssociation":"IYY","channel":"W","disableDCVV2":"N"`))
		if s.openBlock(got["dcvv2"]) != v.CVV2+"FFFFFFFFFFFFF" {
			t.Errorf("dynamic as a block %v", got)
		}
		got = f.data(http.MethodPost, "/cards/pin/dynamic-values", dynamic(token, "N"))
		if now := unsealed[told](t, private, got["dcvv2"].(string)); now.CVV2 != v.CVV2 || now.CVV != "" || got["dcvv2ExpiryMinutes"] != 60.0 || got["dcvv2GenerationTime"] != "2026-11-21T12:00:00Z" {
			t.Errorf("dynamic %v", got)
		}
		f.fails(http.MethodPost, "/cards/pin/dynamic-values", dynamic(other, "N"), http.StatusUnprocessableEntity, "VPL5SGD20S")
		f.fails(http.MethodPost, "/cards/pin/dynamic-values", dynamic(other, "Y"), http.StatusUnprocessableEntity, "VPL5SGD20S")

		// Disabled, the printed one is valid, until the next dynamic one is asked for.
		if got["accountType"] != "Credit" {
			t.Errorf("dynamic %v", got)
		}
		if got := f.data(http.MethodPost, "/cards/pin/dynamic-values", dynamic(token, "Y")); got["dcvv2"] != nil || got["cardNumber"] != token {
			t.Errorf("disabled %v", got)
		}
		everything := s.all(s.mine, "everything")
		right := func(cvv2 string) bool {
			t.Helper()
			a := s.do(everything, http.MethodPost, "/v1/cards/"+token+"/cvv2/verify", strings.NewReader(`{"cvv2":"`+cvv2+`"}`), asJSON)
			return decode[api.CVV2Verdict](a.want(http.StatusOK)).Verified
		}
		printed := unsealed[told](t, private, codes("/cards/pin/security-codes", "channel", "A", "IYY")["securityValues"].(string))
		if printed.CVV2 == v.CVV2 || !right(printed.CVV2) || right(v.CVV2) {
			t.Error("the printed CVV2 is not the only one that is valid")
		}
		if back := f.data(http.MethodPost, "/cards/pin/dynamic-values", dynamic(token, "N")); unsealed[told](t, private, back["dcvv2"].(string)).CVV2 != v.CVV2 || right(printed.CVV2) || !right(v.CVV2) {
			t.Error("the dynamic CVV2 did not come back")
		}
		s.do(everything, http.MethodDelete, "/v1/cards/"+token+"/dynamic-cvv2", nil).want(http.StatusOK)
		s.do(everything, http.MethodDelete, "/v1/cards/"+token+"/dynamic-cvv2", nil).want(http.StatusOK)
		if !right(printed.CVV2) {
			t.Error("natively, the printed CVV2 is not valid")
		}
		var turns []string
		for _, e := range s.card(token).Events {
			if strings.HasPrefix(e.Kind, "dynamic_cvv2_") && e.Kind != "dynamic_cvv2_told" {
				turns = append(turns, e.Kind)
			}
		}
		if got := strings.Join(turns, " "); got != "dynamic_cvv2_disabled dynamic_cvv2_enabled dynamic_cvv2_disabled" {
			t.Errorf("events %s", got)
		}
		s.do(s.all(s.theirs, "everything there"), http.MethodDelete, "/v1/cards/"+token+"/dynamic-cvv2", nil).refused(http.StatusNotFound, "not_found")

		// Tokens and numbers, for entitled clients.
		f.fails(http.MethodPost, panPath, on(number, `,"functionType":"P"`), http.StatusForbidden, "forbidden")
		if got := desk.data(http.MethodPost, panPath, on(number, `,"functionType":"P"`)); got["cardNumber"] != token {
			t.Errorf("token %v", got)
		}
		a := desk.data(http.MethodPost, panPath+"-l8v2", on(token, ""))
		if v := unsealed[struct {
			Number string `json:"card_number"`
		}](t, private, a["cardNumber"].(string)); v.Number != number {
			t.Error("another number")
		}
		stranger.fails(http.MethodPost, panPath, on(number, `,"functionType":"P"`), http.StatusNotFound, "not_found")
		stranger.fails(http.MethodPost, panPath, on(token, ""), http.StatusNotFound, "not_found")
		desk.fails(http.MethodPost, panPath, on("4000001234567891", `,"functionType":"P"`), http.StatusBadRequest, "invalid_request")
		desk.fails(http.MethodPost, panPath, on("4000001234567899", `,"functionType":"P"`), http.StatusNotFound, "not_found")
		desk.fails(http.MethodPost, panPath, on(number, ""), http.StatusNotFound, "not_found")
		if strings.Contains(s.log.String(), number) {
			t.Error("the log shows a card number")
		}

		// The same, natively.
		native = s.addClient("numbers", "pan")
		if v := decode[api.FoundCard](s.post1(native, "/v1/card-lookups", `{"card_number":"`+number+`"}`).want(http.StatusOK)); v.Token != token {
			t.Errorf("%+v", v)
		}
		for body, code := range map[string]string{`{"card_number":"4000001234567899"}`: "not_found", `{"card_number":"4000001234567891"}`: "invalid_request", `{"card_number":"x"}`: "invalid_request"} {
			if a := s.post1(native, "/v1/card-lookups", body); decode[api.Problem](a).Code != code {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		s.post1(native, "/v1/cards/"+token+"/number", `{"zone":"aiyy"}`).want(http.StatusOK)
		s.post1(native, "/v1/cards/"+token+"/number", `{"zone":"pos"}`).refused(http.StatusUnprocessableEntity, "unknown_zone")
		s.post1(s.mine, "/v1/cards/"+token+"/number", `{"zone":"aiyy"}`).refused(http.StatusForbidden, "forbidden")
		s.post1(native, "/v1/cards/"+token+"/dynamic-cvv2", `{"zone":"aiyy"}`).refused(http.StatusForbidden, "forbidden")
		told := ""
		for _, e := range s.card(token).Events {
			told += e.Kind + " "
		}
		for _, kind := range []string{"security_values_told", "pin_told", "dynamic_cvv2_told", "number_told", "token_told"} {
			if !strings.Contains(told, kind) {
				t.Errorf("no event %s: %s", kind, told)
			}
		}
	})
}

// addClient is a client of the first institution with roles.
func (s *site) addClient(name, roles string) client {
	s.t.Helper()
	return client{institution: s.mine.institution, key: s.addBearer(store.Client{Institution: s.mine.institution.ID, Name: name, Roles: roles, Rate: 1_000_000})}
}

// openBlock deciphers a block as the holder of the data key does.
func (s *site) openBlock(value any) string {
	s.t.Helper()
	text, _ := value.(string)
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 8 {
		s.t.Fatalf("%v is no block", value)
	}
	cell := card.NewSecrets(1, 8)
	cell.Set(0, raw)
	if err := s.plant.Module.DecryptData(s.t.Context(), card.KeyRef{Label: "zek-pos"}, hsm.TDESECB, cell, cell); err != nil {
		s.t.Fatal(err)
	}
	return strings.ToUpper(hex.EncodeToString(cell.Reveal(0)))
}
