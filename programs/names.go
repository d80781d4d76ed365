package programs

import (
	"slices"

	"platen/card"
	"platen/formats"
)

// maxPrinted is the most characters of a printed name.
const maxPrinted = 40

// checkNames checks how a product makes what its cards show of a name, and that its layout has a place for all of it.
func (l *loader) checkNames(p *card.Product, from source) {
	n := p.Names
	at := func(key, format string, args ...any) { l.at(from, "names", key)(key+": "+format, args...) }
	for _, choice := range []struct {
		key, value string
		from       []string
	}{
		{"letters", n.Letters, formats.Romanisations()}, {"emboss", n.Emboss, formats.ASCIINameSets()}, {"print", n.Print, formats.NameSets()},
	} {
		if choice.value != "" && !slices.Contains(choice.from, choice.value) {
			at(choice.key, "%s", oneOf(choice.from))
		}
	}
	if n.PrintLimit != 0 {
		l.checkBounds(from, int64(n.PrintLimit), 2, maxPrinted, "names", "print_limit")
		if n.Print == "" {
			at("print_limit", "belongs to a printed name: say print, or leave it out")
		}
	}
	for i, rule := range n.Fit {
		switch {
		case !slices.Contains(card.FitRules(), rule):
			at("fit", "%s", oneOf(card.FitRules()))
		case slices.Contains(n.Fit[:i], rule):
			at("fit", "%s stands twice", rule)
		case rule == card.DropTitle && !n.Title:
			at("fit", "%s needs title: true", rule)
		}
	}
	l.checkPlaceOfNames(p, from)
}

// checkPlaceOfNames holds the layout of the cards against what they show: a line without a place would be lost.
func (l *loader) checkPlaceOfNames(p *card.Product, from source) {
	layout := l.layout(p.Layout)
	if layout == nil {
		return // it is said where the layout is named
	}
	place := func(key string, f formats.Field) {
		if !layout.Carries(f) {
			l.at(from, "names", key)("%s: layout %s has no place for %s", key, p.Layout, f)
		}
	}
	if slices.Contains(p.Names.Fit, card.TwoLines) {
		place("fit", formats.CardName2)
	}
	if p.Names.Print == "" {
		return
	}
	place("print", formats.CardPrintName)
	if slices.Contains(formats.NameSets(), p.Names.Print) && !layout.EncodesNames(p.Names.Print) {
		l.at(from, "names", "print")("print: the files of layout %s are of an encoding that lacks characters of %s", p.Layout, p.Names.Print)
	}
}
