package api_test

import (
	"net/http"
	"strings"
	"testing"

	"platen/api"
	"platen/card"
	"platen/sql/store"
)

// sent records of files that their bureaus have them.
func (s *site) sent(files []store.File) {
	s.t.Helper()
	ctx := s.t.Context()
	for _, f := range files {
		err := s.plant.Store.InTx(ctx, func(tx *store.Tx) error {
			current, err := tx.FileByNumber(ctx, f.Number)
			if err != nil {
				return err
			}
			for _, next := range []card.FileState{card.FileSending, card.FileSent} {
				if err := tx.MoveFile(ctx, &current, next, ""); err != nil {
					return err
				}
			}
			return tx.StampFile(ctx, f.Number, store.SentAt, noon)
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) act(c client, token, what, reason string) answer {
	s.t.Helper()
	if reason == "" {
		return s.do(c, http.MethodPost, "/v1/cards/"+token+"/"+what, nil)
	}
	return s.do(c, http.MethodPost, "/v1/cards/"+token+"/"+what, strings.NewReader(`{"reason":"`+reason+`"}`), asJSON)
}

func uses(c api.Card) string {
	var all []string
	for _, i := range c.Issues {
		all = append(all, i.Use)
	}
	return c.Status + " " + strings.Join(all, " ")
}

func TestACardIsActivatedBlockedAndUnblocked(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit(s.mine, "M", massCSV(2)).want(http.StatusCreated)
		files := s.produce(s.mine)
		token := decode[api.Card](s.get(s.mine, "/v1/cards/M%231").want(http.StatusOK)).Token
		s.act(s.mine, token, "activate", "").refused(http.StatusConflict, "card_not_made")
		s.sent(files)
		told := 0
		expect := func(a answer, want string, events int) {
			t.Helper()
			c := decode[api.Card](a.want(http.StatusOK))
			if got := uses(c); got != want || len(c.Events) != told+events {
				t.Fatalf("%s with %d events, want %s with %d", got, len(c.Events), want, told+events)
			}
			told = len(c.Events)
		}
		expect(s.act(s.mine, token, "block", "asked by the branch"), "BLOCKED PENDING", 1)
		s.act(s.mine, token, "activate", "").refused(http.StatusConflict, "card_status")
		expect(s.act(s.mine, token, "unblock", "found"), "INACTIVE PENDING", 1)
		expect(s.act(s.mine, token, "activate", ""), "ACTIVE CURRENT", 1)
		expect(s.act(s.mine, token, "activate", ""), "ACTIVE CURRENT", 0)
		expect(s.act(s.mine, token, "block", "fraud desk"), "BLOCKED CURRENT", 1)
		expect(s.act(s.mine, token, "block", "fraud desk"), "BLOCKED CURRENT", 0)
		expect(s.act(s.mine, token, "unblock", "cleared"), "ACTIVE CURRENT", 1)

		// A renewal is another issue; the old one works until the new one is activated.
		s.submit(s.mine, "RENEW", "card,reason\n"+token+",RENEWAL\n").want(http.StatusCreated)
		files = s.produce(s.mine)
		s.act(s.mine, token, "activate", "").refused(http.StatusConflict, "card_not_made")
		if c := decode[api.Card](s.get(s.mine, "/v1/cards/"+token).want(http.StatusOK)); uses(c) != "ACTIVE CURRENT PENDING" {
			t.Fatalf("renewed: %s", uses(c))
		}
		s.sent(files)
		expect(s.act(s.mine, token, "activate", ""), "ACTIVE SUPERSEDED CURRENT", 1)

		// A lost card is closed, and nothing brings it back.
		s.submit(s.mine, "LOST", "card,reason\n"+token+",LOST\n").want(http.StatusCreated)
		s.produce(s.mine)
		s.act(s.mine, token, "activate", "").refused(http.StatusConflict, "card_status")
		s.act(s.mine, token, "block", "x").refused(http.StatusConflict, "card_status")
		s.act(s.mine, token, "unblock", "x").refused(http.StatusConflict, "card_status")
		for _, what := range []string{"activate", "block", "unblock"} {
			s.act(s.theirs, token, what, "x").refused(http.StatusNotFound, "not_found")
			s.act(s.mine, "NOTOKEN", what, "x").refused(http.StatusNotFound, "not_found")
		}
		s.act(s.mine, token, "block", "ümlaut").refused(http.StatusUnprocessableEntity, "bad_reason")
		s.act(s.mine, token, "block", strings.Repeat("a", 65)).refused(http.StatusUnprocessableEntity, "invalid_request")
	})
}
