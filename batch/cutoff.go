package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"platen/programs"
	"platen/sql/store"
)

// DueWindow is a window whose time has come.
type DueWindow struct {
	Institution  store.Institution
	Schedule     string
	BusinessDate string
	At           time.Time
}

// DueWindows computes, per schedule and business date, which cut-offs have passed since the schedule's last window and were never opened.
// A schedule that catches up gets the latest missed window only, once: its lines are the same. One that does not gets a window only within a
// quarter of an hour of its time.
func (p *Plant) DueWindows(ctx context.Context) ([]DueWindow, error) {
	institutions, err := p.Store.Institutions(ctx)
	if err != nil {
		return nil, err
	}
	var due []DueWindow
	for _, i := range institutions {
		some, err := p.dueOf(ctx, i)
		if err != nil {
			return nil, err
		}
		due = append(due, some...)
	}
	return due, nil
}

func (p *Plant) dueOf(ctx context.Context, i store.Institution) ([]DueWindow, error) {
	loc, err := zone(i)
	if err != nil {
		return nil, err
	}
	schedules, err := current(ctx, p, p.Store.Q, i.ID, store.ScheduleProgram, decodeJSON[programs.Schedule])
	if err != nil {
		return nil, err
	}
	bureaus, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return nil, err
	}
	now := p.Now()
	var due []DueWindow
	for _, s := range sortedEntries(schedules) {
		if s.value.Disabled {
			continue
		}
		date, at, ok, err := p.lastPassed(s.value, bureaus, now, loc)
		if err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		if !s.value.CatchUp && now.Sub(at) > 15*time.Minute {
			continue
		}
		opened, err := p.openedSince(ctx, s.number, date, at)
		if err != nil {
			return nil, err
		}
		if !opened {
			due = append(due, DueWindow{Institution: i, Schedule: s.code, BusinessDate: date, At: at})
		}
	}
	return due, nil
}

// lastPassed finds the newest cut-off of the past two weeks.
func (p *Plant) lastPassed(s *programs.Schedule, bureaus map[string]entry[*programs.Bureau], now time.Time, loc *time.Location) (string, time.Time, bool, error) {
	for i := range 14 {
		date := now.In(loc).AddDate(0, 0, -i)
		at, ok, err := cutoffOn(s.Cron, date, loc)
		if err != nil {
			return "", time.Time{}, false, err
		}
		if ok && !at.After(now) && open(s, bureaus, date) {
			return date.Format(time.DateOnly), at, true, nil
		}
	}
	return "", time.Time{}, false, nil
}

// openedSince tells whether the window exists, or whether the schedule is so new that it had no cut-off yet.
func (p *Plant) openedSince(ctx context.Context, schedule int64, date string, at time.Time) (bool, error) {
	_, err := p.Store.WindowOf(ctx, schedule, date, CutoffSlot)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	since, err := p.Store.DeclaredSince(ctx, schedule)
	if err != nil {
		return false, err
	}
	return since.After(at), nil
}

// RunNow opens a window by hand. An empty slot takes the next of the day; a named one is opened once, so that a repeated call finds the same batch.
func (p *Plant) RunNow(ctx context.Context, i store.Institution, schedule, slot, actor string) (store.Batch, bool, error) {
	loc, err := zone(i)
	if err != nil {
		return store.Batch{}, false, err
	}
	return p.OpenWindow(ctx, i, schedule, p.Now().In(loc).Format(time.DateOnly), slot, "by hand: "+actor)
}

