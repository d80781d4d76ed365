package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"platen/api"
)

func TestListsComeInPagesThatMissAndRepeatNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		var want []string
		for i := range 7 {
			reference := fmt.Sprintf("P-%d", i)
			s.submit(s.mine, reference, massCSV(1)).want(http.StatusCreated)
			want = append([]string{reference}, want...)
		}
		for _, limit := range []int{1, 2, 3, 6, 7, 8} {
			var got []string
			cursor := ""
			for pages := 1; ; pages++ {
				page := decode[api.Page[api.Order]](s.get(s.mine, fmt.Sprintf("/v1/orders?limit=%d&cursor=%s", limit, cursor)).want(http.StatusOK))
				for _, o := range page.Items {
					got = append(got, o.Reference)
				}
				if cursor = page.NextCursor; cursor == "" {
					if want := (7 + limit - 1) / limit; pages != want {
						t.Errorf("%d pages of %d, want %d", pages, limit, want)
					}
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d give %v", limit, got)
			}
		}
		o := decode[api.Order](s.submit(s.mine, "LINES", massCSV(5)).want(http.StatusCreated))
		first := decode[api.Page[api.Line]](s.get(s.mine, "/v1/orders/"+o.ID+"/lines?limit=3").want(http.StatusOK))
		rest := decode[api.Page[api.Line]](s.get(s.mine, "/v1/orders/"+o.ID+"/lines?limit=3&cursor="+first.NextCursor).want(http.StatusOK))
		if len(first.Items) != 3 || len(rest.Items) != 2 || rest.Items[0].Line != 5 || rest.NextCursor != "" {
			t.Errorf("lines %+v and %+v", first, rest)
		}
		for name, query := range map[string]string{
			"a cursor of another list": "/v1/files?cursor=" + first.NextCursor, "no cursor at all": "/v1/orders?cursor=xyz",
			"the lines of another order": "/v1/orders?cursor=" + first.NextCursor,
		} {
			if p := s.get(s.mine, query); p.status != http.StatusUnprocessableEntity {
				t.Errorf("%s is answered with %d", name, p.status)
			}
		}
	})
}

func TestAParameterThatIsWrongIsNamed(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	for path, location := range map[string]string{
		"/v1/orders?limit=0": "query.limit", "/v1/orders?limit=501": "query.limit", "/v1/orders?limit=x": "query.limit", "/v1/orders?limt=5": "query.limt",
		"/v1/orders/" + anyID + "/errors?format=xml": "query.format", "/v1/books?institution=other-bank": "query.institution",
	} {
		p := s.get(s.mine, path).refused(http.StatusUnprocessableEntity, "invalid_request")
		if len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: %+v", path, p.Errors)
		}
	}
}

func TestWhatIsNoIDNamesNothing(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	for _, path := range []string{"/v1/orders/1", "/v1/orders/x", "/v1/orders/" + strings.ToUpper(anyID), "/v1/files/0", "/v1/files/-1", "/v1/files/x", "/v1/files/99",
		"/v1/batches/x", "/v1/batches/99", "/v1/batches/" + anyID, "/v1/cards/x", "/v1/cards/T000000000000000000", "/v1/cards/NOTHING%231", "/v1/cards/4000001234567899"} {
		s.get(s.mine, path).refused(http.StatusNotFound, "not_found")
	}
}

// digits are long enough to be a card number; hashes may hold as many by chance.
var (
	digits = regexp.MustCompile(`[0-9]{13,19}`)
	hashes = regexp.MustCompile(`"[0-9a-f]{64}"`)
)

