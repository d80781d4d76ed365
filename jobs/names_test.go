package jobs_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// twoNames lets visa-debit-chip show names by rules, in a layout that has a place for all that they make.
func (s *site) twoNames() {
	s.t.Helper()
	i := slices.IndexFunc(s.set.Layouts, func(l *formats.Layout) bool { return l.Name() == "cardgen-destinations" })
	place := []byte("    - {name: CARD/NAME, value: card.name, pipe: len(27)}\n")
	source := bytes.Replace(s.set.Layouts[i].Source(), place, append(place, "    - {name: CARD/NAME2, value: card.name2}\n    - {name: CARD/PRINTED, value: card.print_name}\n"...), 1)
	l, err := formats.Load("names", bytes.Replace(source, []byte(`version: "1.0.0"`), []byte(`version: "1.1.0"`), 1))
	s.must(err)
	s.set.Layouts = slices.Clone(s.set.Layouts)
	s.set.Layouts[i] = l
	for k := range s.set.Products {
		if p := &s.set.Products[k]; p.Code == "visa-debit-chip" {
			p.Layout, p.NameLimit = l.Name(), 14
			p.Names = card.NameRules{Letters: "nordic", Print: "latin-1", PrintLimit: 30, Fit: []string{card.DropMiddle, card.TwoLines}}
		}
	}
	s.apply()
}

func TestCardsShowNamesByTheRulesOfTheirProduct(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.twoNames()
		made, given, long := person(0), person(1), person(2)
		made.FirstName, made.LastName = "Jürgen José", "García Müller"
		given.EmbossName = "Åsa Öberg"
		long.LastName = "Wellesley-Smythe-Jones"
		r := s.submit("NAMES", formats.BulkOrder, made, given, long)
		lines, err := s.store.Lines(t.Context(), r.Order.Number, 0, 10)
		s.must(err)
		if r.Refused != 1 || len(lines) != 2 {
			t.Fatalf("%d refused, %d lines", r.Refused, len(lines))
		}
		shown := func(l store.OrderLine) [6]string {
			return [6]string{l.EmbossName, l.EmbossName2, l.PrintName, l.GivenName, l.FirstName, l.LastName}
		}
		if got := shown(lines[0]); got != [6]string{"JYRGEN", "GARCIA MYLLER", "Jürgen José García Müller", "", "Jürgen José", "García Müller"} {
			t.Errorf("a name that was made: %q", got)
		}
		if got := shown(lines[1]); got != [6]string{"AASA OEBERG", "", "Åsa Öberg", "Åsa Öberg", "Asha", "Rao B"} {
			t.Errorf("a name that was given: %q", got)
		}
		refused, err := s.store.Refused(t.Context(), r.Order.Number, 0, 10)
		s.must(err)
		if len(refused) != 1 || !strings.Contains(refused[0].Faults, "name_too_long") || strings.Contains(refused[0].Row, "emboss_name") {
			t.Errorf("refused: %+v", refused)
		}
		s.night("one")
		f := s.cardFile("north")
		content := new(bytes.Buffer)
		s.must(s.plant.Records(t.Context(), f.Number, func(rec *formats.Record) {
			content.Write(rec.Get(formats.CardName))
			content.WriteString("|")
			content.Write(rec.Get(formats.CardName2))
			content.WriteString("|")
			content.Write(rec.Get(formats.CardPrintName))
			content.WriteString("\n")
		}))
		if got := content.String(); got != "JYRGEN|GARCIA MYLLER|Jürgen José García Müller\nAASA OEBERG||Åsa Öberg\n" {
			t.Errorf("the file's records: %q", got)
		}
		s.submit("AGAIN", formats.ActionOrder, formats.Row{Card: "NAMES#1", Reason: "DAMAGED"})
		again, err := s.store.OrderByReference(t.Context(), s.inst.ID, "AGAIN")
		s.must(err)
		lines, err = s.store.Lines(t.Context(), again.Number, 0, 10)
		s.must(err)
		if len(lines) != 1 || lines[0].EmbossName2 != "GARCIA MYLLER" || lines[0].PrintName != "Jürgen José García Müller" {
			t.Errorf("the next card of a holder: %+v", lines)
		}
	})
}
