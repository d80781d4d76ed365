package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"platen/card"
	"platen/formats"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// faultLayout is the code of a row that the files of its product cannot show.
const faultLayout = "not_in_layout"

// declarations reads the layouts and bureaus that a product's files are made with.
func (in *intake) declarations(ctx context.Context) (declarations, error) {
	layouts, err := current(ctx, in.plant, in.plant.Store.Q, in.inst.ID, store.LayoutProgram, decodeLayout)
	if err != nil {
		return declarations{}, err
	}
	bureaus, err := current(ctx, in.plant, in.plant.Store.Q, in.inst.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return declarations{}, err
	}
	return declarations{
		layout: func(name string) *formats.Layout { return layouts[name].value },
		bureau: func(code string) *programs.Bureau { return bureaus[code].value },
		pans: func(code string) (card.Range, bool) {
			for _, r := range in.ranges {
				if r.Code == code {
					return r.Range, true
				}
			}
			return card.Range{}, false
		},
	}, nil
}

// trialOf is the trial of a product, made when its first row comes.
func (in *intake) trialOf(ctx context.Context, p *card.Product) (*trial, error) {
	if t, ok := in.trials[p.Code]; ok {
		return t, nil
	}
	d, err := in.declarations(ctx)
	if err != nil {
		return nil, err
	}
	t, err := in.plant.newTrial(in.inst, p, d, in.order.Reference, in.today.Format("2006-01-02"))
	if err != nil {
		return nil, err
	}
	in.trials[p.Code] = t
	return t, nil
}

// try writes a good row as its product's files will show it.
func (in *intake) try(ctx context.Context, row formats.Row, line *store.OrderLine) ([]formats.Fault, error) {
	p, ok := in.byNumber[line.Product]
	if !ok {
		return nil, fmt.Errorf("the product of a row is not declared: %w", store.ErrNotFound)
	}
	t, err := in.trialOf(ctx, p.value)
	if err != nil {
		return nil, err
	}
	expiry, err := card.ExpiryFromInt(line.Expiry)
	if line.Expiry == 0 {
		expiry, err = personalization.ExpiryOf(*p.value, in.today, card.Expiry{})
	}
	if err != nil {
		return nil, err
	}
	last := *line
	last.Unit += line.Quantity - 1
	err = t.try(&last, line.Reason, expiry)
	var r *refusalError
	if !errors.As(err, &r) {
		return nil, err
	}
	hint := fmt.Sprintf("cannot stand in files of layout %s for bureau %s: %v", r.layout, r.bureau, r.reason)
	field := columnOf(r.field, row)
	if field == "" && r.field != "" {
		hint = r.field + " " + hint
	}
	return []formats.Fault{{Line: row.Line, Field: field, Code: faultLayout, Hint: hint}}, nil
}

// shownIn are the columns of a row by the fields that files show them in.
var shownIn = map[formats.Field]string{
	formats.CustomerReference: "customer_reference", formats.HolderTitle: "title", formats.HolderFirstName: "first_name", formats.HolderLastName: "last_name",
	formats.HolderLanguage: "language", formats.CarrierAddress1: "address1", formats.CarrierAddress2: "address2", formats.CarrierAddress3: "address3",
	formats.CarrierCity: "city", formats.CarrierRegion: "region", formats.CarrierPostcode: "postcode", formats.CarrierCountry: "country",
	formats.CarrierDelivery: "delivery", formats.CarrierBranch: "branch", formats.CardExpiry: "expiry",
	formats.CardName: "emboss_name", formats.CardName2: "emboss_name", formats.CardPrintName: "emboss_name", formats.CarrierName: "recipient",
}

// columnOf is the column that a person corrects, empty where no single one is at fault: a name that was made of others is not given itself.
func columnOf(name string, row formats.Row) string {
	field, ok := formats.ParseField(name)
	if !ok {
		return ""
	}
	column := shownIn[field]
	if slices.ContainsFunc(formats.ExtraFields[:], func(x formats.ExtraField) bool { return x.Field == field }) {
		column = name
	}
	if column == "emboss_name" && row.EmbossName == "" || column == "recipient" && row.Recipient == "" {
		return "last_name"
	}
	return column
}
