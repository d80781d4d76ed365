package api_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/jobs"
	"platen/services/massissue"
	"platen/sql/store"
)

// cutOff opens a window as a cut-off does; the batch is not planned.
func (s *site) cutOff(c client) store.Batch {
	s.t.Helper()
	b, _, err := s.plant.RunNow(s.t.Context(), c.institution, "nightly", "", "test")
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// night is a cut-off with all that it leads to: what waits for it is ordered, planned and built.
func (s *site) night(c client) []store.File {
	s.t.Helper()
	b := s.cutOff(c)
	if err := jobs.Plan(s.t.Context(), s.plant, b.Number); err != nil {
		s.t.Fatal(err)
	}
	s.build(card.FilePlanned)
	files, err := s.plant.Store.FilesOfBatch(s.t.Context(), b.Number)
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

func (s *site) massIssue(reference string) api.MassIssue {
	s.t.Helper()
	return decode[api.MassIssue](s.get(s.mine, "/v1/mass-issues/"+reference).want(http.StatusOK))
}

func TestAMassIssueIsCarriedOutByTheNextCutoffOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const path, body = "/v1/mass-issues", `{"product":"prepaid-mag","request":"A1","quantity":5,"block_code":"B","expiry":"2029-06","emboss_name":"SUMMER CARD","branch":"12","prepaid":true,"prepaid_plan":7,` +
			`"technology":"MAGSTRIPE","service_code":"121","plastic":"GIFT-RED"}`
		made := 0
		for _, a := range s.atOnce(32, path, body) {
			if a.status == http.StatusCreated {
				made++
			}
			if v := decode[api.MassIssue](a); a.status >= http.StatusBadRequest || v.Reference != "prepaid-mag.0.A1" || v.Progress != "PENDING" || v.AddStatus != 0 || *v.Scheme != 3 || v.Control != "SO" {
				t.Fatalf("%d: %s", a.status, a.body)
			}
		}
		if got := s.eventsOf(store.MassIssueRecord, "prepaid-mag.0.A1"); made != 1 || !slices.Equal(got, []string{"created"}) {
			t.Fatalf("made %d times, events %v", made, got)
		}
		s.post1(s.mine, path, strings.Replace(body, `:5,`, `:6,`, 1)).refused(http.StatusUnprocessableEntity, "reference_reused")
		for request, rest := range map[string]string{"A2": `"quantity":9,"inventory_control":"CI","inventory":9`, "A3": `"quantity":9,"inventory_control":"CI","inventory":7,"minimum":3`,
			"A4": `"quantity":9,"inventory_control":"NO"`, "A5": `"quantity":9,"inventory_control":"CI","inventory":7,"minimum":2`, "A6": `"quantity":1,"scheme":0`, "A7": `"quantity":3`} {
			s.post1(s.mine, path, `{"product":"prepaid-mag","request":"`+request+`",`+rest+`}`).want(http.StatusCreated)
		}
		s.do(s.mine, http.MethodPost, path+"/prepaid-mag.0.A7/purge", nil).want(http.StatusOK)
		s.do(s.theirs, http.MethodPost, path+"/prepaid-mag.0.A6/purge", nil).refused(http.StatusNotFound, "not_found")
		s.put(s.theirs, path+"/prepaid-mag.0.A6", `{"quantity":1}`).refused(http.StatusNotFound, "not_found")

		// Many workers at once, and one whose order died half-way through its intake.
		b := s.cutOff(s.mine)
		m := s.record("prepaid-mag.0.A1")
		s.diesInIntake("MASS-ISSUE-1.1-" + b.BusinessDate)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := jobs.Plan(s.t.Context(), s.plant, b.Number); err != nil && !errors.Is(err, batch.ErrInFlight) && !errors.Is(err, store.ErrFenced) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := jobs.Plan(s.t.Context(), s.plant, b.Number); err != nil || m.Number != 1 {
			t.Fatal(err)
		}
		s.night(s.mine) // whatever came too late for the batch that the others planned
		want := map[string]struct {
			cards  int64
			whyNot string
		}{"A1": {5, ""}, "A2": {0, "in_stock"}, "A3": {0, "under_minimum"}, "A4": {0, "no_generation"}, "A5": {2, ""}, "A6": {1, ""}}
		for request, w := range want {
			v := s.massIssue("prepaid-mag.0." + request)
			if len(v.Runs) != 1 || v.Runs[0].Cards != w.cards || v.Runs[0].WhyNot != w.whyNot || v.Progress != "COMPLETE" || v.AddStatus != 99 || (v.Runs[0].Order != "") != (w.cards > 0) {
				t.Errorf("%s: %+v", request, v)
			}
		}
		if v := s.massIssue("prepaid-mag.0.A7"); v.Status != "PURGED" || v.Progress != "COMPLETE" || len(v.Runs) != 0 || v.Version != 2 {
			t.Errorf("purged: %+v", v)
		}
		first := s.massIssue("prepaid-mag.0.A1").Runs[0]
		o := decode[api.Order](s.get(s.mine, first.Links["order"]).want(http.StatusOK))
		c := s.card(first.Order + "%235")
		if o.Requested != 5 || o.Kind != "mass" || c.Status != "BLOCKED" || c.Issues[0].Expiry != "2029-06" || c.Issues[0].File == nil {
			t.Errorf("order %+v, card %+v", o, c)
		}
		if c := s.card(s.massIssue("prepaid-mag.0.A5").Runs[0].Order + "%232"); c.Status != "INACTIVE" {
			t.Errorf("not blocked: %+v", c)
		}

		// Nothing more comes of it, until it is changed.
		s.night(s.mine)
		if v := s.massIssue("prepaid-mag.0.A1"); len(v.Runs) != 1 {
			t.Fatalf("again: %+v", v)
		}
		if v := decode[api.MassIssue](s.put(s.mine, path+"/prepaid-mag.0.A1", `{"version":1,"quantity":2}`).want(http.StatusOK)); v.Progress != "PENDING" || v.Version != 2 || v.Product != "prepaid-mag" {
			t.Fatalf("changed: %+v", v)
		}
		s.put(s.mine, path+"/prepaid-mag.0.A1", `{"version":1,"quantity":3}`).refused(http.StatusConflict, "version_moved")
		s.night(s.mine)
		if v := s.massIssue("prepaid-mag.0.A1"); len(v.Runs) != 2 || v.Runs[1].Cards != 2 || v.Runs[1].Version != 2 || v.Progress != "COMPLETE" {
			t.Fatalf("changed and carried out: %+v", v)
		}
		if got := s.eventsOf(store.MassIssueRecord, "prepaid-mag.0.A1"); !slices.Equal(got, []string{"created", "carried_out", "changed", "carried_out"}) {
			t.Fatalf("events %v", got)
		}
		page := decode[api.Page[api.MassIssue]](s.get(s.mine, path+"?limit=5").want(http.StatusOK))
		rest := decode[api.Page[api.MassIssue]](s.get(s.mine, path+"?limit=5&cursor="+page.NextCursor).want(http.StatusOK))
		if len(page.Items) != 5 || len(rest.Items) != 2 || rest.Items[1].Reference != "prepaid-mag.0.A1" || rest.Items[1].AddStatus != 99 {
			t.Fatalf("pages %+v and %+v", page, rest)
		}
		if all := decode[api.Page[api.MassIssue]](s.get(s.theirs, path).want(http.StatusOK)); len(all.Items) != 0 {
			t.Fatalf("theirs: %+v", all)
		}
		s.balanced()
	})
}

