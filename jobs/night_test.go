package jobs_test

import (
	"fmt"
	"testing"

	"platen/formats"
)

func person(n int) formats.Row {
	return formats.Row{Product: "visa-debit-chip", FirstName: "Asha", LastName: fmt.Sprintf("Rao %c", 'A'+n%26), Address1: "12 Lake Road", City: "Pune", Postcode: "411001", Country: "IN"}
}

func people(n int) []formats.Row {
	all := make([]formats.Row, n)
	for i := range all {
		all[i] = person(i)
		if i%3 == 0 {
			all[i].Product = "mc-credit-chip"
		}
	}
	return all
}

func TestTwoNightsOfOrdersEndWithBalancedBooks(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "2500"})
		s.submit("BULK", formats.BulkOrder, people(300)...)
		s.night("one")
		s.submit("ACTIONS", formats.ActionOrder,
			formats.Row{Card: "BULK#1", Reason: "DAMAGED"}, formats.Row{Card: "BULK#2", Reason: "LOST"},
			formats.Row{Card: "BULK#3", Reason: "NAME_CHANGE", EmbossName: "Asha Kulkarni"}, formats.Row{Card: "MASS#7", Reason: "STOLEN"},
			formats.Row{Card: "BULK#4", Reason: "LOST"}, formats.Row{Card: "BULK#4", Reason: "DAMAGED"})
		for n := 2; n < 8 && !s.books().Balanced; n++ {
			s.night(fmt.Sprint(n))
		}
		b := s.books()
		if !b.Balanced {
			t.Fatalf("the books do not balance: %+v", b)
		}
		if b.Requested != 2805 || b.Produced+b.Rejected != b.Requested || b.Spoiled == 0 || b.Remade == 0 || b.Rejected == 0 {
			t.Errorf("requested %d, produced %d, rejected %d, spoiled %d, remade %d", b.Requested, b.Produced, b.Rejected, b.Spoiled, b.Remade)
		}
		for _, f := range b.Files {
			same, _, err := s.plant.Replay(t.Context(), f.File.Number, nil)
			if err != nil || !same {
				t.Errorf("file %d replays the same: %v, %v", f.File.Number, same, err)
			}
		}
	})
}