// OpenWindow inserts a window and its batch in one transaction; who comes second gets the first one's batch. Cron, catch-up at start and runs by hand
// all come through here.
func (p *Plant) OpenWindow(ctx context.Context, i store.Institution, schedule, businessDate, slot, trigger string) (store.Batch, bool, error) {
	schedules, err := current(ctx, p, p.Store.Q, i.ID, store.ScheduleProgram, decodeJSON[programs.Schedule])
	if err != nil {
		return store.Batch{}, false, err
	}
	s, ok := schedules[schedule]
	if !ok {
		return store.Batch{}, false, fmt.Errorf("no schedule %q: %w", schedule, store.ErrNotFound)
	}
	taking, err := p.takingOn(ctx, i, *s.value, businessDate, slot)
	if err != nil {
		return store.Batch{}, false, err
	}
	body, err := json.Marshal(taking)
	if err != nil {
		return store.Batch{}, false, fmt.Errorf("schedule %s: %w", schedule, err)
	}
	var number int64
	won := true
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.LockInstitution(ctx, i.ID); err != nil {
			return err
		}
		at := slot
		if at == "" {
			n, err := tx.CountWindows(ctx, s.number, businessDate, "manual-")
			if err != nil {
				return err
			}
			at = fmt.Sprintf("manual-%d", n+1)
		}
		id, err := p.newID("batch", draw(i.Code, schedule, businessDate, at))
		if err != nil {
			return err
		}
		w := store.Window{Schedule: s.number, BusinessDate: businessDate, Slot: at, Trigger: trigger, CreatedAt: p.Now()}
		b := store.Batch{ID: id, Institution: i.ID, Schedule: schedule, ScheduleBody: string(body), BusinessDate: businessDate, CreatedAt: p.Now()}
		if number, won, err = tx.OpenWindow(ctx, w, b); err != nil {
			return err
		}
		if !won {
			return store.ErrNoWindow
		}
		return tx.Record(ctx, i.ID, "batch", number, "opened", map[string]any{"schedule": schedule, "date": businessDate, "slot": at, "trigger": trigger}, p.Now())
	})
	if errors.Is(err, store.ErrNoWindow) {
		w, err := p.Store.WindowOf(ctx, s.number, businessDate, slot)
		if err != nil {
			return store.Batch{}, false, err
		}
		b, err := p.Store.BatchByNumber(ctx, w.Batch)
		return b, false, err
	}
	if err != nil {
		return store.Batch{}, false, fmt.Errorf("open window %s %s: %w", schedule, businessDate, err)
	}
	p.Wake()
	b, err := p.Store.BatchByNumber(ctx, number)
	return b, true, err
}

// takingOn is a schedule with the bureaus that take files on a date: a cut-off leaves out those whose calendar is closed, and their lines wait. A run by hand asks
// no calendar.
func (p *Plant) takingOn(ctx context.Context, i store.Institution, s programs.Schedule, businessDate, slot string) (programs.Schedule, error) {
	if slot != CutoffSlot {
		return s, nil
	}
	date, err := businessDay(businessDate)
	if err != nil {
		return s, err
	}
	bureaus, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return s, err
	}
	s.Bureaus = slices.DeleteFunc(slices.Clone(s.Bureaus), func(code string) bool {
		b, ok := bureaus[code]
		return ok && !Works(b.value.Calendar, date)
	})
	return s, nil
}

// Cutoff is when lines submitted now are locked.
type Cutoff struct {
	Schedule     string    `json:"schedule"`
	BusinessDate string    `json:"business_date"`
	At           time.Time `json:"at"`
}

// NextCutoff tells when lines for a bureau, submitted now, are locked; false when no schedule will take them.
func (p *Plant) NextCutoff(ctx context.Context, i store.Institution, bureau string, sameDay bool) (Cutoff, bool, error) {
	return p.nextCutoffAfter(ctx, i, bureau, sameDay, p.Now())
}

func (p *Plant) nextCutoffAfter(ctx context.Context, i store.Institution, bureau string, sameDay bool, after time.Time) (Cutoff, bool, error) {
	loc, err := zone(i)
	if err != nil {
		return Cutoff{}, false, err
	}
	schedules, err := current(ctx, p, p.Store.Q, i.ID, store.ScheduleProgram, decodeJSON[programs.Schedule])
	if err != nil {
		return Cutoff{}, false, err
	}
	bureaus, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return Cutoff{}, false, err
	}
	var best Cutoff
	found := false
	for _, s := range sortedEntries(schedules) {
		if s.value.SameDay && !sameDay || !contains(s.value.Bureaus, bureau) {
			continue
		}
		at, date, ok, err := nextCutoff(onlyFor(s.value, bureau), bureaus, after, loc)
		if err != nil {
			return Cutoff{}, false, err
		}
		if ok && (!found || at.Before(best.At)) {
			best, found = Cutoff{Schedule: s.code, BusinessDate: date, At: at}, true
		}
	}
	return best, found, nil
}

// SameDayServes tells whether a same-day cycle takes lines for a bureau.
func (p *Plant) SameDayServes(ctx context.Context, i store.Institution, bureau string) (bool, error) {
	schedules, err := current(ctx, p, p.Store.Q, i.ID, store.ScheduleProgram, decodeJSON[programs.Schedule])
	if err != nil {
		return false, err
	}
	for _, s := range schedules {
		if s.value.SameDay && !s.value.Disabled && contains(s.value.Bureaus, bureau) {
			return true, nil
		}
	}
	return false, nil
}

// onlyFor is a schedule as one bureau sees it: days when only others work do not count.
func onlyFor(s *programs.Schedule, bureau string) *programs.Schedule {
	narrow := *s
	narrow.Bureaus = []string{bureau}
	return &narrow
}
