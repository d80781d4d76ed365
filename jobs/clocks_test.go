package jobs_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// alarms lists what needs a person, as "WHAT about".
func (s *site) alarms() []string {
	s.t.Helper()
	items, err := s.plant.Attention(s.t.Context(), s.inst)
	s.must(err)
	all := make([]string, 0, len(items))
	for _, x := range items {
		all = append(all, x.What+" "+x.About)
		if x.Owner == "" || x.Do == "" || x.Detail == "" || x.Since.IsZero() {
			s.t.Errorf("item %+v does not say all it should", x)
		}
	}
	return all
}

// sendOnly plans, builds and sends, and lets no bureau answer.
func (s *site) sendOnly(slot string) {
	s.t.Helper()
	b, _, err := s.plant.RunNow(s.t.Context(), s.inst, "nightly", slot, "test")
	s.must(err)
	s.must(s.plant.Plan(s.t.Context(), b.Number))
	for range 10 {
		s.round(s.t.Context())
	}
}

func TestAnAnswerIsOverdueAfterTheBureausOwnTimeOnItsOwnDays(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		ctx := t.Context()
		south := s.bureau("south")
		south.Expect = programs.Expect{Ack: programs.Duration(4 * time.Hour), Production: programs.Duration(48 * time.Hour), Dispatch: programs.Duration(24 * time.Hour), Delivery: programs.Duration(72 * time.Hour)}
		s.apply()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.setNow(time.Date(2027, time.January, 8, 20, 30, 0, 0, time.UTC)) // a Friday evening, half past nine in Paris
		s.sendOnly("one")
		overdue := func(want string) {
			t.Helper()
			s.must(s.plant.Watch(t.Context()))
			if got := s.cardFile("south").Overdue; got != want {
				t.Errorf("on %s the file owes %q, not %q", s.now().Format("Mon 15:04"), got, want)
			}
		}
		s.setNow(time.Date(2027, time.January, 10, 18, 0, 0, 0, time.UTC))
		overdue("") // the weekend does not count
		s.setNow(time.Date(2027, time.January, 11, 12, 0, 0, 0, time.UTC))
		overdue(batch.OverdueAck)
		overdue(batch.OverdueAck)
		if got := s.alarms(); !slices.Equal(got, []string{fmt.Sprintf("ANSWER_OVERDUE file %d", s.cardFile("south").Number)}) {
			t.Errorf("the inbox: %v", got)
		}
		s.settle()
		if f := s.cardFile("south"); f.State != card.FileBalanced || f.Overdue != "" {
			t.Fatalf("the file is %s and owes %q", f.State, f.Overdue)
		}
		s.setNow(s.now().AddDate(0, 0, 3))
		overdue(batch.OverdueDispatch)
		n := s.cardFile("south").Number
		s.report(formats.Dispatch, "south", "a.dispatch", n, fmt.Sprintf("return.uid=%d-0000001 return.last_uid=%d-0000020 dispatch.shipment=S dispatch.tracking=T", n, n))
		overdue("")
		s.setNow(s.now().AddDate(0, 0, 7))
		overdue(batch.OverdueDelivery)
		s.report(formats.Delivery, "south", "south_delivery_1.csv", 0, "dispatch.tracking=T return.status=DELIVERED")
		overdue("")
		events, err := s.store.Events(ctx, s.inst.ID, "file", n)
		s.must(err)
		var flags []string
		for _, e := range events {
			if e.Kind == "overdue" || e.Kind == "in_time_again" {
				flags = append(flags, e.Kind)
			}
		}
		if got := strings.Join(flags, " "); got != "overdue overdue in_time_again overdue in_time_again" {
			t.Errorf("the file's history: %s", got)
		}
	})
}

