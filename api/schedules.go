package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"platen/programs"
	"platen/sql/store"
)

// Schedules are an institution's cycles, and when what is submitted now is locked.
type Schedules struct {
	Schedules []Schedule     `json:"schedules" nullable:"false"`
	Cutoffs   []BureauCutoff `json:"next_cutoffs" nullable:"false"`
}

// Schedule is a cycle.
type Schedule struct {
	Code     string   `json:"code"`
	Cron     string   `json:"cron" doc:"Minute, hour, day, month, weekday in the institution's timezone"`
	Bureaus  []string `json:"bureaus" nullable:"false"`
	SameDay  bool     `json:"same_day" doc:"Takes only lines that asked for same-day"`
	Disabled bool     `json:"disabled"`
}

// BureauCutoff is when lines for a bureau, submitted now, are locked.
type BureauCutoff struct {
	Bureau  string `json:"bureau"`
	SameDay bool   `json:"same_day"`
	Cutoff
}

func (s *service) routeSchedules(api huma.API) {
	read(s, api, operation("list-schedules", "/v1/schedules", "schedules", "Schedules and the next cut-off of each bureau"), s.listSchedules)
}

func (s *service) listSchedules(ctx context.Context, c caller, _ *struct{}) (Schedules, error) {
	v := Schedules{Schedules: []Schedule{}, Cutoffs: []BureauCutoff{}}
	declared, err := s.Plant.Store.Programs(ctx, c.institution.ID, store.ScheduleProgram)
	if err != nil {
		return v, err
	}
	for _, p := range declared {
		var d programs.Schedule
		if err := json.Unmarshal([]byte(p.Body), &d); err != nil {
			return v, fmt.Errorf("stored schedule %s cannot be read: %w", p.Code, err)
		}
		v.Schedules = append(v.Schedules, Schedule{Code: d.Code, Cron: d.Cron, Bureaus: append([]string{}, d.Bureaus...), SameDay: d.SameDay, Disabled: d.Disabled})
	}
	bureaus, err := s.Plant.Store.Programs(ctx, c.institution.ID, store.BureauProgram)
	if err != nil {
		return v, err
	}
	for _, b := range bureaus {
		for _, sameDay := range []bool{false, true} {
			next, ok, err := s.Plant.NextCutoff(ctx, c.institution, b.Code, sameDay)
			if err != nil {
				return v, err
			}
			if ok {
				v.Cutoffs = append(v.Cutoffs, BureauCutoff{Bureau: b.Code, SameDay: sameDay, Cutoff: *showCutoff(next)})
			}
		}
	}
	return v, nil
}
