package api_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"platen/api"
	"platen/card"
	"platen/sql/store"
)

func (s *site) stop(c client, id, what, body string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/orders/"+id+"/"+what, strings.NewReader(body), asJSON)
}

const because = `{"reason":"wrong branch"}`

// events counts what happened to an order.
func (s *site) events(o api.Order, kind string) int {
	s.t.Helper()
	ctx := s.t.Context()
	stored, err := s.plant.Store.OrderByReference(ctx, s.mine.institution.ID, o.Reference)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := s.plant.Store.Events(ctx, s.mine.institution.ID, "order", stored.Number)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(slices.DeleteFunc(all, func(e store.Event) bool { return e.Kind != kind }))
}

func TestAnOrderIsPausedResumedAndCancelled(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := decode[api.Order](s.submit(s.mine, "STOP", massCSV(3)).want(http.StatusCreated))
		done := func(what string) api.Withdrawal {
			t.Helper()
			return decode[api.Withdrawal](s.stop(s.mine, o.ID, what, because).want(http.StatusOK))
		}
		if w := done("pause"); w.Order.Paused != "wrong branch" || w.Cancelled != 0 || len(w.InFiles) != 0 {
			t.Fatalf("paused: %+v", w)
		}
		done("pause")
		if files := s.produce(s.mine); len(files) != 0 {
			t.Fatal("a paused order was planned")
		}
		if w := done("resume"); w.Order.Paused != "" {
			t.Fatalf("resumed: %+v", w)
		}
		done("resume")
		if n, m := s.events(o, "paused"), s.events(o, "resumed"); n != 1 || m != 1 {
			t.Fatalf("%d pauses and %d resumptions", n, m)
		}

		var all sync.WaitGroup
		for range 32 {
			request := s.request(s.mine, http.MethodPost, "/v1/orders/"+o.ID+"/cancel", strings.NewReader(because), asJSON)
			all.Go(func() {
				if a, err := s.send(request); err != nil || a.status != http.StatusOK && a.status != http.StatusConflict {
					t.Errorf("cancelled at once: %d, %v", a.status, err)
				}
			})
		}
		all.Wait()
		w := done("cancel")
		if w.Order.State != card.OrderCancelled.String() || w.Cancelled != 0 || w.Order.Cards.Cancelled != 3 {
			t.Fatalf("cancelled: %+v", w)
		}
		if n := s.events(o, "withdrawn"); n != 1 {
			t.Fatalf("the order was withdrawn %d times", n)
		}
		s.stop(s.mine, o.ID, "pause", because).refused(http.StatusConflict, "order_cancelled")
	})
}

func TestWhatIsInAFileIsNotStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := decode[api.Order](s.submit(s.mine, "LATE", massCSV(2)).want(http.StatusCreated))
		files := s.produce(s.mine)
		w := decode[api.Withdrawal](s.stop(s.mine, o.ID, "cancel", because).want(http.StatusOK))
		if w.Cancelled != 0 || len(w.InFiles) != 1 || w.InFiles[0].Cards != 2 || w.InFiles[0].ID != files[0].ID.String() {
			t.Fatalf("cancelled after its file was made: %+v", w)
		}

		for _, what := range []string{"cancel", "pause", "resume"} {
			s.stop(s.theirs, o.ID, what, because).refused(http.StatusNotFound, "not_found")
			s.stop(s.mine, "0199a0a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b", what, because).refused(http.StatusNotFound, "not_found")
			s.stop(s.mine, "LATE", what, because).refused(http.StatusNotFound, "not_found")
			for _, body := range []string{``, `{}`, `{"reason":""}`, `{"reason":7}`, `{"reason":"x","force":true}`, `[]`, `{"reason":"` + strings.Repeat("x", 65) + `"}`} {
				a := s.stop(s.mine, o.ID, what, body)
				if a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
					t.Errorf("%s with %q: %d", what, body, a.status)
				}
			}
			s.stop(s.mine, o.ID, what, `{"reason":"ümlaut"}`).refused(http.StatusUnprocessableEntity, "bad_reason")
		}
		if n := s.events(o, "paused") + s.events(o, "withdrawn"); n != 0 {
			t.Errorf("%d events of what was refused", n)
		}
	})
}
