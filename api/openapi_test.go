package api_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"platen/api"
)

var update = flag.Bool("update", false, "write openapi.yaml again")

func TestTheServedDocumentIsTheOneInTheRepository(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	served := s.get(client{}, "/openapi.yaml").want(http.StatusOK)
	if *update {
		if err := os.WriteFile("openapi.yaml", served.body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(served.body, kept) {
		t.Error("the API changed: look at the difference, then run the test with -update")
	}
}

func TestTheServedDocumentIsValidOpenAPI31(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	for _, path := range []string{"/openapi.yaml", "/openapi.json"} {
		a := s.get(client{}, path).want(http.StatusOK)
		d, err := openapi3.NewLoader().LoadFromData(a.body)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(d.OpenAPI, "3.1") {
			t.Errorf("%s is OpenAPI %s", path, d.OpenAPI)
		}
		if err := d.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// document reads the kept document once; the test above holds it to the served one.
var document = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromFile("openapi.yaml") })

// checkAgainstDocument holds a request under /v1 and its answer against the document: paths, parameters, statuses, headers and bodies.
func (s *site) checkAgainstDocument(r *http.Request, a answer) {
	s.t.Helper()
	asked := s.checkAnswer(r, a)
	if asked == nil || a.status >= http.StatusBadRequest {
		return
	}
	if err := openapi3filter.ValidateRequest(s.t.Context(), asked); err != nil {
		s.t.Errorf("a request that was taken is not as documented: %v", err)
	}
}

// checkAnswer holds an answer under /v1 against the document, and gives the request as the document has it; nil when it has none.
func (s *site) checkAnswer(r *http.Request, a answer) *openapi3filter.RequestValidationInput {
	s.t.Helper()
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		return nil
	}
	d, err := document()
	if err != nil {
		s.t.Fatal(err)
	}
	path, parameters := matchPath(d, r.URL.EscapedPath())
	if path == "" {
		if a.status != http.StatusNotFound {
			s.t.Errorf("%s is answered with %d, but the document does not have it", r.URL.Path, a.status)
		}
		return nil
	}
	item := d.Paths.Value(path)
	operation := item.GetOperation(r.Method)
	if operation == nil {
		if a.status != http.StatusMethodNotAllowed {
			s.t.Errorf("%s %s is answered with %d, but the document does not have it", r.Method, path, a.status)
		}
		return nil
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, ExcludeRequestBody: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	if r.GetBody != nil && operation.RequestBody != nil && r.Header.Get("Content-Type") == "application/json" {
		again, err := r.GetBody()
		if err != nil {
			s.t.Fatal(err)
		}
		r = r.Clone(s.t.Context())
		r.Body, options.ExcludeRequestBody = again, false
	}
	asked := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Options: options,
		Route: &routers.Route{Spec: d, Path: path, PathItem: item, Method: r.Method, Operation: operation}}
	answered := &openapi3filter.ResponseValidationInput{RequestValidationInput: asked, Status: a.status, Header: a.header,
		Body: io.NopCloser(bytes.NewReader(a.body)), Options: options}
	if err := openapi3filter.ValidateResponse(s.t.Context(), answered); err != nil {
		s.t.Errorf("the answer to %s %s is not as documented: %v", r.Method, path, err)
	}
	return asked
}

// matchPath finds the documented path of a URL, segment by segment.
func matchPath(d *openapi3.T, url string) (string, map[string]string) {
	given := strings.Split(url, "/")
next:
	for path := range d.Paths.Map() {
		want := strings.Split(path, "/")
		if len(want) != len(given) {
			continue
		}
		parameters := map[string]string{}
		for i := range want {
			if name, ok := strings.CutPrefix(want[i], "{"); ok {
				parameters[strings.TrimSuffix(name, "}")] = given[i]
			} else if want[i] != given[i] {
				continue next
			}
		}
		return path, parameters
	}
	return "", nil
}