func TestTheInboxListsWhatNeedsAPersonAndWhoHasTakenIt(t *testing.T) {
	onBothWith(t, bureau.Dice{Seed: "night", SpoilPermille: 100, RejectPermille: 100}, func(t *testing.T, s *site) {
		ctx := t.Context()
		s.bureau("south").RemakeAtOnce = false
		s.apply()
		bad := person(1)
		bad.Expiry = "2021-01"
		s.submit("BULK", formats.BulkOrder, append(people(20), bad)...)
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "30"})
		s.night("one")
		s.leave("south", "rubbish.status", []byte("rubbish"))
		s.returned("rubbish.status")
		file := s.bureau("north").SFTP.IdentityFile
		right := s.keys[file]
		stranger, _, err := delivery.NewSSHKeyPair("stranger")
		s.must(err)
		s.keys[file] = card.NewSecret(stranger)
		if err := s.plant.Poll(ctx, s.inst, "north"); delivery.Code(err) != delivery.CodeAuthFailed {
			t.Fatal(err)
		}
		s.report(formats.Stock, "south", "south_stock_1.csv", 0, "stock.plastic=BLUE return.site=MAIN stock.opening=10 stock.received=0 stock.used=1 stock.damaged=0 stock.scrap=0 stock.adjusted=0 stock.destroyed=0 stock.allocated=0 stock.closing=8 stock.reorder_level=0")
		got := s.alarms()
		for _, want := range []string{"ROWS_WAIT order BULK", "RETURN_QUARANTINED return ", "BUREAU_UNREACHABLE bureau north", "STOCK BLUE at south MAIN", fmt.Sprintf("CARDS_NOT_MADE file %d", s.cardFile("south").Number)} {
			if !slices.ContainsFunc(got, func(x string) bool { return strings.HasPrefix(x, want) }) {
				t.Errorf("%s is missing in %q", want, got)
			}
		}
		s.must(s.plant.TakeItem(ctx, s.inst, "BUREAU_UNREACHABLE:bureau north", "asha", "test"))
		if err := s.plant.TakeItem(ctx, s.inst, "BUREAU_UNREACHABLE:bureau west", "asha", "test"); err == nil {
			t.Error("somebody took what is not there")
		}
		items, err := s.plant.Attention(ctx, s.inst)
		s.must(err)
		for _, x := range items {
			if (x.Owner == "asha") != (x.What == batch.AlarmBureau) {
				t.Errorf("%s belongs to %s", x.Key, x.Owner)
			}
			if !slices.Contains(batch.Alarms(), x.What) {
				t.Errorf("%s is no alarm", x.What)
			}
		}
		s.keys[file] = right
		s.must(s.plant.RetryBureau(ctx, s.inst, "north", "test"))
		s.must(s.plant.Poll(ctx, s.inst, "north"))
		if slices.Contains(s.alarms(), "BUREAU_UNREACHABLE bureau north") {
			t.Error("a bureau that was reached is still in the inbox")
		}
		// What comes back is nobody's.
		s.must(s.plant.Watch(ctx))
		s.keys[file] = card.NewSecret(stranger)
		if err := s.plant.Poll(ctx, s.inst, "north"); delivery.Code(err) != delivery.CodeAuthFailed {
			t.Fatal(err)
		}
		items, err = s.plant.Attention(ctx, s.inst)
		s.must(err)
		for _, x := range items {
			if x.Owner == "asha" {
				t.Errorf("%s came back and belongs to asha", x.Key)
			}
		}
		s.keys[file] = right
		s.must(s.plant.RetryBureau(ctx, s.inst, "north", "test"))
		// Every spoiled card that a person has made again leaves the inbox.
		for unit := 1; unit <= 30; unit++ {
			name := fmt.Sprintf("MASS#%d", unit)
			story, err := s.plant.ExplainCard(ctx, s.inst, name)
			s.must(err)
			err = s.plant.RemakeCard(ctx, s.inst, name, "a test", "test")
			if failed := story.Issues[0].State == card.IssueSpoiled || story.Issues[0].State == card.IssueRejected; (err == nil) != failed {
				t.Errorf("%s is %s: %v", name, story.Issues[0].State, err)
			}
		}
		if slices.Contains(s.alarms(), fmt.Sprintf("%s file %d", batch.AlarmNotMade, s.cardFile("south").Number)) {
			t.Error("cards that are made again are still in the inbox")
		}
	})
}

func TestAnItemIsAsOldAsItIsKnown(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.must(s.store.InTx(t.Context(), func(tx *store.Tx) error { return tx.Advance(t.Context(), 1, 0, "it was restored from a backup") }))
		age := func(want string) {
			t.Helper()
			items, err := s.plant.Attention(t.Context(), s.inst)
			s.must(err)
			if len(items) != 1 || items[0].What != batch.AlarmRangeHeld || items[0].Age != want {
				t.Errorf("the inbox is %+v, want one held range of age %s", items, want)
			}
		}
		age("0m")
		s.must(s.plant.Watch(t.Context()))
		s.setNow(s.now().Add(3 * time.Hour))
		age("3h")
		s.must(s.plant.Watch(t.Context()))
		s.setNow(s.now().Add(72 * time.Hour))
		age("3d")
	})
}

