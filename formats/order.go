package formats

import (
	"fmt"
	"slices"

	"platen/card"
)

// OrderKind says what the rows of an order ask for. The numbers are stored and never change.
type OrderKind uint8

// The kinds of order files.
const (
	MassOrder   OrderKind = iota + 1 // numbers of cards without names
	BulkOrder                        // one named card a row
	ActionOrder                      // what is to be done with cards that exist
)

var orderKindNames = []string{MassOrder: "mass", BulkOrder: "bulk", ActionOrder: "card-action"}

// String is the kind's name.
func (k OrderKind) String() string { return nameIn(orderKindNames, uint8(k)) }

// ParseOrderKind reads a kind by its name.
func ParseOrderKind(name string) (OrderKind, error) {
	for k, n := range orderKindNames {
		if n == name && k > 0 {
			return OrderKind(k), nil
		}
	}
	return 0, fmt.Errorf("unknown kind of order %q", name)
}

// Row is one row of an order as it was given: text, blanks around it cut off. Line is its line in the file, the header being 1; in a
// correction it is the line of the file that is corrected.
type Row struct {
	Line              int64  `json:"line" csv:"-"`
	Product           string `json:"product,omitempty" csv:"product"`
	Quantity          string `json:"quantity,omitempty" csv:"quantity"`
	Card              string `json:"card,omitempty" csv:"card"`
	Reason            string `json:"reason,omitempty" csv:"reason"`
	Title             string `json:"title,omitempty" csv:"title"`
	FirstName         string `json:"first_name,omitempty" csv:"first_name"`
	LastName          string `json:"last_name,omitempty" csv:"last_name"`
	EmbossName        string `json:"emboss_name,omitempty" csv:"emboss_name"`
	CustomerReference string `json:"customer_reference,omitempty" csv:"customer_reference"`
	Recipient         string `json:"recipient,omitempty" csv:"recipient"`
	Address1          string `json:"address1,omitempty" csv:"address1"`
	Address2          string `json:"address2,omitempty" csv:"address2"`
	Address3          string `json:"address3,omitempty" csv:"address3"`
	City              string `json:"city,omitempty" csv:"city"`
	Region            string `json:"region,omitempty" csv:"region"`
	Postcode          string `json:"postcode,omitempty" csv:"postcode"`
	Country           string `json:"country,omitempty" csv:"country"`
	Delivery          string `json:"delivery,omitempty" csv:"delivery"`
	Branch            string `json:"branch,omitempty" csv:"branch"`
	Language          string `json:"language,omitempty" csv:"language"`
	Expiry            string `json:"expiry,omitempty" csv:"expiry"`
	SameDay           string `json:"same_day,omitempty" csv:"same_day"`

	Extra *card.Extra `json:"extra,omitempty" csv:"-"` // only of an order of one card
}

// orderColumn is one column of order files: where its value lies, which kinds take it, and what it may hold.
type orderColumn struct {
	name  string
	value func(*Row) *string
	kinds uses
	limit int // characters, in the form that files show
	check func(string) (code, hint string)
	// letters is the fault of a value that cannot be romanised; empty where any letter may stand.
	letters string
}

// use says whether a kind of order takes a column.
type use uint8

const (
	may use = iota + 1
	must
)

// uses are those of every kind.
type uses [ActionOrder + 1]use

// count is how many kinds take the column.
func (u uses) count() int {
	n := 0
	for _, x := range u {
		if x != 0 {
			n++
		}
	}
	return n
}

var (
	everyKind = uses{MassOrder: may, BulkOrder: may, ActionOrder: may}
	addressed = uses{MassOrder: may, BulkOrder: must, ActionOrder: may}
	namedOnly = uses{BulkOrder: may}
)

// orderColumns is in the order in which correction files have them. Limits are those of the shipped layouts.
var orderColumns = []orderColumn{
	{"product", func(r *Row) *string { return &r.Product }, uses{MassOrder: must, BulkOrder: must}, 32, nil, ""},
	{"quantity", func(r *Row) *string { return &r.Quantity }, uses{MassOrder: must}, 20, checkQuantity, ""},
	{"card", func(r *Row) *string { return &r.Card }, uses{ActionOrder: must}, 120, checkCard, ""},
	{"reason", func(r *Row) *string { return &r.Reason }, uses{ActionOrder: must}, 32, nil, ""},
	{"title", func(r *Row) *string { return &r.Title }, namedOnly, 10, nil, FaultUnmappable},
	{"first_name", func(r *Row) *string { return &r.FirstName }, uses{BulkOrder: must}, 40, nil, FaultNameUnmappable},
	{"last_name", func(r *Row) *string { return &r.LastName }, uses{BulkOrder: must}, 40, nil, FaultNameUnmappable},
	{"emboss_name", func(r *Row) *string { return &r.EmbossName }, everyKind, maxNameInput / 2, nil, ""},
	{"customer_reference", func(r *Row) *string { return &r.CustomerReference }, namedOnly, 35, nil, ""},
	{"recipient", func(r *Row) *string { return &r.Recipient }, uses{MassOrder: may, ActionOrder: may}, 60, nil, FaultUnmappable},
	{"address1", func(r *Row) *string { return &r.Address1 }, addressed, 40, nil, FaultUnmappable},
	{"address2", func(r *Row) *string { return &r.Address2 }, everyKind, 40, nil, FaultUnmappable},
	{"address3", func(r *Row) *string { return &r.Address3 }, everyKind, 40, nil, FaultUnmappable},
	{"city", func(r *Row) *string { return &r.City }, addressed, 30, nil, FaultUnmappable},
	{"region", func(r *Row) *string { return &r.Region }, everyKind, 30, nil, FaultUnmappable},
	{"postcode", func(r *Row) *string { return &r.Postcode }, everyKind, 12, nil, FaultUnmappable},
	{"country", func(r *Row) *string { return &r.Country }, addressed, 2, checkCountry, ""},
	{"delivery", func(r *Row) *string { return &r.Delivery }, everyKind, 12, checkDelivery, ""},
	{"branch", func(r *Row) *string { return &r.Branch }, everyKind, 12, checkBranch, ""},
	{"language", func(r *Row) *string { return &r.Language }, namedOnly, 2, checkLanguage, ""},
	{"expiry", func(r *Row) *string { return &r.Expiry }, everyKind, 7, checkExpiry, ""},
	{"same_day", func(r *Row) *string { return &r.SameDay }, everyKind, 5, checkSameDay, ""},
}

// OrderColumns lists the columns that a kind of order file may have, and those that it must.
func OrderColumns(kind OrderKind) (allowed, required []string) {
	for i := range orderColumns {
		c := &orderColumns[i]
		if c.kinds[kind] != 0 {
			allowed = append(allowed, c.name)
		}
		if c.kinds[kind] == must {
			required = append(required, c.name)
		}
	}
	return allowed, required
}

// columnNamed finds a column by its name.
func columnNamed(name string) *orderColumn {
	i := slices.IndexFunc(orderColumns, func(c orderColumn) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return &orderColumns[i]
}