func TestTheWayOfACardCanBeFollowedByItsToken(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		bulk := "product,first_name,last_name,address1,city,country,customer_reference\nvisa-debit-chip,Zoë,Müller,Hauptstr. 1,Berlin,DE,C-1\nmc-credit-chip,Ana,Nuñez,Calle 2,Madrid,ES,C-2\n"
		o := decode[api.Order](s.submit(s.mine, "NAMED", bulk).want(http.StatusCreated))
		s.submit(s.mine, "ANONYMOUS", massCSV(4)).want(http.StatusCreated)
		line := decode[api.Page[api.Line]](s.get(s.mine, "/v1/orders/"+o.ID+"/lines").want(http.StatusOK)).Items[0]
		if line.State != "OPEN" || line.Product != "visa-debit-chip" || line.Reason != "NEW" || line.Reference != "C-1" {
			t.Errorf("line %+v", line)
		}
		s.get(s.mine, line.Links["first_card"]).refused(http.StatusNotFound, "not_found") // not made yet
		s.produce(s.mine)

		card := decode[api.Card](s.get(s.mine, line.Links["first_card"]).want(http.StatusOK))
		if len(card.Token) != 19 || card.Product != "visa-debit-chip" || card.Status != "INACTIVE" || len(card.Issues) != 1 {
			t.Fatalf("card %+v", card)
		}
		issue := card.Issues[0]
		if issue.Order != "NAMED" || issue.Reason != "NEW" || issue.Expiry != "2030-11" || issue.PSN != "00" || issue.File == nil || issue.File.Line != 1 {
			t.Errorf("issue %+v", issue)
		}
		if again := s.get(s.mine, "/v1/cards/"+card.Token).want(http.StatusOK); decode[api.Card](again).Token != card.Token {
			t.Errorf("the token finds another card: %s", again.body)
		}
		file := decode[api.File](s.get(s.mine, "/v1/files/"+issue.File.ID).want(http.StatusOK))
		if file.Number != issue.File.Number || file.Bureau != "north" || file.Counts.Planned != 1 || file.Counts.Minted != 1 || len(file.PlaintextSHA256) != 64 {
			t.Errorf("file %+v", file)
		}
		lines := decode[api.Page[api.LineOfFile]](s.get(s.mine, file.Links["lines"]).want(http.StatusOK))
		if len(lines.Items) != 1 || lines.Items[0].Line != 1 || lines.Items[0].Card != card.Token || lines.Items[0].UID == "" || lines.Items[0].State != "FILE "+file.State {
			t.Errorf("lines %+v of %+v", lines, issue.File)
		}
		if none := decode[api.Page[api.LineOfFile]](s.get(s.mine, file.Links["lines"]+"?state=REJECTED,SPOILED").want(http.StatusOK)); len(none.Items) != 0 {
			t.Errorf("spoiled lines %+v", none)
		}
		s.get(s.mine, file.Links["lines"]+"?state=BROKEN").refused(http.StatusUnprocessableEntity, "invalid_request")
		batch := decode[api.BatchWithFiles](s.get(s.mine, file.Links["batch"]).want(http.StatusOK))
		if batch.Schedule != "nightly" || len(batch.Files) < 3 {
			t.Errorf("batch %+v", batch)
		}
		books := decode[api.Books](s.get(s.mine, "/v1/books").want(http.StatusOK))
		if books.Balanced || books.Requested != 6 || books.Open != 6 || len(books.Files) != len(batch.Files) {
			t.Errorf("books %+v", books)
		}
		fates := decode[api.Order](s.get(s.mine, "/v1/orders/"+o.ID).want(http.StatusOK)).Cards
		if fates == nil || fates.Requested != 2 || fates.InWork != 2 {
			t.Errorf("fates %+v", fates)
		}
		action := decode[api.Order](s.submit(s.mine, "LOST", "card,reason\n"+card.Token+",LOST\n").want(http.StatusCreated))
		if l := decode[api.Page[api.Line]](s.get(s.mine, "/v1/orders/"+action.ID+"/lines").want(http.StatusOK)).Items; len(l) != 1 || l[0].Card != card.Token || l[0].Reason != "LOST" {
			t.Errorf("lines of an action %+v", l)
		}
		for _, path := range reads(o.ID, issue.File.ID, "1", card.Token) {
			if found := digits.Find(hashes.ReplaceAll(s.get(s.mine, path).want(http.StatusOK).body, nil)); found != nil {
				t.Errorf("%s shows %s", path, found)
			}
		}
	})
}

func TestSchedulesTellTheNextCutoffs(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	v := decode[api.Schedules](s.get(s.mine, "/v1/schedules").want(http.StatusOK))
	if len(v.Schedules) != 2 || v.Schedules[0].Code != "nightly" || v.Schedules[1].Code != "same-day" || !v.Schedules[1].SameDay {
		t.Errorf("schedules %+v", v.Schedules)
	}
	if len(v.Cutoffs) != 4 || v.Cutoffs[0].Bureau != "north" || v.Cutoffs[0].Schedule != "nightly" || v.Cutoffs[1].Schedule != "same-day" || v.Cutoffs[1].BusinessDate != "2026-11-23" {
		t.Errorf("cut-offs %+v", v.Cutoffs)
	}
}
