package jobs_test

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/samples"
	"platen/sql/store"
)

// week is a site whose bureaus have a character of the samples, by a clock that the test moves.
type week struct {
	*site
	clock   atomic.Pointer[time.Time]
	pace    time.Duration // how far it moves at a time
	decided []string      // what a person decided
	units   []string      // every card that was ordered
}

func newWeek(t *testing.T, address, character string, dials ...string) *week {
	t.Helper()
	body, err := fs.ReadFile(samples.FS, "bureaus/"+character+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	profile, err := bureau.LoadProfile(body, dials...)
	if err != nil {
		t.Fatal(err)
	}
	w := &week{pace: 3 * time.Hour}
	begin := time.Date(2027, time.January, 4, 20, 30, 0, 0, time.UTC)
	w.clock.Store(&begin)
	w.site = newSiteWith(t, address, func(c *bureau.Config) {
		c.Profile, c.Poll, c.Begin = profile, -1, begin
		c.Now = func() time.Time { return *w.clock.Load() }
	})
	w.setNow(begin)
	return w
}

func TestABadWeekEndsWithBalancedBooksAndNoCardUnexplained(t *testing.T) {
	onDatabases(t, func(t *testing.T, address string) {
		w := newWeek(t, address, "bad-week")
		for day := range 7 {
			w.evening(day)
			for range 24 * time.Hour / w.pace {
				w.pass()
			}
		}
		for n := 0; n < 4 && !w.books().Balanced; n++ {
			w.evening(7 + n)
			for range 24 * time.Hour / w.pace {
				w.pass()
			}
		}
		w.wantBalanced()
		w.wantDoubtsDecided()
		w.wantJournalsInTheBooks()
		for _, unit := range w.units {
			w.wantExplained(unit)
		}
		items, err := w.plant.Attention(t.Context(), w.inst)
		w.must(err)
		for _, i := range items {
			// What a bureau refused counts as rejected, and waits for its client or for somebody who has it made again. Everything else is settled.
			if !strings.HasPrefix(i.Key, batch.AlarmNotMade+":") || !strings.Contains(i.Detail, "spoiled 0 ") {
				t.Errorf("the inbox still holds %s: %s", i.Key, i.Detail)
			}
		}
		if found := w.checkAll(); len(found) > 0 {
			t.Errorf("check: %+v", found)
		}
	})
}

// evening orders cards on the working days, and opens the night's window.
func (w *week) evening(day int) {
	w.t.Helper()
	if day < 5 {
		bulk, stripes := fmt.Sprintf("BULK-%d", day), fmt.Sprintf("MASS-%d", day)
		w.submit(bulk, formats.BulkOrder, people(12)...)
		w.submit(stripes, formats.MassOrder, mass(20))
		for n := 1; n <= 12; n++ {
			w.units = append(w.units, fmt.Sprintf("%s#%d", bulk, n))
		}
		for n := 1; n <= 20; n++ {
			w.units = append(w.units, fmt.Sprintf("%s#%d", stripes, n))
		}
	}
	w.window(day)
}

// window opens a night's window.
func (w *week) window(day int) {
	w.t.Helper()
	b, _, err := w.plant.RunNow(w.t.Context(), w.inst, "nightly", fmt.Sprint("day ", day), "test")
	w.must(err)
	w.must(w.plant.Plan(w.t.Context(), b.Number))
}

// pass lets some hours go by: pauses end, workers and bureaus work, and a person looks into the inbox.
func (w *week) pass() {
	w.t.Helper()
	ctx := w.t.Context()
	for range 4 {
		for _, table := range []string{"files", "bureau_links"} {
			_, err := w.store.DB().ExecContext(ctx, `UPDATE `+table+` SET retry_after = 0`)
			w.must(err)
		}
		w.tolerate(func() error { return w.tryRound() })
		for _, sim := range w.sims {
			sim.Quiet()
			w.must(sim.Process(ctx))
		}
		for _, b := range w.set.Bureaus {
			w.tolerate(func() error { return w.plant.Poll(ctx, w.inst, b.Code) })
		}
	}
	w.must(w.plant.Watch(ctx))
	w.decide()
	w.setNow(w.now().Add(w.pace))
	now := w.now()
	w.clock.Store(&now)
}

// tolerate expects that something succeeds, or fails as it does with a bureau that is away or lets a file vanish.
func (w *week) tolerate(do func() error) {
	w.t.Helper()
	if err := do(); err != nil && !delivery.IsInDoubt(err) && !slices.Contains([]string{delivery.CodeUnreachable, delivery.CodeConnectionLost}, delivery.Code(err)) {
		w.t.Fatal(err)
	}
}

// tryRound is round for a week in which things fail.
func (w *week) tryRound() error {
	ctx := w.t.Context()
	var builds, returns []store.Due
	w.must(w.store.InTx(ctx, func(tx *store.Tx) (err error) {
		if builds, err = tx.ClaimStale(ctx, batch.Lease, card.FilePlanned, card.FileBuilding, card.FileSealed); err != nil {
			return err
		}
		returns, err = tx.ClaimReturns(ctx, batch.Lease)
		return err
	}))
	for _, d := range builds {
		w.must(fenced(w.plant.Build(ctx, d.Number, d.Epoch)))
	}
	for _, d := range returns {
		w.must(fenced(w.plant.ApplyReturn(ctx, d.Number, d.Epoch)))
	}
	sends, err := w.plant.ClaimSends(ctx)
	w.must(err)
	for _, d := range sends {
		w.tolerate(func() error { return fenced(w.plant.Send(ctx, d.Number, d.Epoch)) })
	}
	return nil
}

// decide is what a person does who looks into the inbox: asks the bureau about a file in doubt, and puts answers away that came cut short.
func (w *week) decide() {
	w.t.Helper()
	ctx := w.t.Context()
	files, err := w.store.Files(ctx, w.inst.ID, 0, 1000)
	w.must(err)
	for _, f := range files {
		if f.State != card.FileInDoubt {
			continue
		}
		answer, why := batch.AnswerResend, "the house never saw it, says their shift leader"
		if w.has(f) {
			answer, why = batch.AnswerSent, "the house has it in its vault, says their shift leader"
		}
		_, err := w.plant.Resolve(ctx, f.Number, answer, why, "asha")
		w.must(err)
		w.decided = append(w.decided, f.Name)
	}
	returns, err := w.store.Returns(ctx, w.inst.ID, 0, 1000)
	w.must(err)
	for _, r := range returns {
		ending := path.Ext(r.Name)
		whole := strings.TrimSuffix(strings.TrimSuffix(r.Name, ending), "-copy") + "-whole" + ending
		if r.State == card.ReturnQuarantined && slices.ContainsFunc(returns, func(x store.ReturnFile) bool { return x.Name == whole && x.State == card.ReturnApplied }) {
			_, err := w.plant.DiscardReturn(ctx, w.inst, r.Number, "it came again as "+whole, "asha")
			w.must(err)
		}
	}
}

// has asks a bureau, whose journal says what became of a file.
func (w *week) has(f store.File) bool {
	w.t.Helper()
	journal, err := w.sims[f.BureauCode].Journal()
	w.must(err)
	has := false
	for _, e := range journal {
		if e.File == f.Name {
			has = e.Did != "ate"
		}
	}
	return has
}

func (w *week) wantBalanced() {
	w.t.Helper()
	b := w.books()
	if want := int64(len(w.units)); !b.Balanced || b.Requested != want || b.Produced+b.Rejected != want || b.Spoiled == 0 {
		w.t.Errorf("after the week: %+v", b)
	}
}

// wantDoubtsDecided expects two files in doubt, decided by a person with a reason.
func (w *week) wantDoubtsDecided() {
	w.t.Helper()
	files, err := w.store.Files(w.t.Context(), w.inst.ID, 0, 1000)
	w.must(err)
	decided := map[string]bool{}
	for _, f := range files {
		events, err := w.store.Events(w.t.Context(), w.inst.ID, "file", f.Number)
		w.must(err)
		for _, e := range events {
			if strings.Contains(e.Data, `"by":"asha"`) && strings.Contains(e.Data, "shift leader") {
				decided[e.Kind] = true
			}
		}
	}
	if len(w.decided) < 2 || !decided["RELEASED"] || !decided["SENT"] {
		w.t.Errorf("decided by hand: %q, as %v", w.decided, decided)
	}
}

// wantJournalsInTheBooks holds what the bureaus say that they did against the columns of each file.
func (w *week) wantJournalsInTheBooks() {
	w.t.Helper()
	did := map[string]bureau.Entry{}
	kinds := map[string]bool{}
	for code, sim := range w.sims {
		journal, err := sim.Journal()
		w.must(err)
		for _, e := range journal {
			kinds[e.Did] = true
			if e.Did == "produced" {
				did[code+"/"+e.File] = e
			}
		}
	}
	for _, want := range []string{"ate", "took at once", "answered cut short", "answered twice", "produced"} {
		if !kinds[want] {
			w.t.Errorf("in that week no bureau %s", want)
		}
	}
	for _, f := range w.books().Files {
		e, ok := did[f.File.BureauCode+"/"+f.File.Name]
		if !ok || e.Produced != f.Produced || e.Rejected != f.Rejected || e.Spoiled != f.Spoiled || e.Records != f.Planned {
			w.t.Errorf("%s: the books say %d planned, %d produced, %d rejected, %d spoiled; the bureau says %+v", f.File.Name, f.Planned, f.Produced, f.Rejected, f.Spoiled, e)
		}
		delete(did, f.File.BureauCode+"/"+f.File.Name)
	}
	if len(did) > 0 {
		w.t.Errorf("the bureaus made files that are in no book: %v", did)
	}
}

// wantExplained expects a card's story to be without a gap: each issue in a file, how and when that was delivered and on what evidence, what its bureau said and when,
// and an end.
func (w *week) wantExplained(unit string) {
	w.t.Helper()
	story, err := w.plant.ExplainCard(w.t.Context(), w.inst, unit)
	w.must(err)
	for n, i := range story.Issues {
		last := n == len(story.Issues)-1
		moved := map[string]bool{}
		for _, e := range i.Moves {
			moved[e.Kind] = !e.RecordedAt.IsZero()
		}
		settled := slices.ContainsFunc(i.Attempts, func(a store.Attempt) bool {
			return a.FinishedAt != nil && a.Detail != "" && (a.State == store.AttemptDelivered || a.State == store.AttemptInDoubt)
		})
		said := slices.ContainsFunc(i.Said, func(l store.ReturnLine) bool {
			return l.Outcome == store.LineApplied && !l.OccurredAt.IsZero() && l.Status == i.Effective
		})
		ended := i.State == card.IssueProduced || i.State == card.IssueRejected || i.State == card.IssueSpoiled
		if i.File == nil || !moved["SEALED"] || !moved["SENT"] || !moved["ACKNOWLEDGED"] || !moved["BALANCED"] || !settled || !said || !ended || last == (i.State == card.IssueSpoiled) {
			w.t.Errorf("%s, issue %d: %s in %v; moves %v, settled %t, said %t", unit, i.Issue.Issue, i.Effective, i.File, moved, settled, said)
		}
	}
}
