package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"platen/api"
	"platen/sql/store"
)

var hostile = flag.Int("hostile", 0, "how many requests with several things wrong at once each operation is sent, besides all those with one; 0 = of these, half to each database")

// attempt is a request to one operation that something is wrong with.
type attempt struct {
	what      string
	path      string
	query     url.Values
	header    http.Header
	body      []byte
	lenient   bool // it may be taken
	operation *openapi3.Operation
}

// change does something wrong to a request that was right.
type change struct {
	what    string
	do      func(*attempt)
	lenient bool // the document does not speak of it, or it counts as nothing
}

// family is which kind of objects a path names.
func family(path string) string {
	parts := strings.Split(path, "/")
	if parts[2] == "ledger" {
		return "ledger " + parts[3]
	}
	return parts[2]
}

// objects are one of each kind, by the family of the path that names it.
func (s *site) objects() map[string]string {
	s.t.Helper()
	o := decode[api.Order](s.submit(s.mine, "OBJECTS", massCSV(2)+"unknown,1\n").want(http.StatusCreated))
	files := s.produce(s.mine)
	s.sent(files)
	hook := decode[api.Webhook](s.do(s.all(s.mine, "admin"), http.MethodPost, "/v1/webhooks", strings.NewReader(`{"url":"http://127.0.0.1:1/hook","objects":["file"]}`), asJSON).want(http.StatusCreated))
	batch := decode[api.Page[api.Batch]](s.get(s.mine, "/v1/batches").want(http.StatusOK)).Items[0]
	s.post1(s.mine, "/v1/customers", `{"reference":"OBJECTS-C","last_name":"Secret"}`).want(http.StatusCreated)
	s.post1(s.mine, "/v1/accounts", `{"reference":"OBJECTS-A","customer":"OBJECTS-C"}`).want(http.StatusCreated)
	s.post1(s.mine, "/v1/mass-issues", `{"product":"prepaid-mag","request":"OBJ","quantity":1}`).want(http.StatusCreated)
	money := s.all(s.mine, "money")
	wallet := decode[api.LedgerAccount](s.post1(money, "/v1/ledger/accounts", `{"reference":"OBJECTS-W","kind":"WALLET","currency":"EUR"}`).want(http.StatusCreated)).ID
	token := s.card("OBJECTS%231").Token
	s.post1(money, "/v1/ledger/cards/"+token, fmt.Sprintf(`{"reference":"OBJECTS-CA","source":%q}`, wallet)).want(http.StatusCreated)
	holder := decode[api.CardHolder](s.post1(money, "/v1/holders", `{"reference":"OBJECTS-H","card_type":"team-card","model":"B2B",`+person(nil)[1:]).want(http.StatusCreated)).ID
	return map[string]string{"mass-issues": "prepaid-mag.0.OBJ", "customers": "OBJECTS-C", "ledger accounts": wallet, "ledger cards": token, "ledger operations": "OBJECTS-W", "holders": holder, "accounts": "OBJECTS-A", "orders": o.ID, "files": files[0].ID.String(), "batches": batch.ID, "cards": token, "webhooks": hook.ID}
}

// all is a client of the same institution with every role.
func (s *site) all(c client, name string) client {
	s.t.Helper()
	return client{institution: c.institution, key: s.addBearer(store.Client{Institution: c.institution.ID, Name: name, Roles: api.RoleNames(api.Roles()), Rate: 1_000_000})}
}

// TestNoHostileRequestIsAnsweredWithAFault sends every operation requests that are wrong in every way that its description lets one think of. Each must be answered as the
// document says, never as a fault of the server, and what the document does not allow must be refused.
func TestNoHostileRequestIsAnsweredWithAFault(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		objects, everything := s.objects(), s.all(s.mine, "everything")
		d, err := document()
		if err != nil {
			t.Fatal(err)
		}
		dice, sent, turn := rand.New(rand.NewPCG(*seed, 2)), 0, 0
		if s.plant.Store.Dialect() == store.SQLite {
			turn = 1
		}
		for _, path := range slices.Sorted(maps.Keys(d.Paths.Map())) {
			for method, operation := range d.Paths.Value(path).Operations() {
				base := wellMeant(path, operation, objects)
				changes := changesTo(path, operation)
				for _, c := range changes {
					if turn++; *hostile > 0 || turn%2 == 0 {
						s.attack(everything, d, method, path, base.changed(c))
						sent++
					}
				}
				for range *hostile {
					a := base
					for range 2 + dice.IntN(3) {
						a = a.changed(changes[dice.IntN(len(changes))])
					}
					s.attack(everything, d, method, path, a)
					sent++
				}
			}
		}
		t.Logf("%d requests", sent)
	})
}

// wellMeant is a request that the document allows.
func wellMeant(path string, o *openapi3.Operation, objects map[string]string) attempt {
	id, ok := objects[family(path)]
	if !ok {
		id = anyID
	}
	a := attempt{path: strings.NewReplacer("{id}", id, "{token}", id, "{reference}", id, "{code}", id).Replace(path), query: url.Values{}, header: http.Header{}, operation: o}
	for _, p := range o.Parameters {
		if p.Value.In == "path" {
			value := "1"
			if named := p.Value.Schema.Value.Enum; len(named) > 0 {
				value = fmt.Sprint(named[0])
			}
			a.path = strings.ReplaceAll(a.path, "{"+p.Value.Name+"}", value)
		}
	}
	if schema := jsonBody(o); schema != nil {
		a.header.Set("Content-Type", "application/json")
		a.body = encoded(right(schema))
	}
	return a
}

