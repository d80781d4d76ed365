package keystore_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
)

// Two components of the known key.
const (
	firstHex  = "1F3D5B79A8C6E402DCBA98765432100E"
	secondHex = "1E1E1E1E216D29ED226622EE2266221E"
)

func ceremony(t *testing.T, s *keystore.Store, parts ...string) (*keystore.Ceremony, error) {
	t.Helper()
	c, err := s.NewCeremony(keystore.Incoming{Label: "entered", Usage: keyblock.CVK}, keyblock.TDES, len(parts))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for i, part := range parts {
		if err := c.Admit([]byte([]string{"Ada", "Grace", "Edith"}[i])); err != nil {
			t.Fatal(err)
		}
		text := []byte(part)
		_, err := c.Enter(text)
		if !bytes.Equal(text, make([]byte, len(text))) {
			t.Error("what was entered is not wiped")
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func TestTwoCustodiansMakeTheKnownKey(t *testing.T) {
	s := partner(t, keystore.Test)
	c, err := ceremony(t, s, firstHex, secondHex)
	if err != nil {
		t.Fatal(err)
	}
	if kcv, err := c.Sum(); err != nil || kcv != knownKCV {
		t.Fatalf("check value %s, %v", kcv, err)
	}
	if _, err := s.Lookup(named("entered")); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("the key is there before it was confirmed: %v", err)
	}
	if k, err := c.Commit(); err != nil || k.KCV != knownKCV {
		t.Fatalf("%+v, %v", k, err)
	}
	if _, err := c.Commit(); err == nil {
		t.Error("a ceremony ended twice")
	}
}

func TestACeremonyRefusesWhatMakesNoKey(t *testing.T) {
	for name, c := range map[string]struct {
		parts []string
		field string
		want  error
	}{
		// Two that differ from components of odd parity in one bit, and two that never had parity.
		"mistyped":         {[]string{"E19B073B4007541FAB76B04370451031", "4CBF5D51EA8525EF045EFED6E386D9D9"}, "key", keystore.ErrParity},
		"no parity":        {[]string{"00112233445566778899AABBCCDDEEFF", "1E1E1E1E216D29ED226622EE2266221E"}, "key", keystore.ErrParity},
		"three, one wrong": {[]string{firstHex, firstHex, "4CBF5D51EA8525EF045EFED6E386D9D8"}, "key", keystore.ErrParity},
		"equal halves":     {[]string{strings.Repeat("0123456789ABCDEF", 2), strings.Repeat("1111111111111111", 2)}, "key", nil},
		"equal components": {[]string{firstHex, firstHex}, "key", nil},
		"zeros":            {[]string{strings.Repeat("0", 32), firstHex}, "component", keystore.ErrWeakKey},
		"no hex":           {[]string{"G" + firstHex[1:], secondHex}, "component", keystore.ErrNotHex},
		"odd digits":       {[]string{firstHex[1:], secondHex}, "component", keystore.ErrNotHex},
		"short":            {[]string{firstHex[2:], secondHex}, "component", keystore.ErrKeySize},
		"two lengths":      {[]string{firstHex, firstHex + "0123456789ABCDEF"}, "component", nil},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := ceremony(t, partner(t, keystore.Test), c.parts...)
			if err == nil {
				_, err = made.Sum()
			}
			refusedField(t, err, c.field, c.want)
			if err != nil && strings.Contains(err.Error(), c.parts[0]) {
				t.Error("the error shows a component")
			}
		})
	}
}

func TestEachComponentHasACustodianOfItsOwn(t *testing.T) {
	s := partner(t, keystore.Test)
	c, err := s.NewCeremony(keystore.Incoming{Label: "entered", Usage: keyblock.KEK}, keyblock.TDES, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Enter([]byte(firstHex)); err == nil {
		t.Error("a component without a custodian")
	}
	if err := c.Admit([]byte("Ada  Lovelace")); err != nil {
		t.Fatal(err)
	}
	if err := c.Admit([]byte("Grace")); err == nil {
		t.Error("a second custodian before the first entered")
	}
	if _, err := c.Enter([]byte(firstHex)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ada lovelace", " ADA LOVELACE ", "", "Grace\x1b[2J", "\xffGrace"} {
		refusedField(t, c.Admit([]byte(name)), "custodian", keystore.ErrCustodian)
	}
	if _, err := c.Sum(); err == nil {
		t.Error("one component makes a key")
	}
	for _, count := range []int{0, 1, 4} {
		_, err := s.NewCeremony(keystore.Incoming{Label: "entered", Usage: keyblock.KEK}, keyblock.TDES, count)
		refusedField(t, err, "components", nil)
	}
}

// The sum of two components of odd parity has even parity whatever they are, so its parity is set and its check value is the published one.
func TestASumThatCannotHaveOddParityIsAdjusted(t *testing.T) {
	s := partner(t, keystore.Test)
	c, err := ceremony(t, s, "E09B073B4007541FAB76B04370451031", "4CBF5D51EA8525EF045EFED6E386D9D9")
	if err != nil {
		t.Fatal(err)
	}
	if kcv, err := c.Sum(); err != nil || kcv != "40D522" || !c.Adjusted() {
		t.Fatalf("check value %s, adjusted %v, %v", kcv, c.Adjusted(), err)
	}
	if k, err := c.Commit(); err != nil || k.KCV != "40D522" {
		t.Errorf("%+v, %v", k, err)
	}
	if c, err = ceremony(t, partner(t, keystore.Test), firstHex, secondHex); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sum(); err != nil || c.Adjusted() {
		t.Errorf("a sum of odd parity: adjusted %v, %v", c.Adjusted(), err)
	}
}

func TestAComponentIsNoName(t *testing.T) {
	s := partner(t, keystore.Test)
	c, err := s.NewCeremony(keystore.Incoming{Label: "entered", Usage: keyblock.KEK}, keyblock.TDES, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, text := range []string{firstHex, strings.ToLower(firstHex), firstHex[:16], "1F3D 5B79 A8C6 E402 DCBA 9876 5432 100E", "1F3D5B79A8C6E4O2DCBA98765432100E", "DEADBEEFDEADBEEF", "Ada " + firstHex} {
		given := []byte(text)
		err := c.Admit(given)
		refusedField(t, err, "custodian", keystore.ErrName)
		if !bytes.Equal(given, make([]byte, len(given))) || strings.Contains(err.Error(), text[:8]) {
			t.Errorf("what was typed for a name is kept or shown")
		}
	}
	if len(c.Custodians()) != 0 {
		t.Error("somebody was admitted")
	}
	for _, name := range []string{"Candace Adelbert Badeface", "Grace Hopper 3rd"} {
		other, err := s.NewCeremony(keystore.Incoming{Label: "entered", Usage: keyblock.KEK}, keyblock.TDES, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Admit([]byte(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		other.Close()
	}
}
