package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/api"
	"platen/api/firstvision"
	"platen/sql/store"
)

// firstvisionClient calls the dialect, signing with a shared secret.
type firstvisionClient struct {
	signer
	site *site
}

func (s *site) firstvision(c client, roles string) *firstvisionClient {
	s.t.Helper()
	id, secret := uuid.New(), []byte("abcdef0123456789abcdef0123456789")
	sealed, err := api.Secrets{Vault: s.plant.Vault, Label: "secrets"}.Seal(id, secret)
	if err != nil {
		s.t.Fatal(err)
	}
	s.add(store.Client{ID: id, Institution: c.institution.ID, Name: id.String(), Roles: roles, Rate: 1_000_000, Method: store.SecretClient, Secret: sealed})
	return &firstvisionClient{site: s, signer: signer{id: id, at: noon, sign: func(m []byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(m)
		return h.Sum(nil)
	}}}
}

// envelope is an answer of the dialect.
type envelope struct {
	HasError bool                `json:"hasError"`
	Errors   []firstvision.Fault `json:"errors"`
	Data     map[string]any      `json:"data"`
}

// call sends one signed request with an id; what is signed may differ from what is sent.
func (f *firstvisionClient) call(method, path, id, body string, options ...option) answer {
	f.site.t.Helper()
	path = "/firstvision" + path
	at := strconv.FormatInt(f.at.UnixMilli(), 10)
	mac := f.sign([]byte(strings.Join([]string{at, id, method, path, body}, "\n")))
	headers := []option{asJSON, header("apikey", f.id.String()), header("X-Client-Request-Id", id), header("Timestamp", at), header("Signature", base64.StdEncoding.EncodeToString(mac))}
	return f.site.do(client{}, method, path, strings.NewReader(body), append(headers, options...)...)
}

// data is what a request is answered with, which is no error.
func (f *firstvisionClient) data(method, path, body string) map[string]any {
	f.site.t.Helper()
	a := f.call(method, path, uuid.NewString(), body)
	e := decode[envelope](a)
	if a.status > 299 || e.HasError || len(e.Errors) != 0 || !strings.Contains(string(a.body), `"errors":[]`) {
		f.site.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return e.Data
}

// fails fails unless a request is refused in the dialect's form.
func (f *firstvisionClient) fails(method, path, body string, status int, code string) {
	f.site.t.Helper()
	f.call(method, path, uuid.NewString(), body).failed(status, code)
}

func (a answer) failed(status int, code string) {
	a.t.Helper()
	e := decode[envelope](a.want(status))
	if !e.HasError || e.Data != nil || len(e.Errors) == 0 || e.Errors[0].Code != code || e.Errors[0].Description == "" {
		a.t.Errorf("refused with %s, want %s", a.body, code)
	}
}

// holding declares a customer and an account of a logo, and returns the account's number.
func (f *firstvisionClient) holding(logo string) string {
	f.site.t.Helper()
	customer := f.data(http.MethodPost, "/customer", `{"organizationNumber":"001","nameLine1":"ANA GOMEZ","houseAddress1":"Calle 1","city":"Madrid","postalCode":"28001","countryCode":"ES"}`)["customerNumber"]
	return f.data(http.MethodPost, "/account", fmt.Sprintf(`{"organization":"001","logo":"%s","customerNumber":"%v","creditLimit":150000,"billingCycle":"05"}`, logo, customer))["accountNumber"].(string)
}

func embosserOf(account, more string) string {
	return `{"organizationNumber":"001","postToAccount":"` + account + `"` + more + `}`
}

const plastic = `,"cardAction":"1","numberOfCardsRequested":1,"embossedName1":"ANA GOMEZ"`

func (f *firstvisionClient) card(account, more string) string {
	f.site.t.Helper()
	return f.data(http.MethodPost, "/cards/embosser", embosserOf(account, more))["cardNumber"].(string)
}

// on is a request about a card.
func on(token, more string) string {
	return `{"organizationNumber":"001","cardNumber":"` + token + `"` + more + `}`
}

func TestFirstvisionIssuesADigitalCard(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		account := f.holding("100")
		digital, physical := f.card(account, `,"digitalCardFlag":"1"`), f.card(account, plastic)
		if len(account) != 19 || len(digital) != 19 {
			t.Fatalf("account %s, card %s", account, digital)
		}
		if got := f.data(http.MethodPut, "/cards/activation", on(digital, `,"serviceType":"S"`)); got["numberCardsActivated"] != "0001" {
			t.Errorf("activated: %v", got)
		}
		for token, want := range map[string]string{digital: "ACTIVE", physical: "INACTIVE"} {
			if c := s.card(token); c.Status != want {
				t.Errorf("%+v", c)
			}
		}
		if got := f.data(http.MethodPut, "/cards/activation", on(account, `,"serviceType":"A"`)); got["numberCardsActivated"] != "0002" {
			t.Errorf("activated: %v", got)
		}
		if files := s.produce(s.mine); len(files) != 2 || files[0].Planned != 1 {
			t.Fatalf("files: %+v", files)
		}
		f.data(http.MethodPut, "/cards/activation", on(digital, `,"serviceType":"I"`))
		if c := s.card(digital); c.Status != "BLOCKED" {
			t.Errorf("deactivated: %+v", c)
		}
		f.data(http.MethodPut, "/cards/activation", on(digital, `,"serviceType":"T"`))
		if c := s.card(digital); c.Status != "ACTIVE" {
			t.Errorf("activated again: %+v", c)
		}
		f.data(http.MethodPut, "/cards/embosser/block", on(digital, `,"functionCode":"B","blockCode":"Q"`))
		f.fails(http.MethodPut, "/cards/activation", on(digital, `,"serviceType":"S"`), http.StatusUnprocessableEntity, "card_status")
		f.data(http.MethodPut, "/cards/embosser/block", on(digital, `,"functionCode":"U","blockCode":"Q"`))
		f.data(http.MethodPut, "/cards/status-L8V1", on(digital, `,"cardStatus":"1"`))
		if c := s.card(digital); c.Status != "BLOCKED" {
			t.Errorf("stopped: %+v", c)
		}
		f.data(http.MethodPut, "/cards/status-L8V1", on(digital, `,"cardStatus":"0"`))
		if c := s.card(digital); c.Status != "ACTIVE" {
			t.Errorf("let go on: %+v", c)
		}
		f.fails(http.MethodPut, "/cards/status-L8V1", on(digital, `,"cardStatus":"3"`), http.StatusUnprocessableEntity, "card_status_unknown")
		f.fails(http.MethodPut, "/cards/activation", on(digital, `,"serviceType":"U"`), http.StatusUnprocessableEntity, "VPL5SEA05S")
		s.balanced()
	})
}

