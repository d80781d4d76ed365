package formats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestSampleCardsAreAllDifferentAndFitEveryBuiltInLayout(t *testing.T) {
	const n = 500
	seen := map[string]bool{}
	_, records := SampleCards(CardFile, n)
	lengths := map[int]bool{}
	for _, r := range records {
		seen[string(r.Get(CardPAN))+string(r.Get(CarrierName))] = true
		lengths[len(r.Get(CardName))] = true
	}
	if len(seen) != n || len(lengths) < 15 || !lengths[26] {
		t.Errorf("%d of %d differ; the names have %d lengths", len(seen), n, len(lengths))
	}
	for name, l := range builtIn(t) {
		head, records := SampleCards(l.Kind(), 26)
		p, err := l.Preview(head, records)
		if err != nil || len(p.Lines) < len(l.gather(records)) && l.spec.mode != jsonMode && l.spec.mode != xmlMode {
			t.Errorf("%s: %v, %d lines", name, err, len(p.Lines))
		}
	}
}

// A preview has every position of the real file: only what must be hidden is another character.
func TestAPreviewKeepsEveryPositionAndHidesCardData(t *testing.T) {
	for name, l := range builtIn(t) {
		if l.spec.mode.isDocument() || l.spec.mode == delimitedMode {
			continue
		}
		head, records := SampleCards(l.Kind(), 1)
		p, err := l.Preview(head, records)
		if err != nil || len(p.LeftOut) > 0 {
			t.Errorf("%s: %v %v", name, err, p.LeftOut)
			continue
		}
		real := writeAll(t, l, head, records...)
		var shown []rune
		for _, line := range p.Lines {
			shown = append(append(shown, []rune(line.Text)...), []rune(string(l.eol))...)
		}
		if l.page == nil && l.spec.encoding == asciiEncoding && name != "datacard-style" && len(shown) != len(real) {
			t.Errorf("%s: %d characters for %d", name, len(shown), len(real))
		}
		text := string(shown)
		for _, f := range []Field{CardPAN, CardTrack1, CardTrack2, CardChipTrack2} {
			if v := string(records[0].Get(f)); strings.Contains(text, v) || strings.Contains(text, v[:12]) && f != CardPAN {
				t.Errorf("%s shows %s", name, f)
			}
		}
		if strings.Contains(text, "4111 1111 1111") || strings.Contains(text, "0622ABC3899AABBC") {
			t.Errorf("%s shows card data:\n%s", name, text)
		}
	}
}

func TestAPreviewTellsWhatTheLayoutRefuses(t *testing.T) {
	_, next := changed(t, "south-delimited", `{value: card.name}`, `{value: card.name, pipe: len(4)}`)
	p, err := next.Preview(SampleCards(CardFile, 1))
	if err != nil || fmt.Sprint(p.LeftOut) != "[record 1: card.name: is longer than its place]" {
		t.Errorf("%v %v", err, p.LeftOut)
	}
	var out bytes.Buffer
	if err := p.Write(&out, next); err != nil || !strings.Contains(out.String(), "....+....|") || !strings.Contains(out.String(), "  101  ") || !strings.Contains(out.String(), "Left out") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestASheetHasEveryFieldOnce(t *testing.T) {
	for name, l := range builtIn(t) {
		want := 0
		for _, s := range l.spec.sections {
			if s != nil {
				want += len(s.fields)
			}
		}
		var out bytes.Buffer
		if err := l.WriteSheet(&out); err != nil || len(l.Sheet()) != want || strings.Count(out.String(), "\n| ") < want {
			t.Errorf("%s: %v, %d rows for %d fields", name, err, len(l.Sheet()), want)
		}
	}
	l := loaded(t, smallSegments)
	var out bytes.Buffer
	if err := l.WriteSheet(&out); err != nil || !strings.Contains(out.String(), `| group("4 4 4 4"), between "" and "\"" | digits | pan |`) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestLintSeesWhatLoadsAndMayStillBeWrong(t *testing.T) {
	for name, c := range map[string]struct{ layout, was, is, want string }{
		"a name that is cut":                   {"south-delimited", `{value: card.name}`, `{value: card.name, pipe: cut(20)}`, "card.name: may lose its end"},
		"a place that is too short":            {"south-delimited", `{value: card.name}`, `{value: card.name, pipe: len(20)}`, "card.name: has room for 20 characters"},
		"letters that the encoding lacks":      {"north-fixed", `value: carrier.city, pipe: [ascii, upper]`, `value: carrier.city, pipe: upper`, "carrier.city: is refused where it has a letter that ascii lacks"},
		"a file that does not say it is whole": {"fixed-802", `{at: 66, len: 4, value: card.expiry}`, `{at: 66, len: 4, value: card.expiry}`, "has no trailer"},
	} {
		_, l := changed(t, c.layout, c.was, c.is)
		var all []string
		for _, a := range l.Lint() {
			if a.Line == 0 {
				t.Errorf("%s: %+v has no line", name, a)
			}
			all = append(all, a.Field+": "+a.Reason)
		}
		if !strings.Contains(strings.Join(all, "\n"), c.want) {
			t.Errorf("%s: got %q, want %s", name, all, c.want)
		}
	}
	_, l := changed(t, "south-delimited", "    - {value: carrier.postcode}\n", "")
	if got := fmt.Sprint(l.Coverage()); !strings.Contains(got, "carrier.postcode") {
		t.Errorf("not carried: %s", got)
	}
	if advice := builtIn(t)["north-fixed"].Lint(); len(advice) > 0 {
		t.Errorf("north-fixed: %v", advice)
	}
}
