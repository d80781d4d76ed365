package vectors

import (
	"os"
	"strings"
	"testing"
)

func load(t testing.TB, path string) []Entry {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestEveryReferenceValueThatWasRecomputedComesOut(t *testing.T) {
	report := Run(load(t, "testdata/vectors.json"))
	for _, r := range report.Results {
		switch {
		case strings.HasPrefix(r.Verified, "recomputed"), strings.HasPrefix(r.Verified, "own-regression"):
			if r.Status != Passed {
				t.Errorf("%s (%s): %s %s; expected %v, got %v", r.ID, r.Algo, r.Status, r.Detail, r.Expected, r.Got)
			}
		default:
			t.Logf("quoted: %s %s %s", r.ID, r.Status, r.Detail)
			if r.Status == Failed {
				t.Errorf("%s: %s; expected %v, got %v", r.ID, r.Detail, r.Expected, r.Got)
			}
		}
	}
	if report.Passed+report.Failed+report.Unknown != len(report.Results) || report.Unknown != 0 {
		t.Errorf("%d passed, %d failed, %d unknown", report.Passed, report.Failed, report.Unknown)
	}
}