func TestFirstvisionTransfersALostCard(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		account := f.holding("100")
		token := f.card(account, plastic)
		s.sent(s.produce(s.mine))
		f.data(http.MethodPut, "/cards/activation", on(token, `,"serviceType":"S"`))
		lost := on(token, `,"function":"T","accountNumberBase":"`+account+`","blockCode":"L","reasonCode":"A"`)
		f.fails(http.MethodPut, "/cards/transfer", lost, http.StatusUnprocessableEntity, "VPL5S101024E")
		f.data(http.MethodPut, "/cards/embosser/block", on(token, `,"functionCode":"B","blockCode":"L"`))
		f.data(http.MethodPut, "/cards/transfer", lost)
		f.fails(http.MethodPut, "/cards/embosser/block", on(token, `,"functionCode":"U","blockCode":"L"`), http.StatusUnprocessableEntity, "card_busy")
		s.sent(s.produce(s.mine))
		old := s.card(token)
		if old.Status != "CLOSED" || old.ClosedFor != "LOST" || old.ReplacedBy == "" {
			t.Fatalf("the lost card: %+v", old)
		}
		if got := f.data(http.MethodPut, "/cards/activation", on(old.ReplacedBy, `,"serviceType":"T"`)); got["numberCardsActivated"] != "0001" {
			t.Errorf("activated: %v", got)
		}
		s.balanced()
	})
}

