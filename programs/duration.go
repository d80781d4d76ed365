package programs

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time as people write it: Go's form, such as 90s or 4h30m, or days, such as 5d.
type Duration time.Duration

// day is what 1d means: 24 hours, whatever the clock change.
const day = 24 * time.Hour

// UnmarshalText reads a span that is not negative.
func (d *Duration) UnmarshalText(b []byte) error {
	text := string(b)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 10_000 {
			return errors.New("must be a number of days, such as 5d")
		}
		*d = Duration(time.Duration(n) * day)
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return errors.New("must be a time span, such as 90s, 4h or 5d")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the span in days where it is whole days.
func (d Duration) String() string {
	if v := time.Duration(d); v > 0 && v%day == 0 {
		return strconv.Itoa(int(v/day)) + "d"
	}
	return time.Duration(d).String()
}