func jsonBody(o *openapi3.Operation) *openapi3.Schema {
	if o.RequestBody == nil {
		return nil
	}
	return o.RequestBody.Value.Content.Get("application/json").Schema.Value
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func (a attempt) changed(c change) attempt {
	a.query, a.header = maps.Clone(a.query), a.header.Clone()
	a.what = strings.TrimPrefix(a.what+" and "+c.what, " and ")
	a.lenient = a.lenient || c.lenient
	c.do(&a)
	return a
}

// streamed are operations whose bodies are read row by row: a row that is wrong is refused, and the order is not.
func streamed(o *openapi3.Operation) bool {
	return o.OperationID == "submit-order" || o.OperationID == "correct-order"
}

func changesTo(path string, o *openapi3.Operation) []change {
	var all []change
	add := func(what string, lenient bool, do func(*attempt)) { all = append(all, change{what, do, lenient}) }
	if at := strings.LastIndex(path, "{"); at > 0 {
		segment := strings.Count(path[:at], "/")
		for what, id := range map[string]string{"an unknown id": anyID, "NUL": "%00", "a way up": "..%2F..%2Flivez", "a long id": strings.Repeat("7", 5000), "a picture": "%F0%9F%92%B3",
			"half a character": "%ff%fe", "-1": "-1", "2^63": "9223372036854775808", "a quote": "'%20OR%201=1", "a line": "a%0d%0aX:1", "#": "OBJECTS%23999999999999999999999"} {
			add("path: "+what, true, func(a *attempt) {
				parts := strings.Split(a.path, "/")
				parts[segment] = id
				a.path = strings.Join(parts, "/")
			})
		}
	}
	for _, p := range o.Parameters {
		if p.Value.In != "query" && p.Value.In != "header" {
			continue
		}
		for _, v := range wrongTexts(p.Value.Schema.Value) {
			text, ok := v.value.(string)
			if !ok {
				continue
			}
			if p.Value.In == "query" {
				add("query "+p.Value.Name+": "+v.what, text == "", func(a *attempt) { a.query.Set(p.Value.Name, text) })
			} else if !strings.ContainsAny(text, "\x00\n") {
				add("header "+p.Value.Name+": "+v.what, true, func(a *attempt) { a.header.Set(p.Value.Name, text) })
			}
		}
		add(p.Value.In+" "+p.Value.Name+" twice", true, func(a *attempt) {
			a.query[p.Value.Name] = []string{"1", "2"}
			a.header[p.Value.Name] = []string{"1", "2"}
		})
	}
	add("an unknown parameter", false, func(a *attempt) { a.query.Set("institution", "other-bank") })
	schema := jsonBody(o)
	if schema == nil {
		return append(all, change{"a body where none is", func(a *attempt) { a.body = []byte(`{"a":1}`) }, true})
	}
	for _, v := range wrong(schema) {
		add("body: "+v.what, v.lenient || streamed(o), func(a *attempt) { a.body = encoded(v.value) })
	}
	for what, raw := range map[string]string{"nothing": "", "half an object": `{"`, "two documents": "{} {}", "depth": strings.Repeat("[", 20_000), "deep objects": strings.Repeat(`{"a":`, 20_000),
		"bad UTF-8": "{\"reason\":\"\xff\xfe\"}", "a mark": "\xef\xbb\xbf{}", "members twice": `{"reason":"a","reason":"b","for":"LOST","for":"REQUEST"}`, "2 MiB": `{"reason":"` + strings.Repeat("x", 2<<20) + `"}`} {
		add("bytes: "+what, true, func(a *attempt) { a.body = []byte(raw) })
	}
	for _, kind := range []string{"", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "application/x-www-form-urlencoded", "no type at all", "application/cbor"} {
		add("type "+kind, true, func(a *attempt) { a.header.Set("Content-Type", kind) })
	}
	add("another language of answers", true, func(a *attempt) { a.header.Set("Accept", "application/xml;q=x, */*;q=-1") })
	add("a form of compression", true, func(a *attempt) { a.header.Set("Content-Encoding", "gzip") })
	return all
}

// attack sends an attempt and judges the answer.
func (s *site) attack(c client, d *openapi3.T, method, path string, a attempt) {
	s.t.Helper()
	build := func() *http.Request {
		r := s.request(c, method, a.path+"?"+a.query.Encode(), bytes.NewReader(a.body))
		maps.Copy(r.Header, a.header)
		return r
	}
	r := build()
	got, err := s.send(r)
	if err != nil {
		s.t.Fatalf("%s %s with %s: %v", method, path, a.what, err)
	}
	s.checkAnswer(r, got)
	switch {
	case got.status >= http.StatusInternalServerError:
		s.t.Errorf("%s %s with %s: %d %s", method, path, a.what, got.status, got.body)
	case got.status >= http.StatusBadRequest:
		got.refused(got.status, decode[api.Problem](got).Code)
	case !a.lenient && !allowed(s, d, build(), path, a.operation):
		s.t.Errorf("%s %s with %s breaks the document and is taken: %d %.300s", method, path, a.what, got.status, got.body)
	}
}

// allowed tells whether the document allows a request, body and all.
func allowed(s *site, d *openapi3.T, r *http.Request, path string, o *openapi3.Operation) bool {
	_, parameters := matchPath(d, r.URL.EscapedPath())
	return openapi3filter.ValidateRequest(s.t.Context(), &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		Route:   &routers.Route{Spec: d, Path: path, PathItem: d.Paths.Value(path), Method: r.Method, Operation: o}}) == nil
}
