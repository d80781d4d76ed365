package card

import (
	"errors"
	"fmt"
)

// MinRangeSize is the smallest range that a permutation hides well (NIST SP 800-38G asks for a domain of 10^6);
// a smaller one must be accepted by name.
const MinRangeSize = 1_000_000

// Range is a PAN range: a prefix, a length and the interval [First, First+Size) of the digits between prefix and check digit.
// Its number is the upper part of every card identity made from it.
type Range struct {
	Number int32  // 1 to MaxRange, given by the store
	Code   string // the operator's name for it
	Prefix string // BIN/IIN digits, 6 to 11
	Length int    // digits of the whole PAN, 13 to 19
	First  int64  // first body value
	Size   int64  // how many numbers
}

// ErrRange says that a range cannot exist.
var ErrRange = errors.New("PAN range is not valid")

// BodyDigits is the count of digits between the prefix and the check digit.
func (r Range) BodyDigits() int { return r.Length - len(r.Prefix) - 1 }

// Check validates prefix, length and interval.
func (r Range) Check() error {
	if len(r.Prefix) < 6 || len(r.Prefix) > 11 {
		return fmt.Errorf("range %s: prefix must have 6 to 11 digits: %w", r.Code, ErrRange)
	}
	for _, c := range []byte(r.Prefix) {
		if c < '0' || c > '9' {
			return fmt.Errorf("range %s: prefix must be digits: %w", r.Code, ErrRange)
		}
	}
	if r.Length < 13 || r.Length > maxPANLength {
		return fmt.Errorf("range %s: length must be 13 to 19: %w", r.Code, ErrRange)
	}
	digits := r.BodyDigits()
	if digits < 1 {
		return fmt.Errorf("range %s: the prefix leaves no digits: %w", r.Code, ErrRange)
	}
	bodies := int64(1)
	for range digits {
		bodies *= 10
	}
	if r.First < 0 || r.Size < 1 || r.Size > MaxSequence || r.First > bodies-r.Size {
		return fmt.Errorf("range %s: interval does not fit %d digits: %w", r.Code, digits, ErrRange)
	}
	return nil
}

// Overlaps tells whether some number lies in both ranges.
func (r Range) Overlaps(o Range) bool {
	if r.Length != o.Length {
		return false
	}
	low1, high1 := r.interval()
	low2, high2 := o.interval()
	return low1 <= high2 && low2 <= high1
}

// interval is the first and last number without check digit, prefix and body together: at most 18 digits.
func (r Range) interval() (low, high int64) {
	base := int64(0)
	for _, c := range []byte(r.Prefix) {
		base = base*10 + int64(c-'0')
	}
	for range r.BodyDigits() {
		base *= 10
	}
	return base + r.First, base + r.First + r.Size - 1
}
