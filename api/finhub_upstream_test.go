package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"platen/card"
	"platen/hsm/rsasign"
	"platen/programs"
	"platen/samples"
)

// mockUpstream stands for the service that requests are handed on to. It verifies what it gets, and signs what it says; it carries nothing out.
type mockUpstream struct {
	server *httptest.Server
	public string // of its key

	mu       sync.Mutex
	says     string
	status   int
	unsigned bool
	asked    []string
}

func newMockUpstream(t *testing.T, clients rsasign.PublicKey) *mockUpstream {
	t.Helper()
	key, _, err := rsasign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	m := &mockUpstream{says: `{"success":true,"code":200,"msg":"success","data":{"orderNo":"UP-1","status":"processing"}}`, status: http.StatusOK}
	if m.public, err = key.Public(); err != nil {
		t.Fatal(err)
	}
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = clients.Verify(body, r.Header.Get("X-FC-SIGNATURE"))
		}
		if err != nil || r.Header.Get("X-FC-API-KEY") != "demo" {
			t.Errorf("%s %v: %v", r.URL.Path, r.Header, err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.asked = append(m.asked, r.URL.Path+" "+string(body))
		signature, err := key.Sign([]byte(m.says))
		if err != nil {
			t.Error(err)
		}
		if !m.unsigned {
			w.Header().Set("X-FC-SIGNATURE", signature)
		}
		w.WriteHeader(m.status)
		_, _ = io.WriteString(w, m.says)
	}))
	t.Cleanup(m.server.Close)
	return m
}

// will changes what the mock says.
func (m *mockUpstream) will(says string, status int, unsigned bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.says, m.status, m.unsigned = says, status, unsigned
}

func TestFinhubHandsRequestsOnToAnUpstream(t *testing.T) {
	key, text, err := rsasign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := rsasign.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func(t *testing.T, s *site) {
		up := newMockUpstream(t, ours)
		others := s.plant.ResolveKey
		s.plant.ResolveKey = func(name string) (card.Secret, error) {
			if name == "keys/finhub.pem" {
				return card.NewSecret(append([]byte(nil), text.Reveal()...)), nil
			}
			return others(name)
		}
		f := s.finhub(s.mine.institution, everyRole)
		s.declareUpstream(up)
		if got := f.do("/card/v2/openCard", `"merchantOrderNo":"AN-ORDER-FROM-AFAR","cardTypeId":9,"amount":1`); got["orderNo"] != "UP-1" {
			t.Errorf("answered %v", got)
		}
		f.do("/card/v2/cardTypes", "")
		f.site.do(client{}, http.MethodPost, finhubBase+"/account/info", nil, header("Authorization", "Bearer "+f.token), header("X-Tenant-ID", f.tenant)).want(http.StatusOK)
		up.will(`{"success":false,"code":-1,"msg":"no such card","data":null}`, http.StatusOK, false)
		if e := decode[finhubAnswer](f.post("/card/info", `"cardNo":"X"`).want(http.StatusOK)); e.Success || e.Msg != "no such card" {
			t.Errorf("answered %+v", e)
		}
		want := []string{`/up/card/v2/openCard {"merchantOrderNo":"AN-ORDER-FROM-AFAR","cardTypeId":9,"amount":1}`, "/up/card/v2/cardTypes {}", "/up/account/info {}", `/up/card/info {"cardNo":"X"}`}
		if strings.Join(up.asked, "\n") != strings.Join(want, "\n") {
			t.Errorf("asked %q", up.asked)
		}
		// What it does not sign is nobody's answer; who may not ask is not heard there.
		up.will(`{"success":true,"code":200,"msg":"success","data":{}}`, http.StatusOK, true)
		f.post("/card/info", `"cardNo":"X"`).unanswered(http.StatusBadGateway, 500, "upstream_failed")
		up.will("<html>", http.StatusOK, false)
		f.post("/card/info", `"cardNo":"X"`).unanswered(http.StatusBadGateway, 500, "upstream_failed")
		up.will(`{"success":false,"code":500,"msg":"down","data":null}`, http.StatusInternalServerError, false)
		f.post("/card/info", `"cardNo":"X"`).want(http.StatusInternalServerError)
		heard := len(up.asked)
		(&finhubClient{site: s, tenant: f.tenant, token: s.mine.key}).post("/card/list", "").unanswered(http.StatusForbidden, -1, "forbidden")
		if len(up.asked) != heard {
			t.Error("who may not ask was heard")
		}
		up.server.Close()
		f.post("/card/info", `"cardNo":"X"`).unanswered(http.StatusBadGateway, 500, "upstream_failed")
		if n := len(f.accounts(s)); n != 0 {
			t.Errorf("%d accounts were opened here", n)
		}
	})
}

// declareUpstream declares the first institution again, with an upstream.
func (s *site) declareUpstream(up *mockUpstream) {
	s.t.Helper()
	set, err := programs.Load(samples.FS, "programs")
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range set.Institution.Dialects {
		if d := &set.Institution.Dialects[i]; d.Code == programs.Finhub {
			d.Upstream = programs.Upstream{URL: up.server.URL + "/up/", Client: "demo", KeyFile: "keys/finhub.pem", PublicKey: up.public}
		}
	}
	if _, err := s.plant.Apply(s.t.Context(), set, "test", false); err != nil {
		s.t.Fatal(err)
	}
}

// accounts are the ids of the accounts that there are here.
func (f *finhubClient) accounts(s *site) []string {
	s.t.Helper()
	all, err := s.plant.Store.LedgerAccounts(s.t.Context(), s.mine.institution.ID, 0, 10)
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, a := range all {
		ids = append(ids, a.ID.String())
	}
	return ids
}
