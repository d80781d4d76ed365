package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"platen/api"
)

func TestAPurgeForgetsHoldersWhoseCardsHaveEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		now := noon
		s.plant.Now = func() time.Time { return now }
		c := s.tillOf(s.mine.institution)
		holder := func(reference, email string, steps ...string) string {
			h := decode[api.CardHolder](c.submitHolder(reference, "team-card", "B2B", person(map[string]any{"email": email})).want(http.StatusCreated))
			for _, step := range steps {
				s.audit(s.mine, h.ID, step, map[string]string{"reject": `{"reason":"no"}`}[step]).want(http.StatusOK)
			}
			return h.ID
		}
		idle, waiting, rejected := holder("H-1", "a@example.com", "review", "pass"), holder("H-2", "b@example.com"), holder("H-3", "c@example.com", "review", "reject")
		holding := holder("H-4", "d@example.com", "review", "pass")
		token, pool := c.virtual("V-1", "team-card"), c.open("MARGIN", "EUR")
		opened := func(token, holder string) answer {
			return c.post("cards/"+token, fmt.Sprintf(`"source":%q,"holder":%q`, pool, holder))
		}
		opened(token, holding).want(http.StatusCreated)

		now = noon.AddDate(0, 1, 0)
		purge := func(left int64) {
			t.Helper()
			plan, err := s.plant.PlanPurge(t.Context(), now)
			if err != nil || plan.Left.Holders != left || len(plan.Against) > 0 {
				t.Fatalf("to purge: %+v, %v", plan, err)
			}
			if err := s.plant.Purge(t.Context(), plan, false, "test"); err != nil {
				t.Fatal(err)
			}
			if plan, err = s.plant.PlanPurge(t.Context(), now); err != nil || plan.Left.Holders != 0 {
				t.Errorf("left: %+v, %v", plan, err)
			}
		}
		known := func(want map[string]bool) {
			t.Helper()
			for id, is := range want {
				h := decode[api.CardHolder](s.get(c.client, "/v1/holders/"+id).want(http.StatusOK))
				if (h.FirstName == "Ana" && h.Email != "" && h.Address != "") != is || !is && (h.HolderPerson != api.HolderPerson{}) {
					t.Errorf("%+v", h)
				}
			}
		}
		purge(2)
		known(map[string]bool{idle: false, rejected: false, waiting: true, holding: true})
		opened(c.virtual("V-2", "team-card"), idle).refused(http.StatusConflict, "holder_needed")
		s.do(c.client, http.MethodPut, "/v1/holders/"+rejected, strings.NewReader(person(nil)), asJSON).refused(http.StatusConflict, "holder_state")
		c.submitHolder("H-1", "team-card", "B2B", person(map[string]any{"email": "a@example.com"})).refused(http.StatusUnprocessableEntity, "reference_reused")
		s.end(s.mine, token, because).want(http.StatusOK)
		now = now.AddDate(0, 1, 0)
		purge(1)
		known(map[string]bool{holding: false, waiting: true})
		holder("H-5", "d@example.com") // the address is free again
		if _, err := s.plant.PlanPurge(t.Context(), now.AddDate(0, 2, 0)); err == nil {
			t.Error("what lies ahead is purged")
		}
		s.balanced()
	})
}
