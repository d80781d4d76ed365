package jobs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"platen/bureau"
	"platen/card"
	"platen/formats"
)

// TestATruncatedReturnFileIsNeverApplied cuts one file of each kind at places drawn from a seed. Nothing of a part counts, and the whole file still does.
func TestATruncatedReturnFileIsNeverApplied(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "6"})
		s.night("one")
		n := s.cardFile("south").Number
		uid := func(line int) string { return fmt.Sprintf("return.uid=%d-%07d", n, line) }
		names := map[formats.Kind]string{formats.Ack: "%s.ack", formats.Status: "%s.status", formats.Production: "%s.production", formats.Dispatch: "%s.dispatch", formats.PINStatus: "%s.pin-status",
			formats.Delivery: "south_delivery_%s.csv", formats.Stock: "south_stock_%s.csv", formats.Destruction: "south_destruction_%s.csv"}
		details := map[formats.Kind][]string{
			formats.Ack:         {fmt.Sprintf("ack.file=%d ack.status=ACCEPTED ack.read=6 ack.ok=6 ack.bad=0", n)},
			formats.Status:      {uid(1) + " return.status=SPOILED", uid(2) + " return.status=SPOILED"},
			formats.Production:  {"product.code=prepaid-mag production.ordered=6 production.produced=6 production.spoiled=0", "product.code=prepaid-mag production.ordered=6 production.produced=5"},
			formats.Dispatch:    {uid(1) + " dispatch.shipment=S1 dispatch.tracking=T1", uid(2) + " dispatch.shipment=S1 dispatch.tracking=T1"},
			formats.Delivery:    {"dispatch.tracking=T1 return.status=DELIVERED", "dispatch.tracking=T1 return.status=RETURNED"},
			formats.Stock:       {"stock.plastic=RED return.site=MAIN stock.opening=10 stock.closing=10"},
			formats.Destruction: {"destruction.what=CARD destruction.certificate=C-1 " + uid(1)},
			formats.PINStatus:   {uid(1) + " return.status=PRODUCED"},
		}
		dice := rand.New(rand.NewPCG(2027, 1))
		before := fmt.Sprint(s.states("MASS", 6))
		for kind := formats.Ack; kind <= formats.PINStatus; kind++ {
			whole := s.reportFile(kind, "south", "whole", n, details[kind]...)
			for k := range 6 {
				s.leave("south", fmt.Sprintf(names[kind], fmt.Sprintf("cut%d", k)), whole[:dice.IntN(len(whole))])
			}
		}
		for kind := formats.Ack; kind <= formats.PINStatus; kind++ {
			for k := range 6 {
				r := s.returned(fmt.Sprintf(names[kind], fmt.Sprintf("cut%d", k)))
				if r.State != card.ReturnQuarantined && r.State != card.ReturnDuplicate || r.Applied+r.Duplicates+r.Rejected+r.Quarantined != 0 {
					t.Errorf("%s is %s (%s): %d applied", r.Name, r.State, r.Reason, r.Applied)
				}
			}
		}
		if after := fmt.Sprint(s.states("MASS", 6)); after != before {
			t.Errorf("the cards were %s and are %s", before, after)
		}
		wantOutcomes(t, s.report(formats.Dispatch, "south", "whole.dispatch", n, details[formats.Dispatch]...), 2, 0, 0, 0)
	})
}
