package software

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
)

// testBINData lists the BINs that schemes and payment providers publish for testing.
//
//go:embed test-bins.json
var testBINData []byte

const binDigits = 6

// testBINs are the first six digits of test cards, sorted.
type testBINs []uint32

func loadTestBINs() (testBINs, error) {
	var list []struct {
		Prefix string `json:"prefix"`
	}
	if err := json.Unmarshal(testBINData, &list); err != nil {
		return nil, fmt.Errorf("read test BINs: %w", err)
	}
	var bins testBINs
	for _, b := range list {
		if len(b.Prefix) != binDigits {
			return nil, fmt.Errorf("test BIN %q must have %d digits", b.Prefix, binDigits)
		}
		bins = append(bins, binOf([]byte(b.Prefix)))
	}
	slices.Sort(bins)
	return bins, nil
}

// contain tells whether a card number begins with a test BIN.
func (t testBINs) contain(digits []byte) bool {
	_, found := slices.BinarySearch(t, binOf(digits))
	return found
}

func binOf(digits []byte) uint32 {
	n := uint32(0)
	for _, c := range digits[:binDigits] {
		n = n*10 + uint32(c-'0')
	}
	return n
}
