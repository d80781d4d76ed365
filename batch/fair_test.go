package batch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"platen/sql/store"
)

func TestFilesAreClaimedFairly(t *testing.T) {
	big, small := uuid.UUID{1}, uuid.UUID{2}
	due := func(number int64, of uuid.UUID, lines int64) store.Buildable {
		return store.Buildable{Number: number, Institution: of, Planned: lines, Due: true}
	}
	working := func(number int64, of uuid.UUID, worker string) store.Buildable {
		return store.Buildable{Number: number, Institution: of, Planned: 50_000, Claimed: true, Worker: worker}
	}
	sameDay := func(b store.Buildable) store.Buildable { b.SameDay = true; return b }
	for name, c := range map[string]struct {
		all      []store.Buildable
		lane     Lane
		n, limit int
		want     []int64
	}{
		"oldest first":                               {[]store.Buildable{due(1, big, 50_000), due(2, big, 50_000), due(3, big, 50_000)}, AnyFile, 2, 0, []int64{1, 2}},
		"small before large":                         {[]store.Buildable{due(1, big, 50_000), due(2, big, 200)}, AnyFile, 1, 0, []int64{2}},
		"in turns":                                   {[]store.Buildable{due(1, big, 50_000), due(2, big, 50_000), due(3, small, 50_000)}, AnyFile, 2, 0, []int64{1, 3}},
		"who has nothing in work goes first":         {[]store.Buildable{working(1, big, "a"), due(2, big, 200), due(3, small, 50_000)}, AnyFile, 1, 0, []int64{3}},
		"same day before everything":                 {[]store.Buildable{working(1, big, "a"), sameDay(due(2, big, 50_000)), due(3, small, 200)}, AnyFile, 1, 0, []int64{2}},
		"express takes no large file":                {[]store.Buildable{due(1, big, 2001), due(2, big, 2000)}, ExpressFile, 2, 0, []int64{2}},
		"express takes any same-day file":            {[]store.Buildable{due(1, big, 2001), sameDay(due(2, big, 50_000))}, ExpressFile, 2, 0, []int64{2}},
		"a limit holds one institution":              {[]store.Buildable{working(1, big, "a"), working(2, big, "b"), due(3, big, 200), due(4, small, 50_000)}, AnyFile, 2, 2, []int64{4}},
		"no limit holds the express lane":            {[]store.Buildable{working(1, big, "a"), working(2, big, "b"), due(3, big, 200)}, ExpressFile, 1, 2, []int64{3}},
		"what others claimed and not begun counts":   {[]store.Buildable{working(1, big, ""), due(2, big, 50_000), due(3, big, 50_000)}, AnyFile, 2, 0, []int64{2}},
		"a large file not begun does not hold small": {[]store.Buildable{working(1, big, ""), due(2, big, 200)}, ExpressFile, 1, 0, []int64{2}},
		"paused ones and failed ones wait":           {[]store.Buildable{{Number: 1, Planned: 1}}, AnyFile, 1, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, fairest(c.all, c.lane, c.n, c.limit)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
