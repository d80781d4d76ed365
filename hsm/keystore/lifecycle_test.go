package keystore_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
)

var (
	morning = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	noon    = morning.Add(4 * time.Hour)
	evening = morning.Add(10 * time.Hour)
	free    = func(card.KeyRef) error { return nil }
)

func at(s *keystore.Store, now time.Time) { s.SetClock(func() time.Time { return now }) }

func TestTheNewestVersionInForceServes(t *testing.T) {
	s, path := filled(t)
	at(s, morning)
	if err := s.RotateWithin("cvk", keystore.Period{Activates: noon, Expires: evening}, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	s, err := keystore.Open(path, kbpk(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now  time.Time
		want int
	}{{morning, 1}, {noon.Add(-time.Second), 1}, {noon, 2}, {evening.Add(-time.Second), 2}, {evening, 1}} {
		at(s, c.now)
		if k, err := s.Lookup(card.KeyRef{Label: "cvk"}); err != nil || k.Version != c.want {
			t.Errorf("at %s version %d serves, want %d; %v", c.now, k.Version, c.want, err)
		}
	}
}

func TestAKeyOutsideOfItsPeriodBeginsNothingAndEndsWhatItBegan(t *testing.T) {
	s, _ := filled(t)
	at(s, morning)
	if err := s.GenerateWithin("short", keyblock.ZPK, keyblock.AES, keystore.Period{Activates: noon, Expires: evening}, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(card.KeyRef{Label: "short"}); !errors.Is(err, keystore.ErrNotActive) {
		t.Errorf("before: %v", err)
	}
	at(s, evening)
	if _, err := s.Lookup(card.KeyRef{Label: "short"}); !errors.Is(err, keystore.ErrExpired) {
		t.Errorf("after: %v", err)
	}
	err := s.Use(card.KeyRef{Label: "short", Version: 1}, keyblock.ZPK, keyblock.AES, func([]byte) error { return nil })
	if err != nil {
		t.Errorf("a pinned version: %v", err)
	}
	var field *keystore.FieldError
	for name, p := range map[string]keystore.Period{"past": {Expires: noon}, "backwards": {Activates: evening.Add(2 * time.Hour), Expires: evening.Add(time.Hour)}} {
		if err := s.RotateWithin("short", p, hsm.SystemEntropy()); !errors.Is(err, keystore.ErrPeriod) || !errors.As(err, &field) || field.Field != "expires" {
			t.Errorf("%s: %v", name, err)
		}
	}
	err = s.GenerateWithin("range", keyblock.Data, keyblock.AES, keystore.Period{Expires: evening.Add(time.Hour)}, hsm.SystemEntropy())
	if !errors.Is(err, keystore.ErrFixed) {
		t.Errorf("a permutation key that expires: %v", err)
	}
}

func TestARotationReachesAStoreThatIsOpen(t *testing.T) {
	running, path := filled(t)
	other, err := keystore.Open(path, kbpk(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Rotate("cvk", hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 2} {
		if k, err := running.Lookup(card.KeyRef{Label: "cvk", Version: want}); err != nil || k.Version != want {
			t.Errorf("version %d: %+v, %v", want, k, err)
		}
	}
	if k, err := running.Lookup(card.KeyRef{Label: "cvk"}); err != nil || k.Version != 2 {
		t.Errorf("current is %+v, %v", k, err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := running.Lookup(card.KeyRef{Label: "cvk"}); !errors.Is(err, keystore.ErrFormat) {
		t.Errorf("a spoiled file: %v", err)
	}
}

func TestRetirementEndsAVersionThatNobodyNeeds(t *testing.T) {
	s, path := filled(t)
	one := card.KeyRef{Label: "cvk", Version: 1}
	if err := s.Retire(one, free); !errors.Is(err, keystore.ErrCurrent) {
		t.Errorf("the version in force: %v", err)
	}
	if err := s.Rotate("cvk", hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	reason := errors.New("file 7 pins it")
	if err := s.Retire(one, func(card.KeyRef) error { return reason }); !errors.Is(err, keystore.ErrPinned) || !errors.Is(err, reason) {
		t.Errorf("a pinned version: %v", err)
	}
	if err := s.Use(one, keyblock.CVK, keyblock.TDES, func([]byte) error { return nil }); err != nil {
		t.Errorf("a refused retirement ended the key: %v", err)
	}
	if err := s.Retire(one, free); err != nil {
		t.Fatal(err)
	}
	s, err := keystore.Open(path, kbpk(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(one); !errors.Is(err, keystore.ErrRetired) {
		t.Errorf("look-up: %v", err)
	}
	if err := s.Use(one, keyblock.CVK, keyblock.TDES, func([]byte) error { return nil }); !errors.Is(err, keystore.ErrRetired) {
		t.Errorf("use: %v", err)
	}
	if k, err := s.Lookup(card.KeyRef{Label: "cvk"}); err != nil || k.Version != 2 {
		t.Errorf("current is %+v, %v", k, err)
	}
	for _, name := range []card.KeyLabel{"pan", "pins"} {
		if err := s.Retire(card.KeyRef{Label: name, Version: 1}, free); !errors.Is(err, keystore.ErrFixed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Dates are bound to the block in both directions: none can be added, changed or left out.
func TestOpenRefusesAnyChangeOfADate(t *testing.T) {
	s, path := filled(t)
	at(s, morning)
	if err := s.GenerateWithin("dated", keyblock.ZPK, keyblock.AES, keystore.Period{Activates: noon, Expires: evening}, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"activates", "expires", "retired"} {
		for _, value := range []any{nil, "2026-11-21T09:00:00Z"} {
			var doc map[string]any
			if err := json.Unmarshal(original, &doc); err != nil {
				t.Fatal(err)
			}
			keys := doc["keys"].([]any)
			last := keys[len(keys)-1].(map[string]any)
			if _, there := last[field]; !there && value == nil {
				continue
			}
			delete(last, field)
			if value != nil {
				last[field] = value
			}
			t.Run(field, func(t *testing.T) { refusesDocument(t, path, doc) })
		}
	}
}

func TestAnotherProtectionKeyKeepsEveryKeyAndShutsTheFormerOneOut(t *testing.T) {
	s, path := filled(t)
	at(s, morning)
	if err := s.RotateWithin("cvk", keystore.Period{Expires: evening}, hsm.SystemEntropy()); err != nil {
		t.Fatal(err)
	}
	if err := s.Retire(card.KeyRef{Label: "cvk", Version: 1}, free); err != nil {
		t.Fatal(err)
	}
	open, err := keystore.Open(path, kbpk(1))
	if err != nil {
		t.Fatal(err)
	}
	before, was := s.List(), keyOf(t, s, "cvk")
	if err := s.Protect(card.NewSecret(make([]byte, 31))); !errors.Is(err, keystore.ErrKBPK) {
		t.Errorf("31 bytes: %v", err)
	}
	if err := s.Protect(kbpk(9)); err != nil {
		t.Fatal(err)
	}
	if _, err := keystore.Open(path, kbpk(1)); !errors.Is(err, keyblock.ErrKeyBlock) {
		t.Errorf("under the former key: %v", err)
	}
	if _, err := open.Lookup(card.KeyRef{Label: "cvk"}); !errors.Is(err, keyblock.ErrKeyBlock) {
		t.Errorf("a store that was open: %v", err)
	}
	again, err := keystore.Open(path, kbpk(9))
	if err != nil {
		t.Fatal(err)
	}
	for name, now := range map[string]*keystore.Store{"the same store": s, "a new one": again} {
		at(now, morning)
		if diff := cmp.Diff(before, now.List()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if !bytes.Equal(was, keyOf(t, now, "cvk")) {
			t.Errorf("%s has another key", name)
		}
	}
}

// keyOf is a TDES key of card verification values.
func keyOf(t *testing.T, s *keystore.Store, label card.KeyLabel) (out []byte) {
	t.Helper()
	err := s.Use(card.KeyRef{Label: label}, keyblock.CVK, keyblock.TDES, func(clearKey []byte) error {
		out = bytes.Clone(clearKey)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
