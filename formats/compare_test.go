package formats

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// changed loads a sample layout with texts of its YAML replaced.
func changed(t *testing.T, name string, pairs ...string) (old, next *Layout) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "samples", "layouts", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(src)
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("%q stands %d times in %s", pairs[i], strings.Count(text, pairs[i]), name)
		}
	}
	return loaded(t, text), loaded(t, strings.NewReplacer(pairs...).Replace(text))
}

func TestADiffNamesExactlyTheFieldsThatChanged(t *testing.T) {
	for name, c := range map[string]struct {
		layout string
		pairs  []string
		want   []Change
	}{
		"a field that gives places to filler": {"fixed-802",
			[]string{`{at: 78, len: 18, value: card.name}`, `{at: 78, len: 12, value: card.name}`, `{at: 96, len: 29, fill: " "}`, `{at: 90, len: 35, fill: " "}`},
			[]Change{{"detail", "card.name", Resized, "18", "12"}}},
		"two neighbours that change places": {"fixed-802",
			[]string{`{at: 66, len: 4, value: card.expiry}`, `{at: 66, len: 4, value: card.effective}`, `{at: 70, len: 4, value: card.effective}`, `{at: 70, len: 4, value: card.expiry}`},
			[]Change{{"detail", "card.effective", Moved, "70-73", "66-69"}, {"detail", "card.expiry", Moved, "66-69", "70-73"}}},
		"filler that becomes a field": {"fixed-802",
			[]string{`{at: 311, len: 8, fill: " "}`, `{at: 311, len: 2, value: card.psn}
    - {at: 313, len: 6, fill: " "}`},
			[]Change{{"detail", "card.psn", Added, "", "311-312"}}},
		"other filler": {"fixed-802", []string{`{at: 311, len: 8, fill: " "}`, `{at: 311, len: 8, fill: "0"}`},
			[]Change{{"detail", `filled with "0"`, Changed, `filled with " "`, `filled with "0"`}}},
		"a column taken out": {"south-delimited", []string{"    - {value: carrier.address3}\n", ""},
			[]Change{{"detail", "carrier.city", Moved, "18", "17"}, {"detail", "carrier.region", Moved, "19", "18"}, {"detail", "carrier.postcode", Moved, "20", "19"},
				{"detail", "carrier.country", Moved, "21", "20"}, {"detail", "carrier.delivery", Moved, "22", "21"}, {"detail", "carrier.branch", Moved, "23", "22"},
				{"detail", "carrier.address3", Removed, "17", ""}}},
		"functions and the file": {"datacard-style",
			[]string{"eol: crlf", "eol: lf", `'date("MM/yy")'`, `'date("MMMyyyy")'`, "max_records: 50000", "max_records: 500"},
			[]Change{{"file", "record ends with", Changed, "CR LF", "LF"}, {"file", "records of a file at most", Changed, "50000", "500"},
				{"detail", "card.expiry", Changed, `date("MM/yy"), between "" and "\""`, `date("MMMyyyy"), between "" and "\""`}}},
		"a name of XML": {"cardgen-style", []string{"name: CARD/EMBOSS_NAME", "name: CARD/NAME"},
			[]Change{{"detail", "card.name", Moved, "CARD/EMBOSS_NAME", "CARD/NAME"}}},
	} {
		t.Run(name, func(t *testing.T) {
			old, next := changed(t, c.layout, c.pairs...)
			if diff := cmp.Diff(c.want, Compare(old, next)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// tried lists the effects of a change of layouts on the sample cards.
func tried(old, next *Layout, n int) (trial *Trial, all []Effect) {
	_, records := SampleCards(old.Kind(), n)
	trial = NewTrial(old, next)
	for _, r := range records {
		all = append(all, trial.Try(r)...)
	}
	return trial, all
}

func TestADiffNamesExactlyTheNamesThatTheNewLayoutRefuses(t *testing.T) {
	old, next := changed(t, "south-delimited", `{value: card.name}`, `{value: card.name, pipe: len(16)}`)
	trial, all := tried(old, next, len(sampleNames))
	_, records := SampleCards(CardFile, len(sampleNames))
	var want []string
	for _, r := range records {
		if name := string(r.Get(CardName)); len(name) > 16 {
			want = append(want, name)
		}
	}
	var got []string
	for _, e := range all {
		if e.What != Rejected || e.Field != "card.name" || e.Reason != errTooLong.Error() || e.UID == "" {
			t.Errorf("%+v", e)
		}
		got = append(got, e.Was)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 5 || trial.Rejected != int64(len(want)) || trial.Records != int64(len(records)) {
		t.Errorf("%d wanted, %+v\n%s", len(want), trial, diff)
	}
	if _, back := tried(next, old, len(sampleNames)); len(back) > 0 {
		t.Errorf("nothing is refused the other way: %v", back)
	}
}

func TestADiffNamesTheNamesThatLoseLetters(t *testing.T) {
	old, next := changed(t, "south-delimited", `{value: card.name}`, `{value: card.name, pipe: 'fit(16, initials, cut)'}`, `{value: carrier.city}`, `{value: carrier.city, pipe: [ascii, upper]}`)
	trial, all := tried(old, next, len(sampleNames))
	kinds := map[string]int{}
	for _, e := range all {
		kinds[e.What+" "+e.Field]++
		if e.What == Shortened && (len(e.Is) > 16 || len(e.Was) <= 16) {
			t.Errorf("%+v", e)
		}
	}
	if trial.Rejected != 0 || kinds["shortened card.name"] < 5 || kinds["altered carrier.city"] != len(sampleNames) || len(kinds) != 2 {
		t.Errorf("%+v %v", trial, kinds)
	}
}

func TestADiffNeverShowsCardData(t *testing.T) {
	old, next := changed(t, "south-delimited", `{value: card.pan}`, `{value: card.pan, pipe: len(13)}`)
	_, all := tried(old, next, 3)
	if len(all) != 3 {
		t.Fatal(all)
	}
	for _, e := range all {
		if e.What != Rejected || e.Was+e.Is != "" {
			t.Errorf("%+v", e)
		}
	}
}

func TestADiffOfALayoutWithItselfIsEmpty(t *testing.T) {
	for name, l := range builtIn(t) {
		if all := Compare(l, l); len(all) > 0 {
			t.Errorf("%s: %v", name, all)
		}
		if _, all := tried(l, l, 60); len(all) > 0 {
			t.Errorf("%s: %v", name, all)
		}
	}
}
