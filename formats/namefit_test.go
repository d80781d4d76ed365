package formats_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"platen/card"
	"platen/formats"
)

func namesOf(t interface{ Fatal(...any) }, rules card.NameRules, limit int) *formats.Names {
	n, err := formats.NewNames(rules, limit)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEveryTransliterationWritesItsLetters(t *testing.T) {
	const name = "Jürgen Åsa Øster Ñandú Þór"
	want := map[string]map[string]string{
		name: {"icao": "JUERGEN AASA OESTER NANDU THOR", "german": "JUERGEN ASA OSTER NANDU THOR", "nordic": "JYRGEN AASA OESTER NANDU THOR",
			"plain": "JURGEN ASA OSTER NANDU THOR", "spanish": "JURGEN AASA OESTER NANDU THOR", "ukrainian": "JUERGEN AASA OESTER NANDU THOR"},
		"Ärla Öberg": {"icao": "AERLA OEBERG", "german": "AERLA OEBERG", "nordic": "AERLA OEBERG", "plain": "ARLA OBERG", "spanish": "AERLA OEBERG", "ukrainian": "AERLA OEBERG"},
		"Ünal Weiß":  {"icao": "UENAL WEISS", "german": "UENAL WEISS", "nordic": "YNAL WEISS", "plain": "UNAL WEISS", "spanish": "UNAL WEISS", "ukrainian": "UENAL WEISS"},
		"Григорий":   {"icao": "GRIGORII", "german": "GRIGORII", "nordic": "GRIGORII", "plain": "GRIGORII", "spanish": "GRIGORII", "ukrainian": "HRYHORYI"},
		"Αγγελική Θάλεια Ψαρού": {"icao": "ANGELIKI THALEIA PSAROU", "german": "ANGELIKI THALEIA PSAROU", "nordic": "ANGELIKI THALEIA PSAROU",
			"plain": "ANGELIKI THALEIA PSAROU", "spanish": "ANGELIKI THALEIA PSAROU", "ukrainian": "ANGELIKI THALEIA PSAROU"},
	}
	for given, forms := range want {
		for _, letters := range formats.Romanisations() {
			got, fault := namesOf(t, card.NameRules{Letters: letters}, 40).Fit(formats.Holder{Shown: given})
			if fault != nil || got != (formats.CardNames{Line1: forms[letters]}) {
				t.Errorf("%s: %s became %+v, %+v; want %s", letters, given, got, fault, forms[letters])
			}
		}
	}
}

func TestNamesAreFittedByTheRulesInTheirOrder(t *testing.T) {
	maria := formats.Holder{Title: "Dr", GivenNames: "María José Ana", Surname: "García Márquez"}
	jean := formats.Holder{GivenNames: "Jean-Luc", Surname: "Montgomery-Fitzgerald"}
	for _, c := range []struct {
		holder formats.Holder
		rules  card.NameRules
		limit  int
		want   formats.CardNames
	}{
		{maria, card.NameRules{}, 40, formats.CardNames{Line1: "MARIA JOSE ANA GARCIA MARQUEZ"}},
		{maria, card.NameRules{Title: true}, 40, formats.CardNames{Line1: "DR MARIA JOSE ANA GARCIA MARQUEZ"}},
		{maria, card.NameRules{Title: true, Fit: []string{card.DropTitle, card.Initials}}, 29, formats.CardNames{Line1: "MARIA JOSE ANA GARCIA MARQUEZ"}},
		{maria, card.NameRules{Fit: []string{card.MiddleInitials, card.DropMiddle}}, 26, formats.CardNames{Line1: "MARIA J A GARCIA MARQUEZ"}},
		{maria, card.NameRules{Fit: []string{card.MiddleInitials, card.DropMiddle}}, 20, formats.CardNames{Line1: "MARIA GARCIA MARQUEZ"}},
		{maria, card.NameRules{Fit: []string{card.DropMiddle, card.Initials}}, 19, formats.CardNames{Line1: "M GARCIA MARQUEZ"}},
		{maria, card.NameRules{Fit: []string{card.Initials}}, 20, formats.CardNames{Line1: "M J A GARCIA MARQUEZ"}},
		{maria, card.NameRules{Fit: []string{card.TwoLines, card.Initials}}, 20, formats.CardNames{Line1: "MARIA JOSE ANA", Line2: "GARCIA MARQUEZ"}},
		{maria, card.NameRules{Fit: []string{card.TwoLines, card.DropMiddle}}, 18, formats.CardNames{Line1: "MARIA JOSE ANA", Line2: "GARCIA MARQUEZ"}},
		{maria, card.NameRules{Fit: []string{card.Initials, card.TwoLines}}, 14, formats.CardNames{Line1: "M J A", Line2: "GARCIA MARQUEZ"}},
		{jean, card.NameRules{Fit: []string{card.Initials}}, 26, formats.CardNames{Line1: "J-L MONTGOMERY-FITZGERALD"}},
		{formats.Holder{Shown: "Anna Bell Carter"}, card.NameRules{Fit: []string{card.Initials, card.TwoLines}}, 10, formats.CardNames{Line1: "ANNA BELL", Line2: "CARTER"}},
		{maria, card.NameRules{Print: "latin-1", Fit: []string{card.TwoLines, card.DropMiddle}}, 20,
			formats.CardNames{Line1: "MARIA JOSE ANA", Line2: "GARCIA MARQUEZ", Print: "María García Márquez"}},
		{maria, card.NameRules{Print: "latin-1-capitals", PrintLimit: 40}, 40, formats.CardNames{Line1: "MARIA JOSE ANA GARCIA MARQUEZ", Print: "MARÍA JOSÉ ANA GARCÍA MÁRQUEZ"}},
		{formats.Holder{Shown: "Łucja Weiß"}, card.NameRules{Print: "german"}, 20, formats.CardNames{Line1: "LUCJA WEISS", Print: "Lucja Weiß"}},
		{formats.Holder{Shown: "Ægir Þór Ő"}, card.NameRules{Print: "nordic"}, 20, formats.CardNames{Line1: "AEGIR THOR O", Print: "Ægir Þór O"}},
		{formats.Holder{Shown: "Ελένη  Φωτίου"}, card.NameRules{Print: "greek"}, 20, formats.CardNames{Line1: "ELENI FOTIOU", Print: "Ελένη Φωτίου"}},
		{formats.Holder{Shown: "Ґанна Щур"}, card.NameRules{Letters: "ukrainian", Print: "cyrillic"}, 20, formats.CardNames{Line1: "GANNA SHCHUR", Print: "Ґанна Щур"}},
	} {
		got, fault := namesOf(t, c.rules, c.limit).Fit(c.holder)
		if fault != nil || got != c.want {
			t.Errorf("%+v by %+v in %d: %+v, %+v; want %+v", c.holder, c.rules, c.limit, got, fault, c.want)
		}
	}
}

func TestNamesThatCannotBeShownAreRefusedWithAProposalThatIsNotTaken(t *testing.T) {
	for _, c := range []struct {
		holder      formats.Holder
		rules       card.NameRules
		field, code string
		hint        string // how it ends
	}{
		{formats.Holder{GivenNames: "Bartholomew James", Surname: "Wellesley"}, card.NameRules{}, "last_name", formats.FaultNameTooLong, "such as BARTHOLOMEW J WELLESLEY"},
		{formats.Holder{Shown: "Bartholomew James Wellesley-Smyth"}, card.NameRules{Fit: []string{card.Initials}}, "emboss_name", formats.FaultNameTooLong, "such as B WELLESLEY-SMYTH"},
		{formats.Holder{GivenNames: "A", Surname: strings.Repeat("W", 30)}, card.NameRules{Fit: card.FitRules()}, "last_name", formats.FaultNameTooLong, "give a shorter emboss_name"},
		{formats.Holder{Shown: "Ƣaya Ӄol"}, card.NameRules{}, "emboss_name", formats.FaultNameUnmappable, "such as OIAYA K'OL"},
		{formats.Holder{Shown: "山田 太郎"}, card.NameRules{}, "emboss_name", formats.FaultNameUnmappable, "in Latin letters as emboss_name"},
		{formats.Holder{Shown: "Smith & Sons"}, card.NameRules{Emboss: "capitals-plain"}, "emboss_name", formats.FaultNameUnmappable, "in others as emboss_name"},
		{formats.Holder{GivenNames: "Ann\u202e", Surname: "Lee"}, card.NameRules{Print: "latin-extended"}, "last_name", formats.FaultNameUnmappable, "in Latin letters as emboss_name"},
		{formats.Holder{GivenNames: "4000001234", Surname: "567899 0000000000000"}, card.NameRules{}, "last_name", formats.FaultNameTooLong, "give a shorter emboss_name"},
		{formats.Holder{GivenNames: " ", Surname: "\t"}, card.NameRules{}, "last_name", formats.FaultRequired, "a name is needed"},
	} {
		got, fault := namesOf(t, c.rules, 24).Fit(c.holder)
		if got != (formats.CardNames{}) || fault == nil || fault.Field != c.field || fault.Code != c.code || !strings.HasSuffix(fault.Hint, c.hint) {
			t.Errorf("%+v by %+v: %+v, %+v; want %s %s: … %s", c.holder, c.rules, got, fault, c.field, c.code, c.hint)
		}
	}
}

func TestAnInitialThatIsNoLetterIsNoName(t *testing.T) {
	got, fault := namesOf(t, card.NameRules{Letters: "german", Emboss: "ascii", Fit: []string{card.Initials}}, 2).Fit(formats.Holder{GivenNames: "&Х"})
	if got != (formats.CardNames{}) || fault == nil || fault.Code != formats.FaultNameTooLong {
		t.Errorf("%+v, %+v", got, fault)
	}
}

func TestTrackNamesAreWrittenByTheTableOfTheProduct(t *testing.T) {
	for _, c := range []struct{ letters, surname, given, wantSurname, wantGiven string }{
		{"german", "Müller von Lüdenscheidt", "Jörg", "Mueller von Luedenscheidt", "Joerg"},
		{"nordic", "Müller", "Ann", "Myller", "Ann"},
		{"", "O'Neill", "Ann", "O'Neill", "Ann"},
		{"", "山田", "Ann", "山田", "Ann"},
		{"", "Müller", "太郎", "Mueller", "太郎"},
	} {
		surname, given := namesOf(t, card.NameRules{Letters: c.letters}, 26).Latin(c.surname, c.given)
		if surname != c.wantSurname || given != c.wantGiven {
			t.Errorf("%+v: %q, %q", c, surname, given)
		}
	}
}

func TestWhatIsFittedHasRoomAndStaysAsItIs(t *testing.T) {
	hostile := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-zÄÖÜäöüßéÅåØøÞΑ-ωА-яŁł' .,/^&-]{0,40}`))
	rapid.Check(t, func(t *rapid.T) {
		rules := card.NameRules{Letters: rapid.SampledFrom(formats.Romanisations()).Draw(t, "letters"), Emboss: rapid.SampledFrom(formats.ASCIINameSets()).Draw(t, "emboss"),
			Print: rapid.SampledFrom(append(formats.NameSets(), "")).Draw(t, "print"), Title: rapid.Bool().Draw(t, "title"),
			Fit: rapid.Permutation(card.FitRules()).Draw(t, "fit")[:rapid.IntRange(0, 5).Draw(t, "rules")]}
		limit := rapid.IntRange(2, 26).Draw(t, "limit")
		n := namesOf(t, rules, limit)
		h := formats.Holder{Title: hostile.Draw(t, "title"), GivenNames: hostile.Draw(t, "given"), Surname: hostile.Draw(t, "surname"), Shown: rapid.SampledFrom([]string{"", hostile.Draw(t, "shown")}).Draw(t, "as")}
		got, fault := n.Fit(h)
		if fault != nil {
			if got != (formats.CardNames{}) || fault.Code == "" || fault.Hint == "" || fault.Field == "" {
				t.Fatalf("%+v %+v", got, fault)
			}
			return
		}
		if (got.Print == "") != (rules.Print == "") || strings.ContainsAny(got.Line1+got.Line2+got.Print, "/^\x00\n") {
			t.Fatalf("%+v", got)
		}
		for _, line := range []string{got.Line1, got.Line2, got.Print} {
			if utf8.RuneCountInString(line) > limit || line != strings.TrimSpace(line) || strings.Contains(line, "  ") {
				t.Fatalf("%q", line)
			}
		}
		again, fault := n.Fit(formats.Holder{Shown: got.Line1})
		if fault != nil || again.Line1 != got.Line1 || again.Line2 != "" {
			t.Fatalf("%q became %+v, %+v", got.Line1, again, fault)
		}
	})
}
