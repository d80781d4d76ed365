package api_test

import (
	"crypto/sha256"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"platen/api"
)

// reads are all operations that show something.
func reads(order, file, batch, card string) []string {
	return []string{"/v1/orders", "/v1/orders/" + order, "/v1/orders/" + order + "/lines", "/v1/orders/" + order + "/errors",
		"/v1/orders/" + order + "/errors?format=csv", "/v1/cards/" + card, "/v1/files", "/v1/files/" + file, "/v1/batches", "/v1/batches/" + batch, "/v1/returns",
		"/v1/books", "/v1/schedules"}
}

const anyID = "0199a0a0-0000-7000-8000-000000000000"

func TestEveryOperationOfV1NeedsAKey(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	d, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range d.Paths.Map() {
		for method := range item.Operations() {
			at := strings.NewReplacer("{id}", anyID, "{token}", "T").Replace(path)
			a := s.do(client{}, method, at, nil)
			a.refused(http.StatusUnauthorized, "unauthorized")
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="platen"` {
				t.Errorf("%s %s: WWW-Authenticate is %q", method, path, got)
			}
		}
	}
}

func TestAWrongKeyIsRefused(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	other, _, err := api.NewClientKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"a key that nobody has": "Bearer " + other, "a changed key": "Bearer " + s.mine.key[:len(s.mine.key)-1] + "=", "a shorter key": "Bearer " + s.mine.key[:20],
		"another scheme": "Basic " + s.mine.key, "no scheme": s.mine.key, "two keys": "Bearer " + s.mine.key + " " + s.mine.key, "no key": "Bearer ",
		"lower case": "Bearer " + strings.ToLower(s.mine.key),
	} {
		t.Run(name, func(t *testing.T) {
			s.on(t).get(client{}, "/v1/orders", header("Authorization", value)).refused(http.StatusUnauthorized, "unauthorized")
		})
	}
	s.get(client{}, "/v1/orders", func(r *http.Request) {
		r.Header["Authorization"] = []string{"Bearer " + s.mine.key, "Bearer " + s.theirs.key}
	}).refused(http.StatusUnauthorized, "unauthorized")
	s.get(client{}, "/v1/orders", header("Authorization", "bearer "+s.mine.key)).want(http.StatusOK)
}

func TestAClientKeyIsLongRandomAndRecognisable(t *testing.T) {
	shape := regexp.MustCompile(`^plk_[A-Z2-7]{52}$`)
	seen := map[string]bool{}
	for range 100 {
		key, sum, err := api.NewClientKey()
		if err != nil {
			t.Fatal(err)
		}
		if want := sha256.Sum256([]byte(key)); !shape.MatchString(key) || seen[key] || string(sum) != string(want[:]) {
			t.Fatal("a key has another shape, came twice, or has another hash")
		}
		seen[key] = true
	}
}

func TestProbesNeedNoKey(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("platen_up 1\n")) })})
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/openapi.yaml", "/openapi.json"} {
		s.get(client{}, path).want(http.StatusOK)
	}
}

// TestWhatBelongsToAnotherInstitutionDoesNotExist asks for every object of one institution with the key of the other.
func TestWhatBelongsToAnotherInstitutionDoesNotExist(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		submitted := decode[api.Order](s.submit(s.mine, "MASS-1", massCSV(3)+"unknown,1\n").want(http.StatusCreated))
		files := s.produce(s.mine)
		story := decode[api.Card](s.get(s.mine, "/v1/cards/MASS-1%231").want(http.StatusOK))
		for _, path := range reads(submitted.ID, files[0].ID.String(), "1", story.Token) {
			s.get(s.mine, path).want(http.StatusOK)
		}
		missing := s.get(s.theirs, "/v1/orders/"+anyID).want(http.StatusNotFound)
		foreign := []string{"/v1/orders/" + submitted.ID, "/v1/orders/" + submitted.ID + "/lines", "/v1/orders/" + submitted.ID + "/errors",
			"/v1/orders/" + submitted.ID + "/errors?format=csv", "/v1/cards/" + story.Token, "/v1/cards/MASS-1%231", "/v1/files/" + files[0].ID.String(), "/v1/files/1", "/v1/files/1/lines",
			"/v1/batches/1"}
		batch := decode[api.Page[api.Batch]](s.get(s.mine, "/v1/batches")).Items[0]
		foreign = append(foreign, "/v1/batches/"+batch.ID)
		for _, path := range foreign {
			p := s.get(s.theirs, path).refused(http.StatusNotFound, "not_found")
			if want := decode[api.Problem](missing); p.Detail != want.Detail || p.Title != want.Title {
				t.Errorf("%s tells more than that it does not exist: %+v", path, p)
			}
		}
		s.do(s.theirs, http.MethodPost, "/v1/orders/"+submitted.ID+"/corrections", strings.NewReader(massCSV(1)), asCSV).refused(http.StatusNotFound, "not_found")
		for _, path := range []string{"/v1/orders", "/v1/files", "/v1/batches", "/v1/returns"} {
			if page := decode[api.Page[any]](s.get(s.theirs, path).want(http.StatusOK)); len(page.Items) != 0 {
				t.Errorf("%s shows %d objects of another institution", path, len(page.Items))
			}
		}
		if b := decode[api.Books](s.get(s.theirs, "/v1/books").want(http.StatusOK)); b.Requested != 0 || len(b.Orders)+len(b.Files) != 0 {
			t.Errorf("the books count another institution's cards: %+v", b)
		}
		// The same reference is another order there.
		s.submit(s.theirs, "MASS-1", massCSV(2)).want(http.StatusCreated)
	})
}
