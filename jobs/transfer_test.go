package jobs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"platen/bureau"
	"platen/card"
	"platen/formats"
)

// retold is the layout of a name with more to its YAML.
func retold(t testing.TB, all []*formats.Layout, name, more string) []*formats.Layout {
	t.Helper()
	all = slices.Clone(all)
	i := slices.IndexFunc(all, func(l *formats.Layout) bool { return l.Name() == name })
	l, err := formats.Load(name, regexp.MustCompile(`version: \S+`).ReplaceAll(all[i].Source(), []byte("version: \"9\"\n"+more)))
	if err != nil {
		t.Fatal(err)
	}
	all[i] = l
	return all
}

// A layout says how its files travel, unless the bureau says it otherwise, and a house that waits for markers makes a file when it has both.
func TestAFileTravelsAsItsLayoutAndItsBureauSay(t *testing.T) {
	const transfer = "transfer: {temp_suffix: .uploading, marker: {suffix: .ok, content: \"{name} {bytes} {sha256}\"}}"
	for name, c := range map[string]struct{ marker, temp, ending string }{
		"the layout": {"", "", ".uploading"},
		"the bureau": {".done", ".tmp", ".tmp"},
	} {
		t.Run(name, func(t *testing.T) {
			onDatabases(t, func(t *testing.T, address string) {
				s := newSiteWith(t, address, func(b *bureau.Config) {
					b.Dice = bureau.Dice{Seed: "transfer"}
					b.Layouts = retold(t, b.Layouts, "south-delimited", transfer)
					b.Bureau.SFTP.Marker = c.marker
				})
				s.set.Layouts = retold(t, s.set.Layouts, "south-delimited", transfer)
				for i := range s.set.Bureaus {
					s.set.Bureaus[i].SFTP.Marker, s.set.Bureaus[i].SFTP.TempSuffix = c.marker, c.temp
				}
				s.apply()
				s.submit("ONE", formats.MassOrder, mass(10))
				b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
				s.must(err)
				s.must(s.plant.Plan(t.Context(), b.Number))
				for s.cardFile("south").State < card.FileSent {
					s.round(t.Context())
				}
				f := s.cardFile("south")
				attempts, err := s.store.Attempts(t.Context(), f.Number)
				s.must(err)
				if len(attempts) != 1 || !strings.HasSuffix(attempts[0].TempName, c.ending) {
					t.Errorf("attempts %+v", attempts)
				}
				s.settle()
				if f := s.cardFile("south"); f.State < card.FileBalanced || !s.books().Balanced || s.sims["south"].Counts().Refused > 0 {
					t.Errorf("the file is %s, and the bureau did %+v", f.State, s.sims["south"].Counts())
				}
				s.must(s.sims["south"].Process(t.Context()))
				entries, err := os.ReadDir(filepath.Join(s.dir, "south", "in"))
				if err != nil || len(entries) > 0 {
					t.Errorf("the bureau's directory holds %v, %v", entries, err)
				}
			})
		})
	}
}
