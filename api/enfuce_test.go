package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"

	"platen/api/enfuce"
	"platen/services/customers"
	"platen/sql/store"
)

// enfuceSite is a site whose answers to the operation that the service's own document describes are held against it.
type enfuceSite struct {
	*site
	document *openapi3.T
	desk     client
}

const (
	createVirtual  = "/v4/VISA_VIRTUAL/customer/{customerId}/account/{accountId}/{cardRole}"
	createPhysical = "/v4/VISA_CARD/customer/17/account/17/MAIN"
	audited        = "?auditUser=ana"
)

// withEnfuce is a site with customer 17, who has account 17, and customer 18.
func (s *site) withEnfuce() *enfuceSite {
	s.t.Helper()
	d, err := openapi3.NewLoader().LoadFromFile("testdata/enfuce-create-virtual.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := d.Validate(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.accountOf(s.mine, "17", customers.Person{FirstName: "Ana", LastName: "Gomez", Address1: "Calle 1", City: "Madrid", Country: "ES"})
	s.accountOf(s.mine, "18", customers.Person{})
	return &enfuceSite{site: s, document: d, desk: s.all(s.mine, "enfuce")}
}

// virtual asks for a virtual card. What is taken, and what is answered, is as the document has it; valid tells whether the request is.
func (s *enfuceSite) virtual(c client, customer, account, role, query, body string) (a answer, valid bool) {
	s.t.Helper()
	path := "/v4/VISA_VIRTUAL/customer/" + customer + "/account/" + account + "/" + role
	r := s.request(c, http.MethodPost, "/enfuce"+path+query, strings.NewReader(body), asJSON)
	a, err := s.send(r)
	if err != nil {
		s.t.Fatal(err)
	}
	item := s.document.Paths.Value(createVirtual)
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	r.Body = io.NopCloser(strings.NewReader(body))
	asked := &openapi3filter.RequestValidationInput{Request: r, Options: options, PathParams: map[string]string{"customerId": customer, "accountId": account, "cardRole": role},
		Route: &routers.Route{Spec: s.document, Path: createVirtual, PathItem: item, Method: http.MethodPost, Operation: item.Post}}
	valid = openapi3filter.ValidateRequest(s.t.Context(), asked) == nil
	schema := s.document.Components.Schemas["errorResponse"].Value
	if a.status == http.StatusCreated {
		schema = s.document.Components.Schemas["resourceResponse"].Value
	}
	var answered any
	if err := json.Unmarshal(a.body, &answered); err != nil {
		s.t.Fatalf("%v: %s", err, a.body)
	}
	if err := schema.VisitJSON(answered, openapi3.EnableFormatValidation()); err != nil {
		s.t.Errorf("the answer %d %s is not as documented: %v", a.status, a.body, err)
	}
	if described := item.Post.Responses.Status(a.status); described == nil && a.status != http.StatusBadRequest && a.status != http.StatusConflict && a.status != http.StatusTooManyRequests {
		s.t.Errorf("the status %d is neither documented nor told of in docs/dialects.md", a.status)
	}
	return a, valid
}

// made expects a card, and returns its id.
func (s *enfuceSite) made(a answer) string {
	s.t.Helper()
	r := decode[enfuce.Resource](a.want(http.StatusCreated))
	if r.Description == "" || r.ID == "" {
		s.t.Fatalf("made: %s", a.body)
	}
	return r.ID
}

// call sends a request whose document nobody has.
func (s *enfuceSite) call(c client, method, path, body string) answer {
	s.t.Helper()
	var content io.Reader
	var options []option
	if body != "" {
		content, options = strings.NewReader(body), []option{asJSON}
	}
	return s.do(c, method, "/enfuce"+path, content, options...)
}

// refusedBy fails unless the answer is an error of the service's form.
func (a answer) refusedBy(status int, kind, code string) {
	a.t.Helper()
	e := decode[enfuce.Error](a.want(status))
	if e.Code != fmt.Sprint(status) || e.ErrorType != kind || e.ErrorCode != code || uuid.Validate(e.ID) != nil || e.Timestamp == "" {
		a.t.Fatalf("refused with %s, want %s and %s", a.body, kind, code)
	}
}

const (
	staticError   = "STATIC_VALIDATION_ERROR"
	dynamicError  = "DYNAMIC_VALIDATION_ERROR"
	securityError = "SECURITY_ERROR"
)

const wholeVirtual = `{"expiration":{"year":2029,"month":7},"segment":"SEGMENT_C","pinStatus":"D","digitalLayoutCode":"abc123abc","additionalValues":[{"key":"a-1","value":"Čapek 7|+."}],
	"embossing":{"firstName":"Þór","lastName":"Øst-Ærø","companyName":"Acme & Co","additionalField1":"one","externalLayoutCode":"BlueCard","physical":false},"productCode":"VISA_VIRTUAL"}`

func TestEnfuceCreatesAVirtualCard(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		for _, body := range []string{`{}`, wholeVirtual} {
			a, valid := s.virtual(s.desk, "17", "17", "MAIN", audited, body)
			if !valid {
				t.Errorf("%s is not valid", body)
			}
			c := s.card(s.made(a))
			if uses(c) != "ACTIVE CURRENT" || c.Product != "visa-virtual" || c.Events[0].Data["by"] != "enfuce/ana" {
				t.Errorf("made: %+v", c)
			}
			if body == wholeVirtual && c.Issues[0].Expiry != "2029-07" {
				t.Errorf("expiry: %+v", c.Issues[0])
			}
		}
		a, _ := s.virtual(s.desk, "18", "17", "SUPPLEMENTARY", audited, `{}`)
		s.made(a)
		if cards := s.account("17"); len(cards) != 3 {
			t.Errorf("%d cards on the account", len(cards))
		}
		if files := s.produce(s.mine); len(files) != 0 {
			t.Errorf("%d files", len(files))
		}
		s.balanced()
	})
}

