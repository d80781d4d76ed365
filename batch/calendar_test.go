package batch

import (
	"testing"
	"time"

	"platen/programs"
)

func paris(t *testing.T) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestACutoffHappensOnceOnTheDaysWhenClocksChange(t *testing.T) {
	loc := paris(t)
	for name, c := range map[string]struct {
		spec, date, want string
	}{
		"an ordinary evening":                           {"30 20 * * *", "2026-11-20", "2026-11-20T20:30:00+01:00"},
		"a time that spring skips is the next there is": {"30 2 * * *", "2027-03-28", "2027-03-28T03:00:00+02:00"},
		"a time that autumn repeats counts once, first": {"30 2 * * *", "2027-10-31", "2027-10-31T02:30:00+02:00"},
		"three o'clock on the spring day":               {"0 3 * * *", "2027-03-28", "2027-03-28T03:00:00+02:00"},
	} {
		t.Run(name, func(t *testing.T) {
			day, err := businessDay(c.date)
			if err != nil {
				t.Fatal(err)
			}
			at, ok, err := cutoffOn(c.spec, day, loc)
			if err != nil || !ok {
				t.Fatalf("no cut-off: %v", err)
			}
			if got := at.Format(time.RFC3339); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAScheduleHasNoCutoffOnDaysThatItLeavesOut(t *testing.T) {
	saturday, err := businessDay("2026-11-21")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := cutoffOn("30 20 * * mon-fri", saturday, paris(t)); err != nil || ok {
		t.Errorf("a Saturday has a cut-off: %v, %v", ok, err)
	}
}

func TestNextCutoffSkipsHolidaysAndWeekends(t *testing.T) {
	loc := paris(t)
	s := &programs.Schedule{Code: "nightly", Cron: "30 20 * * mon-fri", Bureaus: []string{"north"}}
	north := &programs.Bureau{Code: "north", Calendar: programs.Calendar{Weekdays: []string{"mon", "tue", "wed", "thu", "fri"}, Holidays: []string{"2026-12-25"}}}
	bureaus := map[string]entry[*programs.Bureau]{"north": {code: "north", value: north}}
	after := time.Date(2026, time.December, 24, 21, 0, 0, 0, loc)
	at, date, ok, err := nextCutoff(s, bureaus, after, loc)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if date != "2026-12-28" || at.Format("15:04") != "20:30" {
		t.Errorf("next cut-off %s on %s", at, date)
	}
	s.Disabled = true
	if _, _, ok, err := nextCutoff(s, bureaus, after, loc); ok || err != nil {
		t.Errorf("a disabled schedule has a cut-off: %v, %v", ok, err)
	}
}
