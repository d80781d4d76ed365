package jobs_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// arranged lets visa-debit-chip be made in a layout that parts files by branch and orders their lines.
func (s *site) arranged() *formats.Layout {
	s.t.Helper()
	i := slices.IndexFunc(s.set.Layouts, func(l *formats.Layout) bool { return l.Name() == "cardgen-destinations" })
	source := bytes.Replace(s.set.Layouts[i].Source(), []byte("  split_by:"), []byte("  order_by: [carrier.postcode, order.reference]\n  split_by:"), 1)
	l, err := formats.Load("arranged", bytes.Replace(source, []byte(`version: "1.0.0"`), []byte(`version: "1.1.0"`), 1))
	s.must(err)
	s.set.Layouts = slices.Clone(s.set.Layouts)
	s.set.Layouts[i] = l
	for k := range s.set.Products {
		if s.set.Products[k].Code == "visa-debit-chip" {
			s.set.Products[k].Layout = l.Name()
		}
	}
	s.apply()
	return l
}

func TestALayoutPartsFilesAndOrdersTheirLines(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		l := s.arranged()
		branches, codes := []string{"", "B-1", "B-2"}, []string{"60311", "10115", "80331", "20095"}
		var list []formats.Row
		for n := range 90 {
			p := person(n)
			p.Product, p.Branch, p.Postcode = "visa-debit-chip", branches[n%3], codes[n%4]
			list = append(list, p)
		}
		s.submit("SECOND", formats.BulkOrder, list...)
		s.submit("FIRST", formats.BulkOrder, list...)
		for _, night := range []string{"one", "two", "three", "four"} {
			s.night(night)
		}
		if b := s.books(); !b.Balanced || b.Remade == 0 {
			t.Errorf("books: %+v", b)
		}
		files, err := s.store.Files(t.Context(), s.inst.ID, 0, 1000)
		s.must(err)
		seen := map[string]int{}
		for _, f := range files {
			if f.Purpose != store.CardPurpose {
				continue
			}
			if f.Batch == files[len(files)-1].Batch {
				seen[f.Branch] += int(f.Planned)
			}
			s.proveArranged(l, f)
		}
		if fmt.Sprint(seen) != "map[:60 B-1:60 B-2:60]" {
			t.Errorf("lines of the first night by branch: %v", seen)
		}
		// A unit is found however far from its neighbours it was planned.
		for _, unit := range []int{1, 2, 90} {
			if _, err := s.plant.FindCard(t.Context(), s.inst, fmt.Sprintf("FIRST#%d", unit)); err != nil {
				t.Errorf("unit %d: %v", unit, err)
			}
		}
	})
}

// proveArranged compares what a file says with what its lines came from.
func (s *site) proveArranged(l *formats.Layout, f store.File) {
	s.t.Helper()
	rows, err := s.store.PrintRows(s.t.Context(), f.Number, false, 1, f.Planned)
	s.must(err)
	last := ""
	for _, r := range rows {
		rank := r.Postcode + " " + r.Reference
		if r.Branch != f.Branch || rank < last {
			s.t.Errorf("file %d for %q: line %d is for %q, %s behind %s", f.Number, f.Branch, r.Position, r.Branch, rank, last)
		}
		last = rank
	}
	var plain bytes.Buffer
	same, _, err := s.plant.Replay(s.t.Context(), f.Number, &plain)
	s.must(err)
	which, head, err := l.NewReader(&plain).Next()
	s.must(err)
	if got := string(head.Get(formats.CarrierBranch)); !same || which != formats.Header || got != f.Branch || f.State != card.FileBalanced {
		s.t.Errorf("file %d for %q: %s, destination %q, same bytes %v", f.Number, f.Branch, f.State, got, same)
	}
}