func (s *site) record(reference string) store.Record {
	s.t.Helper()
	r, err := s.plant.Store.RecordNamed(s.t.Context(), store.MassIssueRecord, s.mine.institution.ID, reference)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// diesInIntake leaves an order as a process leaves it that is killed while it takes the order in: nobody holds it any more.
func (s *site) diesInIntake(reference string) {
	s.t.Helper()
	err := s.plant.Store.InTx(s.t.Context(), func(tx *store.Tx) error {
		o, err := tx.InsertOrder(s.t.Context(), store.Order{ID: uuid.New(), Institution: s.mine.institution.ID, Reference: reference, Kind: int(formats.MassOrder), SubmittedBy: "dead", CreatedAt: noon}, 0)
		if err != nil {
			return err
		}
		products, err := tx.Programs(context.WithoutCancel(s.t.Context()), s.mine.institution.ID, store.ProductProgram)
		if err != nil {
			return err
		}
		return tx.InsertLines(s.t.Context(), []store.OrderLine{{Order: o.Number, Unit: 1, Quantity: 5, SourceLine: 2, State: store.LineOpen, Product: products[0].Number, Reason: card.New}})
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestAMassIssueThatCannotStandIsRefusedWithItsCode(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	s.post1(s.mine, "/v1/customers", `{"reference":"C"}`).want(http.StatusCreated)
	s.post1(s.mine, "/v1/accounts", `{"reference":"A","customer":"C"}`).want(http.StatusCreated)
	for body, want := range map[string][2]string{
		`"quantity":0`:                                       {"quantity", "quantity_zero"},
		`"quantity":2,"scheme":2`:                            {"scheme", "scheme_needs_one_card"},
		`"quantity":9999,"account":"A"`:                      {"quantity", "quantity_over_account"},
		`"quantity":2,"account":"B"`:                         {"account", "unknown_account"},
		`"quantity":2,"customer":"D"`:                        {"customer", "unknown_customer"},
		`"quantity":2,"customer":"a b"`:                      {"customer", "unknown_customer"},
		`"quantity":2,"minimum":3`:                           {"minimum", "bad_minimum"},
		`"quantity":2,"block_code":"b"`:                      {"block_code", "bad_block_code"},
		`"quantity":2,"technology":"CHIP"`:                   {"technology", "bad_technology"},
		`"quantity":2,"service_code":"12"`:                   {"service_code", "bad_service_code"},
		`"quantity":2,"service_code":"201"`:                  {"service_code", "other_service_code"},
		`"quantity":2,"plastic":"BLUE"`:                      {"plastic", "unknown_plastic"},
		`"quantity":2,"prepaid":true`:                        {"prepaid_plan", "bad_prepaid_plan"},
		`"quantity":2,"prepaid_plan":3`:                      {"prepaid_plan", "prepaid_plan_not_allowed"},
		`"quantity":2,"expiry":"2026-11"`:                    {"expiry", "expiry_past"},
		`"quantity":2,"expiry":"soon"`:                       {"expiry", "bad_expiry"},
		`"quantity":2,"country":"XX"`:                        {"country", "unknown_country"},
		`"quantity":2,"emboss_name":"` + long(80) + `"`:      {"emboss_name", "name_too_long"},
		`"quantity":2,"attributes":{"k":"4000001234567899"}`: {"attributes.k", "card_number"},
	} {
		p := s.post1(s.mine, "/v1/mass-issues", `{"product":"prepaid-mag","request":"X",`+body+`}`).refused(http.StatusUnprocessableEntity, "bad_content")
		if len(p.Errors) != 1 || p.Errors[0].Location != "body."+want[0] || p.Errors[0].Code != want[1] {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	for body, code := range map[string]string{`{"product":"nothing","request":"X","quantity":1}`: "unknown_product", `{"product":"prepaid-mag","request":"X-1","quantity":1}`: "bad_request_id",
		`{"product":"visa-debit-chip","request":"X","quantity":1}`: "product_needs_names"} {
		if p := s.post1(s.mine, "/v1/mass-issues", body).refused(http.StatusUnprocessableEntity, "bad_content"); p.Errors[0].Code != code {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	for _, body := range []string{``, `[]`, `{"request":"X","quantity":1}`, `{"product":"prepaid-mag","request":"XXXX","quantity":1}`, `{"product":"prepaid-mag","request":"X","quantity":"1"}`,
		`{"product":"prepaid-mag","request":"X","quantity":100000}`, `{"product":"prepaid-mag","request":"X","quantity":1,"scheme":4}`, `{"product":"prepaid-mag","request":"X","quantity":1,"inventory_control":"XX"}`,
		`{"product":"prepaid-mag","request":"X","quantity":1,"pan":"1"}`, `{"product":"prepaid-mag","request":"X","quantity":1,"block_code":"AB"}`} {
		if a := s.post1(s.mine, "/v1/mass-issues", body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
			t.Errorf("%q: %d", body, a.status)
		}
	}
	if all := decode[api.Page[api.MassIssue]](s.get(s.mine, "/v1/mass-issues").want(http.StatusOK)); len(all.Items) != 0 {
		t.Errorf("%d requests stand", len(all.Items))
	}
	for code, number := range massissue.VPL5 {
		if !strings.HasPrefix(number, "VPL5SMC") || len(number) != len("VPL5SMC00E") || code == "" {
			t.Errorf("%s is %s", code, number)
		}
	}
}
