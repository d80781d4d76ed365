package jobs_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// report leaves a return file of a kind in a bureau's outbox and waits until it is settled. Each detail is "field=value field=value".
func (s *site) report(kind formats.Kind, bureauCode, name string, file int64, details ...string) store.ReturnFile {
	s.t.Helper()
	s.leave(bureauCode, name, s.reportFile(kind, bureauCode, name, file, details...))
	return s.returned(name)
}

func (s *site) reportFile(kind formats.Kind, bureauCode, name string, file int64, details ...string) []byte {
	s.t.Helper()
	var layout *formats.Layout
	for _, l := range s.set.Layouts {
		if l.Name() == kind.String() {
			layout = l
		}
	}
	head := new(formats.Record)
	head.SetString(formats.FileName, name)
	head.SetString(formats.FileBureau, bureauCode)
	head.SetString(formats.FileDate, "20270105")
	head.SetString(formats.FileTime, "060000")
	head.SetInt(formats.ReturnFile, file)
	head.SetInt(formats.FileRecords, int64(len(details)))
	var body bytes.Buffer
	w, err := layout.NewWriter(&body, head)
	s.must(err)
	for i, detail := range details {
		r := new(formats.Record)
		r.SetInt(formats.RecordNumber, int64(i+1))
		r.SetString(formats.ReturnOccurredAt, "2027-01-06T06:00:00Z")
		if file > 0 {
			r.SetInt(formats.ReturnFile, file)
		}
		for pair := range strings.FieldsSeq(detail) {
			name, value, _ := strings.Cut(pair, "=")
			f, ok := formats.ParseField(name)
			if !ok {
				s.t.Fatalf("no field %q", name)
			}
			r.SetString(f, value)
		}
		s.must(w.Write(r))
	}
	s.must(w.Close())
	return body.Bytes()
}

func wantOutcomes(t *testing.T, r store.ReturnFile, applied, duplicates, rejected, quarantined int64) {
	t.Helper()
	if r.Applied != applied || r.Duplicates != duplicates || r.Rejected != rejected || r.Quarantined != quarantined {
		t.Errorf("%s is %s (%s): %d applied, %d duplicate, %d rejected, %d quarantined; want %d, %d, %d, %d", r.Name, r.State, r.Reason, r.Applied, r.Duplicates, r.Rejected, r.Quarantined,
			applied, duplicates, rejected, quarantined)
	}
}

// states counts the issues of an order's cards by where they stand.
func (s *site) states(reference string, units int) map[string]int {
	s.t.Helper()
	counts := map[string]int{}
	for unit := 1; unit <= units; unit++ {
		story, err := s.plant.ExplainCard(s.t.Context(), s.inst, fmt.Sprintf("%s#%d", reference, unit))
		s.must(err)
		counts[story.Issues[0].Effective]++
	}
	return counts
}

