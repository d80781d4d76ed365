package jobs_test

import (
	"testing"

	"platen/formats"
	"platen/jobs"
)

func TestOnceDoesWhatIsDueAndEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(20)...)
		if _, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test"); err != nil {
			t.Fatal(err)
		}
		for s.anyAtWork() || s.books().Files == nil {
			n, err := jobs.Once(t.Context(), s.plant, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, sim := range s.sims {
				s.must(sim.Process(t.Context()))
			}
			if len(s.books().Files) == 0 {
				t.Fatalf("%d things were done, and no file was planned", n)
			}
		}
		if n, err := jobs.Once(t.Context(), s.plant, false); err != nil || n != 0 {
			t.Errorf("with nothing due %d things were done: %v", n, err)
		}
		// The window of the day has not come; later it has, and it is opened once.
		s.setNow(s.now().AddDate(0, 0, 2))
		opened, err := jobs.Once(t.Context(), s.plant, true)
		// A bureau may have answered meanwhile.
		_, errAgain := jobs.Once(t.Context(), s.plant, true)
		if windows := s.count(`SELECT count(*) FROM schedule_runs`); err != nil || errAgain != nil || opened == 0 || windows != 2 {
			t.Errorf("%d things were done, and there are %d windows: %v, %v", opened, windows, err, errAgain)
		}
	})
}
