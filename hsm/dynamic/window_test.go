package dynamic

import (
	"errors"
	"slices"
	"testing"
	"time"

	"platen/hsm"
	"platen/hsm/tdes"
)

func cvk(t testing.TB) *tdes.Key {
	t.Helper()
	k, err := tdes.New([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var hours = Windows{Length: time.Hour, First: 300, Count: 500, Grace: 1, Reserved: []string{"301", "502"}}

func TestAWindowsServiceCodeIsNeverReserved(t *testing.T) {
	all := Windows{Length: time.Minute, First: 1, Count: 999, Reserved: []string{"201", "226"}}
	if len(all.codes()) != 996 || slices.Contains(all.codes(), "999") || slices.Contains(all.codes(), "201") {
		t.Errorf("%d service codes", len(all.codes()))
	}
	for _, index := range []int64{-1000, -1, 0, 1, 1e12} {
		code, err := hours.ServiceCode(index)
		if err != nil || code < "300" || code > "799" || code == "301" || code == "502" {
			t.Errorf("window %d: %s %v", index, code, err)
		}
	}
	first, err := hours.ServiceCode(0)
	if err != nil || first != "300" {
		t.Errorf("first window: %s %v", first, err)
	}
}

func TestAValueIsTakenInItsWindowAndTheGrace(t *testing.T) {
	const pan, expiry = "4123456789012349", "1228"
	made := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	value, err := hours.Value(cvk(t), pan, expiry, hours.Index(made))
	if err != nil {
		t.Fatal(err)
	}
	for hour, want := range map[int]bool{0: true, 1: true, -1: true, 2: false, -2: false, 24: false} {
		got, err := hours.Verify(cvk(t), pan, expiry, value, made.Add(time.Duration(hour)*time.Hour))
		if err != nil || got != want {
			t.Errorf("%d hours later: taken is %v, %v", hour, got, err)
		}
	}
}

func TestWindowsAreCountedWithoutGapsBeforeTheEpochToo(t *testing.T) {
	at := time.Unix(0, 0).Add(-90 * time.Minute)
	for want := int64(-2); want < 3; want++ {
		if got := hours.Index(at); got != want {
			t.Errorf("%v lies in window %d, want %d", at, got, want)
		}
		at = at.Add(time.Hour)
	}
}

func TestWindowsThatCannotWorkAreRefused(t *testing.T) {
	for name, w := range map[string]Windows{
		"half a minute": {Length: 30 * time.Second, First: 300, Count: 10}, "no length": {First: 300, Count: 10},
		"code 000": {Length: time.Hour, First: 0, Count: 10}, "beyond 999": {Length: time.Hour, First: 995, Count: 10},
		"few for the grace": {Length: time.Hour, First: 300, Count: 3, Grace: 1}, "negative grace": {Length: time.Hour, First: 300, Count: 9, Grace: -1},
	} {
		if input := new(hsm.InputError); !errors.As(w.Check(), &input) {
			t.Errorf("%s: %v", name, w.Check())
		}
	}
}

func TestContactlessValuesWantTheirForms(t *testing.T) {
	if _, err := VisaDCVV([16]byte{1}, "4123456789012349", "2812", "201", "12A4"); err == nil {
		t.Error("a counter with a letter was taken")
	}
	for _, digits := range []int{0, 6} {
		if _, err := CVC3([16]byte{1}, [2]byte{}, [4]byte{}, [2]byte{}, digits); err == nil {
			t.Errorf("%d digits were made", digits)
		}
	}
}
