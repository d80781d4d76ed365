package batch

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"platen/sql/store"
)

// smallFile is up to how many lines a file counts as small: it goes through the express lane, like a same-day one.
const smallFile = 2000

// Lane is which files a builder takes.
type Lane uint8

// The lanes. An express builder takes small and same-day files only, so that these never wait for a large one to end.
const (
	AnyFile Lane = iota + 1
	ExpressFile
)

func (l Lane) takes(b store.Buildable) bool {
	return l != ExpressFile || b.SameDay || b.Planned <= smallFile
}

// ClaimBuilds claims up to n files that are due to be built, the fairest first. What other processes have claimed but not begun counts against n, so that
// claims do not pile up before builders that are busy.
func (p *Plant) ClaimBuilds(ctx context.Context, lane Lane, n int) ([]store.Due, error) {
	var claimed []store.Due
	if n < 1 {
		return nil, nil
	}
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		claimed = nil
		if err := tx.LockClaims(ctx); err != nil {
			return err
		}
		all, err := tx.Buildables(ctx)
		if err != nil {
			return err
		}
		for _, number := range fairest(all, lane, n, p.InstitutionFiles) {
			due, ok, err := tx.ClaimBuild(ctx, number, Lease)
			if err != nil {
				return err
			}
			if ok {
				claimed = append(claimed, due)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim files to build: %w", err)
	}
	return claimed, nil
}

// fairest chooses up to n of the files that are due: same-day files first; then those of the institution that has the fewest files in work, so that nobody's
// ten million cards hold up another's two hundred; of one institution small files first, then the oldest. limit is how many files an institution may have in work
// at once in other lanes than express; 0 = any number.
func fairest(all []store.Buildable, lane Lane, n, limit int) []int64 {
	busy := map[uuid.UUID]int{}
	var due []store.Buildable
	for _, b := range all {
		switch {
		case b.Claimed:
			busy[b.Institution]++
			if b.Worker == "" && lane.takes(b) {
				n--
			}
		case b.Due && lane.takes(b):
			due = append(due, b)
		}
	}
	var chosen []int64
	for len(chosen) < n && len(due) > 0 {
		best := slices.MinFunc(due, func(a, b store.Buildable) int {
			return cmp.Or(before(a.SameDay, b.SameDay), cmp.Compare(busy[a.Institution], busy[b.Institution]),
				before(a.Planned <= smallFile, b.Planned <= smallFile), cmp.Compare(a.Number, b.Number))
		})
		due = slices.DeleteFunc(due, func(b store.Buildable) bool { return b.Number == best.Number })
		if lane != ExpressFile && limit > 0 && busy[best.Institution] >= limit {
			continue
		}
		busy[best.Institution]++
		chosen = append(chosen, best.Number)
	}
	return chosen
}

// before sorts what has a quality before what has not.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
