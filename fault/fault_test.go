package fault_test

import (
	"errors"
	"strings"
	"testing"

	"platen/fault"
)

func TestPointsCallNobodyUnlessTheyAreArmed(t *testing.T) {
	fault.Point("before")
	var seen []string
	disarm, err := fault.Arm(func(n int64, point string) {
		if n != int64(len(seen))+1 {
			t.Errorf("hit %d after %d", n, len(seen))
		}
		seen = append(seen, point)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fault.Arm(func(int64, string) {}); !errors.Is(err, fault.ErrArmed) {
		t.Errorf("armed twice: %v", err)
	}
	fault.Point("one")
	fault.Point("two")
	if !fault.Armed() {
		t.Error("armed points say that they are not")
	}
	disarm()
	fault.Point("after")
	if len(seen) != 2 || !strings.HasPrefix(seen[0], "one [fault_test.Test") || fault.Armed() {
		t.Errorf("seen %q, armed %t", seen, fault.Armed())
	}
}
