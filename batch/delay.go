package batch

import (
	"cmp"
	"context"
	"time"

	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

// delayed are lines that are held back alike.
type delayed struct {
	product int64
	reason  card.Reason
}

// notBefore is the business date before which no cycle takes a line; empty where the next does.
func (in *intake) notBefore(ctx context.Context, l *store.OrderLine) (string, error) {
	key := delayed{l.Product, l.Reason}
	if date, known := in.due[key]; known {
		return date, nil
	}
	product := in.byNumber[l.Product].value
	action, _ := product.Action(l.Reason)
	days := cmp.Or(in.delay.Card, action.CardDelay)
	date := ""
	if days > 0 {
		bureaus, err := current(ctx, in.plant, in.plant.Store.Q, in.inst.ID, store.BureauProgram, decodeJSON[programs.Bureau])
		if err != nil {
			return "", err
		}
		var calendar programs.Calendar // of a product without plastic: none
		if b, ok := bureaus[product.Bureau]; ok {
			calendar = b.value.Calendar
		}
		if date, err = workingDay(calendar, in.today.Format(time.DateOnly), days); err != nil {
			return "", err
		}
	}
	in.due[key] = date
	return date, nil
}

// cutoffAfter is NextCutoff for a line that is held back until a business date.
func (p *Plant) cutoffAfter(ctx context.Context, i store.Institution, bureau string, sameDay bool, notBefore string) (Cutoff, bool, error) {
	after := p.Now()
	if notBefore != "" {
		loc, err := zone(i)
		if err != nil {
			return Cutoff{}, false, err
		}
		day, err := time.ParseInLocation(time.DateOnly, notBefore, loc)
		if err != nil {
			return Cutoff{}, false, err
		}
		if day = day.Add(-time.Second); day.After(after) {
			after = day
		}
	}
	return p.nextCutoffAfter(ctx, i, bureau, sameDay, after)
}
