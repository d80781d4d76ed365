package programs

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// ParseCron reads a schedule's five cron fields. Zones and @-words are refused: the zone is the institution's, and the cron library
// panics on a zone without fields.
func ParseCron(spec string) (*cron.SpecSchedule, error) {
	if strings.ContainsAny(spec, "=@") {
		return nil, errors.New("must be five fields; zones and @-words are not taken, times are the institution's")
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("must be five cron fields: %w", err)
	}
	schedule, ok := parsed.(*cron.SpecSchedule)
	if !ok || schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("names a day that never comes")
	}
	return schedule, nil
}

// nightHours are the hours of the day, as bits, that clock changes skip or repeat.
const nightHours = 1<<1 | 1<<2

func (l *loader) checkSchedules() {
	l.checkNoTwins("schedule", l.from.schedules, func(i int) string { return l.set.Schedules[i].Code })
	for i, s := range l.set.Schedules {
		from := l.from.schedules[i]
		l.checkCron(s, from)
		if len(s.Bureaus) == 0 {
			l.at(from, "bureaus")("bureaus: is missing")
		}
		for j, code := range s.Bureaus {
			if l.bureau(code) == nil {
				l.at(from, "bureaus")("bureaus: there is no bureau %q", code)
			}
			if slices.Contains(s.Bureaus[:j], code) {
				l.at(from, "bureaus")("bureaus: %q stands twice", code)
			}
		}
	}
}

// checkCron allows one cut-off a day, since a window is a schedule and a business date, and none in the night that nobody confirmed.
func (l *loader) checkCron(s Schedule, from source) {
	at := l.at(from, "cron")
	schedule, err := ParseCron(s.Cron)
	if err != nil {
		at("cron: %v", err)
		return
	}
	if bits.OnesCount64(schedule.Minute) != 1 || bits.OnesCount64(schedule.Hour) != 1 {
		at("cron: must name one minute and one hour: for a second cut-off of the day declare a second schedule")
	}
	if schedule.Hour&nightHours != 0 && !s.DSTConfirmed {
		at("cron: a cut-off from 01:00 to 03:00 falls into clock changes: say dst_confirmed: true if that is meant")
	}
}
