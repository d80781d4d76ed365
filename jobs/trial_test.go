package jobs_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// layoutWith declares another version of north-fixed, in which one place is another.
func (s *site) layoutWith(version, was, is string) error {
	s.t.Helper()
	i := slices.IndexFunc(s.set.Layouts, func(l *formats.Layout) bool { return l.Name() == "north-fixed" })
	before := s.set.Layouts[i]
	source := bytes.Replace(before.Source(), []byte(was), []byte(is), 1)
	if bytes.Equal(source, before.Source()) {
		s.t.Fatalf("the layout has no %q", was)
	}
	l, err := formats.Load("north-fixed", bytes.Replace(source, []byte(`version: "`+before.Version()+`"`), []byte(`version: "`+version+`"`), 1))
	s.must(err)
	s.set.Layouts = slices.Clone(s.set.Layouts)
	s.set.Layouts[i] = l
	_, err = s.plant.Apply(s.t.Context(), s.set, "test", false)
	if err != nil {
		s.set.Layouts[i] = before
	}
	return err
}

const (
	wideCity   = `    - {at: 535, len: 30, value: carrier.city, pipe: [ascii, upper]}` + "\n"
	narrowCity = `    - {at: 535, len: 12, value: carrier.city, pipe: [ascii, upper]}` + "\n" + `    - {at: 547, len: 18, fill: " "}` + "\n"
)

// longCity is a row whose city has 18 letters.
func longCity() formats.Row {
	row := person(1)
	row.City = "Thiruvananthapuram"
	return row
}

func TestARowThatItsFileCannotShowIsRefusedBeforeTheOrderStands(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.must(s.layoutWith("1.1.0", wideCity, narrowCity))
		r := s.submit("R", formats.BulkOrder, person(0), longCity())
		refused, err := s.store.Refused(t.Context(), r.Order.Number, 0, 10)
		s.must(err)
		if r.Order.Requested != 1 || len(refused) != 1 || !strings.Contains(refused[0].Faults, `"field":"city","code":"not_in_layout"`) || strings.Contains(refused[0].Faults, "Thiru") {
			t.Fatalf("%d cards, refused %+v", r.Order.Requested, refused)
		}
		s.night("one")
		if b := s.books(); !b.Balanced || b.Produced != 1 {
			t.Errorf("the books say %+v", b)
		}
	})
}

func TestALayoutWithoutRoomForWhatEveryCardHasIsRefusedAtApply(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		err := s.layoutWith("1.1.0", `    - {at: 291, len: 32, value: card.pin_block, pipe: hex}`+"\n", `    - {at: 291, len: 16, value: card.pin_block, pipe: hex}`+"\n"+`    - {at: 307, len: 16, fill: " "}`+"\n")
		if err == nil || !strings.Contains(err.Error(), "product visa-debit-chip: layout north-fixed of bureau north: card.pin_block: is longer than its place") {
			t.Errorf("apply says %v", err)
		}
		r := s.submit("R", formats.BulkOrder, person(0))
		s.night("one")
		if b := s.books(); !b.Balanced || b.Produced != r.Order.Requested {
			t.Errorf("what was declared before works no more: %+v", b)
		}
	})
}

func TestAFileThatCannotBeMadeIsGivenUpAndItsCardsGoInTheNext(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("R", formats.BulkOrder, person(0), longCity())
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.layoutWith("1.1.0", wideCity, narrowCity)) // the row was accepted for a layout that had room
		s.must(s.plant.Plan(t.Context(), b.Number))
		file := func() store.File { return s.cardFile("north") }
		var due []store.Due
		s.must(s.store.InTx(t.Context(), func(tx *store.Tx) (err error) {
			due, err = tx.ClaimStale(t.Context(), batch.Lease, card.FilePlanned)
			return err
		}))
		if _, err := s.plant.Resolve(t.Context(), file().Number, batch.AnswerCancel, "impatient", "test"); !errors.Is(err, batch.ErrNotUndecided) {
			t.Errorf("a file that nobody has tried to make: %v", err)
		}
		for _, d := range due {
			if err := s.plant.Build(t.Context(), d.Number, d.Epoch); d.Number == file().Number && (err == nil || !strings.Contains(err.Error(), "carrier.city")) {
				t.Fatalf("the file is made: %v", err)
			}
		}
		f := file()
		if _, err := s.plant.Resolve(t.Context(), f.Number, batch.AnswerResend, "again", "test"); f.State != card.FileBuilding || !errors.Is(err, batch.ErrNotUndecided) {
			t.Errorf("file %s: %v", f.State, err)
		}
		_, err = s.plant.Resolve(t.Context(), f.Number, batch.AnswerCancel, "the layout had no room", "test")
		s.must(err)
		s.must(s.layoutWith("1.2.0", narrowCity, wideCity))
		for n := 2; n < 6 && !s.books().Balanced; n++ {
			s.night(fmt.Sprint(n))
		}
		if b := s.books(); !b.Balanced || b.Requested != 2 || b.Produced != 2 {
			t.Errorf("the books say %+v", b)
		}
		s.proveChecked()
	})
}