// hostileValues are values of a member that its schema does not take.
func hostileValues(schema *openapi3.Schema) []any {
	other := map[string]any{"string": 7, "integer": "7", "boolean": "yes", "object": []any{}, "array": map[string]any{}}
	var all []any
	for kind, v := range other {
		if schema.Type.Is(kind) {
			all = append(all, v)
		}
	}
	if schema.Type.Is("integer") {
		all = append(all, 1.5)
	}
	if schema.MaxLength != nil {
		all = append(all, strings.Repeat("A", int(*schema.MaxLength)+1))
	}
	if schema.MinLength > 0 {
		all = append(all, "")
	}
	if schema.Pattern != "" {
		all = append(all, "§")
	}
	if len(schema.Enum) > 0 {
		all = append(all, "NONE")
	}
	if schema.MaxItems != nil {
		all = append(all, slices.Repeat([]any{map[string]any{"key": "k", "value": "v"}}, int(*schema.MaxItems)+1))
	}
	return all
}

// hostileBodies are bodies with one member that is wrong in one way, all of them.
func hostileBodies(schema *openapi3.Schema) []any {
	var all []any
	properties := openapi3.Schemas{}
	maps.Copy(properties, schema.Properties)
	for _, part := range schema.AllOf {
		maps.Copy(properties, part.Value.Properties)
	}
	for name, member := range properties {
		for _, v := range hostileValues(member.Value) {
			all = append(all, map[string]any{name: v})
		}
		switch {
		case member.Value.Type.Is("object"):
			for _, v := range hostileBodies(member.Value) {
				all = append(all, map[string]any{name: v})
			}
		case member.Value.Type.Is("array"):
			for _, v := range hostileBodies(member.Value.Items.Value) {
				all = append(all, map[string]any{name: []any{v}})
			}
		}
	}
	return all
}

