package api_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"platen/api"
	"platen/api/enfuce"
	"platen/batch"
	"platen/services/cards"
	"platen/sql/store"
)

const atOne = `{"at":"2026-11-21T13:00:00Z","reason":"the contract ends"}`

func (s *site) closing(c client, token, body string) answer {
	s.t.Helper()
	return s.put(c, "/v1/cards/"+token+"/closing", body)
}

func (s *site) keeps(c client, token, reason string) answer {
	s.t.Helper()
	return s.act(c, token, "closing/cancel", reason)
}

// closeDue lets four workers look for cards whose time has come, side by side.
func (s *site) closeDue() {
	s.t.Helper()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := (&cards.Service{Plant: s.plant}).CloseDue(s.t.Context()); err != nil {
				s.t.Error(err)
			}
		})
	}
	all.Wait()
}

func kinds(c api.Card) (all []string) {
	for _, e := range c.Events {
		all = append(all, e.Kind)
	}
	return all
}

func (s *site) late(want bool) {
	s.t.Helper()
	items, err := s.plant.Attention(s.t.Context(), s.mine.institution)
	if err != nil {
		s.t.Fatal(err)
	}
	if got := slices.ContainsFunc(items, func(i batch.Item) bool { return i.What == batch.AlarmClosing }); got != want {
		s.t.Errorf("closings are late: %v, want %v: %+v", got, want, items)
	}
}

func TestACardIsClosedAtItsTime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		all := s.inUse(4)
		closed, kept, busy, lost := all[0], all[1], all[2], all[3]
		for _, token := range all {
			if c := decode[api.Card](s.closing(s.mine, token, atOne).want(http.StatusOK)); c.Closing == nil || !c.Closing.At.Equal(noon.Add(time.Hour)) || c.Closing.For != "REQUEST" {
				t.Fatalf("scheduled: %+v", c)
			}
		}
		told := len(s.card(closed).Events)
		if c := decode[api.Card](s.closing(s.mine, closed, atOne).want(http.StatusOK)); len(c.Events) != told {
			t.Errorf("the same closing again is told again: %v", kinds(c))
		}
		later := decode[api.Card](s.closing(s.mine, closed, `{"at":"2026-11-21T14:30:00+01:00","for":"STOLEN","reason":"police"}`).want(http.StatusOK))
		if later.Closing.For != "STOLEN" || !later.Closing.At.Equal(noon.Add(90*time.Minute)) || len(later.Events) != told+1 {
			t.Errorf("changed: %+v", later)
		}
		if c := decode[api.Card](s.keeps(s.mine, kept, "goes on").want(http.StatusOK)); c.Closing != nil || kinds(c)[len(c.Events)-1] != "closing_cancelled" {
			t.Errorf("kept: %+v", c)
		}
		s.refusesClosings(kept)
		s.replace(s.mine, busy, `{"reference":"D","reason":"DAMAGED"}`).want(http.StatusCreated)
		s.replace(s.mine, lost, `{"reference":"L","reason":"LOST"}`).want(http.StatusCreated)

		s.closeDue()
		s.late(false)
		s.plant.Now = func() time.Time { return noon.Add(2 * time.Hour) }
		s.closeDue()
		c := s.card(closed)
		if uses(c) != "CLOSED CLOSED" || c.ClosedFor != "STOLEN" || c.Closing != nil || strings.Count(strings.Join(kinds(c), " "), "closed") != 1 {
			t.Errorf("at its time: %+v", c)
		}
		if last := c.Events[len(c.Events)-1].Data; last["scheduled_for"] != "2026-11-21T13:30:00Z" || last["why"] != "police" || last["by"] != "demo-bank-desk" {
			t.Errorf("the closing tells %v", last)
		}
		if s.card(kept).Status != "ACTIVE" || s.card(busy).Status != "ACTIVE" || s.card(lost).Status != "BLOCKED" {
			t.Error("a card was closed that lives on, or for which an order was open")
		}
		s.late(true)
		s.produce(s.mine)
		next := s.card(s.card(lost).ReplacedBy)
		if next.Closing == nil || !next.Closing.At.Equal(noon.Add(time.Hour)) || s.card(lost).Closing != nil {
			t.Errorf("the closing did not move on with its card: %+v", next)
		}
		s.closeDue()
		for _, token := range []string{busy, next.Token} {
			if c := s.card(token); c.Status != "CLOSED" || c.ClosedFor != "REQUEST" {
				t.Errorf("after its order: %+v", c)
			}
		}
		s.late(false)
		s.balanced()
	})
}

