package batch

import (
	"context"
	"time"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// A range is watched over the last outlookDays, and warned about when it lasts for fewer than WarnDays more.
const (
	outlookDays     = 30
	defaultWarnDays = 60
)

// Outlook is how long a range lasts at the pace of the last thirty days.
type Outlook struct {
	store.PANRange
	PerDay   float64
	DaysLeft float64 // -1 where nothing was used
	Warn     bool    // it will not last, and a product takes its numbers from it
}

// Outlooks computes how long every range of the installation lasts that numbers are drawn from. A range that no product names any more may run out: nobody is warned of it.
func (p *Plant) Outlooks(ctx context.Context) ([]Outlook, error) {
	ranges, err := p.Store.Ranges(ctx)
	if err != nil {
		return nil, err
	}
	used, err := p.Store.RangeUse(ctx, p.Now().Add(-outlookDays*24*time.Hour))
	if err != nil {
		return nil, err
	}
	wanted, err := p.rangesInUse(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Outlook, 0, len(ranges))
	for _, r := range ranges {
		if r.Imported {
			continue
		}
		o := Outlook{PANRange: r, PerDay: float64(used[r.Number]) / outlookDays, DaysLeft: -1}
		if o.PerDay > 0 {
			o.DaysLeft = float64(r.Left()) / o.PerDay
		}
		lasts := r.Left() > 0 && (o.PerDay == 0 || o.DaysLeft >= float64(p.WarnDays))
		o.Warn = !lasts && wanted[rangeName{r.Institution, r.Code}]
		all = append(all, o)
	}
	return all, nil
}

type rangeName struct {
	institution uuid.UUID
	code        string
}

// rangesInUse are the ranges that products take their numbers from, as they are declared now.
func (p *Plant) rangesInUse(ctx context.Context) (map[rangeName]bool, error) {
	institutions, err := p.Store.Institutions(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[rangeName]bool{}
	for _, i := range institutions {
		products, err := current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product])
		if err != nil {
			return nil, err
		}
		for _, product := range products {
			wanted[rangeName{i.ID, product.value.Range}] = true
		}
	}
	return wanted, nil
}

// warnRanges tells the log of ranges that will not last.
func (p *Plant) warnRanges(ctx context.Context) error {
	all, err := p.Outlooks(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Warn {
			p.Log.Warn().Str("range", o.Code).Int64("left", o.Left()).Float64("days_left", o.DaysLeft).Msg("PAN range runs out: declare another and move the product to it")
		}
	}
	return nil
}
