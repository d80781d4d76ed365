package batch

import (
	"context"
	"fmt"
	"time"

	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

// What a bureau may owe beyond its time.
const (
	OverdueAck        = "ack"
	OverdueProduction = "production"
	OverdueDispatch   = "dispatch"
	OverdueDelivery   = "delivery"
)

// watchDays is how long after its balance a file's dispatch and delivery are watched.
const watchDays = 90

// dueBy is the end of a span that begins at start and passes only on days that a bureau works, counted in the institution's zone.
func dueBy(start time.Time, span time.Duration, c programs.Calendar, loc *time.Location) time.Time {
	at, left := start.In(loc), span
	for range 1000 { // a calendar without a working day ends somewhere
		midnight := time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, loc)
		if !Works(c, at) {
			at = midnight
			continue
		}
		if today := midnight.Sub(at); left > today {
			at, left = midnight, left-today
			continue
		}
		return at.Add(left)
	}
	return at.Add(left)
}

// Watch holds every file against the times that its bureau promised, and sets or clears its OVERDUE flag with an event; and it remembers since when
// each item of the inbox is known. It moves no state.
func (p *Plant) Watch(ctx context.Context) error {
	institutions, err := p.Store.Institutions(ctx)
	if err != nil {
		return err
	}
	for _, i := range institutions {
		if err := p.watch(ctx, i); err != nil {
			return fmt.Errorf("watch the clocks of %s: %w", i.Code, err)
		}
	}
	return nil
}

func (p *Plant) watch(ctx context.Context, i store.Institution) error {
	loc, err := zone(i)
	if err != nil {
		return err
	}
	bureaus, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return err
	}
	files, err := p.Store.FilesAtWork(ctx, i.ID)
	if err != nil {
		return err
	}
	for _, f := range files {
		what, since := "", time.Time{}
		if b, ok := bureaus[f.BureauCode]; ok {
			what, since = owed(f, b.value, loc)
		}
		if err := p.flag(ctx, f, what, since); err != nil {
			return err
		}
	}
	late, err := p.lateOnTheWay(ctx, bureaus, loc)
	if err != nil {
		return err
	}
	flagged, err := p.Store.OverdueBalanced(ctx, i.ID)
	if err != nil {
		return err
	}
	for _, f := range flagged {
		if _, still := late[f.Number]; !still {
			if err := p.flag(ctx, f, "", time.Time{}); err != nil {
				return err
			}
		}
	}
	for _, l := range late {
		if err := p.flag(ctx, l.file, l.what, l.since); err != nil {
			return err
		}
	}
	return p.rememberItems(ctx, i)
}

// owed tells what the bureau of a file that is not balanced yet owes, and when it was due.
func owed(f store.File, b *programs.Bureau, loc *time.Location) (what string, since time.Time) {
	switch {
	case f.State == card.FileSent && b.Expect.Ack > 0 && f.SentAt != nil:
		return OverdueAck, dueBy(*f.SentAt, time.Duration(b.Expect.Ack), b.Calendar, loc)
	case (f.State == card.FileAcknowledged || f.State == card.FileReconciling) && b.Expect.Production > 0 && f.AcknowledgedAt != nil:
		return OverdueProduction, dueBy(*f.AcknowledgedAt, time.Duration(b.Expect.Production), b.Calendar, loc)
	}
	return "", time.Time{}
}

type lateFile struct {
	file  store.File
	what  string
	since time.Time
}

// lateOnTheWay finds balanced files of which cards still wait for their dispatch or delivery beyond their time.
func (p *Plant) lateOnTheWay(ctx context.Context, bureaus map[string]entry[*programs.Bureau], loc *time.Location) (map[int64]lateFile, error) {
	late := map[int64]lateFile{}
	now := p.Now()
	for _, b := range sortedEntries(bureaus) {
		for _, clock := range []struct {
			what   string
			span   programs.Duration
			states []card.IssueState
		}{{OverdueDelivery, b.value.Expect.Delivery, []card.IssueState{card.IssueDispatched, card.IssueInTransit}}, {OverdueDispatch, b.value.Expect.Dispatch, []card.IssueState{card.IssueProduced}}} {
			if clock.span == 0 {
				continue
			}
			files, err := p.Store.Unarrived(ctx, b.number, now.AddDate(0, 0, -watchDays), now.Add(-time.Duration(clock.span)), clock.states...)
			if err != nil {
				return nil, err
			}
			for _, f := range files {
				if due := dueBy(*f.BalancedAt, time.Duration(clock.span), b.value.Calendar, loc); due.Before(now) {
					late[f.Number] = lateFile{f, clock.what, due}
				}
			}
		}
	}
	return late, nil
}

// flag sets or clears a file's flag, once.
func (p *Plant) flag(ctx context.Context, f store.File, what string, since time.Time) error {
	if what != "" && since.After(p.Now()) {
		what = ""
	}
	if what == f.Overdue {
		return nil
	}
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		kind, data, at := "in_time_again", map[string]any{"was": f.Overdue}, (*time.Time)(nil)
		if what != "" {
			kind, data, at = "overdue", map[string]any{"what": what, "since": since.UTC().Format(time.RFC3339)}, &since
		}
		if err := tx.FlagOverdue(ctx, f, what, at); err != nil {
			return err
		}
		return tx.Record(ctx, f.Institution, "file", f.Number, kind, data, p.Now())
	})
	if isStale(err) {
		return nil // it moved while we looked; the next look sees it as it is then
	}
	if err == nil && what != "" {
		p.Log.Warn().Int64("file", f.Number).Str("bureau", f.BureauCode).Str("owes", what).Time("since", since).Msg("a bureau's answer is overdue")
	}
	return err
}