func (s *site) refusesClosings(token string) {
	s.t.Helper()
	s.keeps(s.mine, token, "again").refused(http.StatusConflict, "no_closing")
	s.closing(s.mine, token, `{"at":"2026-11-21T12:00:00Z","reason":"x"}`).refused(http.StatusUnprocessableEntity, "closing_time")
	for _, body := range []string{``, `{}`, `{"at":"2099-01-01T00:00:00Z"}`, `{"at":"tomorrow","reason":"x"}`, `{"at":"2099-13-01T00:00:00Z","reason":"x"}`, `{"at":4102444800,"reason":"x"}`,
		`{"at":"2099-01-01T00:00:00Z","reason":"x","for":"RENEWAL"}`, `{"at":"2099-01-01T00:00:00Z","reason":"x","pan":"1"}`, `{"at":"2099-01-01T00:00:00Z","reason":"` + strings.Repeat("a", 65) + `"}`,
		`{"at":"2099-01-01T00:00:00Z","reason":"4111111111111111"}`, `{"at":"99999-01-01T00:00:00Z","reason":"x"}`} {
		if a := s.closing(s.mine, token, body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
			s.t.Errorf("%.100s: %d %s", body, a.status, a.body)
		}
	}
	s.keeps(s.mine, token, "").refused(http.StatusBadRequest, "invalid_request")
	looking := client{institution: s.mine.institution, key: s.addBearer(store.Client{Institution: s.mine.institution.ID, Name: "looks", Roles: "submit,pin,pan,money,admin"})}
	s.closing(looking, token, atOne).refused(http.StatusForbidden, "forbidden")
	s.keeps(looking, token, "x").refused(http.StatusForbidden, "forbidden")
	for _, name := range []string{token, "NOTOKEN"} {
		s.closing(s.theirs, name, atOne).refused(http.StatusNotFound, "not_found")
		s.keeps(s.theirs, name, "x").refused(http.StatusNotFound, "not_found")
	}
	if c := s.card(token); c.Closing != nil {
		s.t.Errorf("what was refused was done: %+v", c)
	}
}

func TestEnfuceClosesACardAtItsTime(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		const at = `{"scheduledClosing":{"type":"TIMEBASED","time":"2026-11-21T13:00:00.000Z"}}`
		a, _ := s.virtual(s.desk, "17", "17", "MAIN", audited, strings.Replace(at, "T13", "T12", 1))
		a.refusedBy(http.StatusBadRequest, staticError, "closing_time")
		a, valid := s.virtual(s.desk, "17", "17", "MAIN", audited, at)
		if !valid {
			t.Error("a documented request is refused by its document")
		}
		virtual, physical := s.made(a), s.made(s.call(s.desk, http.MethodPost, createPhysical+audited, at))
		for _, id := range []string{virtual, physical} {
			c := decode[enfuce.Card](s.call(s.desk, http.MethodGet, "/v3/"+id+audited, "").want(http.StatusOK))
			if c.ScheduledClosing == nil || c.ScheduledClosing.Time != "2026-11-21T13:00:00Z" || c.Status != "Card OK" {
				t.Errorf("scheduled: %+v", c)
			}
		}
		s.plant.Now = func() time.Time { return noon.Add(time.Hour) }
		s.closeDue()
		status := func(id string) string {
			return decode[enfuce.Card](s.call(s.desk, http.MethodGet, "/v3/"+id+audited, "").want(http.StatusOK)).Status
		}
		// The plastic of the other one waits for its file.
		if status(virtual) != "Card Closed" || status(physical) != "Card OK" {
			t.Errorf("at their time: %s, %s", status(virtual), status(physical))
		}
		s.late(true)
		s.produce(s.mine)
		s.closeDue()
		if status(physical) != "Card Closed" {
			t.Error("the card is not closed when its plastic is in a file")
		}
		s.balanced()
	})
}