// Whatever a bureau spoiled or rejected is known to somebody: it is made again, waits as a row of its order, or stands in the inbox until a person decides.
func TestNothingThatABureauDidNotMakeIsForgotten(t *testing.T) {
	onBothWith(t, bureau.Dice{Seed: "night", RejectPermille: 250, SpoilPermille: 150}, func(t *testing.T, s *site) {
		ctx := t.Context()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "30"})
		s.submit("BULK", formats.BulkOrder, people(30)...)
		s.night("one")
		waiting := func() (rows, cards int) {
			t.Helper()
			all, err := s.store.WaitingRows(t.Context(), s.inst.ID)
			s.must(err)
			for _, r := range all {
				rows += int(r.Rows)
			}
			unmade, err := s.store.Unmade(t.Context(), s.inst.ID)
			s.must(err)
			for _, u := range unmade {
				if u.Spoiled != 0 {
					t.Errorf("file %d: %d spoiled lines are said to be forgotten, and are made again at once", u.File, u.Spoiled)
				}
				if alarm := fmt.Sprintf("CARDS_NOT_MADE file %d", u.File); !slices.Contains(s.alarms(), alarm) {
					t.Errorf("%s does not stand in the inbox", alarm)
				}
				cards += int(u.Rejected)
			}
			return rows, cards
		}
		rejected := 0
		files, err := s.store.Files(ctx, s.inst.ID, 0, 100)
		s.must(err)
		mailers := 0
		for _, f := range files {
			rejected += int(f.Rejected)
			if f.Purpose == store.MailerPurpose {
				mailers += int(f.Rejected)
			}
		}
		rows, cards := waiting()
		if rows == 0 || mailers == 0 || cards <= mailers || rows+cards != rejected {
			t.Errorf("%d lines were rejected, %d of them PIN mailers: %d wait as rows, %d for a decision", rejected, mailers, rows, cards)
		}
		for _, order := range []string{"MASS", "BULK"} {
			for unit := 1; unit <= 30; unit++ {
				var err error
				for err == nil { // a card, and after it its PIN mailer
					err = s.plant.RemakeCard(ctx, s.inst, fmt.Sprintf("%s#%d", order, unit), "a test", "test")
				}
				if !errors.Is(err, batch.ErrNotRemade) {
					t.Fatal(err)
				}
			}
		}
		if _, cards := waiting(); cards != 0 {
			t.Errorf("%d still wait when everything is made again", cards)
		}
	})
}

func TestBooksOfAPartAndOfThePast(t *testing.T) {
	onBothWith(t, bureau.Dice{Seed: "night", SpoilPermille: 150}, func(t *testing.T, s *site) {
		ctx := t.Context()
		start := s.now()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "30"})
		s.setNow(start.Add(time.Hour))
		s.sendOnly("one")
		s.setNow(start.Add(2 * time.Hour))
		s.settle()
		s.setNow(start.Add(24 * time.Hour))
		s.night("two")
		draw := func(of batch.BooksOf) batch.Books {
			t.Helper()
			b, err := s.plant.BalanceOf(ctx, s.inst, of)
			s.must(err)
			return b
		}
		first := s.cardFile("south")
		now := draw(batch.BooksOf{Order: "MASS"})
		if len(now.Orders) != 1 || len(now.Files) < 2 || now.Requested != 30 {
			t.Fatalf("books of the order: %+v", now)
		}
		if b := draw(batch.BooksOf{File: first.Number}); len(b.Files) != 1 || b.Requested != 30 || b.Spoiled != first.Spoiled || first.Spoiled == 0 || !b.Balanced || b.Produced+b.Rejected+b.Spoiled+b.Open != b.Requested {
			t.Errorf("books of the first file: %+v", b)
		}
		if b := draw(batch.BooksOf{Bureau: "north"}); len(b.Files) != 0 {
			t.Errorf("books of a bureau without files: %+v", b)
		}
		for _, moment := range []struct {
			at                         time.Duration
			files                      int
			produced, inWork, balanced int64
		}{{30 * time.Minute, 0, 0, 30, 0}, {90 * time.Minute, 1, 0, 30, 0}, {3 * time.Hour, 1, 30 - first.Spoiled, first.Spoiled, 1}, {48 * time.Hour, len(now.Files), now.Produced, 30 - now.Produced, int64(len(now.Files))}} {
			b := draw(batch.BooksOf{Order: "MASS", At: start.Add(moment.at)})
			balanced := int64(0)
			for _, f := range b.Files {
				if f.Balanced {
					balanced++
				}
			}
			if len(b.Files) != moment.files || b.Requested != 30 || b.Produced != moment.produced || b.Open != moment.inWork || balanced != moment.balanced {
				t.Errorf("after %s: %d files, %d balanced, %d produced, %d in work; want %+v", moment.at, len(b.Files), balanced, b.Produced, b.Open, moment)
			}
		}
		if b := draw(batch.BooksOf{At: start.Add(3 * time.Hour)}); len(b.Files) != 1 || b.Produced != 30-first.Spoiled {
			t.Errorf("all files after three hours: %+v", b)
		}
	})
}

