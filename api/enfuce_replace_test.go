package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"platen/api"
	"platen/api/enfuce"
	"platen/sql/store"
)

// listed is how the plastics of a card stand.
func (s *enfuceSite) listed(id string) string {
	s.t.Helper()
	var all []string
	for _, p := range decode[[]enfuce.Plastic](s.call(s.desk, http.MethodGet, "/v3/"+id+"/plastic"+audited, "").want(http.StatusOK)) {
		all = append(all, strings.TrimPrefix(p.ID, id)+" "+p.ProductionType+" "+p.Status)
	}
	return strings.Join(all, ", ")
}

func (s *enfuceSite) told(id string) enfuce.Card {
	s.t.Helper()
	return decode[enfuce.Card](s.call(s.desk, http.MethodGet, "/v3/"+id+audited, "").want(http.StatusOK))
}

func TestEnfuceReplacesCardsAndCancelsPlastics(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		post := func(id, path string) answer {
			t.Helper()
			return s.call(s.desk, http.MethodPost, "/v3/"+id+path+audited, "")
		}
		id := s.made(s.call(s.desk, http.MethodPost, createPhysical+audited, `{"segment":"SEGMENT_B","embossing":{"firstName":"Ana","lastName":"Ruiz","externalLayoutCode":"BlueCard"}}`))
		post(id, "/update/REPLACE_CARD").refusedBy(http.StatusConflict, dynamicError, "card_busy")

		// Its plastic is taken back: the card stays as it is.
		post(id, "/plastic/"+id+"-1/update/CANCEL").want(http.StatusOK)
		if got := s.listed(id); got != "" || uses(s.card(id)) != "INACTIVE PENDING" {
			t.Fatalf("cancelled: %q %s", got, uses(s.card(id)))
		}
		post(id, "/plastic/"+id+"-1/update/CANCEL").refusedBy(http.StatusConflict, dynamicError, "plastic_locked")
		for _, none := range []string{id + "-7", id + "-01", "-1", id} {
			post(id, "/plastic/"+none+"/update/CANCEL").refusedBy(http.StatusNotFound, dynamicError, "not_found")
		}

		// Another takes its place, with what was said of it.
		second := decode[enfuce.Resource](post(id, "/update/REPLACE_CARD").want(http.StatusOK)).ID
		post(id, "/update/REPLACE_CARD").refusedBy(http.StatusConflict, dynamicError, "card_replaced")
		if old, made := s.card(id), s.card(second); second == id || old.Status != "CLOSED" || old.ClosedFor != "REQUEST" || old.ReplacedBy != second || made.Replaces != id {
			t.Fatalf("replaced: %+v by %+v", old, made)
		}
		if got := s.told(second); got.Status != "Card OK" || got.AccountID != "17" || got.CustomerID != "17" || got.CardRole != "MAIN" || got.Segment != "SEGMENT_B" || got.Embossing.LastName != "Ruiz" ||
			len(got.TruncatedNumber) != 16 || !strings.Contains(got.TruncatedNumber, "*") || got.PINAttempts == nil || got.PINAttempts.Counter != 0 || got.Expiration == nil {
			t.Fatalf("told: %+v", got)
		}
		if got := s.told(id); got.Status != "Card Closed" {
			t.Fatalf("told of the old one: %+v", got)
		}
		files := s.produce(s.mine)
		s.sent(files)
		post(second, "/plastic/"+second+"-1/update/CANCEL").refusedBy(http.StatusConflict, dynamicError, "plastic_locked")
		post(second, "/update/REORDER_CARD_PIN").want(http.StatusOK)
		post(second, "/update/REORDER_CARD_PIN").refusedBy(http.StatusConflict, dynamicError, "mailer_waits")
		if files := s.produce(s.mine); len(files) != 1 || files[0].Purpose != store.MailerPurpose || files[0].Planned != 1 {
			t.Fatalf("mailer files: %+v", files)
		}

		// A plastic that was only ordered is taken back, and ordered again.
		post(second, "/update/REISSUE_CARD").want(http.StatusOK)
		if got, want := s.listed(second), "-1 ALL INACTIVE, -2 NEW_PLASTIC INACTIVE"; got != want {
			t.Fatalf("plastics: %s, want %s", got, want)
		}
		post(second, "/plastic/"+second+"-2/update/CANCEL").want(http.StatusOK)
		if got, want := s.listed(second), "-1 ALL INACTIVE"; got != want {
			t.Fatalf("plastics: %s, want %s", got, want)
		}

		// One that is lost is replaced as well, and keeps what it was closed for; so is one that somebody abuses.
		s.set(second, "Card Lost", "CLOSED CLOSED")
		third := decode[enfuce.Resource](post(second, "/update/REPLACE_CARD").want(http.StatusOK)).ID
		if old := s.card(second); old.ClosedFor != "LOST" || old.ReplacedBy != third {
			t.Fatalf("lost: %+v", old)
		}
		s.sent(s.produce(s.mine))
		s.set(third, "Suspected Fraud", "BLOCKED PENDING")
		if got := s.told(third); got.Status != "Suspected Fraud" {
			t.Fatalf("told: %+v", got)
		}
		fourth := decode[enfuce.Resource](post(third, "/update/REPLACE_CARD").want(http.StatusOK)).ID
		if old := s.card(third); old.ClosedFor != "COMPROMISED" || old.ReplacedBy != fourth {
			t.Fatalf("abused: %+v", old)
		}
		a, _ := s.virtual(s.desk, "18", "17", "SUPPLEMENTARY", audited, `{}`)
		virtual := s.made(a)
		next := decode[enfuce.Resource](post(virtual, "/update/REPLACE_CARD").want(http.StatusOK)).ID
		if got := s.told(next); got.CustomerID != "18" || got.CardRole != "SUPPLEMENTARY" || got.PINAttempts != nil || uses(s.card(next)) != "ACTIVE CURRENT" {
			t.Fatalf("told of the virtual one: %+v", got)
		}
		if cards := s.account("17"); len(cards) != 2 {
			t.Errorf("%d cards on the account", len(cards))
		}
		stranger := s.all(s.theirs, "enfuce-2")
		for _, path := range []string{"/update/REPLACE_CARD", "/update/REORDER_CARD_PIN", "/plastic/" + next + "-1/update/CANCEL"} {
			s.call(stranger, http.MethodPost, "/v3/"+next+path+audited, "").refusedBy(http.StatusNotFound, dynamicError, "not_found")
		}
		s.balanced()
	})
}