func TestAShipmentTakesItsCardsFromTheBureauToTheDoor(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		n := s.cardFile("south").Number
		uid := func(line int) string { return fmt.Sprintf("%d-%07d", n, line) }
		ship := func(first, last int, shipment, tracking string) string {
			return fmt.Sprintf("return.uid=%s return.last_uid=%s dispatch.shipment=%s dispatch.tracking=%s dispatch.carrier=POST dispatch.box=1 dispatch.boxes=2", uid(first), uid(last), shipment, tracking)
		}
		wantOutcomes(t, s.report(formats.Dispatch, "south", "a.dispatch", n, ship(1, 10, "S1", "T1"), ship(11, 15, "S1", "T1"), ship(16, 18, "S2", "T2"), ship(19, 99, "S3", "T3")), 3, 0, 1, 0)
		wantOutcomes(t, s.report(formats.Dispatch, "south", "b.dispatch", n, ship(1, 10, "S1", "T1"), ship(18, 19, "S4", "T4")), 1, 1, 0, 0)
		if got := fmt.Sprint(s.states("MASS", 20)); got != "map[DISPATCHED:19 PRODUCED:1]" {
			t.Errorf("after dispatch: %s", got)
		}
		wantOutcomes(t, s.report(formats.Delivery, "south", "south_delivery_1.csv", 0,
			"dispatch.tracking=T1 return.status=IN_TRANSIT", "dispatch.tracking=T2 return.status=DELIVERED delivery.received_by=A.Rao", "dispatch.tracking=T9 return.status=DELIVERED",
			"dispatch.tracking=T1 return.status=WHATEVER"), 2, 0, 1, 1)
		if got := fmt.Sprint(s.states("MASS", 20)); got != "map[DELIVERED:3 DISPATCHED:1 IN_TRANSIT:15 PRODUCED:1]" {
			t.Errorf("on the way: %s", got)
		}
		// One card of the shipment comes back and is destroyed; the others arrive.
		wantOutcomes(t, s.report(formats.Delivery, "south", "south_delivery_2.csv", n, "dispatch.tracking=T1 return.status=RETURNED return.uid="+uid(2)), 1, 0, 0, 0)
		wantOutcomes(t, s.report(formats.Delivery, "south", "south_delivery_3.csv", 0, "dispatch.tracking=T1 return.status=DELIVERED"), 1, 0, 0, 0)
		wantOutcomes(t, s.report(formats.Destruction, "south", "south_destruction_1.csv", n,
			"destruction.what=CARD destruction.certificate=C-1 destruction.method=shredded return.uid="+uid(2),
			"destruction.what=CARD destruction.certificate=C-1 destruction.method=shredded return.uid="+uid(1),
			"destruction.what=DATA destruction.certificate=C-2", "destruction.what=SOUL destruction.certificate=C-3"), 2, 0, 1, 1)
		if got := fmt.Sprint(s.states("MASS", 20)); got != "map[DELIVERED:17 DESTROYED:1 DISPATCHED:1 PRODUCED:1]" {
			t.Errorf("in the end: %s", got)
		}
		story, err := s.plant.ExplainCard(t.Context(), s.inst, "MASS#2")
		s.must(err)
		var said []string
		for _, l := range story.Issues[0].Said {
			said = append(said, l.Status)
		}
		if got := strings.Join(said, " "); got != "PRODUCED DISPATCHED DISPATCHED IN_TRANSIT RETURNED DELIVERED CARD" {
			t.Errorf("the card's story: %s", got)
		}
		if !s.books().Balanced {
			t.Errorf("books %+v", s.books())
		}
	})
}

func TestStockIsTheNewestReportAndWhatDoesNotAddUpIsFlagged(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		line := func(opening, used, closing int, at string) string {
			return fmt.Sprintf("stock.plastic=BLUE return.site=MAIN stock.opening=%d stock.received=0 stock.used=%d stock.damaged=0 stock.scrap=0 stock.adjusted=0 stock.destroyed=0 stock.allocated=0 stock.closing=%d stock.reorder_level=500 return.occurred_at=%s",
				opening, used, closing, at)
		}
		want := func(opening, closing, difference, gap int64) {
			t.Helper()
			all, err := s.store.Stock(t.Context(), s.inst.ID)
			s.must(err)
			if len(all) != 1 || all[0].Opening != opening || all[0].Closing != closing || all[0].Difference != difference || all[0].Gap != gap {
				t.Errorf("stock %+v", all)
			}
		}
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_1.csv", 0, line(1000, 100, 900, "2027-01-05T18:00:00Z")), 1, 0, 0, 0)
		want(1000, 900, 0, 0)
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_2.csv", 0, line(900, 100, 790, "2027-01-06T18:00:00Z")), 1, 0, 0, 0)
		want(900, 790, -10, 0)
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_0.csv", 0, line(1100, 100, 1000, "2027-01-04T18:00:00Z")), 0, 1, 0, 0)
		want(900, 790, -10, 0)
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_3.csv", 0, line(800, 0, 800, "2027-01-07T18:00:00Z")), 1, 0, 0, 0)
		want(800, 800, 0, 10)
		// A corrected report of the same span replaces the wrong one; another that begins there is wrong itself.
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_4.csv", 0, line(790, 0, 790, "2027-01-07T19:00:00Z")), 1, 0, 0, 0)
		want(790, 790, 0, 0)
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_5.csv", 0, line(790, 90, 600, "2027-01-08T18:00:00Z")), 1, 0, 0, 0)
		want(790, 600, -100, 0)
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_6.csv", 0, line(790, 90, 700, "2027-01-08T19:00:00Z")), 1, 0, 0, 0)
		want(790, 700, 0, 0)
		wantOutcomes(t, s.report(formats.Stock, "north", "north_stock_7.csv", 0, line(790, 0, 790, "2027-01-09T18:00:00Z")), 1, 0, 0, 0)
		want(790, 790, 0, 90)
	})
}