func TestEnfuceRefusesWhateverItsDocumentDoes(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		before := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body)
		bodies := hostileBodies(s.document.Components.Schemas["createVirtualResourceBody"].Value)
		if len(bodies) < 50 {
			t.Fatalf("%d hostile bodies", len(bodies))
		}
		for _, b := range append(bodies, []any{}, "text", 7, nil) {
			body, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			a, valid := s.virtual(s.desk, "17", "17", "MAIN", audited, string(body))
			if valid {
				t.Errorf("%.100s is valid", body)
			}
			if e := decode[enfuce.Error](a); a.status != http.StatusBadRequest || e.ErrorType != staticError {
				t.Errorf("%.100s: %d %s", body, a.status, a.body)
			}
		}
		// What the document says in words, and what is beside it.
		for _, body := range []string{``, `{`, `{"pan":"1"}`, `{"Segment":"SEGMENT_A","segmentt":1}`, `{"embossing":{"firstName":"` + strings.Repeat("A", 20) + `","lastName":"` + strings.Repeat("B", 7) + `"}}`,
			`{"embossing":{"firstName":"Влад"}}`, `{"embossing":{"lastName":"A*B"}}`, `{"embossing":{"manufacturer":"north"}}`, `{"embossing":{"additionalField5":"#"}}`, `{"expiration":{"year":2029}}`,
			`{"expiration":{"year":2029,"month":13}}`, `{"additionalValues":[{"key":"k"}]}`, `{"additionalValues":[{"key":"k","value":"<b>"}]}`, `{"scheduledClosing":{"type":"TIMEBASED"}}`,
			`{"scheduledClosing":{"type":"TIMEBASED","time":"tomorrow"}}`, "{\"segment\":\"\xff\"}", `{"encryptedData":"` + strings.Repeat("x", 70<<10) + `"}`} {
			if a := s.call(s.desk, http.MethodPost, "/v4/VISA_VIRTUAL/customer/17/account/17/MAIN"+audited, body); a.status != http.StatusBadRequest || decode[enfuce.Error](a).ErrorType != staticError {
				t.Errorf("%.100q: %d %s", body, a.status, a.body)
			}
		}
		for _, at := range [][4]string{{"x", "17", "MAIN", audited}, {"17", "-1", "MAIN", audited}, {"17", "17", "OTHER", audited}, {"17", "17", "MAIN", ""}, {"17", "17", "MAIN", "?auditUser="},
			{"17", "17", "MAIN", "?auditUser=a&auditUser=b"}, {"17", "17", "MAIN", audited + "&pan=1"}} {
			a, _ := s.virtual(s.desk, at[0], at[1], at[2], at[3], `{}`)
			a.refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		}
		// As things are, it cannot be done.
		for body, code := range map[string]string{
			`{"encryptedData":"a.b.c.d.e"}`: "own_number", `{"pinStatus":"W"}`: "pin_status", `{"pinStatus":"S"}`: "pin_status", `{"embossing":{"physical":true}}`: "virtual_card",
			`{"productCode":"UNKNOWN"}`: "unknown_product", `{"productCode":"VISA_CARD"}`: "other_product",
			`{"embossing":{"manufacturer":"FACTORY_X"}}`: "unknown_manufacturer", `{"cardDeliveryType":"MAIL"}`: "virtual_card",
		} {
			a, _ := s.virtual(s.desk, "17", "17", "MAIN", audited, body)
			a.refusedBy(http.StatusConflict, dynamicError, code)
		}
		a, _ := s.virtual(s.desk, "17", "17", "MAIN", audited, `{"expiration":{"year":2020,"month":1}}`)
		a.refusedBy(http.StatusBadRequest, dynamicError, "bad_row")
		a, _ = s.virtual(s.desk, "18", "17", "MAIN", audited, `{}`)
		a.refusedBy(http.StatusConflict, dynamicError, "other_customer")
		a, _ = s.virtual(s.desk, "99", "17", "MAIN", audited, `{}`)
		a.refusedBy(http.StatusNotFound, dynamicError, "not_found")
		a, _ = s.virtual(s.theirs, "17", "17", "MAIN", audited, `{}`)
		a.refusedBy(http.StatusNotFound, dynamicError, "not_found")
		a, _ = s.virtual(client{}, "17", "17", "MAIN", audited, `{}`)
		a.refusedBy(http.StatusUnauthorized, securityError, "unauthorized")
		looking := client{institution: s.mine.institution, key: s.addBearer(store.Client{Institution: s.mine.institution.ID, Name: "looks"})}
		a, _ = s.virtual(looking, "17", "17", "MAIN", audited, `{}`)
		a.refusedBy(http.StatusForbidden, securityError, "forbidden")
		s.call(s.desk, http.MethodPost, "/v4/NO_SUCH/customer/17/account/17/MAIN"+audited, `{}`).refusedBy(http.StatusNotFound, dynamicError, "not_found")
		s.call(s.desk, http.MethodGet, "/v4/nothing", "").refusedBy(http.StatusNotFound, dynamicError, "not_found")
		if after := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body); after != before {
			t.Errorf("something was ordered: %s", after)
		}
	})
}

