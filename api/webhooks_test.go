package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"platen/api"
	"platen/services/webhooks"
	"platen/sql/store"
)

// subscriber is somebody's server that keeps what it takes.
type subscriber struct {
	server *httptest.Server
	mu     sync.Mutex
	status int
	ids    []string
	bodies []webhooks.Body
	header []http.Header
	raw    [][]byte
}

func newSubscriber(t *testing.T) *subscriber {
	t.Helper()
	s := &subscriber{status: http.StatusOK}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var b webhooks.Body
		if err == nil {
			err = json.Unmarshal(raw, &b)
		}
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ids, s.bodies = append(s.ids, r.Header.Get("Webhook-Id")), append(s.bodies, b)
		s.header, s.raw = append(s.header, r.Header), append(s.raw, raw)
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *subscriber) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *subscriber) took() (ids, types []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bodies {
		types = append(types, b.Type)
	}
	return append([]string{}, s.ids...), types
}

func (s *site) admin(c client) client {
	s.t.Helper()
	return client{institution: c.institution, key: s.addBearer(store.Client{Institution: c.institution.ID, Name: "admin", Roles: "admin", Rate: 1_000_000})}
}

func (s *site) post200(c client, path, body string, status int) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, path, strings.NewReader(body), asJSON).want(status)
}

func (s *site) subscribe(c client, url string, objects ...string) api.Webhook {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"url": url, "objects": append([]string{}, objects...)})
	if err != nil {
		s.t.Fatal(err)
	}
	return decode[api.Webhook](s.post200(c, "/v1/webhooks", string(body), http.StatusCreated))
}

func (s *site) deliver() {
	s.t.Helper()
	if _, err := s.hooks.DeliverDue(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func TestASubscriberIsToldWhatHappensInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		admin, far := s.admin(s.mine), newSubscriber(t)
		w := s.subscribe(admin, far.server.URL+"/x")
		onlyFiles := newSubscriber(t)
		s.subscribe(admin, onlyFiles.server.URL, "file")
		o := decode[api.Order](s.submit(s.mine, "R-1", massCSV(3)).want(http.StatusCreated))
		s.submit(s.theirs, "R-9", massCSV(3)).want(http.StatusCreated)
		files := s.produce(s.mine)
		s.deliver()
		_, types := far.took()
		if len(types) < 5 || types[0] != "order.accepted" {
			t.Fatalf("told %v", types)
		}
		first := far.bodies[0]
		if first.Institution != "demo-bank" || first.Object.ID != o.ID || first.Object.Reference != "R-1" || !first.Timestamp.Equal(noon) {
			t.Errorf("%+v", first)
		}
		theirs, err := standardwebhooks.NewWebhook(strings.TrimPrefix(w.Secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range far.raw {
			if err := theirs.VerifyIgnoringTimestamp(far.raw[i], far.header[i]); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
		_, types = onlyFiles.took()
		for i, what := range types {
			if !strings.HasPrefix(what, "file.") || onlyFiles.bodies[i].Object.ID == "" {
				t.Errorf("%s %+v", what, onlyFiles.bodies[i])
			}
		}
		if len(types) < 2*len(files) {
			t.Errorf("%d files, told %v", len(files), types)
		}
		shown := decode[api.Webhook](s.get(admin, "/v1/webhooks/"+w.ID).want(http.StatusOK))
		if shown.Secret != "" || shown.Waiting != 0 || shown.Delivered != int64(len(far.raw)) {
			t.Errorf("%+v", shown)
		}
		before := len(far.raw)
		s.deliver()
		if len(far.raw) != before {
			t.Error("told again")
		}
	})
}

// Cards that a replacement closes are closed many at a time, and told of one by one all the same.
func TestASubscriberIsToldOfEachCardThatIsClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		admin, far := s.admin(s.mine), newSubscriber(t)
		s.submit(s.mine, "M", massCSV(3)).want(http.StatusCreated)
		s.produce(s.mine)
		s.subscribe(admin, far.server.URL, "card")
		s.subscribe(s.admin(s.theirs), far.server.URL, "card")
		rows := "card,reason\n"
		want := map[string]bool{}
		for _, name := range []string{"M%231", "M%232"} {
			token := decode[api.Card](s.get(s.mine, "/v1/cards/"+name).want(http.StatusOK)).Token
			rows += token + ",LOST\n"
			want[token] = true
		}
		s.submit(s.mine, "LOST", rows).want(http.StatusCreated)
		s.produce(s.mine)
		s.deliver()
		_, types := far.took()
		got := map[string]bool{}
		for i, b := range far.bodies {
			if types[i] != "card.closed" || got[b.Object.Token] {
				t.Errorf("told %s of %s", types[i], b.Object.Token)
			}
			got[b.Object.Token] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("told of %v, want %v", got, want)
		}
	})
}

