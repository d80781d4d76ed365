package jobs_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/programs"
)

// A key that ends holds up the cards that need it, and nobody else's.
func TestAKeyThatCannotServeHoldsUpOnlyItsOwnCards(t *testing.T) {
	onDatabases(t, func(t *testing.T, address string) {
		t.Parallel()
		s := newSite(t, address, bureau.Dice{Seed: "keys"})
		entropy := hsm.SeededEntropy(t.Name())
		for i := range s.set.Products {
			if p := &s.set.Products[i]; p.Code == "mc-credit-chip" {
				p.Keys.CVK = "cvk-that-ends"
			}
		}
		s.must(s.ring.GenerateWithin("cvk-that-ends", keyblock.CVK, keyblock.TDES, keystore.Period{Expires: time.Now().Add(time.Hour)}, entropy))
		s.apply()
		s.ring.SetClock(func() time.Time { return time.Now().Add(2 * time.Hour) })
		s.submit("HELD", formats.BulkOrder, formats.Row{Product: "mc-credit-chip", FirstName: "Asha", LastName: "Rao", Address1: "1 Lake Road", City: "Pune", Country: "IN"})
		s.submit("FREE", formats.MassOrder, mass(3))
		b := s.night("one")
		if b.State != card.BatchWithExceptions || !strings.Contains(b.Exceptions, "product mc-credit-chip waits") || !strings.Contains(b.Exceptions, "cvk-that-ends") {
			t.Errorf("the batch is %s: %q", b.State, b.Exceptions)
		}
		if books := s.books(); books.Open != 1 || books.Requested != 4 {
			t.Errorf("one card waits and three are made: %+v", books)
		}
		if b := s.night("two"); b.State != card.BatchWithExceptions {
			t.Errorf("a batch that found only cards that wait is %s: %q", b.State, b.Exceptions)
		}
		items, err := s.plant.Attention(t.Context(), s.inst)
		s.must(err)
		if !slices.ContainsFunc(items, func(x batch.Item) bool { return x.What == batch.AlarmBatch && x.Do == "platen keys list" }) {
			t.Errorf("nobody hears of the key: %+v", items)
		}
		s.must(s.ring.Rotate("cvk-that-ends", entropy))
		// The simulator does not know that key: it is enough that the card is in a file.
		if b := s.night("three"); b.Exceptions != "" || len(s.books().Files) < 2 {
			t.Errorf("with a new key nothing waits: %q", b.Exceptions)
		}
	})
}

// What names a key that cannot serve is refused with all that is wrong, and stores nothing.
func TestApplyRefusesKeysThatCannotServeAndRangesThatTheModuleRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite:"+filepath.Join(t.TempDir(), "platen.db"), bureau.Dice{Seed: "keys"})
	good := *s.set
	for name, c := range map[string]struct {
		spoil func(set *programs.Set)
		said  []string
	}{
		"kinds": {func(set *programs.Set) {
			set.Products[0].Keys.CVK, set.Products[0].Keys.PVK = set.Products[0].Keys.PVK, "nothing"
			set.Bureaus[0].ZPK = set.Products[1].Keys.CVK
			set.Zones = []programs.Zone{{Code: "clients", Key: "token"}}
		}, []string{"product " + good.Products[0].Code + ": cvk", "bureau " + good.Bureaus[0].Code + ": zpk", "zone clients: key"}},
		"a format of another algorithm": {func(set *programs.Set) { set.Bureaus[0].PINFormat = 4 - set.Bureaus[0].PINFormat }, []string{"zpk"}},
		"a range's key":                 {func(set *programs.Set) { set.Ranges = append(set.Ranges, another("900000", set, "pin-storage")) }, []string{"range more: permutation_key"}},
		"a real BIN": {func(set *programs.Set) {
			set.Ranges = append(set.Ranges, another("498765", set, set.Ranges[0].PermutationKey))
			set.Products[0].Range = "more"
		}, []string{"range more: prefix", hsm.ErrRealBIN.Error()}},
	} {
		set := good
		set.Products, set.Bureaus, set.Ranges = slices.Clone(good.Products), slices.Clone(good.Bureaus), slices.Clone(good.Ranges)
		c.spoil(&set)
		for _, dryRun := range []bool{true, false} {
			_, err := s.plant.Apply(t.Context(), &set, "test", dryRun)
			for _, said := range c.said {
				if err == nil || !strings.Contains(err.Error(), said) {
					t.Errorf("%s: %v, want %q", name, err, said)
				}
			}
		}
	}
	if changes, err := s.plant.Apply(t.Context(), &good, "test", true); err != nil || len(changes) > 0 {
		t.Errorf("after all that was refused: %v, %v", changes, err)
	}
}

// another is a range of a prefix under a key.
func another(prefix string, set *programs.Set, key card.KeyLabel) programs.Range {
	return programs.Range{Range: card.Range{Code: "more", Prefix: prefix, Length: 16, Size: card.MinRangeSize}, PermutationKey: key, TokenKey: set.Ranges[0].TokenKey}
}
