package api_test

import (
	"maps"
	"net/http"
	"testing"

	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

// planned is a cut-off of a business date; a slot of it is run once.
func (s *site) planned(date, slot string) store.Batch {
	s.t.Helper()
	b, _, err := s.plant.OpenWindow(s.t.Context(), s.mine.institution, "nightly", date, slot, "test")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.plant.Plan(s.t.Context(), b.Number); err != nil {
		s.t.Fatal(err)
	}
	return b
}

// built are the files of a batch, built.
func (s *site) built(b store.Batch) []store.File {
	s.t.Helper()
	s.build(card.FilePlanned)
	files, err := s.plant.Store.FilesOfBatch(s.t.Context(), b.Number)
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// productOf is one of the products that are declared.
func productOf(set *programs.Set, code string) *card.Product {
	for i := range set.Products {
		if set.Products[i].Code == code {
			return &set.Products[i]
		}
	}
	return nil
}

const namedCard = `"product":"visa-debit-chip","first_name":"Ana","last_name":"Gomez","address1":"Calle 1","city":"Madrid","country":"ES"`

// A PIN mailer follows its card by as many working days of its bureau as the product or the action says, and a card is held back alike.
func TestCardsAndPINMailersAreHeldBackForWorkingDays(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.declare("demo-bank", 0, func(set *programs.Set) {
			p := productOf(set, "visa-debit-chip")
			p.PIN.MailerDelay = 2
			p.Actions = maps.Clone(p.Actions)
			if p.Actions == nil {
				p.Actions = map[card.Reason]card.Action{}
			}
			lost := card.DefaultActions()[card.Lost]
			lost.CardDelay, lost.MailerDelay = 3, 1
			p.Actions[card.Lost] = lost
		})
		cardIn := func(files []store.File, purpose store.Purpose) bool {
			t.Helper()
			if len(files) > 1 || len(files) == 1 && (files[0].Purpose != purpose || files[0].Planned != 1) {
				t.Fatalf("files %+v", files)
			}
			return len(files) == 1
		}
		s.post1(s.mine, "/v1/cards", `{"reference":"ONE",`+namedCard+`}`).want(http.StatusCreated)
		s.post1(s.mine, "/v1/cards", `{"reference":"TWO",`+namedCard+`}`).want(http.StatusCreated)
		// On a Saturday; the mailer's bureau works from Monday on. One of the two is taken back before its file is frozen: its mailer goes with it.
		b := s.planned("2026-11-21", "first")
		one, err := s.plant.Store.OrderByReference(t.Context(), s.mine.institution.ID, "ONE")
		if err != nil {
			t.Fatal(err)
		}
		if w, err := s.plant.CancelOrder(t.Context(), s.mine.institution, one.Number, "not wanted", "test"); err != nil || w.Cancelled != 1 {
			t.Fatal(w, err)
		}
		files := s.built(b)
		if !cardIn(files, store.CardPurpose) {
			t.Fatal("no card")
		}
		s.sent(files)
		if cardIn(s.built(s.planned("2026-11-23", "first")), 0) || !cardIn(s.built(s.planned("2026-11-24", "first")), store.MailerPurpose) || cardIn(s.built(s.planned("2026-11-25", "first")), 0) {
			t.Fatal("the mailer comes another day")
		}
		old := s.card("TWO%231")
		if len(old.Mailers) != 1 {
			t.Fatalf("%+v", old)
		}

		// Three working days of the card's bureau after Saturday are Wednesday; the mailer follows on Thursday.
		s.act(s.mine, old.Token, "activate", "").want(http.StatusOK)
		s.replace(s.mine, old.Token, `{"reference":"LOST","reason":"LOST"}`).want(http.StatusCreated)
		order, err := s.plant.Store.OrderByReference(t.Context(), s.mine.institution.ID, "LOST")
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := s.plant.Store.Lines(t.Context(), order.Number, 0, 1)
		if err != nil || receipt[0].NotBefore != "2026-11-25" {
			t.Fatalf("held back until %+v: %v", receipt, err)
		}
		if cardIn(s.built(s.planned("2026-11-24", "again")), 0) || !cardIn(s.built(s.planned("2026-11-25", "again")), store.CardPurpose) || !cardIn(s.built(s.planned("2026-11-26", "first")), store.MailerPurpose) {
			t.Fatal("the card or its mailer comes another day")
		}
		s.balanced()
	})
}
