package api_test

import (
	"net/http"
	"strings"
	"testing"

	"platen/api"
	"platen/sql/store"
)

func TestAClientWithoutARoleOnlyLooks(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	looker := client{key: s.addBearer(store.Client{Institution: s.mine.institution.ID, Name: "looker"})}
	o := decode[api.Order](s.submit(s.mine, "R-1", massCSV(1)).want(http.StatusCreated))
	s.get(looker, "/v1/orders/"+o.ID).want(http.StatusOK)
	d, err := document()
	if err != nil {
		t.Fatal(err)
	}
	changing := 0
	for path, item := range d.Paths.Map() {
		for method := range item.Operations() {
			if method == http.MethodGet {
				continue
			}
			changing++
			at := strings.NewReplacer("{id}", o.ID, "{token}", "T").Replace(path)
			s.do(looker, method, at, strings.NewReader(massCSV(1)), asCSV).refused(http.StatusForbidden, "forbidden")
		}
	}
	if changing < 2 {
		t.Errorf("%d operations that change something were tried", changing)
	}
}

func TestRolesAreNamed(t *testing.T) {
	for text, want := range map[string]string{"": "", "submit": "submit", " submit , pin,submit": "submit,pin"} {
		if got, err := api.ParseRoles(text); err != nil || api.RoleNames(got) != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	if _, err := api.ParseRoles("submit,root"); err == nil || !strings.Contains(err.Error(), `"root"`) {
		t.Errorf("an unknown role: %v", err)
	}
}

func TestAClientIsHeldToItsRate(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	slow := client{key: s.addBearer(store.Client{Institution: s.mine.institution.ID, Name: "slow", Rate: 3})}
	for range 6 {
		s.get(slow, "/v1/orders").want(http.StatusOK)
	}
	for range 2 {
		a := s.get(slow, "/v1/orders")
		a.refused(http.StatusTooManyRequests, "too_many_requests")
		if a.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
	}
	s.get(s.mine, "/v1/orders").want(http.StatusOK)
}

func TestThePersonBehindAClientIsWrittenDown(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		user := func(name string) option { return header("X-Audit-User", name) }
		s.do(s.mine, http.MethodPost, "/v1/orders?reference=R-1", strings.NewReader(massCSV(1)), asCSV, user("a.rao@desk")).want(http.StatusCreated)
		o, err := s.plant.Store.OrderByReference(t.Context(), s.mine.institution.ID, "R-1")
		if err != nil || o.SubmittedBy != "demo-bank-desk/a.rao@desk" {
			t.Errorf("submitted by %q, %v", o.SubmittedBy, err)
		}
		for _, wrong := range []string{"", "übel", strings.Repeat("a", 65)} {
			s.do(s.mine, http.MethodPost, "/v1/orders?reference=R-2", strings.NewReader(massCSV(1)), asCSV, user(wrong)).refused(http.StatusUnprocessableEntity, "invalid_request")
		}
	})
}
