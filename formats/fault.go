package formats

// Fault is one thing that is wrong with a row of an order. It never repeats the value; of a name that cannot be shown, the hint may propose
// another form.
type Fault struct {
	Line  int64  `json:"line" csv:"line"`   // line in the file, the header is 1
	Field string `json:"field" csv:"field"` // column; empty for the row as a whole
	Code  string `json:"code" csv:"code"`   // stable word
	Hint  string `json:"hint" csv:"hint"`   // what to do, for people
}

// The codes of faults that a row has in itself. Intake adds those that need to know products and cards.
const (
	FaultRequired       = "required"
	FaultTooLong        = "too_long"
	FaultNotANumber     = "not_a_number"
	FaultBadExpiry      = "bad_expiry"
	FaultBadFlag        = "bad_flag"
	FaultBadCode        = "bad_code"
	FaultBadCard        = "bad_card"
	FaultUnmappable     = "unmappable"
	FaultControl        = "control_character"
	FaultUnknownCountry = "unknown_country"
	FaultUnknownMethod  = "unknown_delivery"
	FaultUnknownLang    = "unknown_language"
	FaultColumnCount    = "column_count"
	FaultNameUnmappable = "name_unmappable"
	FaultNameTooLong    = "name_too_long"
	FaultBadLine        = "bad_line"
	FaultOtherOrder     = "other_order"
)