func TestAProductionReportIsEvidenceOfTheWholeFile(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		n := s.cardFile("south").Number
		line := func(produced, pending int) string {
			return fmt.Sprintf("product.code=prepaid-mag production.ordered=20 production.produced=%d production.spoiled=0 production.remade=0 production.shipped=0 production.pending=%d production.opening=0 production.closing=%d", produced, pending, pending)
		}
		wantOutcomes(t, s.report(formats.Production, "south", "x.production", n, line(20, 0), line(18, 3), line(21, 0)), 1, 0, 0, 2)
		wantOutcomes(t, s.report(formats.Production, "north", "y.production", n, line(20, 0)), 0, 0, 1, 0)
	})
}

func TestPINMailersHaveAStreamOfTheirOwn(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(6)...)
		s.night("one")
		all, err := s.store.Files(t.Context(), s.inst.ID, 0, 100)
		s.must(err)
		for _, f := range all {
			if f.Purpose != store.MailerPurpose {
				continue
			}
			line := fmt.Sprintf("return.uid=%d-0000001 return.status=DISPATCHED", f.Number)
			wantOutcomes(t, s.report(formats.PINStatus, f.BureauCode, "m.pin-status", f.Number, line), 1, 0, 0, 0)
			north := s.cardFile("north")
			line = fmt.Sprintf("return.uid=%d-0000001 return.status=DISPATCHED", north.Number)
			wantOutcomes(t, s.report(formats.PINStatus, "north", "c.pin-status", north.Number, line), 0, 0, 1, 0)
			return
		}
		t.Error("no PIN-mailer file was made")
	})
}

// A bureau that knows neither file nor record may name the card.
func TestALineIsMatchedByTheCardsNameWhenItHasNothingElse(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		layout, err := formats.Load("by-card.yaml", []byte(`layout: by-card
version: "1.0.0"
kind: status
mode: delimited
delimiter: ","
encoding: utf-8
eol: lf
file:
  name: "{file.name}.bycard"
detail:
  fields:
    - {value: return.uid}
    - {value: card.token}
    - {value: return.status}
`))
		s.must(err)
		s.set.Layouts = append(s.set.Layouts, layout)
		b := s.bureau("south")
		b.Returns = append(b.Returns, b.Returns[0])
		b.Returns[len(b.Returns)-1].Pattern, b.Returns[len(b.Returns)-1].Layout = "*.bycard", "by-card"
		s.apply()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		story, err := s.plant.ExplainCard(t.Context(), s.inst, "MASS#7")
		s.must(err)
		s.leave("south", "x.bycard", []byte(",MASS#8,DISPATCHED\n,"+story.Token+",DISPATCHED\nrubbish,"+story.Token+",DELIVERED\n,,DISPATCHED\n"))
		wantOutcomes(t, s.returned("x.bycard"), 2, 0, 2, 0)
		if story, err = s.plant.ExplainCard(t.Context(), s.inst, "MASS#7"); err != nil || story.Issues[0].State != card.IssueDelivered {
			t.Errorf("the card is %s, %v", story.Issues[0].State, err)
		}
	})
}
