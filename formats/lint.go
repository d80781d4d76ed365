package formats

import (
	"fmt"
	"slices"
	"strings"
)

// Advice is what a reader of a layout should look at before it meets a card: it loads, and yet it may not do what its author wants.
type Advice struct {
	Line   int    `json:"line"` // of the YAML
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
}

// longestName is how many characters a product may let a card's name have (ISO/IEC 7813).
const longestName = 26

// Lint lists advice about a layout: values that a function may cut, places in which usual values do not fit, names that the encoding refuses,
// and what the file does not prove of itself. A layout without advice may still be wrong for its bureau.
func (l *Layout) Lint() []Advice {
	var all []Advice
	if !l.Complete() {
		all = append(all, Advice{Line: l.spec.root.Line, Reason: "the file has no trailer: that whole records are missing at its end cannot be seen"})
	}
	if l.spec.kind == CardFile && !l.Has(Header) && l.spec.mode != xmlMode && l.spec.mode != jsonMode {
		all = append(all, Advice{Line: l.spec.root.Line, Reason: "the file has no header: only its name says which file it is"})
	}
	for which := Header; which <= Trailer; which++ {
		if s := l.spec.sections[which]; s != nil {
			for i := range s.fields {
				all = append(all, l.lintField(&s.fields[i])...)
			}
		}
	}
	return all
}

func (l *Layout) lintField(f *fieldSpec) []Advice {
	var all []Advice
	advise := func(format string, args ...any) {
		all = append(all, Advice{Line: f.node.Line, Field: f.content(), Reason: fmt.Sprintf(format, args...)})
	}
	uses := func(names ...string) bool {
		return slices.ContainsFunc(f.pipes, func(p pipeSpec) bool { return slices.Contains(names, p.name) })
	}
	for i := range f.parts {
		all = append(all, l.lintField(&f.parts[i])...)
	}
	if f.value == 0 {
		return all
	}
	facts := catalogue[f.value]
	cuts := uses("cut") || slices.ContainsFunc(f.pipes, func(p pipeSpec) bool { return p.name == "fit" && slices.Contains(p.args, "cut") })
	if cuts && facts.sensitivity == Personal {
		advise("may lose its end, and nobody is told")
	}
	if room := l.room(f); f.value == CardName && room > 0 && room < longestName && !uses("fit", "cut") {
		advise("has room for %d characters: products that allow more need a name_limit of %d", room, room)
	}
	if facts.sensitivity == Code && uses("enc") {
		advise("is one of so few values that whoever knows some cards knows the block of each: put data of the card beside it in parts, or protect the file as a whole")
	}
	if facts.sensitivity == Personal && facts.valueType == text && f.value != CardName && f.value != CardTrackName && f.value != CarrierCountry && f.value != HolderLanguage &&
		l.spec.encoding != utf8Encoding && !uses("ascii", "translit", "country", "lookup", "choose") {
		advise("is refused where it has a letter that %s lacks; ascii or translit would write it otherwise", encodingNames[l.spec.encoding])
	}
	if f.value == CardPAN && l.spec.mode == fixedMode && !uses("mask", "last", "bin") && f.len < 16 {
		advise("has no room for a number of 16 digits")
	}
	return all
}

// room is how many characters a value may have: its place, or what len says.
func (l *Layout) room(f *fieldSpec) int {
	n := f.len
	for _, p := range f.pipes {
		if p.name == "len" {
			if w, err := p.width(); err == nil && (n == 0 || w < n) {
				n = w
			}
		}
	}
	return n
}

// Coverage lists the fields that the layout's kind of file usually tells and the layout does not carry, in the order of the catalogue.
func (l *Layout) Coverage() (missing []Field) {
	usual := func(Field) bool { return false }
	switch l.spec.kind {
	case CardFile:
		usual = func(f Field) bool {
			return slices.Contains([]Field{CardPAN, CardExpiry, CardPSN, CardServiceCode, CardName, CardTrack1, CardTrack2, CardChipTrack2, CardCVV2, CardPINBlock, ProductDesign,
				CarrierName, CarrierAddress1, CarrierCity, CarrierPostcode, CarrierCountry, CarrierDelivery}, f)
		}
	case PINMailer:
		usual = func(f Field) bool {
			return slices.Contains([]Field{CarrierName, CarrierAddress1, CarrierCity, CarrierPostcode, CarrierCountry, CarrierDelivery}, f)
		}
	}
	for f := Field(1); f < numFields; f++ {
		if usual(f) && !l.shows(f) {
			missing = append(missing, f)
		}
	}
	return missing
}

// unfilled are the fields of cards that no part of the pipeline makes yet: whoever prints orders through a layout has no value for them.
var unfilled = []Field{ChipData}

// Codes of cards by scheme: an American Express card has card security codes, and others have card verification values.
var (
	SecurityCodes      = []Field{CardCSC5, CardCSC4, CardCSC3}
	VerificationValues = []Field{CardCVV, CardCVV2, CardICVV}
)

// Unfilled lists the fields that the layout writes an empty place for, because the pipeline never fills them, or because they are among those that the cards
// never have. A place that is left out with its value, an optional one or a member of a document, is none.
func (l *Layout) Unfilled(never ...Field) (empty []Field) {
	if l.spec.mode != fixedMode && l.spec.mode != delimitedMode && l.spec.mode != segmentsMode {
		return nil
	}
	for _, f := range slices.Concat(unfilled, never) {
		stands := func(c column) bool { return l.made(c).field == f && !c.optional }
		if slices.ContainsFunc(l.sections[Detail].columns, func(c column) bool { return stands(c) || slices.ContainsFunc(l.made(c).parts, stands) }) {
			empty = append(empty, f)
		}
	}
	return empty
}

// shows tells whether any section has the field. A track that is put together shows what its parts do, and itself.
func (l *Layout) shows(f Field) bool {
	for which, s := range l.spec.sections {
		if s == nil {
			continue
		}
		if f == CardTrack1 || f == CardTrack2 || f == CardChipTrack2 {
			if slices.ContainsFunc(s.fields, func(x fieldSpec) bool { return x.track != "" || strings.Contains(x.content(), "card.cvv +") }) {
				return true
			}
		}
		if slices.ContainsFunc(l.sections[which].columns, func(c column) bool {
			c = l.made(c)
			return c.field == f || slices.ContainsFunc(c.parts, func(p column) bool { return l.made(p).field == f })
		}) {
			return true
		}
	}
	return false
}
