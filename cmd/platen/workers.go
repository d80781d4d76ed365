package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// silentAfter is after how long without a sign a worker counts as dead: its claims run out at that time.
const silentAfter = batch.Lease * time.Second

type workerJSON struct {
	Name      string    `json:"name"`
	State     string    `json:"state"` // working, idle, draining, silent
	Slots     int       `json:"slots"`
	Express   int       `json:"express_slots"`
	Files     int       `json:"files"`
	StartedAt time.Time `json:"started_at"`
	SilentFor float64   `json:"seen_seconds_ago"`
}

type busyJSON struct {
	Worker         string  `json:"worker"`
	File           int64   `json:"file"`
	Name           string  `json:"name"`
	State          string  `json:"state"`
	Doing          string  `json:"doing"` // mint, render, send
	Done           int64   `json:"done"`
	Lines          int64   `json:"lines"`
	CardsPerSecond float64 `json:"cards_per_second"`
	SecondsLeft    float64 `json:"seconds_left,omitempty"` // 0 = not known
}

type workersJSON struct {
	Workers []workerJSON `json:"workers"`
	Busy    []busyJSON   `json:"busy"`
	Waiting struct {
		Files int64 `json:"files"`
		Lines int64 `json:"lines"`
		Held  int64 `json:"held"`
	} `json:"waiting"`
}

func workersCommand(s *shared) *cobra.Command {
	var look time.Duration
	c := &cobra.Command{
		Use: "workers", Short: "Show which processes carry jobs out, what each does, how fast, and what waits",
		Long: `Looks twice, a few seconds apart: rates are what happened in between.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			v, err := a.workers(cmd.Context(), look)
			if err != nil {
				return err
			}
			return printWorkers(cmd, s, v)
		}),
	}
	c.Flags().DurationVar(&look, "over", 4*time.Second, "time between the two looks; 0 = one look, no rates")
	return c
}

func (a *app) workers(ctx context.Context, over time.Duration) (workersJSON, error) {
	var v workersJSON
	before, err := a.store.BusyFiles(ctx)
	if err != nil {
		return v, err
	}
	began := time.Now()
	if over > 0 && len(before) > 0 {
		wait := time.NewTimer(over)
		defer wait.Stop()
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-wait.C:
		}
	}
	files, err := a.store.BusyFiles(ctx)
	if err != nil {
		return v, err
	}
	v.Busy = busyViews(before, files, time.Since(began))
	all, err := a.store.Workers(ctx)
	if err != nil {
		return v, err
	}
	v.Workers = workerViews(all, files)
	waiting, err := a.store.Waiting(ctx)
	v.Waiting.Files, v.Waiting.Lines, v.Waiting.Held = waiting.Files, waiting.Lines, waiting.Held
	return v, err
}

func workerViews(all []store.Worker, files []store.File) []workerJSON {
	views := make([]workerJSON, 0, len(all))
	for _, w := range all {
		silent := time.Duration(w.Silent) * time.Microsecond
		v := workerJSON{Name: w.Name, State: "idle", Slots: w.Slots, Express: w.Express, StartedAt: w.StartedAt, SilentFor: silent.Seconds()}
		for _, f := range files {
			if f.Worker == w.Name {
				v.Files++
			}
		}
		switch {
		case silent > silentAfter:
			v.State = "silent"
		case w.Draining:
			v.State = "draining"
		case v.Files > 0:
			v.State = "working"
		}
		views = append(views, v)
	}
	return views
}

// busyViews tells what is done with each file, and how fast between two looks at it.
func busyViews(before, files []store.File, passed time.Duration) []busyJSON {
	earlier := map[int64]busyJSON{}
	for _, f := range before {
		earlier[f.Number] = busyView(f)
	}
	views := make([]busyJSON, 0, len(files))
	for _, f := range files {
		v := busyView(f)
		if was, ok := earlier[f.Number]; ok && was.Worker == v.Worker && was.Doing == v.Doing && v.Done > was.Done && passed > 0 {
			v.CardsPerSecond = float64(v.Done-was.Done) / passed.Seconds()
			v.SecondsLeft = float64(v.Lines-v.Done) / v.CardsPerSecond
		}
		views = append(views, v)
	}
	return views
}

func busyView(f store.File) busyJSON {
	v := busyJSON{Worker: f.Worker, File: f.Number, Name: f.Name, State: f.State.String(), Lines: f.Planned}
	switch {
	case f.State >= card.FileSealed:
		v.Doing = "send"
	case f.Frozen:
		v.Doing, v.Done = "render", f.Rendered
	default:
		v.Doing, v.Done = "mint", f.Minted
	}
	return v
}

func printWorkers(cmd *cobra.Command, s *shared, v workersJSON) error {
	out := cmd.OutOrStdout()
	if s.json {
		return printJSON(out, v)
	}
	t := newTable(out, "worker", "state", "files", "slots", "express", "since", "seen")
	for _, w := range v.Workers {
		t.row(w.Name, w.State, w.Files, w.Slots, w.Express, w.StartedAt.UTC().Format(time.RFC3339), ago(w.SilentFor))
	}
	if err := t.flush(); err != nil {
		return err
	}
	t = newTable(out, "worker", "file", "name", "doing", "done", "lines", "cards/s", "left")
	for _, b := range v.Busy {
		t.row(b.Worker, b.File, b.Name, b.Doing, b.Done, b.Lines, int64(b.CardsPerSecond), left(b.SecondsLeft))
	}
	if err := t.flush(); err != nil {
		return err
	}
	t = newTable(out, "files waiting", "lines", "paused")
	t.row(v.Waiting.Files, v.Waiting.Lines, v.Waiting.Held)
	return t.flush()
}

func ago(seconds float64) string {
	return time.Duration(seconds*float64(time.Second)).Round(time.Second).String() + " ago"
}

func left(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}
