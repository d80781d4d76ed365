package jobs_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/sql/store"
)

// TestBureausThatTellEverythingAreUnderstood follows an evening's cards to the door through the sample profile full. One bureau seals and signs what it says. Whatever became of
// cards, PIN mailers, shipments, plastics and files stands in the books as in the bureaus' own journals.
func TestBureausThatTellEverythingAreUnderstood(t *testing.T) {
	onDatabases(t, func(t *testing.T, address string) {
		w := newWeek(t, address, "full", "reject: 40", "spoil: 90", "return: 200", "lose: 150")
		w.pace = 6 * time.Hour
		w.evening(0)
		for day := 1; day <= 5; day++ {
			if day <= 3 {
				w.window(day) // of what is made again
			}
			for range 24 * time.Hour / w.pace {
				w.pass()
			}
		}
		w.wantEverythingTold()
		if found := w.checkAll(); len(found) > 0 {
			t.Errorf("check: %+v", found)
		}
	})
}

func (w *week) wantEverythingTold() {
	w.t.Helper()
	ctx := w.t.Context()
	if b := w.books(); !b.Balanced {
		w.t.Errorf("the books do not balance: %+v", b)
	}
	returns, err := w.store.Returns(ctx, w.inst.ID, 0, 1000)
	w.must(err)
	kinds := map[string]bool{}
	for _, r := range returns {
		kinds[r.Kind] = true
		if r.State != card.ReturnApplied {
			w.t.Errorf("%s is %s (%s): %d of %d lines were applied, %d rejected, %d quarantined", r.Name, r.State, r.Reason, r.Applied, r.Lines, r.Rejected, r.Quarantined)
		}
		raw := make([]byte, 2)
		_, err := w.plant.RawReturn(ctx, r.Number).Read(raw)
		w.must(err)
		if sealed := !bytes.HasPrefix(raw, []byte("H,")); sealed != (r.BureauCode == "north") {
			w.t.Errorf("%s of %s came sealed: %t", r.Name, r.BureauCode, sealed)
		}
	}
	for _, kind := range []string{"ack", "status", "production", "dispatch", "delivery", "stock", "destruction", "pin-status"} {
		if !kinds[kind] {
			w.t.Errorf("no bureau gave a file of kind %s", kind)
		}
	}
	var ends, did bureau.Entry
	cards, mailers := w.ends("issues"), w.ends("pin_mailers")
	ends.Delivered, ends.Lost = cards["DELIVERED"]+mailers["DELIVERED"], cards["LOST_IN_TRANSIT"]+mailers["LOST_IN_TRANSIT"]
	ends.Returned = cards["DESTROYED"] + mailers["RETURNED"] // cards that came back were destroyed
	ends.Spoiled, ends.Rejected = cards["SPOILED"]+mailers["SPOILED"], cards["REJECTED"]+mailers["REJECTED"]
	shipments, err := w.store.Shipments(ctx, w.inst.ID, 1000)
	w.must(err)
	ends.Shipments = int64(len(shipments))
	for _, sim := range w.sims {
		journal, err := sim.Journal()
		w.must(err)
		for _, e := range journal {
			did.Delivered, did.Lost, did.Returned, did.Spoiled, did.Rejected = did.Delivered+e.Delivered, did.Lost+e.Lost, did.Returned+e.Returned, did.Spoiled+e.Spoiled, did.Rejected+e.Rejected
			if !strings.Contains(e.File, "pins") {
				did.Shipments += e.Shipments
			}
		}
	}
	if ends != did {
		w.t.Errorf("the books say\n%+v, the bureaus\n%+v", ends, did)
	}
	if ends.Delivered == 0 || ends.Returned == 0 || ends.Lost == 0 || ends.Spoiled == 0 {
		w.t.Errorf("the dice were too kind: %+v", ends)
	}
	w.wantFilesTold()
	w.wantStories()
}

// ends counts what became of every issue, or of every PIN mailer.
func (w *week) ends(table string) map[string]int64 {
	w.t.Helper()
	rows, err := w.store.DB().QueryContext(w.t.Context(), `SELECT state, count(*) FROM `+table+` WHERE file_number IS NOT NULL GROUP BY state`)
	w.must(err)
	defer func() { w.must(rows.Close()) }()
	n := map[string]int64{}
	for rows.Next() {
		var state card.IssueState
		var count int64
		w.must(rows.Scan(&state, &count))
		n[state.String()] = count
	}
	w.must(rows.Err())
	return n
}

// wantFilesTold expects of each file that its bureau reported what it made and that its data are destroyed, and of each plastic a position without a complaint.
func (w *week) wantFilesTold() {
	w.t.Helper()
	ctx := w.t.Context()
	for _, f := range w.books().Files {
		events, err := w.store.Events(ctx, w.inst.ID, "file", f.File.Number)
		w.must(err)
		for kind, wanted := range map[string]bool{"production_reported": f.File.Purpose == store.CardPurpose, "data_destroyed": true} {
			if told := slices.ContainsFunc(events, func(e store.Event) bool { return e.Kind == kind }); told != wanted && f.Planned > 0 {
				w.t.Errorf("%s: %s is told: %t", f.File.Name, kind, told)
			}
		}
	}
	positions, err := w.plant.StockPositions(ctx, w.inst)
	w.must(err)
	used := int64(0)
	for _, p := range positions {
		used += 10_000 - p.Closing
	}
	cards := int64(0)
	for state, n := range w.ends("issues") {
		if state != "REJECTED" {
			cards += n
		}
	}
	if used != cards {
		w.t.Errorf("the bureaus used %d plastics for %d cards", used, cards)
	}
	items, err := w.plant.Attention(ctx, w.inst)
	w.must(err)
	for _, i := range items {
		if i.What == batch.AlarmStock {
			w.t.Errorf("%s: %s", i.About, i.Detail)
		}
	}
}

// wantStories expects that each card's story ends with what its bureau said last.
func (w *week) wantStories() {
	w.t.Helper()
	for _, unit := range w.units {
		story, err := w.plant.ExplainCard(w.t.Context(), w.inst, unit)
		w.must(err)
		for _, i := range story.Issues {
			var said []string
			for _, l := range i.Said {
				said = append(said, l.Status)
			}
			want := map[string]string{"DELIVERED": "PRODUCED DISPATCHED DELIVERED", "DESTROYED": "PRODUCED DISPATCHED RETURNED DELIVERED CARD", "LOST_IN_TRANSIT": "PRODUCED DISPATCHED LOST_IN_TRANSIT DELIVERED",
				"SPOILED": "SPOILED CARD", "REJECTED": "REJECTED"}[i.Effective]
			if got := strings.Join(said, " "); got != want && fmt.Sprint(got, " DELIVERED") != want {
				w.t.Errorf("%s, issue %d is %s: its bureau said %s", unit, i.Issue.Issue, i.Effective, got)
			}
		}
	}
}