// TestACutoffWhoseFilesDoNotLeaveNeedsAPerson lets the time of a schedule pass before its window is planned, before its files are made, and before they are sent.
func TestACutoffWhoseFilesDoNotLeaveNeedsAPerson(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.set.Schedules[0].SentWithin = programs.Duration(2 * time.Hour)
		s.apply()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		want := func(detail string) {
			t.Helper()
			items, err := s.plant.Attention(t.Context(), s.inst)
			s.must(err)
			got := ""
			for _, x := range items {
				if x.What == batch.AlarmBatchLate {
					got = x.Detail
				}
			}
			if got != detail {
				t.Errorf("at %s the inbox says %q, not %q", s.now().Format("15:04"), got, detail)
			}
		}
		s.setNow(s.now().Add(119 * time.Minute))
		want("")
		s.setNow(s.now().Add(time.Minute))
		want("nightly of 2027-01-04 is not planned")
		s.must(s.plant.Plan(t.Context(), b.Number))
		want("nightly of 2027-01-04: 1 files are not begun, 0 half made, 0 ready and not sent; of these 0 are held")
		s.buildOnly()
		want("nightly of 2027-01-04: 0 files are not begun, 0 half made, 1 ready and not sent; of these 0 are held")
		s.settle()
		want("")
	})
}

// TestRefusedLinesOfAReturnWaitForAPersonOnce lets a bureau say what cannot be, and a person settle it.
func TestRefusedLinesOfAReturnWaitForAPersonOnce(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		n := s.cardFile("south").Number
		uid := func(line int) string { return fmt.Sprintf("%d-%07d", n, line) }
		s.answer("south", "odd.status", n, [3]string{uid(1), "DISPATCHED", ""}, [3]string{uid(99), "DISPATCHED", ""}, [3]string{uid(2), "WHATEVER", ""})
		r := s.returned("odd.status")
		wantOutcomes(t, r, 1, 0, 1, 1)
		is := func(alarm string) {
			t.Helper()
			if got := s.alarms(); alarm == "" && len(got) > 0 || alarm != "" && !slices.Equal(got, []string{fmt.Sprintf("%s return %d", alarm, r.Number)}) {
				t.Errorf("the inbox holds %q, not %s", got, alarm)
			}
		}
		is(batch.AlarmReturnLines)
		s.bureau("south").StatusMap["WHATEVER"] = "DISPATCHED"
		s.apply()
		_, err := s.plant.RequeueReturn(t.Context(), s.inst, r.Number, "it means DISPATCHED", "asha")
		s.must(err)
		s.step()
		r, err = s.store.ReturnByNumber(t.Context(), r.Number)
		s.must(err)
		wantOutcomes(t, r, 2, 0, 1, 0)
		is(batch.AlarmRefusals)
		if _, err := s.plant.RequeueReturn(t.Context(), s.inst, r.Number, "again", "asha"); !errors.Is(err, batch.ErrNotQuarantined) {
			t.Errorf("refused lines go back to work: %v", err)
		}
		if _, err := s.plant.DiscardReturn(t.Context(), s.inst, r.Number, "they counted a setup card", "asha"); err != nil {
			t.Error(err)
		}
		is("")
		if _, err := s.plant.DiscardReturn(t.Context(), s.inst, r.Number, "again", "asha"); !errors.Is(err, batch.ErrNotQuarantined) {
			t.Errorf("what is settled is settled again: %v", err)
		}
	})
}