func TestEnfuceFollowsAPhysicalCard(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		id := s.made(s.call(s.desk, http.MethodPost, createPhysical+audited, `{"embossing":{"manufacturer":"NORTH","physical":true},"cardDeliveryType":"COURIER"}`))
		plastics := func() string {
			t.Helper()
			var all []string
			for _, p := range decode[[]enfuce.Plastic](s.call(s.desk, http.MethodGet, "/v3/"+id+"/plastic"+audited, "").want(http.StatusOK)) {
				all = append(all, p.ID+" "+p.SequenceNumber+" "+p.ProductionType+" "+p.Status)
			}
			return strings.Join(all, ", ")
		}
		if got, want := plastics(), id+"-1 00 ALL INACTIVE"; got != want {
			t.Fatalf("plastics: %s, want %s", got, want)
		}
		files := s.produce(s.mine)
		if len(files) != 2 {
			t.Fatalf("%d files", len(files))
		}
		s.sent(files)
		post := func(path string, status int) answer {
			t.Helper()
			return s.call(s.desk, http.MethodPost, "/v3/"+id+path+audited, "").want(status)
		}
		post("/plastic/"+id+"-1/update/ACTIVATE", http.StatusOK)
		s.set(id, "Card Blocked", "BLOCKED CURRENT")
		s.set(id, "Suspected Fraud", "BLOCKED CURRENT")
		s.set(id, "Card OK", "ACTIVE CURRENT")
		post("/update/RESET_PIN_ATTEMPT", http.StatusOK)
		post("/update/REISSUE_CARD", http.StatusOK)
		if got, want := plastics(), id+"-1 00 ALL ACTIVE, "+id+"-2  NEW_PLASTIC INACTIVE"; got != want {
			t.Fatalf("plastics: %s, want %s", got, want)
		}
		post("/update/REISSUE_CARD", http.StatusBadRequest).refusedBy(http.StatusBadRequest, dynamicError, "bad_row")
		s.sent(s.produce(s.mine))
		if got, want := plastics(), id+"-1 00 ALL ACTIVE, "+id+"-2 01 NEW_PLASTIC INACTIVE"; got != want {
			t.Fatalf("plastics: %s, want %s", got, want)
		}
		post("/plastic/"+id+"-1/update/ACTIVATE", http.StatusConflict).refusedBy(http.StatusConflict, dynamicError, "old_plastic")
		post("/plastic/"+id+"-2/update/ACTIVATE", http.StatusOK)
		if got, want := plastics(), id+"-1 00 ALL CLOSED, "+id+"-2 01 NEW_PLASTIC ACTIVE"; got != want {
			t.Fatalf("plastics: %s, want %s", got, want)
		}
		s.refusesChanges(id)
		s.set(id, "Card Lost", "CLOSED SUPERSEDED CLOSED")
		s.call(s.desk, http.MethodPatch, "/v4/VISA_CARD/"+id+audited, `{"status":"Card OK"}`).refusedBy(http.StatusConflict, dynamicError, "card_status")
		post("/update/REISSUE_CARD", http.StatusBadRequest).refusedBy(http.StatusBadRequest, dynamicError, "bad_row")
		s.balanced()
	})
}

// set sets a card's status, and expects how the card stands then.
func (s *enfuceSite) set(id, status, want string) {
	s.t.Helper()
	s.call(s.desk, http.MethodPatch, "/v4/VISA_CARD/"+id+audited, `{"status":"`+status+`"}`).want(http.StatusOK)
	if got := uses(s.card(id)); got != want && !strings.HasPrefix(got, want+" ") {
		s.t.Fatalf("%s: the card is %s, want %s", status, got, want)
	}
}

// refusesChanges sends changes of a card that are wrong, or not the caller's.
func (s *enfuceSite) refusesChanges(id string) {
	s.t.Helper()
	for _, body := range []string{``, `{}`, `{"status":"Closed"}`, `{"status":7}`, `{"status":"Card OK","pan":"1"}`} {
		if a := s.call(s.desk, http.MethodPatch, "/v4/VISA_CARD/"+id+audited, body); a.status != http.StatusBadRequest {
			s.t.Errorf("%q: %d", body, a.status)
		}
	}
	s.call(s.desk, http.MethodPatch, "/v4/VISA_CARD/"+id+audited, `{"status":"Card No Renewal"}`).refusedBy(http.StatusConflict, dynamicError, "no_renewal")
	s.call(s.desk, http.MethodPost, "/v3/"+id+"/update/REISSUE_CARD", "").refusedBy(http.StatusBadRequest, staticError, "invalid_request")
	s.call(s.desk, http.MethodPost, "/v3/"+id+"/update/REISSUE_CARD"+audited, `{}`).refusedBy(http.StatusBadRequest, staticError, "invalid_request")
	stranger := s.all(s.theirs, "enfuce")
	for _, c := range []struct {
		who  client
		name string
	}{{stranger, id}, {s.desk, "NOTOKEN"}} {
		s.call(c.who, http.MethodPatch, "/v4/VISA_CARD/"+c.name+audited, `{"status":"Card Lost"}`).refusedBy(http.StatusNotFound, dynamicError, "not_found")
		s.call(c.who, http.MethodGet, "/v3/"+c.name+"/plastic"+audited, "").refusedBy(http.StatusNotFound, dynamicError, "not_found")
		for _, path := range []string{"/update/REISSUE_CARD", "/update/RESET_PIN_ATTEMPT", "/plastic/" + c.name + "-1/update/ACTIVATE"} {
			s.call(c.who, http.MethodPost, "/v3/"+c.name+path+audited, "").refusedBy(http.StatusNotFound, dynamicError, "not_found")
		}
	}
	s.call(s.desk, http.MethodPatch, "/v4/MC_CARD/"+id+audited, `{"status":"Card Lost"}`).refusedBy(http.StatusNotFound, dynamicError, "not_found")
	s.call(s.desk, http.MethodPost, "/v3/"+id+"/plastic/"+id+"-9/update/ACTIVATE"+audited, "").refusedBy(http.StatusConflict, dynamicError, "old_plastic")
}
