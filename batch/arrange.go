package batch

import (
	"slices"
	"strings"

	"platen/formats"
	"platen/sql/store"
)

// arrangement is how a layout parts files and orders the lines in them, beyond the product, which every file has one of.
type arrangement struct{ partBy, orderBy []formats.Field }

func arrange(l *formats.Layout) arrangement {
	known := func(fields []formats.Field) []formats.Field {
		return slices.DeleteFunc(fields, func(f formats.Field) bool { return plannedBy(f, &store.OrderLine{}, "") == nil })
	}
	return arrangement{partBy: known(l.SplitBy()), orderBy: known(l.OrderBy())}
}

// plannedBy points to what a line will show of a field once it is rendered; nil for what all lines of a product have in common.
func plannedBy(f formats.Field, l *store.OrderLine, reference string) *string {
	switch f {
	case formats.CarrierBranch:
		return &l.Branch
	case formats.CarrierDelivery:
		return &l.Delivery
	case formats.CarrierCountry:
		return &l.Country
	case formats.CarrierRegion:
		return &l.Region
	case formats.CarrierCity:
		return &l.City
	case formats.CarrierPostcode:
		return &l.Postcode
	case formats.HolderLanguage:
		return &l.Language
	case formats.OrderReference:
		return &reference
	}
	return nil
}

// arranges tells whether lines have to be looked at one by one.
func (a *arrangement) arranges() bool { return len(a.partBy)+len(a.orderBy) > 0 }

// rank is a text that sorts as the layout orders lines. No value holds the byte between two.
func (a *arrangement) rank(l *store.OrderLine, reference string) string {
	values := make([]string, len(a.orderBy))
	for i, f := range a.orderBy {
		values[i] = *plannedBy(f, l, reference)
	}
	return strings.Join(values, "\x00")
}

// partOf finds or makes the part of a group that a line belongs to.
func (pl *planner) partOf(g *group, l *store.OrderLine) *group {
	if len(g.partBy) == 0 {
		return g
	}
	var parted store.OrderLine
	key := g.key
	for _, f := range g.partBy {
		value := *plannedBy(f, l, "")
		*plannedBy(f, &parted, "") = value
		key += "\x00" + value
	}
	part, ok := pl.groups[key]
	if !ok {
		made := *g
		made.key, made.parted, made.runs = key, parted, nil
		part = &made
		pl.groups[key] = part
	}
	return part
}

// sort orders a group's runs as its layout says; those of one rank stay as they were ordered.
func (g *group) sort() {
	if len(g.orderBy) > 0 {
		slices.SortStableFunc(g.runs, func(a, b run) int { return strings.Compare(a.rank, b.rank) })
	}
}