func TestAMessageIsTriedSevenTimesAndThenWaitsForAReplay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		admin, far := s.admin(s.mine), newSubscriber(t)
		w := s.subscribe(admin, far.server.URL, "order")
		s.submit(s.mine, "R-1", massCSV(1)).want(http.StatusCreated)
		s.submit(s.mine, "R-2", massCSV(1)).want(http.StatusCreated)
		far.answer(http.StatusServiceUnavailable)
		for try := 1; try <= webhooks.Tries; try++ {
			s.deliver()
			s.deliver() // it is not tried again before its time
			ids, _ := far.took()
			for _, id := range ids[:min(try, len(ids))] {
				if id != ids[0] || len(ids) != try && try < webhooks.Tries { // after the last try, the next message is tried
					t.Fatalf("after try %d: %v", try, ids)
				}
			}
			m := decode[api.Page[api.Message]](s.get(admin, "/v1/webhooks/"+w.ID+"/messages?state=waiting").want(http.StatusOK)).Items
			if try < webhooks.Tries && (len(m) < 2 || m[len(m)-1].Attempts != try || m[len(m)-1].Failure != "answered with status 503") {
				t.Fatalf("after try %d: %+v", try, m)
			}
			if try == webhooks.Tries-1 {
				far.answer(http.StatusBadRequest)
			}
			if try < webhooks.Tries {
				s.post200(admin, "/v1/webhooks/"+w.ID+"/resume", "", http.StatusOK)
			}
		}
		dead := decode[api.Page[api.Message]](s.get(admin, "/v1/webhooks/"+w.ID+"/messages").want(http.StatusOK)).Items
		if len(dead) != 1 || dead[0].Attempts != webhooks.Tries || dead[0].Failure != "answered with status 400" {
			t.Fatalf("dead: %+v", dead)
		}
		far.answer(http.StatusOK)
		s.post200(admin, "/v1/webhooks/"+w.ID+"/resume", "", http.StatusOK)
		s.deliver()
		ids, types := far.took()
		if len(ids) < webhooks.Tries+2 || ids[webhooks.Tries] == ids[0] || ids[webhooks.Tries+1] != ids[webhooks.Tries] {
			t.Fatalf("the next ones were not told: %v %v", ids, types)
		}
		q := decode[api.Queued](s.post200(admin, "/v1/webhooks/"+w.ID+"/replay", fmt.Sprintf(`{"state":"dead","first":%d,"last":%d}`, dead[0].Number, dead[0].Number), http.StatusAccepted))
		s.deliver()
		if ids, _ := far.took(); q.Queued != 1 || ids[len(ids)-1] != ids[0] {
			t.Errorf("replayed %d: %v", q.Queued, ids)
		}
	})
}

func TestAPausedSubscriberIsToldLater(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		admin, far := s.admin(s.mine), newSubscriber(t)
		w := s.subscribe(admin, far.server.URL)
		if v := decode[api.Webhook](s.post200(admin, "/v1/webhooks/"+w.ID+"/pause", "", http.StatusOK)); v.State != "paused" {
			t.Errorf("%+v", v)
		}
		s.post200(admin, "/v1/webhooks/"+w.ID+"/test", "", http.StatusAccepted)
		s.deliver()
		if ids, _ := far.took(); len(ids) != 0 {
			t.Errorf("told %v", ids)
		}
		s.post200(admin, "/v1/webhooks/"+w.ID+"/resume", "", http.StatusOK)
		s.deliver()
		if _, types := far.took(); len(types) != 1 || types[0] != "webhook.test" {
			t.Errorf("told %v", types)
		}
		s.do(admin, http.MethodDelete, "/v1/webhooks/"+w.ID, nil).want(http.StatusNoContent)
		s.submit(s.mine, "R-1", massCSV(1)).want(http.StatusCreated)
		s.deliver()
		if ids, _ := far.took(); len(ids) != 1 {
			t.Errorf("told after it was removed: %v", ids)
		}
		s.get(admin, "/v1/webhooks/"+w.ID).refused(http.StatusNotFound, "not_found")
	})
}

func TestTwoProcessesTellEachThingOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		admin, far := s.admin(s.mine), newSubscriber(t)
		w := s.subscribe(admin, far.server.URL)
		for range 20 {
			s.post200(admin, "/v1/webhooks/"+w.ID+"/test", "", http.StatusAccepted)
		}
		claims, err := s.hooks.Claim(t.Context())
		if err != nil || len(claims) != 1 {
			t.Fatalf("%v, %v", claims, err)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := s.hooks.DeliverDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if ids, _ := far.took(); len(ids) != 0 {
			t.Errorf("somebody held the subscriber, and %v was told", ids)
		}
		// A claim that is not the last one marks nothing.
		late := claims[0]
		late.Epoch--
		if err := s.hooks.Deliver(t.Context(), late); !errors.Is(err, store.ErrFenced) {
			t.Errorf("an old claim: %v", err)
		}
		if err := s.hooks.Deliver(t.Context(), claims[0]); err != nil {
			t.Fatal(err)
		}
		ids, _ := far.took()
		seen := map[string]int{}
		for _, id := range ids {
			seen[id]++
		}
		if len(seen) != 20 || len(ids) != 21 { // the old claim's one came again
			t.Errorf("%d messages with %d ids", len(ids), len(seen))
		}
	})
}

func TestAWebhookBelongsToItsInstitution(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	mine, theirs := s.admin(s.mine), s.admin(s.theirs)
	w := s.subscribe(mine, "https://cards.example/x")
	for _, id := range []string{w.ID, uuid.NewString(), "x"} {
		path := "/v1/webhooks/" + id
		s.get(theirs, path).refused(http.StatusNotFound, "not_found")
		s.get(theirs, path+"/messages").refused(http.StatusNotFound, "not_found")
		s.do(theirs, http.MethodDelete, path, nil).refused(http.StatusNotFound, "not_found")
		for _, what := range []string{"/pause", "/resume", "/test"} {
			s.do(theirs, http.MethodPost, path+what, nil).refused(http.StatusNotFound, "not_found")
		}
		s.do(theirs, http.MethodPost, path+"/replay", strings.NewReader(`{"state":"dead","first":1,"last":2}`), asJSON).refused(http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"/v1/webhooks", "/v1/webhooks/" + w.ID, "/v1/webhooks/" + w.ID + "/messages"} {
		s.get(s.mine, path).refused(http.StatusForbidden, "forbidden")
	}
	type list struct {
		Webhooks []api.Webhook `json:"webhooks"`
	}
	if l := decode[list](s.get(theirs, "/v1/webhooks").want(http.StatusOK)); len(l.Webhooks) != 0 {
		t.Errorf("%+v", l)
	}
	if l := decode[list](s.get(mine, "/v1/webhooks").want(http.StatusOK)); len(l.Webhooks) != 1 || l.Webhooks[0].Secret != "" {
		t.Errorf("%+v", l)
	}
}

func TestAWebhookThatCannotBeIsRefused(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	admin := s.admin(s.mine)
	for body, code := range map[string]string{
		`{"url":"https://10.1.2.3/x"}`: "bad_url", `{"url":"ftp://cards.example"}`: "bad_url", `{"url":""}`: "bad_url",
		`{"url":"https://cards.example","objects":["order","order"]}`: "invalid_request", `{"url":"https://cards.example","objects":["pin"]}`: "invalid_request",
		`{"url":"https://cards.example","secret":"x"}`: "invalid_request", `{}`: "invalid_request",
	} {
		s.do(admin, http.MethodPost, "/v1/webhooks", strings.NewReader(body), asJSON).refused(http.StatusUnprocessableEntity, code)
	}
	for range 20 {
		s.subscribe(admin, "https://cards.example/x")
	}
	s.do(admin, http.MethodPost, "/v1/webhooks", strings.NewReader(`{"url":"https://cards.example/x"}`), asJSON).refused(http.StatusConflict, "too_many_webhooks")
}