func TestFirstvisionReversesTransfersAndMakesThemAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		account := f.holding("100")
		token := f.card(account, plastic)
		s.sent(s.produce(s.mine))
		f.data(http.MethodPut, "/customer", on(token, `,"serviceType":"S"`)) // what the digital flow calls activation
		transfer := func(function, issue string) string {
			return on(token, `,"function":"`+function+`","accountNumberBase":"`+account+`","blockCode":"L","issueType":"`+issue+`"`)
		}
		refused := func(body, code string) {
			t.Helper()
			f.fails(http.MethodPut, "/cards/transfer", body, http.StatusUnprocessableEntity, code)
		}
		f.data(http.MethodPut, "/cards/embosser/block", on(token, `,"functionCode":"B","blockCode":"L"`))
		refused(transfer("R", "R"), "no_transfer")
		f.data(http.MethodPut, "/cards/transfer", transfer("T", "S"))
		f.data(http.MethodPut, "/cards/transfer", transfer("R", "R"))
		refused(transfer("R", "R"), "no_transfer")
		if c := s.card(token); c.Status != "BLOCKED" || c.ReplacedBy != "" {
			t.Fatalf("reversed: %+v", c)
		}
		f.data(http.MethodPut, "/cards/transfer", transfer("C", "R"))
		files := s.produce(s.mine)
		if len(files) != 2 {
			t.Fatalf("%d files", len(files))
		}
		refused(transfer("R", "R"), "VPL5S101024E") // it is closed
		second := s.card(token).ReplacedBy
		s.sent(files)
		f.data(http.MethodPut, "/cards/embosser/block", on(second, `,"functionCode":"B","blockCode":"S"`))
		at := f.data(http.MethodPut, "/cards/transfer", on(second, `,"function":"C","accountNumberBase":"`+account+`","blockCode":"S","issueType":"I"`))
		third := at["cardNumber"].(string)
		if old, made := s.card(second), s.card(third); old.Status != "CLOSED" || old.ClosedFor != "STOLEN" || old.ReplacedBy != third || made.Replaces != second || made.Status != "INACTIVE" || at["expDate"] == "" {
			t.Fatalf("at once: %+v by %+v", old, made)
		}
		if cards := s.account("fv.001." + strings.TrimLeft(account, "0")); len(cards) != 1 {
			t.Errorf("%d cards on the account", len(cards))
		}
		s.balanced()
	})
}

func TestFirstvisionLinksAnonymousStockToAnAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate")
		s.submit(s.mine, "STOCK", "product,quantity\nprepaid-mag,2\n").want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		first, second := s.card("STOCK%231").Token, s.card("STOCK%232").Token
		account, other := f.holding("300"), f.holding("300")
		link := func(token, account string) string {
			return on(token, `,"accountNumber":"`+account+`","isPrimaryCard":true`)
		}
		f.call(http.MethodPut, "/cards/v1/cards/account", uuid.NewString(), link(first, account)).want(http.StatusNoContent)
		f.fails(http.MethodPut, "/cards/v1/cards/account", link(first, other), http.StatusUnprocessableEntity, "VPL5SPS20S")
		f.data(http.MethodPut, "/cards/activation", on(second, `,"serviceType":"S"`))
		f.fails(http.MethodPut, "/cards/v1/cards/account", link(second, account), http.StatusUnprocessableEntity, "VPL5SPS13E")
		f.fails(http.MethodPut, "/cards/v1/cards/account", link(second, f.holding("100")), http.StatusUnprocessableEntity, "VPL5SPS07E")
	})
}

func TestFirstvisionUsesPINs(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit,operate,pin")
		token := f.card(f.holding("100"), plastic)
		h := s.holderOf(token)
		wrong := h.wrong()
		try := func(digits string) string {
			return on(token, `,"keyAssociation":"POS","currentPinBlock":"`+h.block("pos", digits)+`"`)
		}
		counted := func() map[string]any {
			return f.data(http.MethodPost, "/cards/pin/invalid-attempts", on(token, ""))
		}
		f.data(http.MethodPost, "/cards/pin/validation", try(h.pin))
		f.fails(http.MethodPost, "/cards/pin/validation", try(wrong), http.StatusUnprocessableEntity, "VPL5SVP26S")
		if got := counted(); got["cardInvalidPinTries"] != "01" || got["maxNumberInvalidPinTries"] != "03" || got["exceededInvalidPinTries"] != " " || got["blockedIndicator"] != "N" || got["cardInvalidPinTryDate"] != "2026-11-21" {
			t.Errorf("after one: %v", got)
		}
		for range 2 {
			f.fails(http.MethodPost, "/cards/pin/validation", try(wrong), http.StatusUnprocessableEntity, "VPL5SVP26S")
		}
		f.fails(http.MethodPost, "/cards/pin/validation", try(h.pin), http.StatusUnprocessableEntity, "VPL5SVP27S")
		if got := counted(); got["cardInvalidPinTries"] != "03" || got["exceededInvalidPinTries"] != "D" || got["blockedIndicator"] != "B" {
			t.Errorf("after three: %v", got)
		}
		f.data(http.MethodPut, "/cards/pin/status", on(token, `,"serviceFunctionCode":"U","channel":"C"`))
		chosen := on(token, `,"keyAssociationNumber":"POS","channel":"A","currPinBlock":"`+h.block("pos", h.pin)+`","reqdPinBlock":"`+h.block("pos", "7392")+`"`)
		f.data(http.MethodPut, "/cards/pin/pin-change", chosen)
		f.data(http.MethodPost, "/cards/pin/validation", try("7392"))
		reassigned := on(token, `,"keyAssociationNumber":"POS","channel":"F","newPinBlock":"`+h.block("pos", "8264")+`"`)
		f.data(http.MethodPut, "/cards/pin/", reassigned)
		f.data(http.MethodPost, "/cards/pin/validation", try("8264"))
		f.fails(http.MethodPut, "/cards/pin/reassign", on(token, `,"keyAssociationNumber":"POS","channel":"F","newPinBlock":"`+h.block("pos", "1234")+`"`), http.StatusUnprocessableEntity, "VPL5SPA27S")
		f.data(http.MethodPut, "/cards/pin/status", on(token, `,"serviceFunctionCode":"B"`))
		f.fails(http.MethodPost, "/cards/pin/validation", try("8264"), http.StatusUnprocessableEntity, "pin_blocked")
		f.fails(http.MethodPost, "/cards/pin/validation", on(token, `,"keyAssociation":"XYZ","currentPinBlock":"0123456789ABCDEF"`), http.StatusUnprocessableEntity, "unknown_zone")
	})
}

