package pinblock

import (
	"errors"
	"testing"

	"platen/hsm"
)

func TestFillSuitsItsFormat(t *testing.T) {
	next := byte(0)
	count := func(buf []byte) error {
		for i := range buf {
			buf[i] = next
			next++
		}
		return nil
	}
	seen := map[hsm.PINFormat]map[byte]int{ISO1: {}, ISO3: {}}
	for format, digits := range seen {
		next = 0
		for range 63 {
			out, err := Fill(format, count)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range out {
				digits[d]++
			}
		}
	}
	if len(seen[ISO1]) != 16 || len(seen[ISO3]) != 6 || seen[ISO3][9] != 0 {
		t.Errorf("digits %v", seen)
	}
	broken := errors.New("no randomness")
	if _, err := Fill(ISO4, func([]byte) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if out, err := Fill(ISO4, count); err != nil || out == [16]byte{} {
		t.Errorf("%v %v", out, err)
	}
}
