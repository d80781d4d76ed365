package formats_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"platen/formats"
)

func TestFitNameRomanises(t *testing.T) {
	for name, want := range map[string]string{
		"Jürgen Müller": "JUERGEN MUELLER", "Straße": "STRASSE", "GROẞ": "GROSS", "Łukasz Żółć": "LUKASZ ZOLC", "Đặng Thị Hồng": "DANG THI HONG",
		"Søren Ærø Åkesson": "SOEREN AEROE AAKESSON", "Þórður Æ.": "THORDUR AE.", "İbrahim Işık": "IBRAHIM ISIK", "Přemysl Šťastný": "PREMYSL STASTNY",
		"João Conceição": "JOAO CONCEICAO", "Íñigo Núñez": "INIGO NUNEZ", "Siobhán O’Shea": "SIOBHAN O'SHEA", "Éamonn Ó Súilleabháin": "EAMONN O SUILLEABHAIN",
		"Șerban Țepeș": "SERBAN TEPES", "Győző Szűcs": "GYOZO SZUCS",
		"Ευάγγελος Χατζή": "EYANGELOS CHATZI", "Αγγελική Βούλγαρης": "ANGELIKI VOULGARIS", "Ψυχή Θεού": "PSYCHI THEOU", "Προϋπολογισμός": "PROYPOLOGISMOS",
		"Владимир Щукин": "VLADIMIR SHCHUKIN", "Фёдор Соловьёв": "FEDOR SOLOVEV", "Юлия Цветкова": "IULIIA TSVETKOVA", "Ґудзь Їжак Євген": "GUDZ IZHAK IEVGEN",
		"  Ann\u00a0 Mary   Lee ": "ANN MARY LEE", "Jean–Luc": "JEAN-LUC", "Smith & Sons, 2.": "SMITH & SONS, 2.", "e\u0301te\u0301": "ETE", "X": "X",
	} {
		got, fault := formats.FitName(name, 26)
		if fault != nil || got != want {
			t.Errorf("%s became %q, %+v; want %s", name, got, fault, want)
		}
	}
}

func TestFitNameRefusesAndNeverCuts(t *testing.T) {
	for name, want := range map[string]string{
		"": formats.FaultRequired, "   ": formats.FaultRequired,
		"محمد عبد الله": formats.FaultNameUnmappable, "山田太郎": formats.FaultNameUnmappable, "สมชาย": formats.FaultNameUnmappable, "דוד": formats.FaultNameUnmappable,
		"Ann 李": formats.FaultNameUnmappable, "J@ne": formats.FaultNameUnmappable, "A/B": formats.FaultNameUnmappable, "A^B": formats.FaultNameUnmappable,
		"%B4111": formats.FaultNameUnmappable, "Ann\tLee\x00": formats.FaultNameUnmappable, "--": formats.FaultNameUnmappable, "A\xffB": formats.FaultNameUnmappable,
		strings.Repeat("A", 27): formats.FaultNameTooLong, strings.Repeat("щ", 7): formats.FaultNameTooLong, strings.Repeat("A", 5000): formats.FaultNameTooLong,
	} {
		got, fault := formats.FitName(name, 26)
		if got != "" || fault == nil || fault.Code != want || fault.Hint == "" {
			t.Errorf("%.30q became %q, %+v; want %s", name, got, fault, want)
		}
	}
	if got, fault := formats.FitName(strings.Repeat("A", 26), 26); fault != nil || len(got) != 26 {
		t.Errorf("26 characters: %q %+v", got, fault)
	}
}

func TestFittedNamesAreFixedPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		got, fault := formats.FitName(name, 26)
		if fault != nil {
			return
		}
		if n := utf8.RuneCountInString(got); n < 1 || n > 26 || n != len(got) || got != strings.ToUpper(got) {
			t.Fatalf("%q", got)
		}
		if again, fault := formats.FitName(got, 26); fault != nil || again != got {
			t.Fatalf("%q became %q", got, again)
		}
	})
}
