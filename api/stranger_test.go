package api_test

import (
	"bytes"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"platen/api"
)

// requestID is what differs in two answers of which nothing else does.
var requestID = regexp.MustCompile(`"request_id":"[0-9a-f-]{36}"`)

// TestAStrangerCannotTellNotMineFromNotThere asks every operation for each object of one institution as a client of the other with every role, and once more for an object of
// the same shape that nobody has. The answers must be the same, byte for byte, and no list may name anything of the other.
func TestAStrangerCannotTellNotMineFromNotThere(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		objects, stranger := s.objects(), s.all(s.theirs, "stranger")
		ids := map[string][][2]string{
			"orders": {{objects["orders"], anyID}}, "batches": {{objects["batches"], anyID}, {"1", "999"}}, "files": {{objects["files"], anyID}, {"1", "999"}},
			"webhooks": {{objects["webhooks"], anyID}}, "cards": {{objects["cards"], "T000000000000000000"}, {"OBJECTS%231", "NOTHING%231"}},
			"simulator": {{objects["cards"], "T000000000000000000"}}, "customers": {{objects["customers"], "NOBODY"}}, "accounts": {{objects["accounts"], "NOTHING"}},
			"ledger accounts": {{objects["ledger accounts"], anyID}}, "ledger cards": {{objects["ledger cards"], "T000000000000000000"}, {"OBJECTS%231", "NOTHING%231"}},
			"ledger operations": {{"OBJECTS-W", "NOTHING"}}, "holders": {{objects["holders"], anyID}}, "mass-issues": {{objects["mass-issues"], "prepaid-mag.0.NO"}}, "card-types": {{"prepaid-mag", "nothing"}},
		}
		d, err := document()
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		for _, path := range slices.Sorted(maps.Keys(d.Paths.Map())) {
			kind := family(path)
			for method, operation := range d.Paths.Value(path).Operations() {
				if !strings.Contains(path, "{") {
					if method == http.MethodGet {
						s.namesNothingOf(objects, s.get(stranger, path).want(http.StatusOK))
					}
					continue
				}
				if ids[kind] == nil {
					t.Errorf("%s names objects that this test knows none of", path)
				}
				for _, pair := range ids[kind] {
					asked++
					s.alike(stranger, method, path, operation, pair)
				}
			}
		}
		t.Logf("%d pairs of requests", asked)
	})
}

func (s *site) namesNothingOf(objects map[string]string, a answer) {
	s.t.Helper()
	for kind, id := range objects {
		if bytes.Contains(a.body, []byte(id)) {
			s.t.Errorf("a stranger is told of one of %s: %s", kind, a.body)
		}
	}
}

// alike sends one operation two ids, and compares what is answered.
func (s *site) alike(c client, method, path string, o *openapi3.Operation, ids [2]string) {
	s.t.Helper()
	kind := family(path)
	var answers [2]answer
	for i, id := range ids {
		a := wellMeant(path, o, map[string]string{kind: id})
		answers[i] = s.do(c, method, a.path, bytes.NewReader(a.body), func(r *http.Request) { maps.Copy(r.Header, a.header) })
		for _, name := range []string{"X-Request-Id", "Date", "Content-Length"} {
			answers[i].header.Del(name)
		}
		answers[i].body = requestID.ReplaceAll(answers[i].body, []byte(`"request_id":""`))
	}
	if p := decode[api.Problem](answers[0]); p.Status != http.StatusNotFound {
		s.t.Errorf("%s %s: a stranger is answered with %s", method, path, answers[0].body)
	}
	if answers[0].status != answers[1].status || !bytes.Equal(answers[0].body, answers[1].body) || !maps.EqualFunc(answers[0].header, answers[1].header, slices.Equal) {
		s.t.Errorf("%s %s: not mine is %d %v %s\nand not there %d %v %s", method, path, answers[0].status, answers[0].header, answers[0].body,
			answers[1].status, answers[1].header, answers[1].body)
	}
}