// What is wrong with a request, whatever it is, is refused in the dialect's form, and nothing is changed.
func TestFirstvisionRefusesInItsOwnForm(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f, stranger, looker := s.firstvision(s.mine, "submit,operate,pin,pan"), s.firstvision(s.theirs, "submit,operate,pin,pan"), s.firstvision(s.mine, "")
		account := f.holding("100")
		token := f.card(account, plastic)
		before := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body) + string(s.get(s.mine, "/v1/cards/"+token).want(http.StatusOK).body)
		long := strings.Repeat("X", 41)
		whole := map[string]string{
			"POST /customer":                   `{"organizationNumber":"001","postalCode":"1","nameLine1":"A B"}`,
			"POST /account":                    `{"organization":"001","logo":"100","customerNumber":"7"}`,
			"POST /cards/embosser":             embosserOf(account, plastic),
			"PUT /cards/v1/cards/account":      on(token, `,"accountNumber":"`+account+`","isPrimaryCard":true`),
			"PUT /cards/activation":            on(token, `,"serviceType":"S"`),
			"PUT /cards/embosser/block":        on(token, `,"functionCode":"B","blockCode":"L"`),
			"PUT /cards/status-L8V1":           on(token, `,"cardStatus":"1"`),
			"PUT /cards/transfer":              on(token, `,"function":"T","accountNumberBase":"`+account+`","blockCode":"L"`),
			"POST /cards/pin/validation":       on(token, `,"keyAssociation":"POS","currentPinBlock":"0123456789ABCDEF"`),
			"POST /cards/pin/invalid-attempts": on(token, ""),
			"PUT /cards/pin/pin-change":        on(token, `,"keyAssociationNumber":"POS","channel":"A","currPinBlock":"0123456789ABCDEF","reqdPinBlock":"0123456789ABCDEF"`),
			"PUT /cards/pin/reassign":          on(token, `,"keyAssociationNumber":"POS","channel":"A","newPinBlock":"0123456789ABCDEF"`),
			"PUT /cards/pin/status":            on(token, `,"serviceFunctionCode":"B"`),
			"PUT " + actionPath:                acting(token, "3", `,"numberCardsRequested":1`),
			"POST " + sameDayPath:              on(token, `,"processType":"1","cardAction":"3"`),
			"POST /cards/pin/security-codes":   on(token, `,"keyAssociation":"POS","channel":"A"`),
			"POST /cards/v1/pin/codes":         on(token, `,"keyAssociation":"POS","channelIndicator":"A"`),
			"POST /cards/pin/dynamic-values":   on(token, `,"keyAssociation":"POS","channel":"A","disableDCVV2":"N"`),
			"POST /cards/embosser/card-pan":    on(token, `,"functionType":"C"`),
			"POST " + instantPath:              instantOf("7"),
			"POST " + massPath:                 massOf("7"),
			"PUT " + keyedPath:                 keyedOf("7", "A1"),
		}
		for route, body := range whole {
			method, path, _ := strings.Cut(route, " ")
			for _, bad := range []string{"", "[]", "{", "null", "{}", strings.Replace(body, "{", `{"cvv":"1",`, 1), strings.Replace(body, `"001"`, `1`, 1), strings.Replace(body, `"001"`, `"0011"`, 1),
				strings.Replace(body, `"001"`, `"`+long+`"`, 1), strings.Replace(body, `"001"`, `null`, 1), strings.Replace(body, `"001"`, `["001"]`, 1)} {
				if a := f.call(method, path, uuid.NewString(), bad); a.status != http.StatusBadRequest || !decode[envelope](a).HasError {
					t.Errorf("%s %.60q: %d %s", route, bad, a.status, a.body)
				}
			}
			if a := f.call(method, path, uuid.NewString(), strings.Replace(body, `"001"`, `"999"`, 1)); a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity {
				t.Errorf("%s of another organization: %d %s", route, a.status, a.body)
			}
			looker.fails(method, path, body, http.StatusForbidden, "forbidden")
			if strings.Contains(body, token) {
				for _, other := range []*firstvisionClient{stranger, f} {
					sent := body
					if other == f {
						sent = strings.Replace(body, token, "0000000000000000000", 1)
					}
					a := other.call(method, path, uuid.NewString(), sent)
					if code := decode[envelope](a).Errors[0].Code; code != "not_found" && code != "VPL5SEA05S" {
						t.Errorf("%s of a stranger: %d %s", route, a.status, a.body)
					}
				}
			}
		}
		for _, bad := range []struct{ route, from, to string }{
			{"POST /customer", `"A B"`, `"` + long + `"`}, {"POST /account", `"100"`, `"1000"`}, {"POST /cards/embosser", `"cardAction":"1"`, `"cardAction":"3"`},
			{"POST /cards/embosser", `"cardAction":"1"`, `"cardNumber":"4000001234567899"`}, {"POST /cards/embosser", `"ANA GOMEZ"`, `"` + long + `"`},
			{"PUT /cards/activation", `"S"`, `"X"`}, {"PUT /cards/embosser/block", `"L"`, `"l"`}, {"PUT /cards/embosser/block", `"B"`, `"D"`}, {"PUT /cards/status-L8V1", `"1"`, `"4"`},
			{"PUT /cards/transfer", `"T"`, `"X"`}, {"POST /cards/pin/validation", "0123456789ABCDEF", "0123456789ABCDEFA"}, {"POST /cards/pin/validation", "0123456789ABCDEF", "0123456789ABCDEG"},
			{"PUT /cards/pin/pin-change", `"A"`, `"B"`}, {"PUT /cards/pin/status", `"B"`, `"X"`}, {"PUT /cards/v1/cards/account", "true", `"true"`},
		} {
			method, path, _ := strings.Cut(bad.route, " ")
			f.fails(method, path, strings.Replace(whole[bad.route], bad.from, bad.to, 1), http.StatusBadRequest, "invalid_request")
		}
		f.fails(http.MethodPost, "/cards/embosser", embosserOf("77", plastic), http.StatusNotFound, "not_found")
		f.fails(http.MethodPost, "/account", `{"organization":"001","logo":"999","customerNumber":"7"}`, http.StatusUnprocessableEntity, "unknown_product")
		f.fails(http.MethodPost, "/nothing", "{}", http.StatusNotFound, "not_found")
		if after := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body) + string(s.get(s.mine, "/v1/cards/"+token).want(http.StatusOK).body); after != before {
			t.Errorf("something was changed: %s", after)
		}
	})
}

func TestFirstvisionTakesASignedRequestOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.firstvision(s.mine, "submit")
		body := `{"organizationNumber":"001","customerNumber":"42","postalCode":"28001"}`
		f.call(http.MethodPost, "/customer", "one", body).want(http.StatusCreated)
		f.call(http.MethodPost, "/customer", "one", body).failed(http.StatusUnauthorized, "replayed")
		for name, change := range map[string]option{
			"no key": header("apikey", ""), "another key": header("apikey", uuid.NewString()), "another id": header("X-Client-Request-Id", "two"), "long id": header("X-Client-Request-Id", strings.Repeat("x", 41)),
			"no signature": header("Signature", ""), "another signature": header("Signature", base64.StdEncoding.EncodeToString(make([]byte, 32))), "no base 64": header("Signature", "*"),
			"another time": header("Timestamp", strconv.FormatInt(noon.Add(time.Second).UnixMilli(), 10)), "no time": header("Timestamp", "now"),
			"another path": func(r *http.Request) { r.URL.Path += "/l8v2" },
		} {
			if a := f.call(http.MethodPost, "/customer", uuid.NewString(), strings.Replace(body, "42", "43", 1), change); a.status != http.StatusUnauthorized || !decode[envelope](a).HasError {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		for _, late := range []time.Duration{6 * time.Minute, -2 * time.Minute} {
			old := *f
			old.at = noon.Add(-late)
			old.fails(http.MethodPost, "/customer", body, http.StatusUnauthorized, "bad_signature")
		}
		if _, err := s.plant.Store.RecordNamed(t.Context(), store.CustomerRecord, s.mine.institution.ID, "fv.001.43"); err == nil {
			t.Error("a request with a wrong signature was carried out")
		}
	})
}
