package formats

import (
	"fmt"
	"unicode/utf8"

	"platen/card"
)

// ExtraField is one member of what an order says besides its columns.
type ExtraField struct {
	Field Field
	Value func(*card.Extra) *string
	limit int // characters
}

// ExtraFields are all of them; their names in the catalogue are those that an order has them under.
var ExtraFields = [...]ExtraField{
	{ExtraLine1, func(e *card.Extra) *string { return &e.Line1 }, 32},
	{ExtraLine2, func(e *card.Extra) *string { return &e.Line2 }, 32},
	{ExtraLine3, func(e *card.Extra) *string { return &e.Line3 }, 32},
	{ExtraLine4, func(e *card.Extra) *string { return &e.Line4 }, 32},
	{ExtraLine5, func(e *card.Extra) *string { return &e.Line5 }, 32},
	{ExtraName, func(e *card.Extra) *string { return &e.Name }, 26},
	{ExtraCompany, func(e *card.Extra) *string { return &e.Company }, 26},
	{ExtraLayout, func(e *card.Extra) *string { return &e.Layout }, 32},
	{ExtraSegment, func(e *card.Extra) *string { return &e.Segment }, 32},
	{ExtraWallet, func(e *card.Extra) *string { return &e.Wallet }, 32},
	{ExtraValues, func(e *card.Extra) *string { return &e.Values }, 600},
}

// checkExtra tells what is wrong with what a row says besides its columns: lengths and control characters. Whether the letters can stand in the files of a product, its trial finds out.
func checkExtra(row *Row) []Fault {
	if row.Extra == nil {
		return nil
	}
	var faults []Fault
	for _, x := range ExtraFields {
		switch v := *x.Value(row.Extra); {
		case v == "":
		case utf8.RuneCountInString(v) > x.limit:
			faults = append(faults, Fault{row.Line, x.Field.String(), FaultTooLong, fmt.Sprintf("at most %d characters", x.limit)})
		case shapeOf(v) == controlled || !utf8.ValidString(v) || defaultLetters().inspect(v).controls:
			faults = append(faults, Fault{row.Line, x.Field.String(), FaultControl, "remove line breaks, tabs and other control characters"})
		}
	}
	return faults
}
