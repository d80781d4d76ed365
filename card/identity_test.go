package card_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"platen/card"
)

func TestIDKeepsRangeAndSequenceApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.Int32Range(1, card.MaxRange).Draw(t, "range")
		n := rapid.Int64Range(0, card.MaxSequence).Draw(t, "sequence")
		id, err := card.NewID(r, n)
		if err != nil || id < 0 || id.Range() != r || id.Sequence() != n {
			t.Fatalf("%d/%d became %d/%d, %v", r, n, id.Range(), id.Sequence(), err)
		}
	})
	for _, c := range []struct {
		r int32
		n int64
	}{{0, 0}, {-1, 0}, {card.MaxRange + 1, 0}, {1, -1}, {1, card.MaxSequence + 1}} {
		if _, err := card.NewID(c.r, c.n); !errors.Is(err, card.ErrID) {
			t.Errorf("%d/%d: %v", c.r, c.n, err)
		}
	}
}

func TestExpiryReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := card.NewExpiry(rapid.IntRange(2000, 2099).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month"))
		if err != nil {
			t.Fatal(err)
		}
		track, print := e.YYMM(), e.MMYY()
		if again, err := card.ParseExpiry(string(track[:])); err != nil || again != e {
			t.Errorf("YYMM %s came back as %s, %v", track, again, err)
		}
		if again, err := card.ExpiryFromInt(e.Int()); err != nil || again != e {
			t.Errorf("%d came back as %s, %v", e.Int(), again, err)
		}
		if string(print[2:]) != string(track[:2]) || string(print[:2]) != string(track[2:]) {
			t.Errorf("MMYY %s of YYMM %s", print, track)
		}
	})
}

func TestExpiryRefusesWhatIsNoMonthOfThisCentury(t *testing.T) {
	for _, c := range [][2]int{{1999, 12}, {2100, 1}, {2026, 0}, {2026, 13}} {
		if _, err := card.NewExpiry(c[0], c[1]); !errors.Is(err, card.ErrExpiry) {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, text := range []string{"", "261", "26111", "2613", "2600", "26x1", "-101"} {
		if _, err := card.ParseExpiry(text); !errors.Is(err, card.ErrExpiry) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestExpiryCountsMonths(t *testing.T) {
	for _, c := range []struct {
		from   string
		months int
		want   string
	}{{"2611", 1, "2612"}, {"2611", 2, "2701"}, {"2612", 12, "2712"}, {"2612", 36, "2912"}, {"2701", -1, "2612"}, {"2601", 0, "2601"}} {
		from, err := card.ParseExpiry(c.from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := from.AddMonths(c.months)
		if yymm := got.YYMM(); err != nil || string(yymm[:]) != c.want {
			t.Errorf("%s + %d is %s, %v", c.from, c.months, yymm, err)
		}
		if c.months > 0 && (!from.Before(got) || got.Before(from) || got.Before(got)) {
			t.Errorf("%s and %s are in the wrong order", from, got)
		}
	}
	last := card.Expiry{Year: 2099, Month: 12}
	if _, err := last.AddMonths(1); !errors.Is(err, card.ErrExpiry) {
		t.Errorf("past the century: %v", err)
	}
}

func TestPSNEndsAt99(t *testing.T) {
	p, err := card.NewPSN(98)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = p.Next(); err != nil || p.String() != "99" {
		t.Errorf("after 98: %s, %v", p, err)
	}
	if _, err := p.Next(); !errors.Is(err, card.ErrPSN) {
		t.Errorf("after 99: %v", err)
	}
	if _, err := card.NewPSN(-1); !errors.Is(err, card.ErrPSN) {
		t.Errorf("below 0: %v", err)
	}
	if card.PSN(3).String() != "03" {
		t.Error("a PSN has two digits")
	}
}

func TestServiceCodesKnowTheirChip(t *testing.T) {
	for text, chip := range map[string]bool{"101": false, "201": true, "221": true, "501": false, "601": true, "702": false, "999": false} {
		c, err := card.ParseServiceCode(text)
		if err != nil || c.Chip() != chip || c.String() != text {
			t.Errorf("%s: chip %v, %v", text, c.Chip(), err)
		}
	}
	for _, text := range []string{"", "20", "2011", "2x1", "301", "001", "801"} {
		if _, err := card.ParseServiceCode(text); !errors.Is(err, card.ErrServiceCode) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeyRefsReadWhatTheyPrint(t *testing.T) {
	for text, want := range map[string]card.KeyRef{
		"cvk": {Label: "cvk"}, "cvk.visa-1_a@12": {Label: "cvk.visa-1_a", Version: 12},
	} {
		got, err := card.ParseKeyRef(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "@1", "Cvk", "1cvk", "cvk@", "cvk@0", "cvk@-1", "cvk@x", "cvk key", "cvk@1@2"} {
		if _, err := card.ParseKeyRef(text); err == nil {
			t.Errorf("%q: taken", text)
		}
	}
}

func TestRangesThatOverlapAreFound(t *testing.T) {
	a := card.Range{Code: "a", Prefix: "400000", Length: 16, First: 1000, Size: 1000}
	for name, c := range map[string]struct {
		change func(*card.Range)
		want   bool
	}{
		"itself":             {func(*card.Range) {}, true},
		"one number":         {func(r *card.Range) { r.First = 1999 }, true},
		"just after":         {func(r *card.Range) { r.First = 2000 }, false},
		"just before":        {func(r *card.Range) { r.First = 0 }, false},
		"inside":             {func(r *card.Range) { r.First, r.Size = 1500, 1 }, true},
		"around":             {func(r *card.Range) { r.First, r.Size = 0, 1_000_000 }, true},
		"another prefix":     {func(r *card.Range) { r.Prefix = "400001" }, false},
		"a longer number":    {func(r *card.Range) { r.Length = 17 }, false},
		"a longer prefix":    {func(r *card.Range) { r.Prefix, r.First, r.Size = "40000000000", 1500, 1 }, true},
		"a disjoint, longer": {func(r *card.Range) { r.Prefix, r.First, r.Size = "40000000001", 0, 100 }, false},
	} {
		b := a
		c.change(&b)
		if err := b.Check(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a.Overlaps(b) != c.want || b.Overlaps(a) != c.want {
			t.Errorf("%s: overlap is not %v", name, c.want)
		}
	}
}

func TestRangesThatCannotBeAreRefused(t *testing.T) {
	good := card.Range{Code: "a", Prefix: "400000", Length: 16, First: 0, Size: 1_000_000_000}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*card.Range){
		"short prefix": func(r *card.Range) { r.Prefix = "40000" }, "long prefix": func(r *card.Range) { r.Prefix = "400000000000" },
		"letters": func(r *card.Range) { r.Prefix = "40000x" }, "12 digits": func(r *card.Range) { r.Length = 12 },
		"20 digits": func(r *card.Range) { r.Length = 20 }, "too many": func(r *card.Range) { r.Size++ }, "none": func(r *card.Range) { r.Size = 0 },
		"negative": func(r *card.Range) { r.First = -1 }, "past the end": func(r *card.Range) { r.First = 1 },
		"too many for a sequence": func(r *card.Range) { r.Length, r.Size = 19, card.MaxSequence+1 },
	} {
		r := good
		change(&r)
		if err := r.Check(); !errors.Is(err, card.ErrRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