// extras is what the files of the Mastercard product show of the extra data of the only card that they hold.
func (s *enfuceSite) extras(files []store.File) string {
	s.t.Helper()
	for _, f := range files {
		var plain strings.Builder
		if same, _, err := s.plant.Replay(s.t.Context(), f.Number, &plain); err != nil || !same {
			s.t.Fatalf("replay of file %d: %v %v", f.Number, same, err)
		}
		for line := range strings.Lines(plain.String()) {
			var detail map[string]any
			if json.Unmarshal([]byte(line), &detail) != nil || detail["type"] != "detail" {
				continue
			}
			var all []string
			for _, name := range slices.Sorted(maps.Keys(detail)) {
				if strings.HasPrefix(name, "extra_") {
					all = append(all, fmt.Sprintf("%s=%v", strings.TrimPrefix(name, "extra_"), detail[name]))
				}
			}
			return strings.Join(all, " | ")
		}
	}
	s.t.Fatal("no file shows a card")
	return ""
}

func TestWhatAnOrderSaysBesidesStandsInTheFile(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		id := s.made(s.call(s.desk, http.MethodPost, strings.Replace(createPhysical, "VISA_CARD", "MC_CARD", 1)+audited,
			`{"segment":"SEGMENT_B","digitalLayoutCode":"abc1","additionalValues":[{"key":"a-1","value":"Čapek 7|+."},{"key":"g","value":"7"}],"embossing":{"companyName":"Acme & Co","externalLayoutCode":"BlueCard",
			"additionalEmbossingName":"Eva","additionalField1":"one","additionalField2":"two","additionalField3":"three","additionalField4":"four","additionalField5":"Þór"}}`))
		const want = "company=Acme & Co | layout=BlueCard | line1=one | line2=two | line3=three | line4=four | line5=Þór | name=Eva | segment=SEGMENT_B | values=a-1=Čapek 7|+.;g=7 | wallet=abc1"
		files := s.produce(s.mine)
		if got := s.extras(files); got != want {
			t.Errorf("new: %s", got)
		}
		s.sent(files)
		s.call(s.desk, http.MethodPost, "/v3/"+id+"/update/REISSUE_CARD"+audited, "").want(http.StatusOK)
		files = s.produce(s.mine)
		if got := s.extras(files); got != want {
			t.Errorf("reissued: %s", got)
		}
		s.sent(files)
		s.call(s.desk, http.MethodPost, "/v3/"+id+"/update/REPLACE_CARD"+audited, "").want(http.StatusOK)
		files = s.produce(s.mine)
		if got := s.extras(files); got != want {
			t.Errorf("replaced: %s", got)
		}

		// Natively; and what cannot be.
		order := func(extra string) answer {
			return s.orderCard(s.mine, `{"reference":"N","product":"mc-credit-chip","first_name":"Ana","last_name":"Gomez","address1":"Calle 1","city":"Madrid","country":"ES","extra":`+extra+`}`)
		}
		for extra, code := range map[string]string{`{"line1":"4000000000000002"}`: "card_number", `{"values":"a\u0007b"}`: "control_character", `{"name":"a\u202eb"}`: "control_character"} {
			a := order(extra)
			if p := decode[api.Problem](a); a.status != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Code != code {
				t.Errorf("%s: %d %s", extra, a.status, a.body)
			}
		}
		for _, extra := range []string{`{"line9":"x"}`, `{"line1":7}`, `{"name":"` + strings.Repeat("x", 27) + `"}`, `"x"`} {
			if a := order(extra); a.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d %s", extra, a.status, a.body)
			}
		}
		order(`{"line2":"only this"}`).want(http.StatusCreated)
		if got := s.extras(s.produce(s.mine)); got != "line2=only this" {
			t.Errorf("natively: %s", got)
		}
		s.balanced()
	})
}
