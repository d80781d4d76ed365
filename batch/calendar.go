package batch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"platen/programs"
)

// CutoffSlot is the slot of a schedule's own windows; runs by hand get slots of their own.
const CutoffSlot = "cutoff"

// Works tells whether a bureau takes files on a date.
func Works(c programs.Calendar, date time.Time) bool {
	if slices.Contains(c.Holidays, date.Format(time.DateOnly)) {
		return false
	}
	return len(c.Weekdays) == 0 || slices.Contains(c.Weekdays, strings.ToLower(date.Format("Mon")))
}

// workingDay is the date so many days on which a bureau works after a business date.
func workingDay(c programs.Calendar, businessDate string, days int) (string, error) {
	date, err := businessDay(businessDate)
	if err != nil {
		return "", err
	}
	for left := days; left > 0; {
		date = date.AddDate(0, 0, 1)
		if Works(c, date) {
			left--
		}
		if date.Year() > 9000 {
			return "", fmt.Errorf("a bureau has no %d working days after %s", days, businessDate)
		}
	}
	return date.Format(time.DateOnly), nil
}

// cutoffOn returns the instant of a schedule's cut-off on a business date, and false when it has none that day. Local times that do not
// exist become the next that does; of a time that exists twice the first counts.
func cutoffOn(spec string, date time.Time, loc *time.Location) (time.Time, bool, error) {
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("schedule %q: %w", spec, err)
	}
	// The wall clock is evaluated in UTC, where every local time exists once; only then is it placed in the zone.
	y, m, d := date.Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	wall := s.Next(midnight.Add(-time.Second))
	if wall.IsZero() || wall.YearDay() != midnight.YearDay() || wall.Year() != y {
		return time.Time{}, false, nil
	}
	return place(wall, loc), true, nil
}

// place puts a wall-clock time into a zone: a time that the zone skips becomes the first instant after the gap, of one that it repeats the first counts.
func place(wall time.Time, loc *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, loc)
	before := t.Add(-3 * time.Hour)
	_, earlier := before.Zone()
	_, now := t.Zone()
	if sameClock(t, wall) {
		if first := t.Add(time.Duration(now-earlier) * time.Second); first.Before(t) && sameClock(first, wall) {
			return first
		}
		return t
	}
	// time.Date moved the wall clock by the gap; step to the gap's end.
	lo, hi := before, t.Add(3*time.Hour)
	for hi.Sub(lo) > time.Second {
		mid := lo.Add(hi.Sub(lo) / 2)
		if _, o := mid.Zone(); o == earlier {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi.Truncate(time.Second)
}

func sameClock(a, b time.Time) bool {
	return a.Hour() == b.Hour() && a.Minute() == b.Minute()
}

// open tells whether any of a schedule's bureaus works on a date.
func open(s *programs.Schedule, bureaus map[string]entry[*programs.Bureau], date time.Time) bool {
	for _, code := range s.Bureaus {
		if b, ok := bureaus[code]; ok && Works(b.value.Calendar, date) {
			return true
		}
	}
	return false
}

// nextCutoff finds a schedule's next cut-off after an instant, within the next sixty days.
func nextCutoff(s *programs.Schedule, bureaus map[string]entry[*programs.Bureau], after time.Time, loc *time.Location) (time.Time, string, bool, error) {
	if s.Disabled {
		return time.Time{}, "", false, nil
	}
	day := after.In(loc)
	for i := range 60 {
		date := day.AddDate(0, 0, i)
		at, ok, err := cutoffOn(s.Cron, date, loc)
		if err != nil {
			return time.Time{}, "", false, err
		}
		if ok && at.After(after) && open(s, bureaus, date) {
			return at, date.Format(time.DateOnly), true, nil
		}
	}
	return time.Time{}, "", false, nil
}
